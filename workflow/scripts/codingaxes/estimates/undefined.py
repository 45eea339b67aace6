"""Tell where a statistic is undefined, and say why: its value is then missing (NaN), never a number."""

import numpy as np

ROUNDING = 1e-12  # relative; values that differ by less are the same
FEWEST = 3  # units that a correlation, or an interval, needs
FEW_IMAGES = 20  # below this many held-out images a correlation is warned about
# SD of the measured response. A network computes in float32, whose rounding moves a response by about 1e-6
# SD; what moves it by less than this is rounding, and nothing is divided by it.
NO_CHANGE = 1e-5
NO_CEILING = 1e-6  # Pearson r; the root of what rounding leaves of 1 - 1

# Reasons, as they stand in tables.
FEW = "fewer than 3 images"
FEW_FOR_INTERVAL = "fewer than 4 images: no interval"
SAME_MEASURED = "measured: the same on all images"
SAME_PREDICTED = "predicted: the same on all images"
EXACT = "r is ±1: no interval"
ONE_IMAGE = "the same on all images but one: no interval"
NO_INTERVAL = "too few images, or the same on all: no interval"
WITHOUT_CEILING = "no noise ceiling above 0"
SOME_FOLD = "in a fold: fewer than 3 images, or the same on all"
IN_SPLIT = "in this split: fewer than 3 images, or the same on all"
TARGET_UNMOVED = "the target's own attack does not move it"
SOURCE_UNMOVED = "the source's own attack does not move it"
NOT_REACHED = "no attack reached the wanted change"
NO_IMAGE = "no image has a value"
FEW_NETWORKS = "fewer than 3 networks have both"
SAME_NETWORKS = "one of the two is the same for all networks"
NO_LEVELS = "a natural level of the maker or of the reviewer is missing"
FEW_LEVELS = "fewer than 3 levels"
SAME_LEVELS = "the maker's level is the same at all levels"
NONE_BEYOND = "no level beyond natural ones was wanted, of an image that is natural"
NO_JUDGE = "no judge of another architecture"
NO_EVIDENCE = "judges have no evidence for categories of the region"


def constant(values, axis=0):
    """Tell where values are the same along an axis, but for rounding: they differ by 1e-12 of the largest.

    Parameters
    ----------
    values : array
        At least one along the axis.

    Returns
    -------
    bool or array of bool
        False where a value is missing.
    """
    values = np.asarray(values, float)
    return np.ptp(values, axis=axis) <= ROUNDING * np.abs(values).max(axis=axis)


def squarable(values, axis=0):
    """Scale values by a power of two where their squares, or products of these, would be 0 or infinite.

    That changes no digit of a correlation. Without it, the correlation of responses of 1e-200 is infinite.

    Parameters
    ----------
    values : array of floats

    Returns
    -------
    array
        The same object if nothing has to be scaled; else float64, the largest along the axis from 0.5 to 1.
    """
    largest, kind = np.abs(values).max(axis=axis, keepdims=True), np.finfo(values.dtype)
    low, high = float(kind.tiny) ** 0.25 * 8, float(kind.max) ** 0.25 / values.shape[axis]
    if not ((largest > 0) & ((largest < low) | (largest > high))).any():
        return values
    return np.ldexp(values.astype(float), -np.frexp(largest.astype(float))[1])


def moves(change):
    """Tell where a mean change, SD, is more than the rounding of a network: what shares are taken of.

    A readout that is constant, because its penalty lies at the edge of the grid or its target does not vary,
    changes by rounding alone, also under its own attack. A share of that would be any number.

    Parameters
    ----------
    change : array
        Mean over images of a model's change under its own attack; NaN where nothing is known.
    """
    return np.abs(change) > NO_CHANGE


def reference(own, key):
    """Give own changes where a share can be taken of them: where their mean over a key is no rounding.

    Parameters
    ----------
    own : DataFrame
        Attacks on a model itself, with the column change (see `measures.attacked_change`) and those of `key`.
    key : list of str
        Columns that tell apart the model, the region and the size.

    Returns
    -------
    Series
        `own.change`, NaN where `moves` says no.
    """
    return own.change.where(moves(own.groupby(key).change.transform("mean")))


def say(conditions):
    """Say of each row which reasons hold, one after the other; empty where none does.

    Parameters
    ----------
    conditions : dict, reason -> bool or array of bool (rows,)
        In the order in which they are said.

    Returns
    -------
    list of str (rows,)
    """
    holds = np.broadcast_arrays(*(np.asarray(where, bool) for where in conditions.values()))
    columns = [np.where(where, reason, "") for reason, where in zip(conditions, holds, strict=True)]
    return join(*(map(str, column) for column in columns))


def join(*columns):
    """Join the reasons of each row from several lists of them (rows,)."""
    return ["; ".join(dict.fromkeys(filter(None, row))) for row in zip(*columns, strict=True)]


def of_estimate(estimate, low, nothing=NO_IMAGE):
    """Say why estimates (rows,), or else their intervals, are missing.

    Parameters
    ----------
    estimate, low : arrays or Series (rows,)
        With the lower end of the interval.
    nothing : str or array of str (rows,)
        Why an estimate is missing.

    Returns
    -------
    list of str (rows,)
    """
    absent = np.isnan(np.asarray(estimate, float))
    ends = {NO_INTERVAL: ~absent & np.isnan(np.asarray(low, float))}
    return join(map(str, np.where(absent, nothing, "")), say(ends))


def of_ranks(correlation, n):
    """Say why rank correlations over `n` networks (rows,) are missing."""
    absent, few = np.isnan(np.asarray(correlation, float)), np.asarray(n) < FEWEST
    return say({FEW_NETWORKS: absent & few, SAME_NETWORKS: absent & ~few})


def of_correlation(x, y, r, low):
    """Say why Pearson's r of each target, or else its interval, is missing.

    Parameters
    ----------
    x, y : arrays (images, targets)
        Predicted and measured.
    r, low : arrays (targets,)
        From `bootstrap.correlation`, and the lower end of `bootstrap.correlation_interval`.

    Returns
    -------
    list of str (targets,)
    """
    if len(x) < FEWEST:
        return [FEW] * len(r)
    same = {SAME_MEASURED: constant(y), SAME_PREDICTED: constant(x)}
    missing = np.isnan(low) & ~np.isnan(r)
    few, exact = len(x) < FEWEST + 1, np.abs(r) >= 1 - ROUNDING
    ends = {FEW_FOR_INTERVAL: missing & few, EXACT: missing & ~few & exact}
    return say(same | ends | {ONE_IMAGE: missing & ~few & ~exact})
