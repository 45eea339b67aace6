"""Estimate 95% intervals by resampling images, or subjects and images.

scipy.stats.bootstrap does not serve here: many cells must share the resampled images, so that their intervals
can be compared; subjects and images are crossed, which it does not know; and images that lack a value are
resampled too. Intervals are percentiles. scipy's default, BCa, corrects with a jackknife, which fails for
medians (B. Efron & R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11).
"""

import numpy as np

LEVEL = (2.5, 97.5)  # percentiles of a 95% interval
AT_ONCE = 2**18  # weights that a bootstrap works on together: they fit into a cache


def correlation(x, y, axis=0):
    """Compute Pearson's r along an axis.

    It is scipy.stats.pearsonr without its p-values and without a warning where the data are constant. The
    bootstrap calls it a thousand times.

    Parameters
    ----------
    x, y : arrays of one shape

    Returns
    -------
    array
        NaN where one of the two is constant.
    """
    x = x - x.mean(axis=axis, keepdims=True)
    y = y - y.mean(axis=axis, keepdims=True)
    norm = np.sqrt((x**2).sum(axis=axis) * (y**2).sum(axis=axis))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, (x * y).sum(axis=axis) / norm, np.nan)


def determination(predicted, measured):
    """Compute R² of predictions about the measured mean: 1 - squared error / variance.

    It is sklearn.metrics.r2_score, but missing where the measurements are constant.

    Parameters
    ----------
    predicted, measured : arrays (images, targets)

    Returns
    -------
    array (targets,)
        Below 0 where predictions are worse than the measured mean; NaN where measurements are constant.
    """
    total = np.square(measured - measured.mean(axis=0)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, 1 - np.square(predicted - measured).sum(axis=0) / total, np.nan)


def bootstrap_correlation(x, y, rng, draws):
    """Compute the 95% interval of Pearson's r by resampling images, the same for all targets.

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


def ratio(top, bottom):
    """Divide two arrays of one shape; NaN where the bottom is 0."""
    undefined = np.full_like(
        bottom, np.nan, dtype=float
    )  # of the bottom's memory layout, as a sum's order is
    return np.divide(top, bottom, out=undefined, where=bottom != 0)


def bootstrap_mean_ratio(numerator, denominator, rng, draws):
    """Average over pairs a ratio of means over images, and give its 95% interval by resampling images.

    Parameters
    ----------
    numerator, denominator : arrays (pairs, images)
        The same images for all pairs. For a plain mean give a denominator of ones.
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    estimate, low, high : floats
        NaN where the mean of a denominator is 0; samples in which one is 0 are left out of the interval.
    """

    def mean_ratio(top, bottom):
        return ratio(top.mean(axis=-1), bottom.mean(axis=-1)).mean(axis=0)

    rows = rng.integers(0, numerator.shape[1], (draws, numerator.shape[1]))
    low, high = percentiles(mean_ratio(numerator[:, rows], denominator[:, rows]))
    return float(mean_ratio(numerator, denominator)), float(low), float(high)


def draw_counts(size, rng, draws):
    """Draw how often each of `size` units is in a sample of as many, with replacement: ints (draws, size)."""
    units = rng.integers(0, size, (draws, size)) + size * np.arange(draws)[:, None]
    return np.bincount(units.ravel(), minlength=draws * size).reshape(draws, size).astype(np.int32)


def bootstrap_ratios(top, bottom, counts):
    """Compute ratios of sums over images, of many cells, and their 95% intervals by resampling images.

    All cells share the resampled images, so that their intervals can be compared.

    Parameters
    ----------
    top, bottom : arrays (cells, images)
        What is missing is 0 in both. For a mean give the number of values as the bottom.
    counts : array (draws, images)
        From `draw_counts`.

    Returns
    -------
    estimate, low, high : arrays (cells,)
        NaN where the bottom is 0 on all images; samples whose bottom is 0 are left out of the interval.
    """
    estimate = ratio(top.sum(axis=1), bottom.sum(axis=1))
    return estimate, *percentiles(ratio(counts @ top.T, counts @ bottom.T))


def percentiles(samples):
    """Give the ends of the 95% interval of samples (draws, ...); draws that are NaN do not count."""
    defined = np.isfinite(samples)
    if defined.all():
        return np.percentile(samples, LEVEL, axis=0)
    empty = ~defined.any(axis=0)
    low, high = np.nanpercentile(np.where(empty, 0.0, samples), LEVEL, axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def weighted_median(values, weights):
    """Compute medians of values that count several times or not at all.

    Parameters
    ----------
    values : array (n,)
        Ascending.
    weights : array (n, draws) of ints
        How often each value counts.

    Returns
    -------
    array (draws,)
        As `numpy.median` of the repeated values; NaN where nothing counts.
    """
    upto = weights.cumsum(axis=0, dtype=np.int32)
    total = upto[-1]
    lower = np.count_nonzero(2 * upto < total, axis=0)
    upper = np.count_nonzero(2 * upto <= total, axis=0)
    middle = (values[lower] + values[np.minimum(upper, len(values) - 1)]) / 2
    return np.where(total > 0, middle, np.nan)


def hierarchical_bootstrap(values, subjects, images, rng, draws):
    """Compute the median of values that belong to subjects and images, and its 95% interval over both.

    In every draw subjects are resampled and, once for all of them, images: all subjects saw the same images,
    so an image that happens to be sensitive is so in every subject. Resampling images anew within each
    subject (nested) would take these common parts for independent, and average them away. Further values of
    a subject and image (directions, draws of noise) stay together. With one subject only images are
    resampled.

    Parameters
    ----------
    values : array (n,)
        Missing ones (NaN) do not count; it is for the caller to report how many there are.
    subjects, images : arrays (n,)
        Labels of any kind. Not every subject needs a value of every image.
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    estimate, low, high : floats
        NaN if all values are missing. The interval of crossed factors is a little too wide where values vary
        most within an image and subject (Owen 2007), and too narrow with few subjects, as any bootstrap over
        them.

    Source
    ------
    A. B. Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007) 386-411: crossed factors.
    V. Saravanan, G. J. Berman & S. J. Sober, Application of the hierarchical bootstrap to multi-level data in
    neuroscience, Neurons, Behavior, Data Analysis and Theory 3 (2020): why values are not the unit.
    """
    values = np.asarray(values, float)
    defined = np.isfinite(values)
    if not defined.any():
        return np.nan, np.nan, np.nan
    order = np.argsort(values[defined], kind="stable")
    values = values[defined][order]
    counts, places = [], []
    for labels in (images, subjects):  # images first: with equal seeds they are the same for any subjects
        names, place = np.unique(np.asarray(labels)[defined][order], return_inverse=True)
        if len(names) > 1:
            counts.append(np.ascontiguousarray(draw_counts(len(names), rng, draws).T))
            places.append(place)
    samples = []
    for start in range(0, draws, step := max(32, AT_ONCE // len(values))):
        weights = np.ones((len(values), min(step, draws - start)), np.int32)
        for drawn, place in zip(counts, places, strict=True):
            weights *= drawn[:, start : start + step][place]
        samples.append(weighted_median(values, weights))
    low, high = percentiles(np.concatenate(samples))
    estimate = weighted_median(values, np.ones((len(values), 1), np.int32))[0]
    return float(estimate), float(low), float(high)
