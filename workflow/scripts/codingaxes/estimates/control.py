"""Define the measures of control once: do responses follow where a model predicts that they go?

Notation: r is a response in SD of the measured response over training images. Its natural level (see
`levels`) is (r - q01) / (q99 - q01), with the quantiles 0.01 and 0.99 of the same model's responses to
natural images, so that 0 to 1 is nature. The *maker* is the model that an image was made for, a *reviewer*
any model that it is shown to. Both see the saved 8-bit file.

Sources: J. S. Prince and colleagues (2026), parametric neural control (bioRxiv 10.64898/2026.08.16.745063),
bring images to levels of a predicted response; G. Gaziv, M. J. Lee & J. J. DiCarlo, Strong and precise
modulation of human percepts via robustified ANNs (NeurIPS 2023), move images along a ladder of l2 sizes,
beside blends with natural images, and judge them by models that did not make them.
"""

import numpy as np
import pandas as pd
from scipy.stats import t

from codingaxes.estimates import bootstrap, measures, undefined
from codingaxes.estimates.sums import Sums

FEWEST_LEVELS = 3  # that a slope is fitted to
TRAINING = ("family", "architecture", "training_radius")  # of networks of the zoo; beside these, a seed
KNOWN = "zoo"  # as a source: the training is known
BOOTSTRAPPED = 6  # images: of fewer, intervals are by Student's t, see `mean_over_images`
AT_ONCE = 1024  # cells of a bootstrap that are in memory together


def beside_predictions(reviews, own=None):
    """Give every accentuated image, of all reviewers, the level that its maker predicts.

    That is the level of the maker itself on the saved file of the image that was made for it. A control
    stands in for such an image: it has that image's level, and what was wanted of it.

    Parameters
    ----------
    reviews : DataFrame
        Accentuated images of the table peer_review.
    own : DataFrame, optional
        The same of all makers' own reviews, where `reviews` are those of some reviewers.

    Returns
    -------
    DataFrame
        `reviews` with predicted and wanted (natural levels), and predicted_response (SD); missing where the
        maker's own review is.
    """
    place = ["network", "arm", "roi", "image_id", "step"]
    own = own_reviews(reviews) if own is None else own
    own = own.groupby(place, observed=True)[["level", "response", "wanted_level"]].mean()
    names = {"level": "predicted", "response": "predicted_response", "wanted_level": "wanted"}
    return reviews.join(own.rename(columns=names), on=place, validate="many_to_one")


def own_reviews(reviews):
    """Take what makers themselves answer to the images that were made for them, without controls."""
    return reviews[(reviews.reviewer == reviews.network) & (reviews.control == "none")]


def control_slope(reviews, unit):
    """Measure how far a reviewer follows: the slope of its level on the level that the maker predicts.

    slope = Σ (p - p̄) y / Σ (p - p̄)², by least squares over the levels of accentuation of one start image; p
    is the maker's own natural level and y the reviewer's, both of the saved file. With 1 the reviewer follows
    as predicted, with 0 it does not. The maker follows itself with 1. Of the simulated brain it is the
    *control slope*. Levels that the maker did not reach count with the level that it did reach.

    Parameters
    ----------
    reviews : DataFrame
        From `beside_predictions`.
    unit : list of str
        Columns that tell apart maker, reviewer, region, arm, control and start image.

    Returns
    -------
    DataFrame, indexed by `unit`
        slope, and the reasons for which it is missing: unknown (a level of neither reviewer nor maker is
        known), few (levels, fewer than three) and same (the maker's levels, but for rounding). Rounding is
        what `undefined.constant` says of levels, and `undefined.moves` of the response.

    Source
    ------
    Prince and colleagues 2026, who relate measured to predicted responses over levels.
    """
    known = reviews.dropna(subset=["predicted", "level"])
    means = known.groupby(unit, observed=True).predicted.transform("mean")
    centred = known.predicted - means
    groups = known.groupby(unit, observed=True)
    xy, xx = (Sums(groups.ngroups) for _ in range(2))
    xy.add(groups.ngroup().to_numpy(), (centred * known.level).to_numpy())
    xx.add(groups.ngroup().to_numpy(), (centred**2).to_numpy())
    level, response = (groups[name].agg(["min", "max"]) for name in ("predicted", "predicted_response"))
    table = reviews[unit].drop_duplicates().set_index(unit).assign(unknown=False)
    table["levels"] = groups.step.nunique()
    table["unknown"] = table.levels.isna()
    table["few"] = table.levels < FEWEST_LEVELS
    same = undefined.constant(level, axis=1) | ~undefined.moves(response["max"] - response["min"])
    table["same"] = same.reindex(table.index, fill_value=False) & ~table.few
    slope = xy.total / pd.Series(xx.total, same.index).where(~same)
    table["slope"] = slope.reindex(table.index).where(~table.few)
    return table[["slope", "unknown", "few", "same"]]


def super_stimuli(level, wanted, before):
    """Tell which images that were to leave the range of natural responses do: 1 or 0.

    Parameters
    ----------
    level, wanted, before : Series
        Natural levels: of a reviewer, the one that was wanted of the maker, and of the reviewer at the start
        image.

    Returns
    -------
    Series of float
        1 where a level above 1 was wanted and is above 1, or one below 0 was wanted and is below 0. Missing
        where the wanted level is natural, the reviewer's level is missing, or the start image lies beyond
        the same end of nature already. Its mean is the rate of super-stimuli.
    """
    beyond = ((wanted > 1) & (before <= 1)) | ((wanted < 0) & (before >= 0))
    found = ((wanted > 1) & (level > 1)) | ((wanted < 0) & (level < 0))
    return found.astype(float).where(beyond & level.notna())


