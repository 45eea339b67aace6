"""Tests of ridge: planted weights, agreement with other libraries, penalties, odd features."""

import himalaya.ridge
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import KFold

from codingaxes.estimates import bootstrap
from codingaxes.readouts import ridge

ALPHAS = np.logspace(-4, 4, 17)
LOO = {"cv": "leave_one_out", "alphas": ALPHAS}
FOLDS = KFold(5, shuffle=True, random_state=3)


def scaled(features):
    """Scale features as ridge does: centred, Gram matrix with a mean diagonal of 1; and give that scale."""
    centred = features - features.mean(axis=0)
    scale = np.sqrt(np.square(centred).sum() / len(centred))
    return centred / scale, scale


def noisy(rng, n, d, *, noise, targets=3):
    """Draw features (n, d), and responses that are linear in them, with noise."""
    features = rng.normal(1, 2, (n, d))
    planted = rng.standard_normal((targets, d)) / np.sqrt(d)
    return features, features @ planted.T + noise * rng.standard_normal((n, targets))


def test_planted_weights_are_recovered_without_noise(rng):
    features, planted = rng.normal(2, 3, (200, 10)), rng.standard_normal((2, 10))
    fit = ridge.fit(
        features, features @ planted.T + [1.0, -2.0], cv="leave_one_out", alphas=np.logspace(-9, 1, 11)
    )
    np.testing.assert_allclose(fit.weight, planted, atol=1e-4)
    np.testing.assert_allclose(fit.intercept, [1.0, -2.0], atol=1e-3)


def test_the_solution_satisfies_the_normal_equations_with_more_features_than_images(rng):
    features, responses = rng.normal(1, 2, (30, 80)), rng.standard_normal((30, 3))
    fit = ridge.fit(features, responses, **LOO)
    x, scale = scaled(features)
    y = responses - responses.mean(axis=0)
    for target in range(3):
        expected = np.linalg.solve(x.T @ x + fit.alpha[target] * np.eye(80), x.T @ y[:, target])
        np.testing.assert_allclose(fit.weight[target] * scale, expected, rtol=1e-6, atol=1e-9)
        predicted = x @ expected + responses[:, target].mean()
        np.testing.assert_allclose(fit.predict(features)[:, target], predicted, atol=1e-9)


@pytest.mark.parametrize("shape", [(40, 15), (40, 90), (40, 39)])
def test_leave_one_out_errors_are_those_of_leaving_images_out_one_by_one(rng, shape):
    features, responses = noisy(rng, *shape, noise=2, targets=2)
    fit = ridge.fit(features, responses, **LOO)
    x, _ = scaled(features)
    errors = np.empty((len(ALPHAS), 2))
    for i, alpha in enumerate(ALPHAS):
        left_out = []
        for image in range(40):
            keep = np.arange(40) != image
            peer = Ridge(alpha).fit(x[keep], responses[keep])
            left_out.append(peer.predict(x[[image]])[0] - responses[image])
        errors[i] = np.square(left_out).mean(axis=0)
    np.testing.assert_array_equal(fit.alpha, ALPHAS[errors.argmin(axis=0)])
    np.testing.assert_allclose(fit.error, errors.min(axis=0), rtol=1e-5)


@pytest.mark.parametrize("shape", [(40, 15), (40, 90)])
def test_generalised_errors_are_those_of_the_hat_matrix(rng, shape):
    features, responses = noisy(rng, *shape, noise=2, targets=2)
    fit = ridge.fit(features, responses, cv="generalised", alphas=ALPHAS)
    x, _ = scaled(features)
    errors = np.empty((len(ALPHAS), 2))
    for i, alpha in enumerate(ALPHAS):
        hat = x @ np.linalg.solve(x.T @ x + alpha * np.eye(shape[1]), x.T) + 1 / 40
        residual = responses - hat @ responses
        errors[i] = np.square(residual).mean(axis=0) / (1 - np.trace(hat) / 40) ** 2
    np.testing.assert_array_equal(fit.alpha, ALPHAS[errors.argmin(axis=0)])
    np.testing.assert_allclose(fit.error, errors.min(axis=0), rtol=1e-6)


