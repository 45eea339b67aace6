"""tables -> estimates with intervals: bootstrap over images."""

import numpy as np

LEVEL = (2.5, 97.5)  # percentiles of a 95% interval


def correlation(x, y, axis=0):
    """Pearson r along an axis; NaN where one of the two is constant."""
    x = x - x.mean(axis=axis, keepdims=True)
    y = y - y.mean(axis=axis, keepdims=True)
    norm = np.sqrt((x**2).sum(axis=axis) * (y**2).sum(axis=axis))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, (x * y).sum(axis=axis) / norm, np.nan)


def determination(predicted, measured):
    """R squared of predictions (images, targets) about the measured mean; below 0: worse than that mean."""
    total = np.square(measured - measured.mean(axis=0)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, 1 - np.square(predicted - measured).sum(axis=0) / total, np.nan)


def bootstrap_correlation(x, y, rng, draws):
    """95% interval of Pearson r by resampling images.

    Parameters
    ----------
    x, y : arrays (images, targets)
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    low, high : arrays (targets,)

    Source
    ------
    The percentile bootstrap: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    sampled = []
    for _ in range(draws):
        rows = rng.integers(0, len(x), len(x))
        sampled.append(correlation(x[rows], y[rows]))
    return np.nanpercentile(np.array(sampled), LEVEL, axis=0)


def bootstrap_mean_ratio(numerator, denominator, rng, draws):
    """Mean over pairs of a ratio of means over images, and its 95% interval by resampling images.

    Parameters
    ----------
    numerator, denominator : arrays (pairs, images)
        The same images for all pairs. For a plain mean give a denominator of ones.
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    estimate, low, high : floats
    """

    def mean_ratio(top, bottom):
        return (top.mean(axis=-1) / bottom.mean(axis=-1)).mean(axis=0)

    rows = rng.integers(0, numerator.shape[1], (draws, numerator.shape[1]))
    low, high = np.percentile(mean_ratio(numerator[:, rows], denominator[:, rows]), LEVEL)
    return float(mean_ratio(numerator, denominator)), float(low), float(high)
