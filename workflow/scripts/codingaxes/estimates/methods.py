"""Compare methods of making images, by the response that they change, at equal norm and at equal effect.

Notation: an image x of l2 size s = ||x - x₀|| has the value v, the change of a response. The images that one
method made of one original, for one region and direction, are a *path*: v as a function of s, known at the
sizes that the method made. Between two neighbouring sizes v is linear in log s. Beyond the smallest and the
largest size of a path nothing is known, and nothing is said. Sizes of one nominal size differ by rounding to
8 bits, so sizes within 1% of each other count as one (`SAME`), at the ends of a path too.

All values of a path share its sizes, so they are arrays (sizes, columns): one column for each model and
measure.
"""

from dataclasses import dataclass

import numpy as np

from codingaxes.estimates import bootstrap, undefined

SAME = 1.01  # ratio of two sizes that count as one
POINTS = 25  # sizes of a curve, evenly spaced in their logarithm
QUANTILE = 0.95  # of the noise floor
NEVER, ALREADY = np.inf, -np.inf  # log sizes: a change that no image of a path has, or already the smallest


@dataclass(frozen=True)
class Path:
    """Hold the values of the images of one original, by size."""

    image: str  # the original
    sizes: np.ndarray  # (k,) natural logarithms of l2, ascending
    values: np.ndarray  # (k, columns)

    def at(self, sizes):
        """Interpolate the values at some log sizes (g,): (g, columns); NaN beyond the ends of the path."""
        return interpolate(self.sizes, self.values, sizes)


def make_path(image, l2, values):
    """Make a path of images in any order; those of one size, within `SAME` of the least, are averaged.

    Parameters
    ----------
    image : str
    l2 : array (n,)
        Above 0.
    values : array (n, columns)
    """
    order = np.argsort(l2, kind="stable")
    sizes, values = np.log(np.asarray(l2, float)[order]), np.asarray(values, float)[order]
    group, first = np.zeros(len(sizes), int), sizes[0]
    for place in range(1, len(sizes)):
        another = sizes[place] - first > np.log(SAME)
        first = sizes[place] if another else first
        group[place] = group[place - 1] + another
    counts = np.bincount(group)
    means = np.stack([np.bincount(group, column) for column in values.T], axis=1) / counts[:, None]
    return Path(image, np.bincount(group, sizes) / counts, means)


def interpolate(sizes, values, at):
    """Interpolate linearly between the ends of `sizes`, and never beyond them but for `SAME`.

    Parameters
    ----------
    sizes : array (k,)
        Natural logarithms, ascending.
    values : array (k, columns)
    at : array (g,)
        Natural logarithms.

    Returns
    -------
    array (g, columns)
        NaN where `at` lies beyond the ends by more than the log of `SAME`.
    """
    at = np.asarray(at, float)
    inside = np.clip(at, sizes[0], sizes[-1])
    right = np.clip(np.searchsorted(sizes, inside), 1, max(1, len(sizes) - 1))
    if len(sizes) == 1:
        found = np.repeat(values, len(at), axis=0)
    else:
        share = (inside - sizes[right - 1]) / (sizes[right] - sizes[right - 1])
        found = values[right - 1] + share[:, None] * (values[right] - values[right - 1])
    return np.where((np.abs(at - inside) <= np.log(SAME))[:, None], found, np.nan)


def mean_height(path, low, high):
    """Average the values of a path over the log sizes from `low` to `high`, exactly: (columns,).

    It is the area under the path, over its width; of one size, low and high, the value there. NaN where the
    path does not reach as far.
    """
    if low == high:
        return path.at([low])[0]
    between = path.sizes[(path.sizes > low) & (path.sizes < high)]
    sizes = np.concatenate([[low], between, [high]])
    return np.trapezoid(path.at(sizes), sizes, axis=0) / (high - low)


def size_for(path, effect):
    """Find the smallest log size at which the values of a path reach an effect: (columns,).

    Returns
    -------
    array (columns,)
        `NEVER` where no value does, `ALREADY` where that of the smallest size is above it, so that the size
        is not known; NaN where the values are.
    """
    reached = path.values >= effect
    first = reached.argmax(axis=0)
    found = np.full(path.values.shape[1], NEVER)
    for column in np.flatnonzero(reached.any(axis=0)):
        k = first[column]
        if k == 0:
            exact = np.isclose(path.values[0, column], effect, rtol=undefined.ROUNDING, atol=0)
            found[column] = path.sizes[0] if exact else ALREADY
            continue
        below, above = path.values[k - 1 : k + 1, column]
        share = (effect - below) / (above - below)
        found[column] = path.sizes[k - 1] + share * (path.sizes[k] - path.sizes[k - 1])
    return np.where(np.isnan(path.values).any(axis=0), np.nan, found)


def range_of(paths):
    """Find the log sizes that all paths of a method have, between which its curve is of the same images.

    Parameters
    ----------
    paths : list of Path

    Returns
    -------
    low, high : floats
        NaN without a path, and where the paths have no size in common. Two equal numbers where there is one
        such size, within `SAME`.
    """
    if not paths:
        return np.nan, np.nan
    low, high = max(path.sizes[0] for path in paths), min(path.sizes[-1] for path in paths)
    if low <= high:
        return low, high
    middle = (low + high) / 2
    return (middle, middle) if low - high <= np.log(SAME) else (np.nan, np.nan)