@pytest.mark.parametrize("shape", [(43, 15), (43, 90)])
def test_k_fold_errors_are_those_of_fits_without_the_fold(rng, shape):
    features, responses = noisy(rng, *shape, noise=2, targets=2)
    fit = ridge.fit(features, responses, cv=FOLDS, alphas=ALPHAS)
    x, _ = scaled(features)
    errors = np.zeros((len(ALPHAS), 2))
    for i, alpha in enumerate(ALPHAS):
        for inside, outside in FOLDS.split(x):
            peer = Ridge(alpha).fit(x[inside], responses[inside])
            errors[i] += np.square(peer.predict(x[outside]) - responses[outside]).mean(axis=0) / 5
    np.testing.assert_array_equal(fit.alpha, ALPHAS[errors.argmin(axis=0)])
    np.testing.assert_allclose(fit.error, errors.min(axis=0), rtol=1e-5)


@pytest.mark.parametrize("shape", [(120, 40), (60, 300)])
def test_readouts_are_those_of_scikit_learns_ridgecv(rng, shape):
    features, responses = noisy(rng, *shape, noise=3, targets=12)
    fit = ridge.fit(features, responses, **LOO)
    x, scale = scaled(features)
    peer = RidgeCV(ALPHAS, alpha_per_target=True).fit(x, responses)
    np.testing.assert_array_equal(fit.alpha, peer.alpha_)
    np.testing.assert_allclose(fit.weight * scale, peer.coef_, rtol=1e-6, atol=1e-6 * abs(peer.coef_).max())
    np.testing.assert_allclose(fit.predict(features), peer.predict(x), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(fit.error, -peer.best_score_, rtol=1e-5)


@pytest.mark.parametrize("shape", [(122, 40), (63, 300)])
def test_readouts_are_those_of_himalaya(rng, shape):
    features, responses = noisy(rng, *shape, noise=3, targets=12)
    fit = ridge.fit(features, responses, cv=FOLDS, alphas=ALPHAS)
    x, scale = scaled(features)
    quiet = {"warn": False}  # that kernels would be faster
    peer = himalaya.ridge.RidgeCV(ALPHAS, fit_intercept=True, cv=FOLDS, solver_params=quiet).fit(x, responses)
    np.testing.assert_allclose(fit.alpha, peer.best_alphas_, rtol=1e-9)
    np.testing.assert_allclose(fit.weight * scale, peer.coef_.T, rtol=1e-6, atol=1e-6 * abs(peer.coef_).max())
    np.testing.assert_allclose(fit.predict(features), peer.predict(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(80, 12), (40, 5000)])
@pytest.mark.parametrize(
    "options",
    [LOO, {"cv": FOLDS, "alphas": ALPHAS}, {"cv": FOLDS, "method": "pls", "components": 4},
     {"cv": FOLDS, "method": "least_squares"}],
    ids=["leave_one_out", "k_fold", "pls", "least_squares"],
)  # fmt: skip
def test_a_readout_is_the_same_on_coordinates_and_on_features(rng, shape, options):
    features, responses = noisy(rng, *shape, noise=1)
    features = features.astype(np.float32)
    train = np.arange(len(features)) % 4 > 0
    place = ridge.coordinates(features)
    np.testing.assert_allclose(pdist(place.values), pdist(features), rtol=1e-6)
    on_features = ridge.fit(features[train], responses[train], **options)
    on_coordinates = ridge.fit(place.values[train], responses[train], **options)
    expected = on_features.predict(features.astype(np.float64))
    np.testing.assert_allclose(on_coordinates.predict(place.values), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(on_coordinates.error, on_features.error, rtol=1e-4)
    # exported: the basis turns weights into weights on the features, for images never seen as well
    basis = place.basis(features)
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-4)
    new = rng.normal(1, 2, (5, shape[1]))
    exported = (new - place.mean) @ basis.T @ on_coordinates.weight.T + on_coordinates.intercept
    np.testing.assert_allclose(exported, on_features.predict(new), rtol=1e-4, atol=1e-4)


def test_images_that_repeat_and_features_that_are_constant_only_lower_the_rank(rng):
    features = np.repeat(rng.standard_normal((10, 50)), 2, axis=0)
    features[:, 7] = 3.0
    place = ridge.coordinates(features)
    assert place.values.shape == (20, 9)
    np.testing.assert_allclose(pdist(place.values), pdist(features), atol=1e-6)
    assert ridge.coordinates(np.ones((5, 3))).values.shape == (5, 0)


def test_other_methods_are_those_of_scikit_learn(rng):
    features, responses = noisy(rng, 60, 20, noise=2)
    fit = ridge.fit(features, responses, cv=FOLDS, method="least_squares")
    np.testing.assert_allclose(fit.weight, LinearRegression().fit(features, responses).coef_, rtol=1e-8)
    fit = ridge.fit(features, responses, cv=FOLDS, method="pls", components=3)
    for target in range(3):
        peer = PLSRegression(3, scale=False).fit(features, responses[:, target])
        np.testing.assert_allclose(fit.predict(features)[:, target], peer.predict(features), rtol=1e-8)
    assert np.isnan(fit.alpha).all() and not fit.at_edge.any()
    # with fewer images than features, of all exact fits the smallest
    features, responses = noisy(rng, 20, 60, noise=2)
    fit = ridge.fit(features, responses, cv=FOLDS, method="least_squares")
    smallest = np.linalg.pinv(features - features.mean(axis=0)) @ (responses - responses.mean(axis=0))
    np.testing.assert_allclose(fit.weight, smallest.T, atol=1e-9)


def test_the_chosen_penalty_is_the_noise_over_the_signal_of_a_weight(rng):
    # weights drawn with variance s of a target with noise variance v: the best penalty is v / s
    n, d, targets = 200, 400, 300
    features = rng.standard_normal((n, d))
    grid = np.geomspace(1e-3, 1e3, 61)
    _, scale = scaled(features)
    for noise in (0.5, 1.0, 2.0):
        responses = features @ rng.standard_normal((d, targets)) / np.sqrt(d)
        responses += noise * rng.standard_normal((n, targets))
        for cv in ("leave_one_out", "generalised", FOLDS):
            fit = ridge.fit(features, responses, cv=cv, alphas=grid)
            best = noise**2 * d / scale**2
            assert abs(np.log10(np.median(fit.alpha) / best)) < 0.11  # a step of the grid


@pytest.mark.parametrize(("n", "d", "noise"), [(300, 30, 1.0), (200, 400, 0.5), (200, 400, 1.5)])
def test_planted_weights_and_noise_give_the_r_of_theory(rng, n, d, noise):
    # Dobriban & Wager, Annals of Statistics 46 (2018): risk of the best ridge with isotropic features
    ratio, strength = d / n, 1 / noise**2
    lift = (ratio - 1) / ratio * strength
    risk = noise**2 * (1 + lift + np.sqrt((1 - lift) ** 2 + 4 * strength)) / 2
    expected = np.sqrt(1 - risk / (1 + noise**2))
    features = rng.standard_normal((n + 1000, d))
    responses = features @ rng.standard_normal((d, 100)) / np.sqrt(d)
    responses += noise * rng.standard_normal(responses.shape)
    fit = ridge.fit(features[:n], responses[:n], cv="leave_one_out", alphas=np.logspace(-3, 3, 25))
    r = bootstrap.correlation(fit.predict(features[n:]), responses[n:])
    assert r.mean() == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("shape", [(123, 40), (63, 300)])
def test_penalties_of_nearly_noiseless_targets_are_those_of_float64(rng, shape, noise):
    features, responses = noisy(rng, *shape, noise=noise, targets=40)
    grid = np.geomspace(1e-6, 1e6, 49)
    x, _ = scaled(features)
    errors = np.zeros((len(grid), 40))
    for i, alpha in enumerate(grid):
        for inside, outside in FOLDS.split(x):
            peer = Ridge(alpha, solver="svd").fit(x[inside], responses[inside])
            errors[i] += np.square(peer.predict(x[outside]) - responses[outside]).mean(axis=0) / 5
    fit = ridge.fit(features, responses, cv=FOLDS, alphas=grid)
    np.testing.assert_array_equal(fit.alpha, grid[errors.argmin(axis=0)])


def test_noisier_targets_get_larger_penalties(rng):
    features, planted = rng.standard_normal((150, 60)), rng.standard_normal(60)
    signal = features @ planted / np.sqrt(60)
    responses = np.stack([signal + noise * rng.standard_normal(150) for noise in (0.1, 1.0, 10.0)], axis=1)
    fit = ridge.fit(features, responses, **LOO)
    assert fit.alpha[0] < fit.alpha[1] <= fit.alpha[2]


def test_a_choice_at_the_edge_of_the_grid_is_flagged(rng):
    features = rng.standard_normal((60, 5))
    responses = np.stack([features[:, 0], rng.standard_normal(60)], axis=1)
    narrow = {"cv": "leave_one_out", "alphas": [1.0, 2.0]}
    assert ridge.fit(features, responses, **narrow).at_edge.all()
    mixed = responses[:, :1] + 0.5 * responses[:, 1:]
    assert not ridge.fit(features, mixed, **LOO).at_edge.any()


def test_of_penalties_that_are_as_good_the_largest_is_taken(rng):
    features = rng.standard_normal((30, 5))
    constant = np.ones((30, 1))
    for cv in ("leave_one_out", "generalised", FOLDS):
        assert ridge.fit(features, constant, cv=cv, alphas=ALPHAS).alpha[0] == ALPHAS[-1]


def test_what_cannot_be_fitted_is_refused(rng):
    features, responses = rng.standard_normal((20, 4)), rng.standard_normal((20, 2))
    broken = responses.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="1 response values are not finite"):
        ridge.fit(features, broken, **LOO)
    with pytest.raises(ValueError, match=r"\(20, 4\), \(19, 1\)"):
        ridge.fit(features, np.zeros((19, 1)), **LOO)
    with pytest.raises(ValueError, match="method 'lasso' is unknown; there are ridge, least_squares, pls"):
        ridge.fit(features, responses, method="lasso", **LOO)
    with pytest.raises(ValueError, match="cv 'leave_one_out' is unknown for pls"):
        ridge.fit(features, responses, method="pls", cv="leave_one_out")
    with pytest.raises(ValueError, match="penalties"):
        ridge.fit(features, responses, cv="generalised", alphas=[0.0, 1.0])
    features[2, 1] = np.inf
    with pytest.raises(ValueError, match="1 feature values are not finite"):
        ridge.coordinates(features)


