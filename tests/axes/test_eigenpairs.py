"""Tests of axes: the exact route against the Krylov ones, the choice of route, and sums of eigenvalues."""

import pytest
import torch
from planted_jacobians import angle, bumpy, small_images, start, true_residuals, whole_jacobian

from codingaxes.axes import eigenpairs
from codingaxes.miniature import zoo
from codingaxes.networks.network import Network


def test_rows_are_those_of_the_jacobian():
    respond, images = bumpy(7), small_images()
    torch.testing.assert_close(eigenpairs.rows(respond, images), whole_jacobian(respond, images))


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_rows_of_a_network_are_gradients_of_its_features_whatever_its_memory_layout(architecture):
    torch.manual_seed(0)
    network = Network(architecture).eval().requires_grad_(False)
    layer = network.layers[-1]

    def respond(images):
        return network.features(images, [layer])[layer][:, :2]

    images = torch.rand(2, 3, 64, 64)
    rows, whole = eigenpairs.rows(respond, images), whole_jacobian(respond, images)
    torch.testing.assert_close(rows, whole, rtol=1e-3, atol=1e-5 * float(whole.abs().max()))


def test_a_gradient_that_is_not_finite_is_refused_by_the_number_of_its_image():
    images = torch.ones(3, 3, 2, 2)
    images[2, 0, 0, 0] = 0

    def respond(images):
        return torch.stack([images.sqrt().sum(dim=(1, 2, 3)), images.sum(dim=(1, 2, 3))], dim=1)

    with pytest.raises(FloatingPointError, match="response 0 at image 2"):
        eigenpairs.rows(respond, images)


def test_the_exact_route_is_the_singular_value_decomposition():
    J = whole_jacobian(bumpy(12), small_images())
    spectrum = eigenpairs.exact_eigenpairs(J, 5)
    for i in range(3):
        _, values, vectors = torch.linalg.svd(J[i], full_matrices=False)
        torch.testing.assert_close(spectrum.values[i], values[:5].square())
        assert angle(spectrum.vectors[i], vectors[:5]) < 1e-5
    torch.testing.assert_close(spectrum.residuals, true_residuals(J, spectrum), rtol=1e-3, atol=1e-13)
    assert spectrum.converged.all() and spectrum.steps.tolist() == [12] * 3


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_exact_route_completes_a_low_rank_by_zeros_and_orthonormal_vectors(rank):
    J = torch.randn(2, 3, rank, dtype=torch.float64) @ torch.randn(2, rank, 30, dtype=torch.float64)
    spectrum = eigenpairs.exact_eigenpairs(J, 6)
    exact = torch.linalg.svdvals(J).square()[:, :rank]
    torch.testing.assert_close(spectrum.values[:, :rank], exact)
    assert (spectrum.values[:, rank:].abs() < 1e-12).all()
    gram = spectrum.vectors @ spectrum.vectors.mT
    torch.testing.assert_close(gram, torch.eye(6).double().expand(2, 6, 6), atol=1e-10, rtol=0)
    assert (spectrum.residuals < 1e-12).all()


def test_all_routes_give_the_same_subspace():
    respond, images = bumpy(25), small_images()
    axes = {
        route: eigenpairs.top_axes(respond, images, 4, start=start(), route=route, tolerance=1e-9)
        for route in eigenpairs.ROUTES
    }
    exact = axes["exact"].spectrum
    for route in ("lanczos", "bidiagonal"):
        spectrum = axes[route].spectrum
        assert spectrum.converged.all()
        torch.testing.assert_close(spectrum.values, exact.values, rtol=1e-9, atol=0)
        for i in range(3):
            assert angle(spectrum.vectors[i], exact.vectors[i]) < 1e-5


def test_routes_agree_in_single_precision_to_a_hundredth_of_a_degree():
    respond, images = bumpy(25), small_images()
    exact = eigenpairs.top_axes(respond, images, 4, start=start(), route="exact").spectrum
    for route in eigenpairs.ROUTES:
        axes = eigenpairs.top_axes(respond, images.float(), 4, start=start().float(), route=route)
        assert max(angle(axes.spectrum.vectors[i], exact.vectors[i]) for i in range(3)) < 0.01


@pytest.mark.parametrize("route", eigenpairs.ROUTES)
def test_a_given_route_is_taken_and_nothing_is_predicted(route):
    axes = eigenpairs.top_axes(bumpy(5), small_images(), 2, start=start(), route=route)
    assert axes.route == route and axes.costs == {}


def test_an_unknown_route_is_refused():
    with pytest.raises(ValueError, match="fast"):
        eigenpairs.top_axes(bumpy(5), small_images(), 2, start=start(), route="fast")


@pytest.mark.parametrize(
    ("responses", "route"), [(1, "exact"), (22, "exact"), (23, "lanczos"), (300, "lanczos")]
)
def test_auto_takes_the_route_of_fewer_passes(responses, route):
    axes = eigenpairs.top_axes(bumpy(responses), small_images(), 2, start=start())
    assert axes.costs == {"exact": responses, "lanczos": 2 * min(11, responses + 1)}
    assert axes.route == route


@pytest.mark.parametrize("route", ["auto", *eigenpairs.ROUTES])
def test_no_clock_is_read_unless_the_route_is_measured(monkeypatch, route):
    def clock():
        raise AssertionError("the clock was read")

    monkeypatch.setattr(eigenpairs.time, "perf_counter", clock)
    eigenpairs.top_axes(bumpy(40), small_images(), 2, start=start(), route=route)
    with pytest.raises(AssertionError, match="clock"):
        eigenpairs.top_axes(bumpy(40), small_images(), 2, start=start(), route="measured")


@pytest.mark.parametrize("responses", [1, 5, 40, 300])
def test_the_measured_route_is_the_one_of_fewer_predicted_seconds(responses):
    axes = eigenpairs.top_axes(bumpy(responses), small_images(), 2, start=start(), route="measured")
    assert set(axes.costs) == {"exact", "lanczos"}
    assert axes.route == min(axes.costs, key=axes.costs.get)
    if responses <= 5:
        assert axes.route == "exact"


def test_slow_backward_passes_and_many_responses_choose_lanczos():
    clock = iter(float(i) for i in range(1000))  # every timed piece takes a second
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eigenpairs, "_clock", lambda tensor: next(clock))
        seconds = eigenpairs.predict(lambda v: v, lambda u: u, 300, start(), 2, 1.0)
    assert seconds["exact"] >= 300 and seconds["lanczos"] == 11 * (2 + 3)


def test_one_response_has_one_axis_and_it_is_the_gradient():
    respond, images = bumpy(1), small_images()
    axes = eigenpairs.top_axes(respond, images, 2, start=start())
    gradient = whole_jacobian(respond, images)[:, 0]
    assert axes.route == "exact" and axes.spectrum.steps.tolist() == [1] * 3
    torch.testing.assert_close(axes.spectrum.values[:, 0], gradient.square().sum(dim=1))
    cosine = (axes.spectrum.vectors[:, 0] * gradient).sum(dim=1).abs() / gradient.norm(dim=1)
    torch.testing.assert_close(cosine, torch.ones(3).double())
    assert (axes.spectrum.values[:, 1] < 1e-20).all()


def test_more_axes_than_pixels_are_refused():
    with pytest.raises(ValueError, match=r"1\.\.30"):
        eigenpairs.exact_eigenpairs(torch.rand(1, 2, 30), 31)
