"""Axes of the finished micro study: what the tables say of eigenvectors and their similarity is so."""

import numpy as np
import pytest
import torch
from studies import MODELS, ROBUST, images_of, model_of, perturbations, read, replayed

from codingaxes.encoding.model import KINDS
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.axes import EIGENVECTORS, INHERITED, JACOBIANS, REMAINDERS
from codingaxes.tables.similarity import ALIGNMENT, PROFILES, SIMILARITY, SIMILARITY_MEANS


def eigenvectors(study, model):
    """Read the axes of a model."""
    return read(study, f"results/axes/eigenvectors/{model}.parquet", EIGENVECTORS)


def jacobians(study, model):
    """Read the sizes of the Jacobians of a model."""
    return read(study, f"results/axes/jacobians/{model}.parquet", JACOBIANS)


@pytest.mark.parametrize("model", MODELS)
def test_axes_are_orthonormal_and_ordered_and_state_their_residuals(study, model):
    axes = eigenvectors(study, model)
    assert set(axes.response) == set(KINDS) - ({"features"} if model == BRAIN else set())
    for (kind, *_), rows in axes.groupby(["response", "roi", "image_id"]):
        basis = store.matrix(rows.sort_values("rank").vector).astype(float)
        assert len(basis) == (1 if kind == "group" else 2)
        np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=5e-3)
        assert rows.sort_values("rank").eigenvalue.is_monotonic_decreasing
    largest = axes.groupby(["response", "roi", "image_id"]).eigenvalue.transform("max")
    assert (axes.converged == (axes.residual <= 1e-4 * largest)).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_step_along_a_stored_axis_moves_the_responses_by_the_root_of_its_eigenvalue(study, name):
    axes = eigenvectors(study, name)
    model, step = model_of(study, name), 1e-5
    spaces = {(kind, roi): respond for kind in KINDS for roi, respond in model.responses(kind).items()}
    # the voxels themselves, not the fewer responses that have the same axes
    spaces |= {("voxels", roi): respond for roi, respond in model.voxels.items()}
    for (kind, roi), rows in axes.groupby(["response", "roi"]):
        respond = spaces[kind, roi].double()
        images = images_of(study, rows.image_id).double()
        along = torch.from_numpy(store.matrix(rows.vector).astype(float)).view_as(images)
        with torch.no_grad():
            moved = (respond(images + step * along) - respond(images - step * along)) / (2 * step)
        rounding = 1e-6 * rows.eigenvalue.max()
        np.testing.assert_allclose(moved.norm(dim=1) ** 2, rows.eigenvalue, rtol=1e-2, atol=rounding)
        if kind == "group":
            assert (moved > 0).all()


@pytest.mark.parametrize("route", ["exact", "lanczos", "bidiagonal"])
def test_every_route_finds_the_same_axes(study_copy, tmp_path, route):
    kinds = ["group", "subjects", "voxels", "joint"]  # not all rows of thousands of features
    setting = {"route": route, "responses": kinds}
    outputs = replayed(study_copy, tmp_path, "compute_eigenvectors", ROBUST, setting)
    sizes = store.read(outputs["jacobians"], JACOBIANS)
    assert set(sizes.route[sizes.response != "group"]) == {route}
    usual = eigenvectors(study_copy, ROBUST)
    usual = usual[usual.response.isin(kinds)]
    key = ["response", "roi", "image_id", "rank"]
    pair = usual.merge(store.read(outputs["eigenvectors"], EIGENVECTORS), on=key, suffixes=("", "_other"))
    assert len(pair) == len(usual)
    largest = pair.groupby(key[:-1]).eigenvalue.transform("max")
    assert ((pair.eigenvalue - pair.eigenvalue_other).abs() < 1e-3 * largest).all()
    first = pair[pair["rank"] == 1]
    cosine = [
        abs(float(a.astype(float) @ b.astype(float)))
        for a, b in zip(first.vector, first.vector_other, strict=True)
    ]
    assert min(cosine) > 0.999


def test_voxels_can_count_by_their_noise_ceiling(study_copy, tmp_path):
    outputs = replayed(study_copy, tmp_path, "compute_eigenvectors", ROBUST, {"weighting": "noise_ceiling"})
    key = ["response", "roi", "image_id"]
    usual = jacobians(study_copy, ROBUST).set_index(key).trace
    weighted = store.read(outputs["jacobians"], JACOBIANS).set_index(key).trace[usual.index]
    changed = (weighted < 0.9 * usual).groupby("response").all()
    assert changed[["voxels", "joint"]].all() and not changed[["group", "subjects", "features"]].any()


@pytest.mark.parametrize("name", MODELS)
def test_sizes_of_jacobians_fit_their_axes(study, name):
    axes, sizes = eigenvectors(study, name), jacobians(study, name)
    key = ["response", "roi", "image_id"]
    eigenvalues = axes.groupby(key).eigenvalue.agg(["sum", "max"])
    sizes = sizes.set_index(key).loc[eigenvalues.index]
    assert (sizes.trace >= eigenvalues["sum"] * (1 - 1e-6)).all()
    np.testing.assert_allclose(sizes.first_share, eigenvalues["max"] / sizes.trace)
    assert (sizes.participation_ratio >= 1 - 1e-6).all()
    assert (sizes.participation_ratio <= sizes.n_responses + 1e-6).all()
    np.testing.assert_allclose(sizes.xs("group").participation_ratio, 1)
    assert (sizes.error <= 0.02).all() and sizes.spectral_participation_ratio.between(1, 46).all()
    np.testing.assert_allclose(sizes.leading_share, eigenvalues["sum"] / sizes.trace)


