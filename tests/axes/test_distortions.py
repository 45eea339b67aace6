"""Tests of principal distortions: closed forms, planted models, a dense search, and what cannot matter."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import eigh
from scipy.optimize import minimize

from codingaxes.axes import distortions, subspaces

D, K = 24, 3  # pixels, axes of each model


def planted(rng, models, d=D, k=K):
    """Draw leading eigenpairs of some models, and traces: values, vectors, traces."""
    vectors = subspaces.orthonormal(rng.standard_normal((models, k, d)))
    values = np.sort(rng.uniform(1, 20, (models, k)))[:, ::-1]
    return values, vectors, values.sum(axis=1) * rng.uniform(1.1, 2, models)


def dense(values, vectors, traces):
    """Write the metrics as matrices (models, d, d): eigenpairs, and the rest of the trace spread evenly."""
    d = vectors.shape[2]
    known = np.einsum("mk,mki,mkj->mij", values, vectors, vectors)
    outside = np.eye(d) - np.einsum("mki,mkj->mij", vectors, vectors)
    rest = (traces - values.sum(axis=1)) / (d - values.shape[1])
    return known + rest[:, None, None] * outside


def log_ratios(matrices, pair):
    """Compute log(e1ᵀG e1 / e2ᵀG e2) of each model by the definition."""
    quadratic = np.einsum("ni,mij,nj->nm", pair, matrices, pair)
    return np.log(quadratic[0] / quadratic[1])


def of_pairs(matrices, rng, starts):
    """Maximise the variance over models of the log ratio in all dimensions, without gradients of our own."""

    def negative(x):
        return -np.var(log_ratios(matrices, x.reshape(2, -1)))

    size = 2 * matrices.shape[1]
    return max(-minimize(negative, rng.standard_normal(size), method="BFGS").fun for _ in range(starts))


def test_of_two_models_the_pair_is_the_extreme_generalised_eigenvectors(rng):
    axes = planted(rng, 2)
    found, (first, second) = distortions.principal(*axes), dense(*axes)
    values, vectors = eigh(first, second)
    expected = vectors[:, [-1, 0]].T / np.linalg.norm(vectors[:, [-1, 0]].T, axis=1, keepdims=True)
    cosines = np.abs(found.vectors @ expected.T)
    assert np.allclose(cosines.max(axis=1), 1, atol=1e-6)
    assert found.objective == pytest.approx(np.log(values[-1] / values[0]) ** 2 / 4, rel=1e-8)
    assert found.converged and found.gradient <= 1e-4


def test_the_stated_ratios_are_those_of_the_whole_metrics(rng):
    axes = planted(rng, 5)
    found = distortions.principal(*axes)
    np.testing.assert_allclose(found.ratios, log_ratios(dense(*axes), found.vectors), rtol=1e-8, atol=1e-10)
    assert found.objective == pytest.approx(np.var(found.ratios))
    assert found.spread == pytest.approx(np.std(0.5 * found.ratios))  # distance is the root of eᵀGe
    assert found.ratios.mean() >= 0
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1)


@pytest.mark.parametrize("models", [3, 5])
def test_a_search_in_all_dimensions_finds_nothing_that_is_better_by_a_percent(models):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        axes = planted(rng, models, d=10, k=2)
        found = distortions.principal(*axes)
        assert found.objective >= 0.99 * of_pairs(dense(*axes), rng, starts=6)


def test_planted_families_are_told_apart_by_their_own_directions(rng):
    shared = np.linalg.qr(rng.standard_normal((D, D)))[0].T
    values = np.tile([5.0, 1.0], (6, 1)) * rng.uniform(0.5, 2, (6, 1))
    own = [0, 0, 0, 1, 1, 1]  # which direction a family sees best
    vectors = np.stack([[shared[family], shared[2 + place]] for place, family in enumerate(own)])
    found = distortions.principal(values, vectors, 1.5 * values.sum(axis=1))
    cosines = np.abs(found.vectors @ shared[:2].T)
    # apart from small parts of the directions that single models have
    assert cosines.max(axis=1).min() > 0.9 and set(cosines.argmax(axis=1)) == {0, 1}
    signs = np.sign(found.ratios)
    assert abs(signs[:3].sum()) == abs(signs[3:].sum()) == 3 and signs[0] == -signs[3]


def test_the_scale_of_a_metric_does_not_count(rng):
    values, vectors, traces = planted(rng, 4)
    scale = np.array([1e-6, 1.0, 30.0, 1e5])
    one = distortions.principal(values, vectors, traces)
    other = distortions.principal(values * scale[:, None], vectors, traces * scale)
    np.testing.assert_allclose(other.ratios, one.ratios, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(np.abs(np.sum(one.vectors * other.vectors, axis=1)), 1, atol=1e-8)


def test_a_rotation_of_all_pixels_turns_the_pair_with_it(rng):
    values, vectors, traces = planted(rng, 4)
    turn = np.linalg.qr(rng.standard_normal((D, D)))[0]
    one = distortions.principal(values, vectors, traces)
    other = distortions.principal(values, vectors @ turn.T, traces)
    assert other.objective == pytest.approx(one.objective, rel=1e-8)
    np.testing.assert_allclose(np.abs(np.sum(one.vectors @ turn.T * other.vectors, axis=1)), 1, atol=1e-6)


def test_the_ascent_never_ends_below_its_best_start_and_repeats_exactly(rng):
    axes = planted(rng, 6)
    found, again = distortions.principal(*axes), distortions.principal(*axes)
    np.testing.assert_array_equal(found.vectors, again.vectors)
    assert found.objective >= found.start > 0
    one = distortions.principal(*axes, starts=1)
    assert one.objective <= found.objective * (1 + 1e-9) and one.objective >= one.start
    assert found.converged and 0 < found.agreement <= 1
    assert not distortions.principal(*axes, tolerance=1e-30).converged


def test_the_gradient_is_that_of_finite_differences(rng):
    known = distortions.metrics(*planted(rng, 4))
    pair = rng.standard_normal((2, len(known.basis)))
    _, slope = distortions._objective(known, pair)
    step, numeric = 1e-6, np.empty_like(pair)
    for place in np.ndindex(pair.shape):
        moved = np.zeros_like(pair)
        moved[place] = step
        ends = [distortions._objective(known, pair + sign * moved)[0] for sign in (1, -1)]
        numeric[place] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose((slope * pair).sum(axis=1), 0, atol=1e-10)


def test_the_pair_is_farther_apart_than_any_of_the_axes_and_random_directions(rng):
    planted_axes = planted(rng, 5)
    known, found = distortions.metrics(*planted_axes), distortions.principal(*planted_axes)
    axes = known.axes.reshape(-1, known.axes.shape[2])
    random = rng.standard_normal((200, axes.shape[1]))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    for directions in (axes, random):
        pair, variance = distortions.farthest(known.sensitivities(directions))
        expected = np.var(log_ratios(dense(*planted_axes), directions[list(pair)] @ known.basis))
        assert variance == pytest.approx(expected)
        assert found.objective > variance


def test_models_with_the_same_metrics_have_nothing_to_tell_apart(rng):
    values, vectors, traces = planted(rng, 1)
    same = [np.repeat(part, 3, axis=0) for part in (values, vectors, traces)]
    found = distortions.principal(*same)
    assert found.objective < 1e-20 and np.allclose(found.ratios, found.ratios[0])


def test_a_model_whose_axes_leave_nothing_of_the_trace_has_a_floor_all_the_same(rng):
    values, vectors, traces = planted(rng, 3)
    traces[0] = values[0].sum() * (1 - 1e-3)  # as an estimated trace may be
    known = distortions.metrics(values, vectors, traces)
    assert known.floors[0] == pytest.approx(distortions.SPREAD * traces[0] / (D - K))
    assert np.isfinite(distortions.principal(values, vectors, traces).ratios).all()


def tables(values, vectors, traces):
    """Write planted axes as rows of the tables eigenvectors and jacobians, vectors as float16."""
    about = {"response": "voxels", "roi": "FFA", "image_id": "nsd_00001"}
    axes = [
        {"network": f"net{m}", "rank": rank, "eigenvalue": value, "vector": vector.astype(np.float16)}
        for m, pairs in enumerate(zip(values, vectors, strict=True))
        for rank, (value, vector) in enumerate(zip(*pairs, strict=True), start=1)
    ]
    networks = [f"net{m}" for m in range(len(traces))]
    return pd.DataFrame(axes).assign(**about), pd.DataFrame({"network": networks, "trace": traces, **about})


def test_rows_of_tables_give_the_pair_of_their_image_whatever_their_order(rng):
    planted_axes = planted(rng, 4)
    axes, jacobians = tables(*planted_axes)
    found = distortions.of_image(axes.sample(frac=1, random_state=1), jacobians)
    expected = distortions.principal(*planted_axes)
    assert found.models == ("net0", "net1", "net2", "net3")
    np.testing.assert_allclose(found.ratios, expected.ratios, rtol=0.01)  # float16
    assert (np.abs((found.vectors * expected.vectors).sum(axis=1)) > 0.999).all()


def test_a_model_that_nothing_moves_is_left_out(rng):
    axes, jacobians = tables(*planted(rng, 4))
    jacobians.loc[2, "trace"] = 0.0
    found = distortions.of_image(axes, jacobians)
    assert found.models == ("net0", "net1", "net3") and len(found.ratios) == 3


def test_rows_of_several_images_and_models_without_axes_are_refused(rng):
    axes, jacobians = tables(*planted(rng, 3))
    with pytest.raises(ValueError, match="axes must be of one response, region and image, found 2"):
        distortions.of_image(pd.concat([axes, axes.assign(image_id="nsd_00002")]), jacobians)
    with pytest.raises(ValueError, match="no axes of net1; compute"):
        distortions.of_image(axes[axes.network != "net1"], jacobians)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v, u, t: (v[:1], u[:1], t[:1]), "two models or more, found 1"),
        (lambda v, u, t: (v, [u[0], u[1], u[2][:, :-1]], t), r"\[23, 24\] pixels"),
        (lambda v, u, t: (v, u, 0 * t), "traces above 0"),
        (lambda v, u, t: (np.nan * v, u, t), "must be finite"),
        (lambda v, u, t: (v, u[:, [0, 0, 1]], t), "not independent"),
    ],
)
def test_what_has_no_metric_is_refused(rng, change, message):
    with pytest.raises(ValueError, match=message):
        distortions.principal(*change(*planted(rng, 3)))
