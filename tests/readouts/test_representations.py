"""Tests of representations: numbers that are known in closed form."""

import numpy as np
import pytest

from codingaxes.readouts import representations, ridge


def test_sparseness_is_zero_for_equal_responses_and_one_for_a_single_unit():
    assert representations.sparseness(np.full((3, 50), 2.0, np.float32)) == pytest.approx(0)
    assert representations.sparseness(np.eye(8)) == pytest.approx(1)
    assert representations.sparseness(-np.eye(8)) == pytest.approx(1)


def test_sparseness_does_not_depend_on_scale_and_leaves_silent_images_out(rng):
    features = rng.exponential(1, (4, 20_000))
    # the mean square of an exponential variable is twice its squared mean
    assert representations.sparseness(features) == pytest.approx(0.5, abs=0.02)
    assert representations.sparseness(1e-12 * features) == pytest.approx(representations.sparseness(features))
    silent = np.vstack([features, np.zeros((2, 20_000))])
    assert representations.sparseness(silent) == representations.sparseness(features)
    assert np.isnan(representations.sparseness(np.zeros((2, 5))))
    with pytest.raises(ValueError, match="two units"):
        representations.sparseness(np.ones((4, 1)))


def test_normalised_variance_is_the_share_of_power_that_varies_over_images(rng):
    features = rng.normal(3, 4, (500, 300)).astype(np.float32)
    assert representations.normalised_variance(features) == pytest.approx(16 / 25, abs=0.01)
    assert representations.normalised_variance(np.ones((9, 4))) == 0
    assert np.isnan(representations.normalised_variance(np.zeros((9, 4))))


def test_effective_dimensionality_counts_dimensions_of_equal_variance(rng):
    axes = np.linalg.qr(rng.standard_normal((200, 6)))[0]
    equal = np.linalg.qr(rng.standard_normal((40, 6)))[0]
    equal -= equal.mean(axis=0)
    features = np.linalg.qr(equal)[0] @ axes.T + 5
    assert representations.effective_dimensionality(features) == pytest.approx(6)
    assert representations.effective_dimensionality(features[:, :1]) == pytest.approx(1)
    assert representations.effective_dimensionality(features.T) <= 39
    assert np.isnan(representations.effective_dimensionality(np.ones((5, 3))))


def test_coordinates_have_the_same_spectrum_and_spread_as_the_features(rng):
    features = rng.standard_normal((30, 400)) * np.geomspace(1, 0.01, 400)
    values = ridge.coordinates(features).values
    for statistic in (representations.effective_dimensionality, representations.spread):
        assert statistic(values) == pytest.approx(statistic(features))
    assert representations.spread(features) == pytest.approx(np.sqrt(features.var(axis=0).sum()))
