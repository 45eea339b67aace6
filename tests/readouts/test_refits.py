"""Tests of refits: equal to fits of the repeated images, intervals that cover a planted truth."""

import numpy as np
import pytest
from sklearn.model_selection import KFold

from codingaxes.readouts import refits, ridge

FOLDS = KFold(3, shuffle=True, random_state=0)
SHAPES = [(60, 20), (60, 300), (60, 45)]  # fewer features than images that are drawn, more, and about as many


def planted(rng, n, r, *, targets=3, noise=1.0):
    """Draw features (n, r) with a mean and unequal variances, and noisy responses that are linear in them."""
    features = rng.normal(3, 1, (n, r)) * np.geomspace(10, 0.1, r)
    weight = rng.standard_normal((targets, r)) / np.sqrt(r)
    return features, features @ weight.T + noise * rng.standard_normal((n, targets)), weight


@pytest.mark.parametrize("shape", SHAPES)
def test_a_refit_is_the_fit_of_the_images_repeated_as_often_as_they_count(rng, shape):
    features, responses, _ = planted(rng, *shape)
    counts, alphas = refits.draw_images(len(features), 4, seed=1), np.array([0.01, 3.0, 0.01])
    found = refits.refit(features, responses, counts, alphas=alphas)
    for i, count in enumerate(counts):
        rows = np.repeat(np.arange(len(features)), count)
        for target, alpha in enumerate(alphas):
            peer = ridge.fit(features[rows], responses[rows][:, [target]], cv="generalised", alphas=[alpha])
            np.testing.assert_allclose(found.weight[i, target], peer.weight[0], rtol=1e-8, atol=1e-10)
            np.testing.assert_allclose(found.intercept[i, target], peer.intercept[0], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("alpha", [1e-6, 1e6])
def test_predictions_of_a_refit_are_those_of_the_fit_at_both_ends_of_the_grid(rng, alpha):
    features, responses, _ = planted(rng, 60, 300)
    counts = refits.draw_images(60, 2, seed=2)
    found = refits.refit(features, responses, counts, alphas=np.full(3, alpha)).predict(features)
    for i, count in enumerate(counts):
        rows = np.repeat(np.arange(60), count)
        peer = ridge.fit(features[rows], responses[rows], cv="generalised", alphas=[alpha])
        np.testing.assert_allclose(found[i], peer.predict(features), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_if_every_image_counts_once_the_readout_is_the_original_one(rng, shape):
    features, responses, _ = planted(rng, *shape)
    fit = ridge.fit(features, responses, cv="leave_one_out", alphas=np.logspace(-3, 3, 7))
    once = np.ones((1, len(features)), int)
    found = refits.refit(features, responses, once, alphas=fit.alpha)
    np.testing.assert_allclose(found.weight[0], fit.weight, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.predict(features)[0], fit.predict(features), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("method", ["least_squares", "pls"])
def test_other_methods_are_fitted_on_the_repeated_images_as_their_own_fit_would(rng, method):
    features, responses, _ = planted(rng, 60, 20)
    counts = refits.draw_images(60, 2, seed=3)
    found = refits.refit(features, responses, counts, method=method, components=5)
    for i, count in enumerate(counts):
        rows = np.repeat(np.arange(60), count)
        peer = ridge.fit(features[rows], responses[rows], cv=FOLDS, method=method, components=5)
        np.testing.assert_allclose(found.weight[i], peer.weight, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(found.intercept[i], peer.intercept, rtol=1e-8, atol=1e-8)


def test_the_interval_of_a_prediction_covers_a_planted_truth_as_often_as_it_says(rng):
    inside = []
    for world in range(40):
        features, responses, weight = planted(rng, 150, 8, targets=1)
        counts = refits.draw_images(150, 200, seed=world)
        new, other = rng.normal(3, 1, (2, 10, 8)) * np.geomspace(10, 0.1, 8)
        found = refits.refit(features, responses, counts, alphas=[1e-6])
        changes = (found.predict(new) - found.predict(other))[:, :, 0]
        low, high = refits.interval(changes)
        truth = (new - other) @ weight[0]
        inside.append((low < truth) & (truth < high))
    assert 0.90 < np.mean(inside) < 0.98  # of 0.95, with 400 changes of which those of a world are related


def test_intervals_become_narrow_with_many_images(rng):
    widths = []
    for n in (100, 400, 1600):
        features, responses, _ = planted(rng, n, 8, targets=1)
        found = refits.refit(features, responses, refits.draw_images(n, 200, seed=n), alphas=[1e-6])
        low, high = refits.interval(found.predict(rng.normal(3, 1, (50, 8)) * np.geomspace(10, 0.1, 8)))
        widths.append((high - low).mean())
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.2)
    assert widths[1] / widths[2] == pytest.approx(2, rel=0.2)


def test_the_same_seed_draws_the_same_images_and_every_image_counts_once_on_average():
    counts = refits.draw_images(50, 400, seed=5)
    np.testing.assert_array_equal(counts, refits.draw_images(50, 400, seed=5))
    assert counts.shape == (400, 50) and (counts.sum(axis=1) == 50).all()
    assert (counts != refits.draw_images(50, 400, seed=6)).any()
    assert np.abs(counts.mean(axis=0) - 1).max() < 5 * np.sqrt(1 / 400)
    assert (counts == 0).mean() == pytest.approx(np.exp(-1), abs=0.02)
    np.testing.assert_array_equal(counts[:3], refits.draw_images(50, 3, seed=5))  # more refits change none


def test_features_that_do_not_vary_predict_the_mean_of_the_images_that_were_drawn(rng):
    responses, counts = rng.standard_normal((30, 2)), refits.draw_images(30, 3, seed=1)
    found = refits.refit(np.full((30, 4), 2.5), responses, counts, alphas=[1.0, 1.0])
    np.testing.assert_allclose(found.weight, 0, atol=1e-12)
    np.testing.assert_allclose(found.intercept, counts @ responses / 30)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alphas": None}, "a penalty above 0 for each of 2 targets, found None"),
        ({"alphas": [1.0]}, "for each of 2 targets"),
        ({"alphas": [1.0, np.nan]}, "a penalty above 0"),
        ({"method": "lasso"}, "'lasso' is unknown; there are ridge"),
        ({"counts": np.zeros((1, 5), int)}, "above 0 for at least one image"),
        ({"counts": np.ones((1, 4), int)}, r"found \(5, 3\), \(5, 2\), \(1, 4\)"),
        ({"responses": np.full((5, 2), np.nan)}, "10 response values are not finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(rng, changes, message):
    wanted = {"features": rng.standard_normal((5, 3)), "responses": rng.standard_normal((5, 2))}
    wanted |= {"counts": np.ones((1, 5), int), "alphas": [1.0, 1.0]} | changes
    with pytest.raises(ValueError, match=message):
        refits.refit(**wanted)
