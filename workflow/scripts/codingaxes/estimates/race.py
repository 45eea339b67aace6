"""Ask which property of networks goes with an outcome, and predicts it for a network left out."""

import itertools
import math

import numpy as np
from scipy.stats import rankdata

from codingaxes.estimates.undefined import constant

TIE = 1e-9  # statistics of two permutations that differ by less are ties
FEWEST = 4  # networks for a regression of which each is left out in turn


def rank_test(x, y, draws, rng):
    """Correlate ranks over networks, with a two-sided p-value by permuting the networks.

    Networks count as exchangeable. Those of one architecture and training, which differ in their seed, are
    alike in both columns, so that p is smaller than it would be for independent networks: it is descriptive.

    Parameters
    ----------
    x, y : arrays (n,)
        Without missing values.
    draws : int
        Random permutations; if there are no more than that altogether, all are enumerated.
    rng : numpy.random.Generator

    Returns
    -------
    correlation, p, smallest : floats
        Spearman's; its p-value; and the smallest p that any outcome of this kind could have had. NaN for
        fewer than three networks, or where a column is constant.
    """
    if len(x) < 3 or constant(x) or constant(y):
        return (float("nan"),) * 3
    ranks, others = (_standardised(rankdata(column)) for column in (x, y))
    exact = math.factorial(len(x)) <= draws
    if exact:
        orders = np.array(list(itertools.permutations(range(len(x)))))
    else:
        orders = rng.permuted(np.tile(np.arange(len(x)), (draws, 1)), axis=1)
    observed, null = float(ranks @ others), np.abs(others[orders] @ ranks)
    extreme = (null >= abs(observed) - TIE).sum()
    if exact:  # the observed order is among them
        best = (null >= null.max() - TIE).sum()
        return observed, float(extreme / len(null)), float(best / len(null))
    return observed, float((1 + extreme) / (1 + draws)), 1 / (1 + draws)


def _standardised(column):
    """Centre a column and give it length 1."""
    centred = column - column.mean()
    return centred / np.linalg.norm(centred)


def slope(x, y):
    """Regress y on x: the slope and Pearson's r; NaN for fewer than three rows or a constant column."""
    if len(x) < 3 or constant(x) or constant(y):
        return float("nan"), float("nan")
    covariance = np.cov(x, y)
    return float(covariance[0, 1] / covariance[0, 0]), float(np.corrcoef(x, y)[0, 1])


def left_out(x, y, groups):
    """Predict y of each network from x by a line through the others; the explained share of its variance.

    R² = 1 - Σ (y - predicted)² / Σ (y - mean of the others)². It compares the line with the mean of the same
    other networks, so that 0 means that x is of no use, and a negative value that it misleads.

    Parameters
    ----------
    x, y : arrays (n,)
    groups : array (n,)
        Networks of one group are left out together. All different: one network at a time.

    Returns
    -------
    float
        At most 1. NaN where fewer than `FEWEST` networks are there, y is constant, or fewer than three or a
        constant x are left to draw a line.
    """
    x, y, groups = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(groups)
    if len(x) < FEWEST:
        return float("nan")
    errors = np.empty((2, len(x)))
    for group in np.unique(groups):
        out = groups == group
        if (~out).sum() < 3 or constant(x[~out]):
            return float("nan")
        line = np.polynomial.Polynomial.fit(x[~out], y[~out], 1)
        errors[:, out] = y[out] - line(x[out]), y[out] - y[~out].mean()
    if constant(y):
        return float("nan")
    squares = np.square(errors).sum(axis=1)
    return float(1 - squares[0] / squares[1])
