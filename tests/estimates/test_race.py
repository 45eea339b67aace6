"""Tests of the race of predictors: against scipy and scikit-learn, and on planted predictors."""

import numpy as np
import pytest
from scipy.stats import linregress, permutation_test, spearmanr
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneGroupOut, LeaveOneOut, cross_val_predict

from codingaxes.estimates import race


def test_few_networks_have_the_exact_p_of_scipy(rng):
    x, y = rng.standard_normal((2, 6))
    correlation, p, smallest = race.rank_test(x, y, 720, rng)
    assert correlation == pytest.approx(spearmanr(x, y).statistic)

    def statistic(x):
        return abs(spearmanr(x, y).statistic)

    exact = permutation_test(
        (x,), statistic, permutation_type="pairings", alternative="greater", n_resamples=720
    )
    assert p == pytest.approx(exact.pvalue)
    assert smallest == pytest.approx(2 / 720)


def test_many_networks_have_a_p_by_random_draws_that_is_never_zero(rng):
    x = np.arange(20.0)
    correlation, p, smallest = race.rank_test(x, x**3, 199, rng)
    assert (correlation, p, smallest) == (pytest.approx(1), 1 / 200, 1 / 200)


def test_p_is_at_most_5_percent_in_one_of_twenty_unrelated_pairs():
    rng = np.random.default_rng(5)
    p = [race.rank_test(*rng.standard_normal((2, 8)), 199, rng)[1] for _ in range(1000)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.02)


def test_a_predictor_that_most_networks_share_has_a_larger_smallest_p(rng):
    x = np.array([0.0, 0, 0, 0, 0, 1])
    assert race.rank_test(x, np.arange(6.0), 720, rng)[2] == pytest.approx(2 / 6)


@pytest.mark.parametrize(
    "columns", [([1.0, 2], [3.0, 4]), ([1.0, 1, 1], [1.0, 2, 3]), ([1.0, 2, 3], [2.0, 2, 2])]
)
def test_too_few_or_constant_values_have_no_correlation_and_no_slope(rng, columns):
    x, y = map(np.array, columns)
    assert np.isnan(race.rank_test(x, y, 9, rng)).all() and np.isnan(race.slope(x, y)).all()


def test_the_slope_is_that_of_scipy(rng):
    x, y = rng.standard_normal((2, 9))
    expected = linregress(x, y)
    assert race.slope(x, y) == pytest.approx((expected.slope, expected.rvalue))


@pytest.mark.parametrize("groups", [np.arange(10), np.repeat(np.arange(5), 2)])
def test_left_out_networks_are_predicted_as_scikit_learn_does(rng, groups):
    x, noise = rng.standard_normal((2, 10))
    y = 2 * x + 0.5 * noise
    splitter = LeaveOneOut() if len(np.unique(groups)) == 10 else LeaveOneGroupOut()
    predicted = cross_val_predict(LinearRegression(), x[:, None], y, groups=groups, cv=splitter)
    plain = cross_val_predict(LinearRegression(), np.zeros((10, 1)), y, groups=groups, cv=splitter)
    expected = 1 - np.square(y - predicted).sum() / np.square(y - plain).sum()
    assert race.left_out(x, y, groups) == pytest.approx(expected)


def test_a_useless_predictor_explains_nothing_and_a_planted_one_nearly_all(rng):
    x = rng.standard_normal((100, 14))
    y = rng.standard_normal((100, 14))
    useless = [race.left_out(*pair, np.arange(14)) for pair in zip(x, y, strict=True)]
    assert np.mean(useless) < 0
    assert race.left_out(x[0], 3 * x[0] + 0.1 * y[0], np.arange(14)) > 0.95


def test_twins_left_out_together_cannot_predict_each_other():
    x, y = np.array([0.0, 0, 1, 1, 2, 2]), np.array([0.0, 0, 5, 5, 0, 0])  # two networks of each recipe
    together, alone = race.left_out(x, y, x), race.left_out(x, y, np.arange(6))
    assert together < alone


def test_without_enough_networks_nothing_is_left_out():
    assert np.isnan(race.left_out([1, 2, 3], [1, 2, 3], [1, 2, 3]))
    assert np.isnan(race.left_out([1, 1, 1, 1, 2], [1, 2, 3, 4, 5], np.arange(5)))