def level_error(level, wanted):
    """Give the absolute difference of a reviewer's natural level from the one that was wanted of the maker.

    Parameters
    ----------
    level, wanted : Series
    """
    return (level - wanted).abs()


def evidence_change(before, after, direction):
    """Give the change of category evidence, positive where it follows the wanted change of the response.

    A change is meaningful if an independent judge (see `independent`) finds more of the region's categories
    in an image that increases the region's response, and less where it decreases.

    Parameters
    ----------
    before, after : Series
        Evidence of a judge for the categories of the region, SD over natural images: start image, saved file.
    direction : Series of str

    Source
    ------
    Gaziv, Lee & DiCarlo 2023, whose judges are people and models that did not make the image.
    """
    return measures.attacked_change(after - before, direction)


def independent(makers, judges, networks):
    """Tell where a judge has another architecture than the maker, so that it is neither it nor its twin.

    The simulated brain has no architecture in common with a network, but does not judge its own images.

    Parameters
    ----------
    makers, judges : Series of str
    networks : DataFrame
        The table networks, indexed by network.
    """
    return measures.describe_pairs(makers, judges, networks).architectures == "different"


def twins(one, other, networks):
    """Tell where two networks have the same architecture and training, and differ in their seed alone.

    Only of networks of the zoo is the whole training known: others are no twins.

    Parameters
    ----------
    one, other : Series of str
    networks : DataFrame
        The table networks, indexed by network.
    """
    known = networks[networks.source == KNOWN]
    recipes = known.groupby(list(TRAINING), sort=False).ngroup()
    first, second = (names.astype("str").map(recipes) for names in (one, other))
    return (first == second) & (one.astype("str") != other.astype("str"))


def mean_over_images(value, cell, image, rng, draws):
    """Average a column over images in many cells, with 95% intervals by resampling images.

    Other values of an image (draws, regions, judges) stay together. All cells share the resampled images.

    The interval is that of `bootstrap.bootstrap_ratios`, and of three to five images by Student's t with the
    same standard error, because a sample of so few images often repeats one of them, and its error is then
    far too small. Coverage of a mean in 1500 simulations of normal data, bootstrap-t and Student's t: 82 and
    95% of 3 images, 95 and 95% of 4, 94 and 95% of 5; of 4 images one interval in ten by the bootstrap-t is
    longer than 26 SD, and by Student's t than 4.6 SD. Of log-normal data whose SD of log values is 1,
    Student's t covers 82 to 84%, at 3 to 5 images.

    Parameters
    ----------
    value : array (n,)
        Missing values (NaN) do not count.
    cell : array of ints (n,)
        From 0, each at least once.
    image : array (n,)
        Labels.
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    DataFrame (cells,)
        mean, ci_low, ci_high, n_images; NaN where no value is known. No interval for fewer than three images,
        or where all are the same.
    """
    column, names = pd.factorize(np.asarray(image), sort=True)
    top, bottom = np.zeros((2, int(cell.max()) + 1, len(names)))
    add_to_sums(top, bottom, value, cell, column)
    return mean_of_sums(top, bottom, rng, draws)


def add_to_sums(top, bottom, value, cell, column):
    """Add values to sums over all but cells and images, in the order in which the values come.

    Parameters
    ----------
    top, bottom : arrays (cells, images) float64
        Sums of values, and numbers of values; changed in place.
    value : array (n,)
        Missing values (NaN) do not count.
    cell, column : arrays of ints (n,)
        Where each value belongs.
    """
    value = np.asarray(value, float)
    known = ~np.isnan(value)
    place = (np.asarray(cell) * top.shape[1] + column)[known]
    np.add.at(top.reshape(-1), place, value[known])
    np.add.at(bottom.reshape(-1), place, 1.0)


def mean_of_sums(top, bottom, rng, draws):
    """Give the means and intervals of `mean_over_images` from the sums of `add_to_sums`."""
    table = pd.DataFrame({"mean": bootstrap.ratio(top.sum(axis=1), bottom.sum(axis=1))})
    low, high = student_interval(top, bottom)
    units = np.count_nonzero(bottom, axis=1)
    counts = bootstrap.draw_counts(top.shape[1], rng, draws).astype(float)
    counts = counts[np.count_nonzero(counts, axis=1) > 1]  # one image alone has no standard error
    enough = np.flatnonzero(units >= BOOTSTRAPPED)
    for start in range(0, len(enough), AT_ONCE):
        rows = enough[start : start + AT_ONCE]
        _, low[rows], high[rows] = bootstrap.bootstrap_ratios(top[rows], bottom[rows], counts)
    return table.assign(ci_low=low, ci_high=high, n_images=units)


def student_interval(top, bottom):
    """Compute 95% intervals of ratios of sums over images by Student's t.

    Parameters
    ----------
    top, bottom : arrays (cells, images)
        What is missing is 0 in both.

    Returns
    -------
    low, high : arrays (cells,)
        NaN for fewer than three images, or where all are the same but for rounding.
    """
    units, total = np.count_nonzero(bottom, axis=1), bottom.sum(axis=1)
    estimate = bootstrap.ratio(top.sum(axis=1), total)
    spread = np.square(top - estimate[:, None] * bottom).sum(axis=1)
    scale = np.square(top).sum(axis=1) + np.square(estimate) * np.square(bottom).sum(axis=1)
    varies = (units >= undefined.FEWEST) & (spread > undefined.ROUNDING * scale)
    freedom = np.maximum(1, units - 1)
    error = np.sqrt(np.where(varies, spread, np.nan) * units / freedom) / np.maximum(1, total)
    half = t.ppf(0.975, freedom) * error
    return estimate - half, estimate + half