def test_a_constant_feature_does_no_harm(rng):
    features = rng.standard_normal((30, 4))
    features[:, 2] = 7.0
    fit = ridge.fit(features, features[:, :1], **LOO)
    assert np.isfinite(fit.weight).all() and fit.weight[0, 2] == 0


def test_features_that_do_not_vary_give_the_mean(rng):
    responses = rng.standard_normal((20, 2))
    for cv in ("leave_one_out", "generalised", FOLDS):
        fit = ridge.fit(np.ones((20, 3)), responses, cv=cv, alphas=ALPHAS)
        np.testing.assert_allclose(fit.predict(np.ones((1, 3)))[0], responses.mean(axis=0))
        assert np.isfinite(fit.error).all()


def test_a_unit_that_is_silent_in_training_does_not_explode_when_it_wakes_up(rng):
    features = rng.standard_normal((60, 4))
    features[:, 3] = 0
    features[7, 3] = 1e-3
    fit = ridge.fit(features, rng.standard_normal((60, 1)), **LOO)
    awake = np.zeros((1, 4))
    awake[0, 3] = 3.0
    assert abs(fit.predict(awake) - fit.intercept)[0, 0] < 3


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_principal_components_are_those_of_scikit_learn(rng, shape):
    features = rng.standard_normal(shape) * np.linspace(1, 3, shape[1])
    found, expected = ridge.principal_components(features), PCA().fit(features)
    rank = len(found.variance)
    assert rank == min(shape[0] - 1, shape[1])
    variance = expected.explained_variance_[:rank] * (len(features) - 1) / len(features)
    np.testing.assert_allclose(found.variance, variance)
    np.testing.assert_allclose(np.abs(found.vectors @ expected.components_[:rank].T), np.eye(rank), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layer_that_is_the_same_on_all_images_but_for_rounding_has_no_coordinates(rng, dtype):
    row = rng.uniform(0.1, 0.9, 5000).astype(dtype)
    features = np.tile(row, (40, 1))
    features[3] = np.nextafter(features[3], dtype(2))
    for same in (features, np.zeros((40, 50), dtype)):
        assert ridge.coordinates(same).values.shape == (40, 0)
    features[3, 7] *= 1.001  # one feature of one image is enough
    assert ridge.coordinates(features).values.shape[1] >= 1
