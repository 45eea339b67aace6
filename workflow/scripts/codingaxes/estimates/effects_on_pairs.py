"""Average over pairs of models what attacks with a wanted effect do, and find the pair moved least."""

import numpy as np

from codingaxes.estimates import bootstrap, measures


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