@pytest.mark.parametrize("name", MODELS)
def test_what_the_axes_leave_is_orthogonal_to_them_and_of_the_right_size(study, name):
    axes, sizes = eigenvectors(study, name), jacobians(study, name)
    rest = read(study, f"results/axes/remainders/{name}.parquet", REMAINDERS)
    assert "group" not in set(rest.response)
    key = ["response", "roi", "image_id"]
    for place, rows in rest.groupby(key):
        basis = store.matrix(axes.set_index(key).loc[[place]].vector).astype(float)
        inside = store.matrix(rows.vector).astype(float) @ basis.T
        assert np.abs(inside).max() < 5e-3
    left = sizes.set_index(key).eval("trace * (1 - leading_share)")
    sketched = rest.assign(squared=rest.length**2).groupby(key).squared.sum()
    kinds = (sketched / left[sketched.index]).groupby("response").mean()
    assert kinds[["voxels", "joint"]].between(0.5, 2).all()


@pytest.mark.parametrize("name", MODELS)
def test_readouts_of_networks_inherit_sensitivity_and_the_brain_has_no_features(study, name):
    inherited = read(study, f"results/axes/inherited/{name}.parquet", INHERITED)
    if name == BRAIN:
        assert inherited.empty
    else:
        group = jacobians(study, name).query("response == 'group'")
        assert len(inherited) == len(group) and (inherited.inherited_sensitivity > 0).all()
        assert (inherited.error < inherited.inherited_sensitivity).all()


def test_own_axes_capture_the_most_and_gradients_as_much_as_they_are_similar(study):
    pairs = read(study, "results/similarity/similarity.parquet", SIMILARITY).dropna(subset=["captured_ij"])
    sizes = jacobians(study, ROBUST).set_index(["response", "roi", "image_id"]).leading_share
    own = pairs[(pairs.network_i == ROBUST) & (pairs.k == 2) & pairs.own_i.notna()]
    place = own.set_index(["response", "roi", "image_id"]).index
    np.testing.assert_allclose(own.own_i, sizes[place])
    group = pairs[pairs.response == "group"]
    np.testing.assert_allclose(group.captured_ij, group.similarity, atol=1e-4)
    np.testing.assert_allclose(group.captured_ji, group.similarity, atol=1e-4)


def test_similarities_stand_in_their_range_and_are_averaged_over_images(study):
    pairs = read(study, "results/similarity/similarity.parquet", SIMILARITY)
    means = read(study, "results/similarity/similarity_means.parquet", SIMILARITY_MEANS)
    key = ["network_i", "network_j", "response", "roi", "k"]
    assert pairs.similarity.notna().mean() > 0.8  # an axis that hardly differs from rounding is not compared
    assert pairs.similarity.isna().sum() == (4 - means.n_images).sum()
    pairs = pairs.dropna(subset=["similarity", "across_images"])
    assert pairs.similarity.between(0, 1).all() and pairs.across_images.between(0, 1).all()
    np.testing.assert_allclose(pairs.projection_distance**2, 1 - pairs.similarity, atol=1e-9)
    one = pairs[pairs.k == 1]
    np.testing.assert_allclose(one.cosine**2, one.similarity, atol=1e-6)
    np.testing.assert_allclose(np.cos(np.radians(one.largest_angle)) ** 2, one.similarity, atol=1e-5)
    expected = pairs.groupby(key)[["similarity", "across_images"]].mean()
    means = means.set_index(key).loc[expected.index]
    np.testing.assert_allclose(means.similarity, expected.similarity)
    np.testing.assert_allclose(means.across, expected.across_images)
    # fewer than three images have no interval, and all others have one that holds the mean
    enough = pairs.groupby(key).similarity.count().loc[expected.index] >= 3
    assert enough.any() and means.similarity_low.notna().equals(enough)
    assert (means.similarity_low <= means.similarity)[enough].all()
    assert means.p_matched.between(0.001, 1).all()
    assert (means.matched_chance > 0).all() and means.chance.lt(1e-3).all()
    assert set(pairs.response) == {"group", "subjects", "voxels", "joint", "features"}
    brain = means.reset_index().network_j == BRAIN
    assert set(means.reset_index().response[brain]) == {"group", "subjects", "voxels", "joint"}


def test_the_share_of_an_attack_in_the_axes_is_that_of_a_projection(study):
    alignment = read(study, "results/similarity/alignment.parquet", ALIGNMENT)
    attacks, axes = perturbations(study, ROBUST), eigenvectors(study, ROBUST)
    key = ["roi", "direction", "radius", "image_id"]
    for kind, k in (("voxels", 2), ("group", 1)):
        rows = alignment[(alignment.network == ROBUST) & (alignment.response == kind) & (alignment.k == k)]
        row = rows.iloc[3]
        chosen = axes[(axes.response == kind) & (axes.roi == row.roi) & (axes.image_id == row.image_id)]
        basis = np.linalg.qr(store.matrix(chosen.vector).astype(float).T)[0]
        delta = attacks.set_index(key).delta[tuple(row[key])].astype(float)
        expected = np.square(basis.T @ delta).sum() / np.square(delta).sum()
        assert row.share == pytest.approx(expected, rel=1e-3)
        assert rows.share.between(0, 1 + 1e-6).all() and rows.share.mean() > 100 * row.chance


def test_profiles_are_shares_of_power(study):
    profiles = read(study, "results/similarity/profiles.parquet", PROFILES)
    total = profiles.groupby(["network", "response", "roi"]).share.sum()
    np.testing.assert_allclose(total, 1)
