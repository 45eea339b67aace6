"""Define every measure of the study once: its formula, its source, and the groups that it is averaged over.

Summaries write these measures to tables; figures, texts and claims only read those. For intervals see
`bootstrap`.

Notation: r is a predicted response in SD of the measured response over training images, x an image, and δ a
perturbation. "The study" is N. McNeal & N. A. Ratan Murty, Targeted perturbations reveal brain-like local
coding axes in robustified, but not standard, ANN-based brain models (arXiv 2509.23333, 2025), and their talk.
"""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from codingaxes.estimates import bootstrap, undefined
from codingaxes.names import BRAIN, GROUP, LARGEST, NOISE, SIGNS

MAIN = "l2"  # the main attacks, and their norm: all that the study concludes is about these
QUARTILES = {"low": 0.25, "median": 0.5, "high": 0.75}


def attacked_change(change, direction):
    """Count a change as positive where it goes in the attacked direction.

    An attack that increases the response has r(x + δ) - r(x), one that decreases it r(x) - r(x + δ). White
    noise has no direction, so its change counts by its size.

    Parameters
    ----------
    change : Series
        r(x + δ) - r(x), in SD; of any model, also of one that was not attacked.
    direction : Series of str
        increase or decrease; none: white noise.

    Returns
    -------
    Series

    Source
    ------
    The study attacks in both directions.
    """
    return (change * direction.map(SIGNS).astype(float)).where(direction != NOISE, change.abs())


def own_attacks(transfer):
    """Select the rows of the table transfer that are about attacks on the model itself."""
    return transfer[transfer.source == transfer.target]


def largest_changes(attacks, unit):
    """Select of each image the attack, up or down, that changes the response more: the sensitivity s.

    s = r(x) - r(x + δ) at the δ of ||δ|| <= ε for which |r(x) - r(x + δ)| is largest. It is positive where
    that δ decreases the response. Attacks up and down are the largest increase and the largest decrease, so
    that the larger of the two is the largest change.

    Parameters
    ----------
    attacks : DataFrame
        A model's own attacks, with the columns direction and change, r(x + δ) - r(x).
    unit : list of str
        Columns that tell apart what is attacked: reader, region, radius, image.

    Returns
    -------
    DataFrame
        One row of `attacks` for each unit, with s. Where both directions change alike it is the first.

    Source
    ------
    The talk of the study.
    """
    attacks = attacks.dropna(subset=["change"])
    places = attacks.change.abs().groupby([attacks[name] for name in unit], sort=False).idxmax()
    return attacks.loc[places].assign(s=lambda rows: -rows.change)


def in_own_units(change, sd):
    """Express changes in standard deviations of the model's own predictions over natural images.

    A model whose predictions vary little between images is then more sensitive than its changes in SD of the
    measured response say: readouts of noisy data shrink predictions.

    Parameters
    ----------
    change, sd : Series
        Change in SD of the measured response, and the column sd of the table natural_responses.

    Returns
    -------
    Series
        Missing where the predictions vary by rounding alone, or nothing is known of them.
    """
    return change / sd.where(undefined.moves(sd))


def sensitivity(change, subjects, images, rng, draws):
    """Summarise how far perturbations move a prediction: the median over images.

    The sensitivity of a model is the median over images of |s|, see `largest_changes`: a median, because a
    few images may be far more sensitive than the rest. Attacks up and down are reported beside it, by the
    median of their `attacked_change`. Where changes are compared with transfer (the tables transfers, changes
    and numbers, there `mean_change`) attacks up and down are averaged together, by their mean, because a
    ratio of changes is a ratio of means. Perturbations that were not made for the model, the region and the
    image (controls, attacks on other models) count by the size of their change, |r(x + δ) - r(x)|.

    Parameters
    ----------
    change : array (n,)
        One value for each image, direction, draw, source and subject; see `counted_change`.
    subjects, images : arrays (n,)
        Units that are resampled together; one subject is not resampled.
    rng : numpy.random.Generator
    draws : int

    Returns
    -------
    median, low, high : floats
        In the unit of `change`, with the 95% interval of `bootstrap.hierarchical_bootstrap`.

    Source
    ------
    The study, for one image; see `largest_changes`.
    """
    return bootstrap.hierarchical_bootstrap(change, subjects, images, rng, draws)


