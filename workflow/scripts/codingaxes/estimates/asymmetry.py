"""Define what the asymmetry of transfer is made of: the ratio of two sensitivities.

The notation is that of `measures`, whose measures of transfer these explain.
"""

import numpy as np

from codingaxes.estimates import measures, undefined


def sensitivity_ratio(own_target, own_source):
    """Divide the mean change of a target under its own attack by that of the source under its own.

    The share of the source's change that arrives (`measures.relative_transfer` to the source) is the share of
    the target's own attack times this ratio: change / own_source = change / own_target x own_target /
    own_source. A sensitive target so seems to be moved by whatever is shown to it. Read the share of the
    source's change beside this ratio only.

    Parameters
    ----------
    own_target, own_source : arrays of one shape
        Means over the same images and directions of `measures.attacked_change`.

    Returns
    -------
    array
        NaN where the source's change is 0, or rounding.
    """
    return measures.relative_transfer(own_target, own_source)


def transfer_asymmetry(there, back, ratio):
    """Ask how much of the asymmetry of transfer is a ratio of sensitivities.

    Over pairs of models i and j the logarithm of (share of the source's change, i to j, over that of j to i)
    is regressed on twice the logarithm of (own change of j over own change of i). If both move each other by
    the same share of the target's own attack, the two are equal: slope 1, R² 1. Which of a pair is i is
    arbitrary and changes the sign of both, so the line goes through 0, and R² compares with 0, not with a
    mean.

    Parameters
    ----------
    there, back : arrays (n,)
        `measures.relative_transfer` to the source, from i to j and from j to i.
    ratio : array (n,)
        `sensitivity_ratio` of j over i.

    Returns
    -------
    slope, r_squared : floats
        NaN where no pair counts, or all ratios are 1 but for rounding; R² also where transfer is the same
        both ways.
    n : int
        Pairs that count: transfer is positive both ways.
    """
    counted = (there > 0) & (back > 0) & (ratio > 0)
    y, x = np.log(there[counted] / back[counted]), 2 * np.log(ratio[counted])
    # logarithms that are rounding beside 1 are those of equal numbers
    if not len(x) or np.abs(x).max() <= undefined.ROUNDING:
        return np.nan, np.nan, int(counted.sum())
    slope = (x * y).sum() / (x**2).sum()
    varies = np.abs(y).max() > undefined.ROUNDING
    r_squared = 1 - ((y - slope * x) ** 2).sum() / (y**2).sum() if varies else np.nan
    return float(slope), float(r_squared), int(counted.sum())
