"""Estimates and their intervals."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import r2_score

from codingaxes import statistics


def test_correlation_is_pearsons_and_missing_for_a_constant(rng):
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    y[:, 1] = 1.0
    found = statistics.correlation(x, y)
    assert found[0] == pytest.approx(pearsonr(x[:, 0], y[:, 0]).statistic)
    assert np.isnan(found[1])


def test_determination_is_scikit_learns_and_missing_for_a_constant(rng):
    predicted, measured = rng.standard_normal((2, 30, 3))
    measured[:, 2] = 1.0
    found = statistics.determination(predicted, measured)
    expected = r2_score(measured[:, :2], predicted[:, :2], multioutput="raw_values")
    np.testing.assert_allclose(found[:2], expected)
    assert np.isnan(found[2])


def test_an_interval_of_r_covers_the_truth_about_as_often_as_it_says():
    covered = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((80, 1))
        low, high = statistics.bootstrap_correlation(
            x, 0.5 * x + np.sqrt(0.75) * rng.standard_normal((80, 1)), rng, 200
        )
        covered.append(low[0] <= 0.5 <= high[0])
    assert 0.88 <= np.mean(covered) <= 0.99


def test_a_ratio_of_means_is_recovered_and_its_interval_covers_it():
    covered = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        bottom = rng.uniform(1, 3, (3, 60))
        top = bottom * np.array([[0.1], [0.2], [0.3]]) + 0.1 * rng.standard_normal((3, 60))
        estimate, low, high = statistics.bootstrap_mean_ratio(top, bottom, rng, 200)
        assert estimate == pytest.approx(np.mean(top.mean(axis=1) / bottom.mean(axis=1)))
        covered.append(low <= 0.2 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99