def counted_change(change, direction, kind):
    """Count changes as `sensitivity` does: own attacks in the attacked direction, all else by size.

    Parameters
    ----------
    change, direction, kind : Series
        Columns of the table sensitivity.
    """
    return attacked_change(change, direction).where(kind == "attack", change.abs())


def own_sensitivity(sensitivities):
    """Select the sensitivity of each model's group response: its own attacks of the main radius, the largest.

    Parameters
    ----------
    sensitivities : DataFrame
        The table of that name.

    Returns
    -------
    DataFrame, indexed by roi and network
        One row per region, without all regions together.
    """
    rows = sensitivities[(sensitivities.kind == "attack") & (sensitivities.direction == LARGEST)]
    rows = rows[rows.subject == GROUP]
    return rows[rows.main_radius & (rows.roi != "all")].set_index(["roi", "network"])


def relative_transfer(change, reference):
    """Divide the mean change of a target by a mean change that it is compared with.

    mean over images and directions of the target's `attacked_change`, over that of the attacked model itself
    (how much of an attack arrives), or over that by the target's own attack (how much of what is possible).
    It is a ratio of means, not a mean of ratios, because the change of a single image may be near 0. Over all
    regions together there are two averages: the table transfers has the ratio of the means over regions (a
    region counts by its changes), the table numbers the mean of the ratios of pairs and regions (each counts
    alike).

    Parameters
    ----------
    change, reference : arrays of one shape
        Means over the same images and directions, SD.

    Returns
    -------
    array
        NaN where the reference is 0 or rounding, see `undefined.moves`. `bootstrap.bootstrap_ratios` and
        `bootstrap.bootstrap_mean_ratio` give the intervals of this ratio.
    """
    return np.where(undefined.moves(reference), bootstrap.ratio(change, reference), np.nan)


def main_radius(attacks):
    """Find the main radius: the largest l2 radius of the main attacks, which most results are shown for.

    Parameters
    ----------
    attacks : DataFrame
        Any table with a radius and either the kind of attack (column attack) or the norm (column norm).

    Returns
    -------
    float
        l2 norm, pixels in [0, 1].
    """
    kind = attacks.attack if "attack" in attacks else attacks.norm
    return float(attacks.radius[kind == MAIN].max())


def at_main_radius(attacks):
    """Select the rows of main attacks at the main radius, and say which radius it is.

    Parameters
    ----------
    attacks : DataFrame
        As in `main_radius`.
    """
    kind, radius = attacks.attack if "attack" in attacks else attacks.norm, main_radius(attacks)
    return attacks[(kind == MAIN) & np.isclose(attacks.radius, radius)], radius


def unconverged(converged):
    """Give the share of attacks that have not converged; they are kept.

    Parameters
    ----------
    converged : Series of bool
    """
    return 1 - converged.mean()


def size_needed(size, reached):
    """Give the quartiles of the size that a wanted change needs.

    The size of an attack that did not reach the wanted change is smaller than the one needed, which counts as
    infinite. A quartile is the smallest size that suffices for this share of the attacks.

    Parameters
    ----------
    size : Series
        Of the smallest perturbations, l2 norm, over images and directions.
    reached : Series of bool

    Returns
    -------
    dict
        low, median, high; inf where a size is larger than any that was tried.
    """
    sizes = size.where(reached, np.inf)
    return {name: np.quantile(sizes, share, method="inverted_cdf") for name, share in QUARTILES.items()}


def over_ceiling(r, ceiling):
    """Divide correlations by their noise ceilings: 1 is the best that noise of the measurement allows.

    Parameters
    ----------
    r, ceiling : Series

    Returns
    -------
    Series
        Missing where there is no ceiling (data without repetitions), or where it is 0 but for rounding.
    """
    return r / ceiling.where(ceiling > undefined.NO_CEILING)


