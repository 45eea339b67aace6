"""Test claims: each kind of test takes arrays or units, and gives an estimate, its error and a p-value.

Intervals are Student's, from jackknives over networks (of each family) and over images, whose variances add
up (`families.interval`). Tests of a difference permute networks; tests against a margin are Student's.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, t

from codingaxes.estimates import bootstrap, families, permutations, predictivity
from codingaxes.estimates.undefined import FEWEST, constant

NETWORKS = "networks"  # as what was resampled
FEW = f"fewer than {FEWEST} networks of a family have a value: none of them can stand for others"
NOTHING = "no network, or no image that all of them have, has a value"
ALIKE = "values are the same for all networks and images: no interval"
NO_TEST = "nothing can be permuted"
COLLINEAR = "too few networks for the predictors, or one follows from the others"


@dataclass(frozen=True)
class Evidence:
    """What was found of one part of a claim."""

    estimate: float = np.nan
    interval: tuple = (np.nan, np.nan)  # 95%
    narrow: tuple = (np.nan, np.nan)  # 90%
    p: float = np.nan
    smallest_p: float = np.nan  # NaN: not by permutation
    resampled: str = ""
    n_images: int = 0
    n_networks: int = 0
    n_pairs: int = 0
    reason: str = ""


class Side(NamedTuple):
    """Where a claim wants the interval to lie: above or below a margin, within ± margin, or outside 0."""

    where: str
    margin: float


def evidence(error, p=None, side=None, smallest_p=np.nan, **counts):
    """Turn an estimate with the parts of its variance into evidence.

    Parameters
    ----------
    error : families.Error
    p : float, optional
        Of a permutation test; if not given, it is Student's, of the margin on `side`.
    side : Side, optional
    smallest_p : float
    counts
        n_images, n_networks, n_pairs.
    """
    wide, narrow = (families.students(*error[:-1], level) for level in (0.95, 0.9))
    if np.isnan(error.estimate):
        return Evidence(reason=NOTHING, **counts)
    found = Evidence(error.estimate, wide, narrow, resampled=error.resampled, **counts)
    if error.resampled == families.IMAGES:
        return replace(found, reason=FEW)
    if np.isnan(wide[0]):
        return replace(found, resampled="", reason=ALIKE)
    if p is None:
        return replace(found, p=students_p(error, side))
    return replace(found, p=p, smallest_p=smallest_p, reason=NO_TEST if np.isnan(p) else "")


def students_p(error, side):
    """Test an estimate against a margin by Student's t.

    above, below: one-sided, of the hypothesis that it lies at the margin or on its other side. within: the
    larger of two one-sided tests. outside: two-sided, of 0.

    Source
    ------
    D. J. Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680, for `within`.
    """
    size = np.sqrt(error.variances.sum())
    freedom = bootstrap.freedom(error.variances, error.units - 1)
    beyond = (error.estimate - side.margin) / size
    tests = {
        "above": t.sf(beyond, freedom),
        "below": t.cdf(beyond, freedom),
        "within": max(t.cdf(beyond, freedom), t.sf((error.estimate + side.margin) / size, freedom)),
        "outside": 2 * t.sf(abs(error.estimate) / size, freedom),
    }
    return float(tests[side.where])


def mean(cells, networks, side, against=None):
    """Compare the mean over cells, or its difference from the mean over others, with a margin.

    Parameters
    ----------
    cells : families.Cells
    networks : DataFrame
        The table networks, indexed by network, in the order of the numbers in `cells`.
    side : Side
    against : bool array (cells,), optional
        Cells whose mean is subtracted.
    """
    against = np.zeros(len(cells.value), bool) if against is None else against
    sides = [(1, ~against), (-1, against)] if against.any() else [(1, ~against)]
    error = families.error_of(cells, sides, networks.family.to_numpy())
    return evidence(error, side=side, **counted(cells, ~against))


def counted(cells, members):
    """Count the images, networks and pairs of some cells."""
    pairs = np.column_stack([cells.one[members], cells.other[members]])
    paired = (pairs[:, 1] >= 0).any()
    return {
        "n_images": cells.without.shape[1],
        "n_networks": len(set(pairs[:, 0])),  # sources: attacked, or makers
        "n_pairs": len(np.unique(pairs, axis=0)) if paired else 0,
    }


def difference(cells, networks, sign, labels, log=False):
    """Compare robust with standard networks: interval over networks and images, labels permuted.

    Parameters
    ----------
    cells : families.Cells
        Of standard and robust networks, or of pairs within a family (`cells.within`).
    networks : DataFrame
        The table networks, indexed by network, in the order of the numbers in `cells`.
    sign : float
        1: robust - standard; -1: standard - robust.
    labels : families.Labels
    log : bool
        Compare logarithms, of values above 0: the difference is then that of a ratio.
    """
    if log:
        value, without = (np.log(np.where(x > 0, x, np.nan)) for x in (cells.value, cells.without))
        cells = replace(cells, value=value, without=without)
    robust = (networks.family == "robust").to_numpy()
    sides = [(sign, cells.of(robust)), (-sign, cells.of(~robust))]
    if not (sides[0][1].any() and sides[1][1].any()):
        return Evidence(reason=NOTHING)
    error = families.error_of(cells, sides, networks.family.to_numpy())
    p = families.difference_p(cells, labels)
    return evidence(error, p, smallest_p=labels.smallest_p, **counted(cells, sides[0][1] | sides[1][1]))


def each_network(cells, n, log=False):
    """Average the cells of each network over regions, as they are or their logarithms.

    Returns
    -------
    value : array (n,)
        NaN for a network without a cell.
    without : array (n, images)
    """
    value, without = cells.value, cells.without
    if log:
        value, without = (np.log(np.where(x > 0, x, np.nan)) for x in (value, without))
    members = (cells.one == np.arange(n)[:, None]).astype(float)
    count = members.sum(axis=1)
    share = np.divide(members, count[:, None], out=np.full_like(members, np.nan), where=count[:, None] > 0)
    some = count > 0
    means = np.full(n, np.nan), np.full((n, without.shape[1]), np.nan)
    means[0][some], means[1][some] = share[some] @ value, share[some] @ without
    return means


def slope(values, without, x, side):
    """Regress a value of each network on a property of it, and compare the slope with a margin.

    Parameters
    ----------
    values : array (networks,)
    without : array (networks, images)
        The same without each image in turn.
    x : array (networks,)
    side : Side
    """
    known = np.isfinite(values) & np.isfinite(x) & np.isfinite(without).all(axis=1)
    values, without, x = values[known], without[known], x[known]
    counts = {"n_images": without.shape[1], "n_networks": len(values)}
    if len(x) < FEWEST + 1 or constant(x):
        return Evidence(reason=FEW, **counts)

    def fitted(y, at):
        centred = at - at.mean()
        return centred @ y / (centred @ centred)

    others = ~np.eye(len(x), dtype=bool)
    over_networks = np.array([fitted(values[kept], x[kept]) for kept in others])
    variances = np.array([families.spread(over_networks), families.spread(fitted(without, x))])
    units = np.array([len(x) - 1, without.shape[1]])  # a line takes one more network than a mean
    error = families.Error(
        float(fitted(values, x)), variances, units, float(np.abs(values).max()), families.BOTH
    )
    return evidence(error, side=side, **counts)


def adjusted(values, without, covariates, networks, sign, draws, rng):
    """Compare robust with standard networks of one architecture and of equal covariates, by regression.

    Parameters
    ----------
    values : array (networks,)
    without : array (networks, images)
    covariates : array (networks, predictors)
        What is held equal, beside architecture.
    networks : DataFrame
        The table networks: family, architecture.
    sign : float
        1: robust - standard; -1: standard - robust.
    draws : int
    rng : numpy.random.Generator
        Permuted, within architectures, is what of the family does not follow from what is held equal.
    """
    known = np.isfinite(values) & np.isfinite(covariates).all(axis=1) & np.isfinite(without).all(axis=1)
    counts = {"n_images": without.shape[1], "n_networks": int(known.sum())}
    networks, covariates = networks[known], covariates[known]
    robust, architectures = (networks.family == "robust").to_numpy(), networks.architecture.to_numpy()
    if min(robust.sum(), (~robust).sum()) < FEWEST:
        return Evidence(reason=FEW, **counts)
    alone = families.Labels(robust[None], exact=True, mirrored=False)
    result = predictivity.equal_r(values[known], without[known], covariates, robust, architectures, alone)
    if np.isnan(result.difference) or not result.resampled:
        return Evidence(reason=COLLINEAR, **counts)
    dummies = architectures[:, None] == np.array(list(dict.fromkeys(architectures)))
    held = np.column_stack([dummies.astype(float), covariates])
    p, smallest = permutations.permute_residual(
        values[known], robust.astype(float), held, architectures, draws, rng
    )
    scale = abs(result.difference)
    error = families.Error(sign * result.difference, result.variances, result.units, scale, result.resampled)
    return evidence(error, p, smallest_p=smallest, **counts)


def pairs(response, without, predictors, wanted, families_of, draws, rng):
    """Regress a value of pairs of networks on predictors over pairs; the claim is about one of these.

    Parameters
    ----------
    response : array (networks, networks)
        Symmetric; NaN for pairs without a value.
    without : array (images, networks, networks)
        The same without each image in turn.
    predictors : dict of str to array (networks, networks)
    wanted : str
        Name of the predictor whose coefficient is claimed to be above 0.
    families_of : array (networks,)
        Networks of one family are left out as one factor.
    draws : int
    rng : numpy.random.Generator
    """
    n = len(response)
    upper = np.triu_indices(n, 1)
    counts = {"n_images": len(without), "n_networks": n, "n_pairs": int(np.isfinite(response[upper]).sum())}
    kept, left_out = permutations.independent(predictors, np.isfinite(response))
    if wanted in left_out:
        return Evidence(reason=f"{wanted}: {left_out[wanted]}", **counts)
    try:
        result = permutations.regress_pairs(response, kept, draws, rng)
    except ValueError as error:
        return Evidence(reason=str(error), **counts)
    place = result.names.index(wanted)

    def coefficient(y, members):
        one, other = (index[members[upper[0]] & members[upper[1]]] for index in upper)
        y, x = y[..., one, other], np.array([matrix[one, other] for matrix in kept.values()]).T
        known = np.isfinite(y) if y.ndim == 1 else np.isfinite(y).all(axis=0)
        design = np.column_stack([np.ones(known.sum()), x[known]])
        if np.linalg.matrix_rank(design) < design.shape[1]:
            return np.full(y.shape[:-1], np.nan)
        return np.linalg.lstsq(design, y[..., known].T, rcond=None)[0][1 + place]

    everyone = np.ones(n, bool)
    variances, units = [families.spread(coefficient(without, everyone))], [len(without)]
    for family in dict.fromkeys(families_of):
        members = np.flatnonzero(families_of == family)
        left = [coefficient(response, np.arange(n) != network) for network in members]
        variances.append(families.spread(np.array(left)))
        units.append(len(members))
    if min(units) < FEWEST or not np.isfinite(variances).all():
        return Evidence(result.coefficients[place], reason=FEW, **counts)
    scale = float(np.nanmax(np.abs(response[upper])))
    estimate = float(result.coefficients[place])
    error = families.Error(estimate, np.array(variances), np.array(units), scale, families.BOTH)
    return evidence(
        error, float(result.p_values[place]), smallest_p=float(result.smallest_p[place]), **counts
    )


def stronger(one, other, outcome, draws, rng):
    """Ask whether one property of networks goes with an outcome more than another does, by ranks.

    The estimate is |Spearman's r of `one` and the outcome| - |that of `other`|. The interval is a jackknife
    over networks; permuted are the outcomes, so that p is of the hypothesis that neither goes with it.

    Parameters
    ----------
    one, other, outcome : arrays (networks,)
    draws : int
    rng : numpy.random.Generator
    """
    known = np.isfinite(one) & np.isfinite(other) & np.isfinite(outcome)
    columns = [column[known] for column in (one, other, outcome)]
    n = int(known.sum())
    if n <= FEWEST + 1 or any(constant(column) for column in columns):
        return Evidence(reason=f"fewer than {FEWEST + 2} networks have all three, or are alike", n_networks=n)

    def gap(a, b, y):
        a, b, y = (rankdata(column, axis=-1) - (len(a) + 1) / 2 for column in (a, b, y))
        a, b, y = (column / np.linalg.norm(column, axis=-1, keepdims=True) for column in (a, b, y))
        return np.abs(y @ a) - np.abs(y @ b)

    observed = float(gap(*columns))
    without = np.array([gap(*(np.delete(column, i) for column in columns)) for i in range(n)])
    error = families.Error(observed, np.array([families.spread(without)]), np.array([n]), 1.0, NETWORKS)
    null = np.abs(gap(*columns[:2], rng.permuted(np.tile(columns[2], (draws, 1)), axis=1)))
    p = permutations.p_value(abs(observed), null + permutations.TIE)
    return evidence(error, p, smallest_p=permutations.smallest_p(draws), n_networks=n)
