"""Groups of networks and of pairs of networks that are averaged together, and the sign of a change."""

from codingaxes.columns import BRAIN

SIGN = {"increase": 1.0, "decrease": -1.0}


def attacked_way(change, direction):
    """Changes as positive where they go the way that was attacked; noise, which has none, keeps its sign."""
    return change * direction.map(SIGN).fillna(1.0)


def families(networks):
    """Family of every model: that of the table networks (by name), and one of the simulated brain alone."""
    return {**networks.family.to_dict(), BRAIN: BRAIN}


def by_pair(frame, one, other, networks):
    """Parts of a table of pairs by the families of both, and by whether the architecture is the same.

    Parameters
    ----------
    frame : DataFrame
    one, other : str
        Columns with the names of the two models.
    networks : DataFrame
        The table networks, by name.

    Yields
    ------
    label, part : str, DataFrame
        Only parts with a row; the simulated brain as `other` has a group of its own.
    """
    first, second = frame[one].map(networks.family), frame[other].map(networks.family)
    same = frame[one].map(networks.architecture) == frame[other].map(networks.architecture)
    names = list(dict.fromkeys(networks.family))
    for family in names:
        within = (first == family) & (second == family)
        for label, chosen in (("same architecture", same), ("different architecture", ~same)):
            if (within & chosen).any():
                yield f"within {family}, {label}", frame[within & chosen]
    for family in names:
        for partner in names:
            chosen = (first == family) & (second == partner)
            if family != partner and chosen.any():
                yield f"{family} to {partner}", frame[chosen]
        chosen = (first == family) & (frame[other] == BRAIN)
        if chosen.any():
            yield f"{family} to {BRAIN}", frame[chosen]