def rank_correlation(x, y):
    """Correlate two columns by Spearman's rank correlation, over the rows that have both.

    Parameters
    ----------
    x, y : Series

    Returns
    -------
    correlation : float
        NaN for fewer than three rows, or where one of the columns is constant.
    n : int
        Rows that have both.

    Source
    ------
    scipy.stats.spearmanr.
    """
    both = x.notna() & y.notna()
    x, y = x[both], y[both]
    defined = len(x) >= undefined.FEWEST and not (undefined.constant(x) or undefined.constant(y))
    return (float(spearmanr(x, y).statistic) if defined else float("nan")), len(x)


def image_means(frame, value, keys):
    """Average a column within each image: images are sampled, so all else is averaged first.

    Parameters
    ----------
    frame : DataFrame
    value : str
        The column that is averaged, over directions, draws, targets or sources.
    keys : list of str
        Columns whose values are kept apart.

    Returns
    -------
    DataFrame
        `keys`, image_id and `value`, in the order in which they appear.
    """
    return frame.groupby([*keys, "image_id"], sort=False)[value].mean().reset_index()


def families(networks):
    """Give the family of every model by name; the simulated brain is a family of its own.

    Parameters
    ----------
    networks : DataFrame
        The table networks, indexed by network.

    Returns
    -------
    dict
        In the order of the table; the simulated brain comes last.
    """
    return {**networks.family.to_dict(), BRAIN: BRAIN}


def describe_pairs(one, other, networks):
    """Give what kind of pair each two models are.

    Parameters
    ----------
    one, other : Series of str
        Names of models; none as a source (white noise) is a family of its own.
    networks : DataFrame
        The table networks, indexed by network.

    Returns
    -------
    DataFrame, indexed as `one`
        family_one, family_other, and architectures: itself, same, different, or any for white noise. The
        simulated brain has no architecture in common with a network.
    """
    family = families(networks) | {NOISE: NOISE}
    one, other = one.astype("str"), other.astype("str")  # where they are categories, those may differ
    same = one.map(networks.architecture) == other.map(networks.architecture)
    kinds = [one == NOISE, one == other, same]
    architectures = np.select(kinds, ["any", "itself", "same"], "different")
    first, second = (names.map(family).astype("str") for names in (one, other))
    pairs = {"family_one": first, "family_other": second, "architectures": architectures}
    return pd.DataFrame(pairs, index=one.index)


def in_family_order(pairs, one, other, networks):
    """Swap the two models of undirected pairs where the family of the second comes first.

    Parameters
    ----------
    pairs : DataFrame
    one, other : str
        Columns with the names of the two models.
    networks : DataFrame
        The table networks, indexed by network; it has the order of families. The simulated brain comes last.
    """
    family = families(networks)
    order = list(dict.fromkeys(family.values()))
    first, second = (pairs[name].map(family).map(order.index) for name in (one, other))
    return pairs.assign(
        **{
            one: pairs[one].where(first <= second, pairs[other]),
            other: pairs[other].where(first <= second, pairs[one]),
        }
    )


def kinds_of_pairs(pairs, one, other, networks):
    """Split a table of pairs of different models into kinds that are averaged.

    Within a family pairs of one architecture and of two are apart, so that training is not confounded with
    architecture. Between families, and with the simulated brain as `other`, they are not split.

    Parameters
    ----------
    pairs : DataFrame
    one, other : str
        Columns with the names of the two models.
    networks : DataFrame
        The table networks, indexed by network.

    Yields
    ------
    kind : tuple of str
        Family of `one`, family of `other`, architectures (same, different, any).
    part : DataFrame
        Only parts with a row.
    """
    kinds = describe_pairs(pairs[one], pairs[other], networks)
    names = list(dict.fromkeys(networks.family))
    within = [(family, family, split) for family in names for split in ("same", "different")]
    between = [(f, g, "any") for f in names for g in [*names, BRAIN] if f != g]
    for kind in [*within, *between]:
        chosen = (kinds.family_one == kind[0]) & (kinds.family_other == kind[1])
        if kind[2] != "any":
            chosen &= kinds.architectures == kind[2]
        if chosen.any():
            yield kind, pairs[chosen]
