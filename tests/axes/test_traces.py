"""Tests of sums over all eigenvalues, of their stated errors, and of sketches of what axes leave."""

import pytest
import torch
from planted_jacobians import bumpy, jacobians_with, small_images, start, whole_jacobian

from codingaxes.axes import eigenpairs, traces

SIZE = 300


def planted(decay, responses=90):
    """Make a linear response of images (n, 3, 10, 10) whose JᵀJ has eigenvalues (1 + i) ** -decay."""
    values = [(1.0 + i) ** -decay for i in range(SIZE)]
    matrix = jacobians_with([values], responses)[0][0]
    return (lambda images: images.flatten(1) @ matrix.to(images).T), torch.tensor(values[:responses]).double()


def axes_of(respond, images, k, route="lanczos", tolerance=1e-4):
    """Find leading axes, from first directions that belong to the places of the images."""
    first = start(len(images), images[0].numel())
    return eigenpairs.top_axes(respond, images, k, start=first, route=route, tolerance=tolerance)


@pytest.mark.parametrize("decay", [0.5, 1.0, 2.0])
def test_trace_and_participation_ratio_are_within_two_percent_of_the_exact_ones(decay):
    respond, values = planted(decay)
    images = torch.rand(20, 3, 10, 10, dtype=torch.float64)
    moments = traces.moments(axes_of(respond, images, 5), tolerance=0.01, sketches=2, seeds=range(20))
    assert (moments.error <= 0.01).all()
    torch.testing.assert_close(moments.total, values.sum().expand(20), rtol=0.02, atol=0)
    # of the participation ratio, 2% are two standard errors
    error = (moments.total**2 / moments.squares * values.square().sum() / values.sum() ** 2 - 1).abs()
    assert (error < 0.02).double().mean() >= 0.9 and error.square().mean() ** 0.5 <= 0.012


def test_the_stated_error_is_the_one_that_is_made():
    respond, values = planted(0.7)
    images = torch.rand(60, 3, 10, 10, dtype=torch.float64)
    moments = traces.moments(axes_of(respond, images, 3), tolerance=0.05, sketches=1, seeds=range(60))
    ratio = values.sum() ** 2 / values.square().sum()
    z = ((moments.total**2 / moments.squares / ratio - 1) / moments.error).square().mean().sqrt()
    assert 0.3 < z < 1.2  # the two errors are added up as if they did not cancel
    error = moments.total / values.sum() - 1
    assert error.mean().abs() < 4 * error.std() / 60**0.5
    assert 8 <= moments.draws.min() and moments.draws.max() < 90


@pytest.mark.parametrize("route", eigenpairs.ROUTES)
def test_sums_are_exact_with_as_many_draws_as_responses(route):
    respond, images = bumpy(9), small_images()
    whole = torch.linalg.svdvals(whole_jacobian(respond, images)).square()
    axes = axes_of(respond, images, 2, route, 1e-3)
    moments = traces.moments(axes, tolerance=1e-9, sketches=1, seeds=[1, 2, 3])
    torch.testing.assert_close(moments.total, whole.sum(dim=1), rtol=1e-6, atol=0)
    torch.testing.assert_close(moments.squares, whole.square().sum(dim=1), rtol=1e-6, atol=0)
    assert (moments.error <= 1e-9).all()
    assert (moments.draws == 0).all() if route == "exact" else (moments.draws >= 8).all()


def test_a_smaller_tolerance_takes_more_draws():
    respond, _ = planted(0.5)
    axes = axes_of(respond, torch.rand(3, 3, 10, 10, dtype=torch.float64), 3)
    few, many = (
        traces.moments(axes, tolerance=tolerance, sketches=1, seeds=[1, 2, 3]).draws
        for tolerance in (0.05, 0.02)
    )
    assert (many > few).all()


def test_sums_do_not_depend_on_the_batch():
    respond, images = bumpy(30), small_images()
    options = {"tolerance": 0.05, "sketches": 2}
    together = traces.moments(axes_of(respond, images, 3), **options, seeds=[5, 6, 7])
    first = start(3)[1:2]
    alone = eigenpairs.top_axes(respond, images[1:2], 3, start=first, route="lanczos", tolerance=1e-4)
    alone = traces.moments(alone, **options, seeds=[6])
    for name in ("total", "squares", "error", "remainder"):
        torch.testing.assert_close(getattr(together, name)[1:2], getattr(alone, name))


@pytest.mark.parametrize("route", ["exact", "lanczos"])
def test_a_sketch_has_the_mean_of_what_the_axes_leave_in_any_direction(route):
    respond, _ = planted(0.5)
    images = torch.rand(400, 3, 10, 10, dtype=torch.float64)
    axes = axes_of(respond, images, 3, route, 1e-9)
    sketch = traces.moments(axes, tolerance=0.5, sketches=3, seeds=range(400)).remainder
    directions = torch.randn(4, SIZE, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    rows = whole_jacobian(respond, images[:1])[0]
    basis = axes.spectrum.vectors[0]
    beyond = directions - directions @ basis.T @ basis
    expected = (rows @ beyond.T).square().sum(dim=0)
    found = torch.einsum("nsi,di->nsd", sketch, directions).square().sum(dim=1)
    error = found.std(dim=0) / 400**0.5
    assert ((found.mean(dim=0) - expected).abs() < 4 * error).all() and (error < 0.1 * expected).all()
    assert (torch.einsum("nsi,nki->nsk", sketch, axes.spectrum.vectors).abs() < 1e-6).all()


def test_a_sketch_of_all_responses_is_exact():
    respond, images = bumpy(2), small_images()
    axes = axes_of(respond, images, 1, "exact")
    sketch = traces.moments(axes, tolerance=0.5, sketches=4, seeds=[1, 2, 3]).remainder
    values = torch.linalg.svdvals(whole_jacobian(respond, images)).square()
    torch.testing.assert_close(sketch.square().sum(dim=(1, 2)), values[:, 1], rtol=1e-5, atol=0)
