"""Jacobians: the exact route against the Krylov ones, the choice of route, and compressed readouts."""

import numpy as np
import pytest
import scipy.linalg
import torch

from codingaxes import jacobians, models, networks, zoo


def respond_with(responses, seed=0):
    """A small network, images (n, 3, 6, 6) -> (n, responses), whose JᵀJ has separated eigenvalues."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(40, 108, generator=generator, dtype=torch.float64) / 10
    second = torch.randn(responses, 40, generator=generator, dtype=torch.float64)
    second = second * 0.8 ** torch.arange(40)
    return lambda images: torch.tanh(images.flatten(1) @ first.to(images).T) @ second.to(images).T


def batch(n=3, seed=1):
    return torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def start(n=3, size=108):
    return torch.randn(n, size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def whole_jacobian(respond, images):
    return torch.stack(
        [torch.func.jacrev(lambda x: respond(x[None])[0])(image).flatten(1) for image in images]
    )


def angle(found, expected):
    """The largest principal angle in degrees between the spans of two sets of rows."""
    return np.degrees(
        scipy.linalg.subspace_angles(found.double().T.numpy(), expected.double().T.numpy()).max()
    )


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_rows_are_those_of_the_jacobian_in_chunks_of_any_size(chunk):
    respond, images = respond_with(7), batch()
    expected = whole_jacobian(respond, images)
    torch.testing.assert_close(jacobians.rows(respond, images, chunk), expected)


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_rows_of_a_network_are_gradients_of_its_features_whatever_its_memory_layout(architecture):
    torch.manual_seed(0)
    network = networks.Network(architecture).eval().requires_grad_(False)
    layer = network.layers[-1]

    def respond(images):
        return network.features(images, [layer])[layer][:, :2]

    images = torch.rand(2, 3, 64, 64)
    for chunk in (1, 2):
        found = jacobians.rows(respond, images, chunk)
        for i in range(2):
            expected = torch.func.jacrev(lambda x: respond(x[None])[0])(images[i]).flatten(1)
            torch.testing.assert_close(found[i], expected, rtol=1e-3, atol=1e-5 * expected.abs().max())


@pytest.mark.parametrize("chunk", [1, 2])
def test_a_gradient_that_is_not_finite_is_refused_by_the_name_of_its_image(chunk):
    images = torch.ones(3, 3, 2, 2)
    images[2, 0, 0, 0] = 0

    def respond(images):
        return torch.stack([images.sqrt().sum(dim=(1, 2, 3)), images.sum(dim=(1, 2, 3))], dim=1)

    with pytest.raises(FloatingPointError, match="response 0 at image 2"):
        jacobians.rows(respond, images, chunk)


def test_the_exact_route_is_the_singular_value_decomposition():
    J = whole_jacobian(respond_with(12), batch())
    found = jacobians.exact_eigenpairs(J, 5)
    for i in range(3):
        _, values, vectors = torch.linalg.svd(J[i], full_matrices=False)
        torch.testing.assert_close(found.values[i], values[:5].square())
        assert angle(found.vectors[i], vectors[:5]) < 1e-5
    true = torch.einsum("nji,njl,nkl->nki", J, J, found.vectors) - found.values[..., None] * found.vectors
    torch.testing.assert_close(found.residuals, true.norm(dim=2), rtol=1e-3, atol=1e-13)
    assert found.converged.all() and found.steps.tolist() == [12] * 3


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_exact_route_completes_a_low_rank_by_zeros_and_orthonormal_vectors(rank):
    J = torch.randn(2, 3, rank, dtype=torch.float64) @ torch.randn(2, rank, 30, dtype=torch.float64)
    found = jacobians.exact_eigenpairs(J, 6)
    exact = torch.linalg.svdvals(J).square()[:, :rank]
    torch.testing.assert_close(found.values[:, :rank], exact)
    torch.testing.assert_close(found.values[:, rank:], torch.zeros(2, 6 - rank).double(), atol=1e-12, rtol=0)
    gram = found.vectors @ found.vectors.mT
    torch.testing.assert_close(gram, torch.eye(6).double().expand(2, 6, 6), atol=1e-10, rtol=0)
    assert (found.residuals < 1e-12).all()


def test_all_routes_give_the_same_subspace():
    respond, images = respond_with(25), batch()
    axes = {
        route: jacobians.top_axes(respond, images, 4, start=start(), route=route, tolerance=1e-9)
        for route in jacobians.ROUTES
    }
    exact = axes["exact"].spectrum
    for route in ("lanczos", "bidiagonal"):
        found = axes[route].spectrum
        assert found.converged.all()
        torch.testing.assert_close(found.values, exact.values, rtol=1e-9, atol=0)
        for i in range(3):
            assert angle(found.vectors[i], exact.vectors[i]) < 1e-5


def test_routes_agree_in_single_precision_to_a_hundredth_of_a_degree():
    respond, images = respond_with(25), batch()
    exact = jacobians.top_axes(respond, images, 4, start=start(), route="exact").spectrum
    for route in jacobians.ROUTES:
        found = jacobians.top_axes(respond, images.float(), 4, start=start().float(), route=route).spectrum
        assert max(angle(found.vectors[i], exact.vectors[i]) for i in range(3)) < 0.01


@pytest.mark.parametrize("route", jacobians.ROUTES)
def test_a_given_route_is_taken_and_nothing_is_predicted(route):
    axes = jacobians.top_axes(respond_with(5), batch(), 2, start=start(), route=route)
    assert axes.route == route and axes.predicted == {}


def test_an_unknown_route_is_refused():
    with pytest.raises(ValueError, match="fast"):
        jacobians.top_axes(respond_with(5), batch(), 2, start=start(), route="fast")


@pytest.mark.parametrize("responses", [1, 5, 40, 300])
def test_the_route_is_the_one_with_fewer_predicted_seconds(responses):
    axes = jacobians.top_axes(respond_with(responses), batch(), 2, start=start())
    assert set(axes.predicted) == {"exact", "lanczos"}
    assert axes.route == min(axes.predicted, key=axes.predicted.get)
    if responses <= 5:
        assert axes.route == "exact"


def test_slow_backward_passes_and_many_responses_choose_lanczos():
    seconds = {"exact": 0, "lanczos": 0}
    clock = iter(float(i) for i in range(1000))  # every timed piece takes a second
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jacobians, "_clock", lambda tensor: next(clock))
        seconds = jacobians.predict(lambda v: v, lambda u: u, 300, start(), 2, 1.0)
    assert seconds["exact"] >= 300 and seconds["lanczos"] == 11 * (2 + 3)


def test_one_response_has_one_axis_and_it_is_the_gradient():
    respond, images = respond_with(1), batch()
    axes = jacobians.top_axes(respond, images, 2, start=start())
    gradient = whole_jacobian(respond, images)[:, 0]
    assert axes.route == "exact" and axes.spectrum.steps.tolist() == [1] * 3
    torch.testing.assert_close(axes.spectrum.values[:, 0], gradient.square().sum(dim=1))
    cosine = (axes.spectrum.vectors[:, 0] * gradient).sum(dim=1).abs() / gradient.norm(dim=1)
    torch.testing.assert_close(cosine, torch.ones(3).double())
    assert (axes.spectrum.values[:, 1] < 1e-20).all()


@pytest.mark.parametrize("shape", [(200, 30), (30, 200), (30, 30)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_compressed_readout_has_the_same_square_and_its_rank(shape, kind):
    generator = torch.Generator().manual_seed(3)
    left, right = (
        torch.randn(s, generator=generator, dtype=torch.float64) for s in ((shape[0], 11), (11, shape[1]))
    )
    weight = (left @ right).to(kind)
    short = models.compress(weight)
    assert short.shape == (11, shape[1]) and short.dtype == kind
    wide = weight.double()
    off = (short.double().T @ short.double() - wide.T @ wide).norm() / (wide.T @ wide).norm()
    assert off < (1e-6 if kind == torch.float32 else 1e-13)


def test_a_ridge_readout_compresses_to_less_than_its_images_and_keeps_the_axes():
    generator = torch.Generator().manual_seed(4)
    x, y = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((12, 40), (12, 90)))
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    weight = torch.linalg.solve(x @ x.T + torch.eye(12), y).T @ x
    short = models.compress(weight)
    assert len(short) == 11

    def axes(weight):
        def respond(images):
            return torch.tanh(images.flatten(1)[:, :40]) @ weight.T

        return jacobians.top_axes(respond, batch(), 3, start=start(), route="exact").spectrum

    torch.testing.assert_close(axes(weight).values, axes(short).values)
    for i in range(3):
        assert angle(axes(weight).vectors[i], axes(short).vectors[i]) < 1e-5


def test_a_readout_in_factors_needs_only_its_left_one_compressed():
    generator = torch.Generator().manual_seed(5)
    left = torch.randn(60, 8, generator=generator, dtype=torch.float64)
    right = torch.linalg.qr(torch.randn(50, 8, generator=generator, dtype=torch.float64)).Q.T
    short = models.compress(left) @ right
    weight = left @ right
    assert short.shape == (8, 50)
    torch.testing.assert_close(short.T @ short, weight.T @ weight)


def test_a_readout_of_zeros_stays_a_response():
    assert models.compress(torch.zeros(5, 7)).shape == (1, 7)


def test_more_axes_than_pixels_are_refused():
    with pytest.raises(ValueError, match=r"1\.\.30"):
        jacobians.exact_eigenpairs(torch.rand(1, 2, 30), 31)


@pytest.mark.parametrize("k", [1, 4])
def test_sums_of_eigenvalues_are_exact_with_as_many_probes_as_responses(k):
    respond, images = respond_with(9), batch()
    whole = torch.linalg.svdvals(whole_jacobian(respond, images)).square()
    spectrum = jacobians.top_axes(respond, images, k, start=start(), tolerance=1e-12).spectrum
    total, squares = jacobians.moments(respond, images, spectrum, 9, [1, 2, 3])
    torch.testing.assert_close(total, whole.sum(dim=1))
    torch.testing.assert_close(squares, whole.square().sum(dim=1))


def test_sums_of_eigenvalues_are_estimated_without_bias_and_better_the_more_axes_are_known():
    respond, images = respond_with(30), batch(1)
    whole = torch.linalg.svdvals(whole_jacobian(respond, images)).square()[0]
    spread = []
    for k in (1, 8):
        spectrum = jacobians.top_axes(respond, images, k, start=start(1), tolerance=1e-12).spectrum
        found = torch.stack([
            torch.stack(jacobians.moments(respond, images, spectrum, 2, [seed])) for seed in range(300)
        ])[..., 0]  # fmt: skip
        error = found.mean(dim=0) - torch.stack([whole.sum(), whole.square().sum()])
        assert (error.abs() < 4 * found.std(dim=0) / 300**0.5).all()
        spread.append(found.std(dim=0))
    assert (spread[1] < spread[0]).all()


def test_sums_of_eigenvalues_do_not_depend_on_the_batch():
    respond, images = respond_with(30), batch()
    spectrum = jacobians.top_axes(respond, images, 3, start=start(), tolerance=1e-10).spectrum
    together = jacobians.moments(respond, images, spectrum, 4, [5, 6, 7])
    alone = jacobians.top_axes(respond, images[1:2], 3, start=start()[1:2], tolerance=1e-10).spectrum
    for one, other in zip(together, jacobians.moments(respond, images[1:2], alone, 4, [6]), strict=True):
        torch.testing.assert_close(one[1:2], other)
