"""Choose the standard and the robust network that stand for all, where there is no room for all."""


def contrasted(rows):
    """Find a standard and the most robustly trained network of the first architecture that has both.

    Parameters
    ----------
    rows : sequence of dict
        Of networks: name, family, architecture and training_radius, in the order of the table.

    Returns
    -------
    standard, robust : str or None
        Names. If no architecture has both, the first standard and the most robust network of all; None where
        there is none of a family.
    """
    rows = list(rows)
    groups = (
        [row for row in rows if row["architecture"] == name]
        for name in dict.fromkeys(row["architecture"] for row in rows)
    )
    both = (group for group in groups if {"standard", "robust"} <= {row["family"] for row in group})
    chosen = next(both, rows)
    standard = next((row["name"] for row in chosen if row["family"] == "standard"), None)
    robust = [row for row in chosen if row["family"] == "robust"]
    return standard, max(robust, key=lambda row: row["training_radius"])["name"] if robust else None
