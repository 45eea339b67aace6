"""Describe what attacks with a wanted effect do to other models: the table fixed_effect."""

import numpy as np
import pandas as pd

from codingaxes.estimates import bootstrap, measures

PAIR = ["roi", "source", "target"]
KIND = ["family_source", "family_target", "architectures"]
RATIOS = {"change": ("change", "one"), "of_target": ("both", "target_own")}


def sums(rows, networks):
    """Sum what attacks with a wanted effect do to other models, within each pair, region and image.

    Returns
    -------
    DataFrame, indexed by region, source and target
        Columns (what is summed, image); 0 where no attack is counted.
    """
    rows = rows[(rows.source != rows.target) & rows.source.isin(networks.index)]
    both = rows.change.where(rows.target_own.notna())
    rows = rows.assign(one=1.0, both=both, target_own=rows.target_own.where(both.notna()))
    names = ["change", "one", "both", "target_own"]
    rows[names] = rows[names].where(rows.counted, 0.0)  # a pair that reached nothing still has its images
    return rows.groupby([*PAIR, "image_id"])[names].sum().unstack("image_id")


def describe(cells, means, networks, counts):
    """Yield, for each region and kind of pair, what attacks with one wanted effect do to other models.

    Parameters
    ----------
    cells : DataFrame
        From `sums`, of all pairs.
    means : DataFrame
        Of the same attacks: a row for each region, source and target, and for all regions together.
    networks : DataFrame
        The table networks, indexed by network.
    counts : array (draws, images)
        From `bootstrap.draw_counts`.
    """
    means = means[(means.source != means.target) & means.source.isin(networks.index)]
    if means.empty:  # a single network has no other to move
        return
    images = np.unique(cells.columns.get_level_values("image_id"))
    cells = {name: cells[name].reindex(columns=images) for name in ("change", "one", "both", "target_own")}
    for roi in ["all", *dict.fromkeys(means.roi[means.roi != "all"])]:
        part = means[means.roi == roi] if roi != "all" else means[means.roi != "all"]
        for kind, pairs in kinds_of_targets(part, networks):
            index = pd.MultiIndex.from_frame(pairs[PAIR])
            values = {name: cell.reindex(index).fillna(0.0).to_numpy() for name, cell in cells.items()}
            row = {"roi": roi, **dict(zip(KIND, kind, strict=True)), "n_images": len(images)}
            for name, (above, below) in RATIOS.items():
                estimate = mean_over_pairs(values[above], values[below], counts)
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), estimate, strict=True))
            yield row | least(pairs)


def kinds_of_targets(pairs, networks):
    """Yield kinds of pairs, and for each family of sources the pairs with every other model."""
    yield from measures.kinds_of_pairs(pairs, "source", "target", networks)
    family = pairs.source.map(networks.family)
    for name in dict.fromkeys(networks.family):
        if (family == name).any():
            yield (name, "all", "any"), pairs[family == name]


def mean_over_pairs(above, below, counts):
    """Average over pairs a ratio of sums over images (pairs, images), with its interval over images.

    Pairs without a value are left out, and samples in which another pair has none.
    """
    estimates = bootstrap.ratio(above.sum(axis=1), below.sum(axis=1))
    known = np.isfinite(estimates)
    if not known.any():
        return np.nan, np.nan, np.nan
    samples = bootstrap.ratio(counts @ above[known].T, counts @ below[known].T).mean(axis=1)
    return float(estimates[known].mean()), *map(float, bootstrap.percentiles(samples))


def least(pairs):
    """Find the pair in which the target is moved least, and count the pairs that are moved at all."""
    known = pairs[pairs.change.notna()]
    row = {"least_change": np.nan, "least_low": np.nan, "least_high": np.nan, "moved": np.nan}
    row |= {"least_source": "", "least_target": "", "least_of_target": known.of_target.min()}
    if len(known):
        smallest = known.loc[known.change.idxmin()]
        row["least_change"], row["moved"] = smallest.change, (known.change_low > known.noise).mean()
        row["least_low"], row["least_high"] = smallest.change_low, smallest.change_high
        row["least_source"], row["least_target"] = smallest.source, smallest.target
    row |= {"noise": known.noise.mean(), "reached": pairs.reached.mean()}
    return row | {"n_pairs": len(pairs), "n_left_out": len(pairs) - len(known)}
