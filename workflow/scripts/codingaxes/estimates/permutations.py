"""Explain a matrix over pairs of networks by others, and test it by permuting the networks.

Pairs that share a network are not independent, so p-values that count pairs as if they were are far too
small. Here whole networks are permuted, rows and columns together, which keeps that dependence.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control, rankdata

from codingaxes.estimates import undefined

# Statistics of two permutations that differ by less are ties: rounding must not decide a p-value.
TIE = 1e-9
COLLINEAR = 1e-6  # of the variation of a predictor: what others leave of it if it follows from them


def differs(labels):
    """Make a predictor, (networks, networks): 1 for pairs of networks whose label differs, else 0."""
    labels = np.asarray(labels)
    return (labels[:, None] != labels).astype(np.float64)


def both(flags):
    """Make a predictor, (networks, networks): 1 for pairs of which both networks have the flag, else 0."""
    flags = np.asarray(flags, bool)
    return (flags[:, None] & flags).astype(np.float64)


def distance(values):
    """Make a predictor, (networks, networks): absolute difference of one number per network.

    Give logarithms where ratios matter.
    """
    values = np.asarray(values, np.float64)
    return np.abs(values[:, None] - values)


def p_value(observed, null):
    """Compute the one-sided p-value of a value among random draws: (1 + draws at or above it) / (1 + draws).

    It is never 0, as the observed value counts as one of the draws, which keeps the error rate.

    Parameters
    ----------
    observed : float
    null : array (draws,)

    Raises
    ------
    ValueError
        If a value is missing.

    Source
    ------
    Phipson & Smyth, Statistical Applications in Genetics and Molecular Biology 9 (2010), article 39.
    """
    null = np.asarray(null)
    if np.isnan(observed) or np.isnan(null).any():
        raise ValueError("a p-value needs an observed value and draws without missing values")
    return float((1 + (null >= observed).sum()) / (1 + len(null)))


def smallest_p(draws, twins=0):
    """Compute the smallest p-value that a test can give for any effect: (1 + twins) / (1 + draws).

    A table that prints it says which of its tests could have found anything at all.

    Parameters
    ----------
    draws : int
        Permutations, or random draws, beside the one observed.
    twins : int
        Those of the draws that equal the observed one whatever was measured, for instance because they
        exchange networks of one label.
    """
    return (1 + twins) / (1 + draws)


def rank_p(x, y, draws, rng):
    """Test Spearman's rank correlation of two columns by permuting one of them, two-sided.

    Parameters
    ----------
    x, y : arrays (networks,)
        Rows in which one is missing do not count.
    draws : int
        Random permutations; if there are no more than that altogether, all are enumerated.
    rng : numpy.random.Generator

    Returns
    -------
    p, smallest : floats
        The p-value, and the smallest that it can be; NaN for fewer than three rows, or where one column is
        constant.
    """
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    if len(x) < undefined.FEWEST or undefined.constant(x) or undefined.constant(y):
        return np.nan, np.nan
    x, y = rankdata(x), rankdata(y)
    orders, _ = _permutations(len(x), draws, rng)
    size = np.abs((x[orders] - x.mean()) @ (y - y.mean()))
    largest = np.abs(np.sort(x - x.mean()) @ np.sort(y - y.mean()))  # no permutation has more
    twins = np.count_nonzero(size >= largest * (1 - TIE))
    return _share_as_extreme(size), max(1, twins) / len(orders)


def adjust(p_values):
    """Adjust p-values of one table for their number, by Benjamini and Hochberg: q values.

    Rows whose adjusted value is at most 0.05 hold at most 5% false ones, on average. The procedure keeps that
    where tests are independent or go up and down together, as the measures of one set of networks do.

    Parameters
    ----------
    p_values : array-like (n,)
        Missing ones (NaN) are no tests: they stay missing and do not count.

    Returns
    -------
    array (n,)
        At least as large as `p_values`, at most 1.

    Source
    ------
    Y. Benjamini & Y. Hochberg, Journal of the Royal Statistical Society B 57 (1995) 289-300, and Y. Benjamini
    & D. Yekutieli, Annals of Statistics 29 (2001) 1165-1188, for positive dependence; by
    scipy.stats.false_discovery_control.
    """
    p_values = np.array(p_values, np.float64)
    tested = ~np.isnan(p_values)
    if tested.any():
        p_values[tested] = false_discovery_control(p_values[tested])
    return p_values


@dataclass(frozen=True)
class Regression:
    """The regression of a response over pairs of networks on predictors over pairs."""

    names: tuple  # of the predictors
    coefficients: np.ndarray  # (predictors,) response units per predictor unit, the others held fixed
    standardised: np.ndarray  # (predictors,) the same in SD over pairs of both
    p_values: np.ndarray  # (predictors,) two-sided
    smallest_p: np.ndarray  # (predictors,) that the test could give: some permutations change nothing
    intercept: float
    r_squared: float  # share of the response's variance over pairs
    n_pairs: int  # with a response
    n_networks: int
    permutations: int  # that the p-values count, with the one observed
    exact: bool  # all permutations there are, rather than random ones


def independent(predictors, known):
    """Split predictors over pairs into those that can be regressed on together, and those to leave out.

    A predictor is left out if it is the same for all pairs, or is a combination of the predictors before it:
    of two that say the same, the first one stays.

    Parameters
    ----------
    predictors : dict of str to array (networks, networks)
    known : array of bool (networks, networks)
        Pairs that have a response; only those above the diagonal count.

    Returns
    -------
    kept : dict of str to array
    left_out : dict of str to str
        Why each of the others cannot be told apart.
    """
    pairs = np.triu_indices(len(known), 1)
    observed = tuple(index[known[pairs]] for index in pairs)
    kept, left_out, columns = {}, {}, [np.ones(len(observed[0]))]
    for name, matrix in predictors.items():
        values = np.asarray(matrix, np.float64)[observed]
        if not len(values) or undefined.constant(values):
            left_out[name] = f"the same for all {len(values)} pairs"
            continue
        design = np.column_stack(columns)
        weights = np.linalg.lstsq(design, values, rcond=None)[0]
        size = np.linalg.norm(values - values.mean())
        if np.linalg.norm(values - design @ weights) <= COLLINEAR * size:
            others = [other for other, weight in zip(kept, weights[1:], strict=True) if abs(weight) > 1e-3]
            left_out[name] = f"follows from {' and '.join(others)} over the {len(values)} pairs"
            continue
        kept[name] = matrix
        columns.append(values)
    return kept, left_out


def regress_pairs(response, predictors, draws, rng):
    """Regress a matrix over pairs of networks on several others, with p-values by permutation (MRQAP).

    For each predictor X with the others Z: X is regressed on Z, the networks of its residual are
    permuted, and the response is regressed on the permuted residual and Z ("double semi-partialling").
    Compared are t values, here as their monotone function, the partial correlation. Unlike a
    permutation of the response, this keeps its error rate if X and Z are correlated and Z matters.

    A pair without a response (NaN) is left out, the same pair in every permutation: response and Z
    stay where they are, and only the residual of X, which is known for all pairs, moves. Missing
    predictors are refused, since they would come to lie on other pairs in each permutation.

    Parameters
    ----------
    response : array (networks, networks)
        For instance similarity; symmetric. The diagonal is not used.
    predictors : dict of str to array (networks, networks)
        For instance of `differs`, `both` and `distance`, in the same order of networks; symmetric.
    draws : int
        Random permutations; if there are no more than that altogether, all are enumerated.
    rng : numpy.random.Generator

    Returns
    -------
    Regression
        p = (1 + permutations at least as extreme) / (1 + draws); when enumerated, their plain share,
        as the observed one is among them.

    Raises
    ------
    ValueError
        If predictors are constant or collinear (named), have missing values or are too many for the
        pairs; if the response is constant; or if a matrix is not symmetric.

    Source
    ------
    Legendre, Lapointe & Casgrain, Evolution 48 (1994), for the regression; Dekker, Krackhardt &
    Snijders, Psychometrika 72 (2007), for double semi-partialling.
    """
    names = tuple(predictors)
    matrices = np.array([predictors[name] for name in names], np.float64)
    response = np.asarray(response, np.float64)
    _check_matrices(response, names, matrices)
    networks = len(response)
    pairs = np.triu_indices(networks, 1)
    known = ~np.isnan(response[pairs])
    observed = tuple(index[known] for index in pairs)
    y, x = response[observed], matrices[:, *observed].T
    if len(y) < len(names) + 2:
        raise ValueError(f"{len(names)} predictors need {len(names) + 2} pairs at least, not {len(y)}")
    if undefined.constant(y):
        raise ValueError(f"the response is the same for all {len(y)} pairs: nothing to explain")
    _check_predictors(names, x)
    orders, exact = _permutations(networks, draws, rng)
    p_values, smallest = np.empty(len(names)), np.empty(len(names))
    for column in range(len(names)):
        others = np.delete(matrices, column, axis=0)
        residual = _residual_matrix(matrices[column], others, pairs)
        held = np.column_stack([np.ones(len(y)), others[:, *observed].T])
        moved = residual[orders[:, observed[0]], orders[:, observed[1]]]
        p_values[column] = _share_as_extreme(_partial_correlation(y, moved, held))
        same = np.isclose(moved, moved[0], rtol=0, atol=TIE * np.abs(moved[0]).max()).all(axis=1)
        smallest[column] = smallest_p(len(orders) - 1, twins=int(same.sum()) - 1)
    design = np.column_stack([np.ones(len(y)), x])
    solution = np.linalg.lstsq(design, y, rcond=None)[0]
    return Regression(
        names=names,
        coefficients=solution[1:],
        standardised=solution[1:] * x.std(axis=0) / y.std(),
        p_values=p_values,
        smallest_p=smallest,
        intercept=float(solution[0]),
        r_squared=float(1 - np.mean((y - design @ solution) ** 2) / y.var()),
        n_pairs=len(y),
        n_networks=networks,
        permutations=len(orders),
        exact=exact,
    )


def permute_residual(y, x, held, groups, draws, rng):
    """Test the coefficient of x in a regression of y over networks, permuting only within groups of them.

    x is regressed on the predictors that are held, its residual is permuted among the networks of a group (of
    one architecture), and compared are partial correlations with y ("double semi-partialling", as in
    `regress_pairs`). Permuting x itself would break its relation to what is held, and understate its error.

    Parameters
    ----------
    y, x : arrays (networks,)
    held : array (networks, predictors)
        With the intercept, or the dummies of the groups.
    groups : array (networks,)
    draws : int
        Random permutations.
    rng : numpy.random.Generator

    Returns
    -------
    p, smallest : floats
        Two-sided, and the smallest that the test can give; NaN where nothing can be permuted, or x follows
        from what is held.

    Source
    ------
    Dekker, Krackhardt & Snijders, Psychometrika 72 (2007), for the residuals; P. Good, Permutation Tests
    (1994), for permutations that are restricted to blocks.
    """
    residual = x - held @ np.linalg.lstsq(held, x, rcond=None)[0]
    if np.linalg.norm(residual) <= COLLINEAR * np.linalg.norm(x - x.mean()):
        return np.nan, np.nan
    moved = np.tile(residual, (draws + 1, 1))
    for group in dict.fromkeys(groups):
        members = np.flatnonzero(np.asarray(groups) == group)
        moved[1:, members] = rng.permuted(moved[1:, members], axis=1)
    same = np.isclose(moved, residual, rtol=0, atol=TIE * np.abs(residual).max()).all(axis=1)
    if same.all():
        return np.nan, np.nan
    return _share_as_extreme(_partial_correlation(y, moved, held)), smallest_p(draws, int(same.sum()) - 1)


def _check_matrices(response, names, matrices):
    """Refuse matrices of unequal shape, predictors with gaps, and what is not symmetric."""
    square = (len(response), len(response))
    if not names or response.shape != square or matrices.shape[1:] != square:
        raise ValueError(f"one predictor or more of the response's shape is needed, not {matrices.shape[1:]}")
    off_diagonal = ~np.eye(len(response), dtype=bool)
    for name, matrix in zip(names, matrices, strict=True):
        if not np.isfinite(matrix[off_diagonal]).all():
            raise ValueError(f"predictor {name!r} has missing values; only the response may have them")
    for name, matrix in [("the response", response), *zip(names, matrices, strict=True)]:
        upper, lower = matrix[off_diagonal], matrix.T[off_diagonal]
        if not np.allclose(upper, lower, equal_nan=True):
            raise ValueError(f"{name} is not symmetric: average its two directions")


def _check_predictors(names, x):
    """Refuse predictors that are constant over the pairs or follow from others, and name them."""
    centred = x - x.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    constant = [name for name, c, v in zip(names, norms, x.T, strict=True) if c <= 1e-9 * np.linalg.norm(v)]
    if constant:
        raise ValueError(f"predictors {constant} are the same for all {len(x)} pairs: leave them out")
    # Right singular vectors of zero singular values are the combinations that vanish.
    _, values, directions = np.linalg.svd(centred / norms)
    values = np.pad(values, (0, len(names) - len(values)))
    vanishing = directions[values < 1e-6 * values[0]]
    if len(vanishing):
        involved = [name for name, w in zip(names, np.abs(vanishing).max(axis=0), strict=True) if w > 1e-3]
        raise ValueError(f"predictors {involved} are collinear over the {len(x)} pairs: leave one out")


def _permutations(networks, draws, rng):
    """Give orders of the networks (permutations, networks), the present one first, and whether it is all."""
    if math.factorial(networks) <= draws:
        return np.array(list(itertools.permutations(range(networks)))), True
    present = np.arange(networks)
    return np.vstack([present, rng.permuted(np.tile(present, (draws, 1)), axis=1)]), False


def _residual_matrix(matrix, others, pairs):
    """Take from a predictor what the others explain of it over all pairs; a matrix."""
    design = np.column_stack([np.ones(len(pairs[0])), others[:, *pairs].T])
    # Over all pairs, also those without a response: any multiple of the others may be taken off without
    # a change to the regression of the response, and each pair needs a residual to be moved.
    weights = np.linalg.lstsq(design, matrix[pairs], rcond=None)[0]
    return matrix - weights[0] - np.tensordot(weights[1:], others, 1)


def _partial_correlation(y, moved, held):
    """Correlate y (pairs,) with each row of `moved` (n, pairs), given `held` (pairs, columns)."""
    basis = np.linalg.qr(held)[0]
    rest = y - basis @ (basis.T @ y)
    left = moved - (moved @ basis) @ basis.T
    norm = np.linalg.norm(rest) * np.linalg.norm(left, axis=1)
    # A residual that is all rounding, of y or of a permutation, has no correlation.
    usable = norm > 1e-12 * np.linalg.norm(y) * np.linalg.norm(moved, axis=1)
    return np.divide(left @ rest, norm, out=np.zeros(len(moved)), where=usable)


def _share_as_extreme(statistics):
    """Compute the two-sided p-value of the first of the statistics among all of them."""
    size = np.abs(statistics)
    return float(np.mean(size >= size[0] * (1 - TIE)))
