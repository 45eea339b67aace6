"""Readouts: planted weights, exact folding, no leak from test images."""

import numpy as np
import pytest

from codingaxes import readouts, statistics

ALPHAS = np.logspace(-4, 4, 17)


def test_planted_weights_are_recovered_without_noise(rng):
    features, planted = rng.normal(2, 3, (200, 10)), rng.standard_normal((2, 10))
    found = readouts.fit(features, features @ planted.T + [1.0, -2.0], np.logspace(-9, 1, 11))
    np.testing.assert_allclose(found.weight, planted, atol=1e-4)
    np.testing.assert_allclose(found.intercept, [1.0, -2.0], atol=1e-3)


def test_the_solution_satisfies_the_normal_equations_with_more_features_than_images(rng):
    features, responses = rng.normal(1, 2, (30, 80)), rng.standard_normal((30, 3))
    found = readouts.fit(features, responses, ALPHAS)
    scale = np.sqrt(features.var(axis=0).sum())
    x = (features - features.mean(axis=0)) / scale
    y = responses - responses.mean(axis=0)
    for target in range(3):
        expected = np.linalg.solve(x.T @ x + found.alpha[target] * np.eye(80), x.T @ y[:, target])
        np.testing.assert_allclose(found.weight[target] * scale, expected, rtol=1e-6, atol=1e-9)
        predicted = x @ expected + responses[:, target].mean()
        np.testing.assert_allclose(found.predict(features)[:, target], predicted, atol=1e-9)


def test_the_penalty_is_the_one_with_the_smallest_leave_one_out_error(rng):
    features, planted = rng.standard_normal((40, 15)), rng.standard_normal(15)
    responses = (features @ planted + 4 * rng.standard_normal(40))[:, None]
    found = readouts.fit(features, responses, ALPHAS)
    x = (features - features.mean(axis=0)) / np.sqrt(features.var(axis=0).sum())
    errors = []
    for alpha in ALPHAS:
        left_out = []
        for i in range(40):
            keep = np.arange(40) != i
            mean_x, mean_y = x[keep].mean(axis=0), responses[keep].mean()
            weights = np.linalg.solve(
                (x[keep] - mean_x).T @ (x[keep] - mean_x) + alpha * np.eye(15),
                (x[keep] - mean_x).T @ (responses[keep, 0] - mean_y),
            )
            left_out.append((x[i] - mean_x) @ weights + mean_y - responses[i, 0])
        errors.append(np.mean(np.square(left_out)))
    assert found.alpha[0] == ALPHAS[np.argmin(errors)]
    assert found.error[0] == pytest.approx(min(errors), rel=1e-6)


def test_noisier_targets_get_larger_penalties(rng):
    features, planted = rng.standard_normal((150, 60)), rng.standard_normal(60)
    signal = features @ planted / np.sqrt(60)
    responses = np.stack([signal + noise * rng.standard_normal(150) for noise in (0.1, 1.0, 10.0)], axis=1)
    found = readouts.fit(features, responses, ALPHAS)
    assert found.alpha[0] < found.alpha[1] <= found.alpha[2]


def test_a_choice_at_the_edge_of_the_grid_is_flagged(rng):
    features = rng.standard_normal((60, 5))
    responses = np.stack([features[:, 0], rng.standard_normal(60)], axis=1)
    assert readouts.fit(features, responses, [1.0, 2.0]).at_edge.all()
    assert not readouts.fit(features, responses[:, :1] + 0.5 * responses[:, 1:], ALPHAS).at_edge.any()


def test_pure_noise_is_predicted_at_chance_and_its_intervals_cover_zero():
    r, covered = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        features, responses = rng.standard_normal((90, 200)), rng.standard_normal((90, 1))
        found = readouts.fit(features[:60], responses[:60], ALPHAS)
        predicted = found.predict(features[60:])
        low, high = statistics.bootstrap_correlation(predicted, responses[60:], rng, 200)
        r.append(statistics.correlation(predicted, responses[60:])[0])
        covered.append(low[0] <= 0 <= high[0])
    assert abs(np.mean(r)) < 3 * np.std(r) / np.sqrt(60)
    assert np.mean(covered) >= 0.85


def test_numbers_that_are_not_finite_and_shapes_that_disagree_are_refused(rng):
    features = rng.standard_normal((20, 4))
    responses = rng.standard_normal((20, 2))
    responses[3, 1] = np.nan
    with pytest.raises(ValueError, match="1 response values are not finite"):
        readouts.fit(features, responses, ALPHAS)
    with pytest.raises(ValueError, match=r"\(20, 4\), \(19, 1\)"):
        readouts.fit(features, np.zeros((19, 1)), ALPHAS)


def test_a_constant_feature_does_no_harm(rng):
    features = rng.standard_normal((30, 4))
    features[:, 2] = 7.0
    found = readouts.fit(features, features[:, :1], ALPHAS)
    assert np.isfinite(found.weight).all() and found.weight[0, 2] == 0


def test_a_unit_that_is_silent_in_training_does_not_explode_when_it_wakes_up(rng):
    features = rng.standard_normal((60, 4))
    features[:, 3] = 0
    features[7, 3] = 1e-3
    found = readouts.fit(features, rng.standard_normal((60, 1)), ALPHAS)
    awake = np.zeros((1, 4))
    awake[0, 3] = 3.0
    assert abs(found.predict(awake) - found.intercept)[0, 0] < 3
