"""Tests of selection: layers are chosen in training alone, and nothing leaks from held-out images."""

import numpy as np
import pytest
from sklearn.model_selection import KFold

from codingaxes.estimates import bootstrap
from codingaxes.readouts import ridge, selection

LOO = {"cv": "leave_one_out", "alphas": np.logspace(-4, 4, 17)}
FOLDS = KFold(5, shuffle=True, random_state=3)


def chosen_on_noise(seed, leak):
    """Predict noise, with the layer chosen in training or on the test: r, and whether 0 is covered."""
    rng = np.random.default_rng(seed)
    layers = {f"layer{i}": rng.standard_normal((160, 120)) @ np.diag(rng.gamma(1, 1, 120)) for i in range(6)}
    responses, train = rng.standard_normal((160, 1)), np.arange(160) < 80
    fits = {name: ridge.fit(x[train], responses[train], **LOO) for name, x in layers.items()}
    tested = {
        name: bootstrap.correlation(fit.predict(layers[name][~train]), responses[~train])[0]
        for name, fit in fits.items()
    }
    chosen = selection.choose_layers({name: fit.error for name, fit in fits.items()}, {"FFA": 0})["FFA"]
    chosen = max(tested, key=tested.get) if leak else chosen
    predicted = fits[chosen].predict(layers[chosen][~train])
    low, high = bootstrap.correlation_interval(predicted, responses[~train])
    return tested[chosen], low[0] <= 0 <= high[0]


@pytest.mark.slow
def test_pure_noise_is_predicted_at_chance_and_its_intervals_cover_zero_as_often_as_they_say():
    r, covered = np.array([chosen_on_noise(seed, leak=False) for seed in range(200)]).T
    assert abs(r.mean()) < 3 * r.std() / np.sqrt(200)
    assert 0.90 <= covered.mean() <= 0.99  # 95%, and three standard errors of 200 draws
    # the same check finds a layer that was chosen on the test images
    r, _ = np.array([chosen_on_noise(seed, leak=True) for seed in range(40)]).T
    assert r.mean() > 5 * r.std() / np.sqrt(40)


def test_the_layer_is_chosen_by_the_leading_target_of_each_region():
    errors = {"early": np.array([0.5, 0.2, 0.9]), "late": np.array([0.4, 0.3, 0.1])}
    assert selection.choose_layers(errors, {"FFA": 0, "PPA": 1}) == {"FFA": "late", "PPA": "early"}


def test_k_fold_correlations_choose_layers_and_hold_every_image_out_once(rng):
    early, late = rng.standard_normal((2, 120, 30))
    face, place = early[:, :1] + early[:, 1:2], late[:, :1] - late[:, 2:3]
    responses = np.hstack([face, face + rng.standard_normal((120, 1)), place, rng.standard_normal((120, 1))])
    layers, regions = {"early": early, "late": late}, ["FFA", "FFA", "PPA", "PPA"]
    r = selection.k_fold_correlations(layers, responses, regions, {"FFA": 0, "PPA": 2}, FOLDS, **LOO)
    assert r.shape == (5, 4)
    assert (r[:, [0, 2]] > 0.95).all() and abs(r[:, 3].mean()) < 0.3
    assert r[:, 1].mean() == pytest.approx(np.sqrt(2 / 3), abs=0.1)
    inside, outside = next(FOLDS.split(early))
    alone = ridge.fit(early[inside], responses[inside][:, :2], **LOO).predict(early[outside])
    np.testing.assert_allclose(r[0, :2], bootstrap.correlation(alone, responses[outside][:, :2]))


def test_k_fold_correlations_of_noise_are_centred_on_zero():
    r = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        layers = {name: rng.standard_normal((60, 80)) for name in "ab"}
        noise = rng.standard_normal((60, 1))
        r.append(selection.k_fold_correlations(layers, noise, ["FFA"], {"FFA": 0}, FOLDS, **LOO).mean())
    assert abs(np.mean(r)) < 3 * np.std(r) / np.sqrt(40)