def common_range(ranges):
    """Find the log sizes that all methods have, of those that have a range at all.

    Parameters
    ----------
    ranges : list of pairs
        From `range_of`.

    Returns
    -------
    low, high : floats
        NaN where there are none.
    """
    known = [(low, high) for low, high in ranges if not np.isnan(low)]
    if not known:
        return np.nan, np.nan
    low, high = max(low for low, _ in known), min(high for _, high in known)
    if low <= high:
        return low, high
    middle = (low + high) / 2
    return (middle, middle) if low - high <= np.log(SAME) else (np.nan, np.nan)


def sizes_between(paths, common):
    """Choose the log sizes of the curves: evenly spaced over all paths, and the ends of the common range."""
    if not paths:
        return np.zeros(0)
    ends = min(path.sizes[0] for path in paths), max(path.sizes[-1] for path in paths)
    sizes = np.linspace(*ends, POINTS) if ends[1] > ends[0] else np.array(ends[:1])
    inside = [size for size in common if not np.isnan(size)]
    sizes = np.sort(np.concatenate([sizes, inside]))
    apart = np.concatenate([[True], np.diff(sizes) > undefined.ROUNDING])
    return sizes[apart]


def median_size(sizes, images, rng, draws):
    """Take the median of log sizes that an effect needs, and its 95% interval by resampling images.

    An image that does not reach the effect counts as if it needed more than any other, and one that has it
    at its smallest size as if it needed less. So neither distorts the median, which is known while it is
    none of them.

    Parameters
    ----------
    sizes : array (n,)
        From `size_for`; NaN does not count.
    images : array (n,)
        Originals; several values of one stay together.
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    estimate, low, high : floats
        `NEVER` or `ALREADY` where the median is one of these, NaN without a value. No interval for fewer than
        three images; an end is NaN where it is not known.
    """
    known = ~np.isnan(sizes)
    sizes, images = sizes[known], np.asarray(images)[known]
    if not len(sizes):
        return np.nan, np.nan, np.nan
    order = np.argsort(sizes, kind="stable")
    # infinite numbers cannot be averaged or subtracted: these stand for them, and are far from all others
    finite = sizes[np.isfinite(sizes)]
    far = 1e6 * (1 + np.abs(finite).max(initial=0.0))
    values = np.clip(sizes[order], -far, far)

    def told(value):
        beyond = np.abs(value) > far / 10
        return np.sign(value) * np.inf if beyond else value

    names, place = np.unique(images[order], return_inverse=True)
    estimate = told(bootstrap.weighted_median(values, np.ones((len(values), 1), np.int32))[0])
    if len(names) < undefined.FEWEST or not np.isfinite(estimate):
        return estimate, np.nan, np.nan
    counts = np.ascontiguousarray(bootstrap.draw_counts(len(names), rng, draws).T)
    low, high = bootstrap.percentiles(bootstrap.resampled_medians(values, [(counts, place)], draws))
    wider = bootstrap.widening(np.ones(1), np.array([len(names)]))
    ends = [told(estimate + wider * min(0, low - estimate)), told(estimate + wider * max(0, high - estimate))]
    return estimate, *(end if np.isfinite(end) else np.nan for end in ends)


def noise_floor(changes):
    """Give the mean of |change| by draws of white noise, and the size that one draw in 20 exceeds.

    The quantile is Weibull's: a further draw exceeds it with a probability of 5%, however few draws there
    are. That of Hyndman & Fan's type 7, numpy's default, is exceeded in 9% of cases, of 20 draws.

    Parameters
    ----------
    changes : array (draws, n)
        |change|; 20 draws or more.

    Returns
    -------
    mean, quantile : arrays (n,)
        NaN where a draw is.

    Source
    ------
    R. J. Hyndman & Y. Fan, Sample quantiles in statistical packages, American Statistician 50 (1996) 361-365:
    type 6.
    """
    known = ~np.isnan(changes).any(axis=0)
    mean, quantile = np.full((2, changes.shape[1]), np.nan)
    mean[known] = changes[:, known].mean(axis=0)
    quantile[known] = np.quantile(changes[:, known], QUANTILE, axis=0, method="weibull")
    return mean, quantile


def front(size, value):
    """Tell which points no other beats: the Pareto front of small sizes and large values.

    A point is beaten by another of at most its size and at least its value, if one of the two is better.

    Parameters
    ----------
    size, value : arrays (n,)

    Returns
    -------
    array of bool (n,)
        False where a value is missing. Equal points are on the front together.
    """
    size, value = np.asarray(size, float), np.asarray(value, float)
    on = np.zeros(len(size), bool)
    best, best_size = -np.inf, np.nan
    for place in np.lexsort((-value, size)):
        if np.isnan(size[place]) or np.isnan(value[place]):
            continue
        same = value[place] == best and size[place] == best_size
        if value[place] > best or same:
            on[place] = True
            best, best_size = value[place], size[place]
    return on
