"""Regressions over pairs of networks, tested by permuting the networks."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom, kstest, spearmanr, t

from codingaxes.estimates import permutations

ROBUST = np.arange(12) % 2 == 0
ARCHITECTURE = np.array(["resnet", "resnet", "vgg", "vgg", "densenet", "densenet"] * 2)


def symmetric(matrix):
    return (matrix + matrix.T) / 2


def network_noise(rng, networks=12):
    """Noise that pairs share through their networks: what makes pairs dependent."""
    own = rng.standard_normal(networks)
    return own[:, None] + own + 0.5 * symmetric(rng.standard_normal((networks, networks)))


def ordinary(y, x):
    """Coefficients, t values and p-values of ordinary least squares with an intercept."""
    design = np.column_stack([np.ones(len(y)), x])
    solution, rest, *_ = np.linalg.lstsq(design, y, rcond=None)
    freedom = len(y) - design.shape[1]
    error = np.sqrt(rest[0] / freedom * np.diag(np.linalg.inv(design.T @ design)))
    return solution, solution / error, 2 * t.sf(np.abs(solution / error), freedom)


def test_coefficients_are_those_of_least_squares_over_the_pairs_that_are_known(rng):
    x = {"architecture": permutations.differs(ARCHITECTURE), "gain": permutations.distance(rng.random(12))}
    y = 2 + 3 * x["architecture"] - 1.5 * x["gain"] + symmetric(rng.standard_normal((12, 12)))
    y[0, 5] = y[5, 0] = np.nan
    result = permutations.regress_pairs(y, x, 99, rng)
    pairs = np.triu_indices(12, 1)
    seen = ~np.isnan(y[pairs])
    columns = np.column_stack([x[name][pairs][seen] for name in x])
    expected = ordinary(y[pairs][seen], columns)[0]
    np.testing.assert_allclose([result.intercept, *result.coefficients], expected)
    standard = [(v - v.mean(axis=0)) / v.std(axis=0) for v in (y[pairs][seen], columns)]
    np.testing.assert_allclose(result.standardised, ordinary(*standard)[0][1:])
    fitted = expected[0] + columns @ expected[1:]
    assert result.r_squared == pytest.approx(np.corrcoef(fitted, y[pairs][seen])[0, 1] ** 2)
    assert (result.names, result.n_pairs, result.n_networks) == (("architecture", "gain"), 65, 12)
    assert (result.permutations, result.exact) == (100, False)


def test_with_few_networks_all_permutations_are_enumerated_and_t_values_compared(rng):
    x = permutations.distance(rng.random(5))
    z = permutations.differs(["a", "a", "b", "b", "c"])
    y = network_noise(rng, 5) + x
    result = permutations.regress_pairs(y, {"x": x, "z": z}, 120, rng)
    assert result.exact and result.permutations == 120
    pairs = np.triu_indices(5, 1)
    weights = ordinary(x[pairs], z[pairs])[0]
    residual = x - weights[0] - weights[1] * z
    statistics = []
    for order in itertools.permutations(range(5)):
        moved = residual[np.ix_(order, order)]
        statistics.append(abs(ordinary(y[pairs], np.column_stack([moved[pairs], z[pairs]]))[1][1]))
    expected = np.mean(np.array(statistics) >= statistics[0] - 1e-9)
    assert result.p_values[0] == pytest.approx(expected)
    random = permutations.regress_pairs(y, {"x": x, "z": z}, 119, rng)
    assert not random.exact and random.permutations == 120


def test_p_values_of_a_regression_are_uniform_where_those_of_ordinary_least_squares_are_not():
    """Also with a gap, and with predictors that only go with the one that matters (Dekker et al. 2007)."""
    result, naive, related = [], [], []
    pairs = np.triu_indices(12, 1)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sensitivity = ROBUST + 0.3 * rng.standard_normal(12)
        x = {
            "sensitivity": permutations.distance(sensitivity),
            "both robust": permutations.both(ROBUST),
            "accuracy": permutations.distance(sensitivity + 0.3 * rng.standard_normal(12)),
        }
        y = network_noise(rng) - 3 * x["sensitivity"]
        y[2, 7] = y[7, 2] = np.nan
        result.append(permutations.regress_pairs(y, x, 199, rng).p_values)
        seen = ~np.isnan(y[pairs])
        columns = np.column_stack([matrix[pairs] for matrix in x.values()])
        naive.append(ordinary(y[pairs][seen], columns[seen])[2][1:])
        related.append(np.corrcoef(columns.T)[0, 1:])
    result, naive = np.array(result), np.array(naive)
    assert (result[:, 0] <= 0.05).mean() > 0.75
    for column in (1, 2):
        assert kstest(result[:, column], "uniform").pvalue > 0.01
        assert (result[:, column] <= 0.05).sum() <= binom.ppf(0.999, 200, 0.05)
    assert ((naive <= 0.05).mean(axis=0)[1:] > 0.15).all()
    assert np.mean(related, axis=0)[0] < -0.3 and np.mean(related, axis=0)[1] > 0.6


def test_an_effect_of_the_pair_is_found_among_correlated_predictors(rng):
    sensitivity = ROBUST + 0.5 * rng.standard_normal(12)
    x = {"both": permutations.both(ROBUST), "sensitivity": permutations.distance(sensitivity)}
    y = 0.3 * network_noise(rng) + 2 * x["both"]
    result = permutations.regress_pairs(y, x, 999, rng)
    assert result.p_values[0] <= 0.01 and result.coefficients[0] == pytest.approx(2, abs=0.6)
    assert result.p_values[1] > 0.05


def test_a_matrix_that_is_not_symmetric_is_refused_by_name(rng):
    flow = np.subtract.outer(np.arange(8.0), np.arange(8.0))
    with pytest.raises(ValueError, match="the response is not symmetric"):
        permutations.regress_pairs(flow, {"distance": np.abs(flow)}, 99, rng)
    with pytest.raises(ValueError, match="flow is not symmetric"):
        permutations.regress_pairs(np.abs(flow), {"flow": flow}, 99, rng)


def test_predictors_that_cannot_be_told_apart_are_refused_by_name(rng):
    x = {
        "family": permutations.differs(ROBUST),
        "gain": permutations.distance(rng.random(12)),
        "radius": 2 - 3 * permutations.differs(ROBUST),
        "same": np.ones((12, 12)),
    }
    y = network_noise(rng)
    with pytest.raises(ValueError, match=r"\['family', 'radius'\] are collinear"):
        permutations.regress_pairs(y, {name: x[name] for name in ("family", "gain", "radius")}, 99, rng)
    with pytest.raises(ValueError, match=r"\['same'\] are the same for all 66"):
        permutations.regress_pairs(y, {name: x[name] for name in ("family", "same")}, 99, rng)
    # Told apart only by a pair that has no response.
    near = permutations.differs(ROBUST)
    near[0, 1] = near[1, 0] = 0
    y[0, 1] = y[1, 0] = np.nan
    with pytest.raises(ValueError, match="collinear"):
        permutations.regress_pairs(y, {"family": x["family"], "near": near}, 99, rng)


def test_missing_predictors_and_unfit_responses_are_refused(rng):
    y, x = network_noise(rng), permutations.distance(rng.random(12))
    gap = x.copy()
    gap[1, 2] = gap[2, 1] = np.nan
    with pytest.raises(ValueError, match="'gain' has missing"):
        permutations.regress_pairs(y, {"gain": gap}, 99, rng)
    with pytest.raises(ValueError, match="same for all 66 pairs"):
        permutations.regress_pairs(np.ones((12, 12)), {"gain": x}, 99, rng)
    with pytest.raises(ValueError, match="shape"):
        permutations.regress_pairs(y, {"gain": x[:5, :5]}, 99, rng)
    with pytest.raises(ValueError, match="3 pairs at least, not 1"):
        permutations.regress_pairs(y[:2, :2], {"gain": x[:2, :2]}, 99, rng)


def test_a_p_value_counts_the_observed_draw_and_refuses_gaps():
    assert permutations.p_value(3, [1, 2, 3, 4]) == pytest.approx(3 / 5)
    assert permutations.p_value(9, np.zeros(99)) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="missing"):
        permutations.p_value(np.nan, [1.0])


def test_predictors_say_what_their_names_say():
    np.testing.assert_array_equal(permutations.differs(["a", "b", "a"]), [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    np.testing.assert_array_equal(permutations.both([1, 0, 1]), [[1, 0, 1], [0, 0, 0], [1, 0, 1]])
    np.testing.assert_array_equal(permutations.distance([1, 4]), [[0, 3], [3, 0]])


def test_adjusted_p_values_are_those_of_benjamini_and_hochberg_and_missing_ones_do_not_count():
    p = [0.01, np.nan, 0.04, 0.03, 0.5]
    expected = [0.04, np.nan, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.5]
    np.testing.assert_allclose(permutations.adjust(p), expected)
    assert np.isnan(permutations.adjust([np.nan, np.nan])).all() and permutations.adjust([]).size == 0


def test_the_smallest_p_value_is_that_of_an_observed_value_above_all_draws_but_its_twins():
    assert permutations.smallest_p(99) == permutations.p_value(9, np.zeros(99))
    assert permutations.smallest_p(5, twins=1) == permutations.p_value(9, [9, 0, 0, 0, 0])


def test_regressions_of_log_similarity_reject_5_percent_of_true_null_hypotheses_and_of_raw_ones_fewer():
    """Only pairs of robust networks are more similar, twentyfold; the predictors are those of the study.

    Measured with 1000 simulations: of architecture, training and sensitivity 4, 7 and 6% are rejected on the
    logarithm of similarity, and 0, 1 and 1% on similarity itself, whose spread grows with it.
    """
    rejected = []
    for seed in range(200):
        rng = np.random.default_rng(1000 + seed)
        sensitivity = 1.5 * ROBUST + 0.3 * rng.standard_normal(12)
        x = {
            "different architecture": permutations.differs(ARCHITECTURE),
            "different training": permutations.differs(ROBUST),
            "difference of log sensitivity": permutations.distance(sensitivity),
            "both robust": permutations.both(ROBUST),
        }
        similarity = np.exp(0.5 * network_noise(rng) + 3 * x["both robust"])
        for response in (np.log(similarity), similarity):
            rejected.append(permutations.regress_pairs(response, x, 199, rng).p_values <= 0.05)
    logarithm, raw = np.reshape(rejected, (200, 2, 4)).mean(axis=0)
    assert logarithm[3] > 0.9
    assert (logarithm[:3] <= binom.ppf(0.999, 200, 0.05) / 200).all() and logarithm[:3].mean() >= 0.03
    assert (raw[:3] < 0.03).all()


def test_a_regression_says_the_smallest_p_that_its_labels_allow(rng):
    """Exchanging networks of one label changes nothing: 2 x 3! x 3! of 720 orders are alike."""
    x = {"training": permutations.differs([0, 0, 0, 1, 1, 1])}
    result = permutations.regress_pairs(symmetric(rng.standard_normal((6, 6))), x, 720, rng)
    assert result.exact and result.smallest_p[0] == pytest.approx(72 / 720)
    x = {"sensitivity": permutations.distance(rng.random(6))}
    result = permutations.regress_pairs(symmetric(rng.standard_normal((6, 6))), x, 720, rng)
    assert result.smallest_p[0] == pytest.approx(1 / 720)


def test_a_rank_correlation_is_tested_by_permuting_networks(rng):
    x, y = rng.standard_normal((2, 7))
    p, smallest = permutations.rank_p(np.append(x, np.nan), np.append(y, 1.0), 5040, rng)
    null = [spearmanr(x[list(order)], y).statistic for order in itertools.permutations(range(7))]
    assert p == pytest.approx(np.mean(np.abs(null) >= abs(spearmanr(x, y).statistic) - 1e-9))
    assert smallest == pytest.approx(2 / 5040)
    assert permutations.rank_p(x, x, 5040, rng) == pytest.approx((2 / 5040, 2 / 5040))
    assert permutations.rank_p(x, -x, 99, rng)[0] == pytest.approx(0.01)
    assert np.isnan(permutations.rank_p(x[:2], y[:2], 99, rng)).all()
    assert np.isnan(permutations.rank_p(np.ones(7), y, 99, rng)).all()
