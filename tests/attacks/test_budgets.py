"""Tests of budgets: ball and box are never left, and perturbations inside them are optimal."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codingaxes.attacks import budgets

MANY = settings(max_examples=2000, deadline=None, derandomize=True, database=None)
CASES = {
    "seed": st.integers(0, 2**31),
    "side": st.integers(1, 6),
    "radius": st.floats(-3, 2).map(lambda power: 10.0**power),
    "scale": st.floats(-30, 30).map(lambda power: 10.0**power),
    "decimals": st.integers(0, 3),  # few: many pixels are 0 or 1
    "share": st.floats(0, 1),  # of directions that are zero
    "norm": st.sampled_from(budgets.NORMS),
    "dtype": st.sampled_from([torch.float32, torch.float64]),
}


def draw(*, seed=1, side=8, scale=1.0, decimals=2, share=0.0, dtype=torch.float64):
    """Draw three images and directions, of which a share is zero; scales differ between images."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(3, 3, side, side, generator=generator, dtype=dtype).round(decimals=decimals)
    direction = torch.randn(images.shape, generator=generator, dtype=dtype)
    direction *= torch.rand(images.shape, generator=generator) >= share
    return images, direction * torch.tensor([1.0, scale, 1 / scale], dtype=dtype).view(3, 1, 1, 1)


def assert_inside(delta, images, radius, norm):
    """Hold perturbations to ball and box."""
    rounding = 1e-6 if delta.dtype == torch.float32 else 1e-12
    assert torch.isfinite(delta).all()
    assert (budgets.size(delta, norm) <= radius * (1 + rounding)).all()
    perturbed = images + delta
    assert perturbed.min() >= 0 and perturbed.max() <= 1


@MANY
@given(**CASES)
def test_a_stretched_direction_is_in_ball_and_box_and_as_long_as_they_allow(
    seed, side, radius, scale, decimals, share, norm, dtype
):
    images, direction = draw(seed=seed, side=side, scale=scale, decimals=decimals, share=share, dtype=dtype)
    delta = budgets.stretch(direction, images, radius, norm)
    assert_inside(delta, images, radius, norm)
    assert (delta * direction >= 0).all()
    corner = torch.where(direction > 0, 1 - images, torch.where(direction < 0, -images, 0.0))
    full = (budgets.size(corner, norm) <= radius) | (budgets.size(delta, norm) >= radius * (1 - 1e-5))
    # directions below float32's smallest normal numbers, relative to the largest, may stay at zero
    assert full[0]


@pytest.mark.slow
@MANY
@given(**CASES)
def test_a_projected_point_is_in_ball_and_box_and_stays_where_it_is_when_projected_again(
    seed, side, radius, scale, decimals, share, norm, dtype
):
    images, point = draw(seed=seed, side=side, scale=scale, decimals=decimals, share=share, dtype=dtype)
    delta = budgets.project(point, images, radius, norm)
    assert_inside(delta, images, radius, norm)
    again = budgets.project(delta, images, radius, norm)
    torch.testing.assert_close(again, delta, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
@MANY
@given(**CASES)
def test_a_stored_perturbation_is_in_ball_and_box_and_within_half_a_thousandth(
    seed, side, radius, scale, decimals, share, norm, dtype
):
    images, direction = draw(seed=seed, side=side, scale=scale, decimals=decimals, share=share, dtype=dtype)
    delta = budgets.stretch(direction, images, radius, norm)
    stored = budgets.round_towards_zero(delta)
    assert stored.dtype == torch.float16
    assert_inside(stored.to(dtype), images, radius, norm)
    torch.testing.assert_close(stored.to(dtype), delta, rtol=1e-3, atol=1e-7)


def by_bisection(weights, image, radius, far=1e-9):
    """Maximise a linear response in ball and box by its dual: clip(weights / m), m by bisection."""
    low, high = far, 1e9
    for _ in range(300):
        middle = (low * high) ** 0.5
        delta = torch.minimum(torch.maximum(weights / middle, -image), 1 - image)
        low, high = (middle, high) if delta.norm() > radius else (low, middle)
    return delta


@pytest.mark.parametrize("radius", [0.1, 1.0, 4.0, 6.0])
def test_a_stretched_direction_is_the_maximum_of_a_linear_response(radius):
    images, weights = draw()
    deltas = budgets.stretch(weights, images, radius)
    for image, weight, delta in zip(images, weights, deltas, strict=True):
        torch.testing.assert_close(delta, by_bisection(weight, image, radius), atol=1e-7, rtol=0)


@pytest.mark.parametrize("power", [1, 3, 5])
@pytest.mark.parametrize("share", [0.9, 0.99, 0.999])
def test_the_maximum_is_exact_where_the_box_is_nearly_all_of_the_budget(power, share):
    images, weights = draw(seed=7, decimals=3)
    weights = weights**power
    for dtype, lost in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        corner = torch.where(weights > 0, 1 - images, -images)
        radius = share * budgets.size(corner, "l2")
        deltas = budgets.stretch(weights.to(dtype), images.to(dtype), radius.to(dtype)).double()
        for image, weight, delta, size in zip(images, weights, deltas, radius, strict=True):
            best = (weight * by_bisection(weight, image, size, far=1e-40)).sum()
            assert (weight * delta).sum() >= best * (1 - lost)


def test_a_projected_point_is_nearer_than_any_other_point_of_ball_and_box():
    images, point = draw(seed=2, side=6, decimals=1)
    for norm, radius in (("l2", 1.5), ("linf", 0.1)):
        nearest = budgets.project(point, images, radius, norm)
        distance = (nearest - point).flatten(1).norm(dim=1)
        for seed in range(200):
            other = budgets.project(draw(seed=seed, side=6, decimals=3)[1], images, radius, norm)
            for share in (1.0, 0.1, 0.01):  # the set is convex: points on the way are in it as well
                between = nearest + share * (other - nearest)
                assert ((between - point).flatten(1).norm(dim=1) >= distance - 1e-9).all()


def test_each_image_may_have_its_own_radius():
    images, direction = draw(seed=3, side=6, dtype=torch.float32)
    radii = torch.tensor([0.1, 1.0, 5.0])
    for norm in budgets.NORMS:
        together = budgets.stretch(direction, images, radii, norm)
        for i, radius in enumerate(radii):
            alone = budgets.stretch(direction[i : i + 1], images[i : i + 1], float(radius), norm)
            torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-6, atol=1e-9)


def test_a_budget_larger_than_the_box_ends_in_its_corner():
    images, weights = draw(seed=4)
    for norm in budgets.NORMS:
        delta = budgets.stretch(weights, images, 1e3, norm)
        torch.testing.assert_close(images + delta, (weights > 0).double())


def test_values_that_are_not_finite_move_nothing():
    images, direction = draw(seed=5, side=4, dtype=torch.float32)
    direction[0, 0, 0, 0], direction[1] = torch.nan, torch.inf
    delta = budgets.stretch(direction, images, 0.5)
    assert delta[0, 0, 0, 0] == 0 and (delta[1] == 0).all()
    torch.testing.assert_close(
        budgets.size(delta, "l2")[[0, 2]], torch.full((2,), 0.5).double(), rtol=1e-6, atol=0
    )


def test_a_linear_response_cannot_exceed_its_bound():
    images, gradient = draw(seed=6, side=6, decimals=3)
    for norm, radius in (("l2", 0.3), ("linf", 0.01)):
        reached = (gradient * budgets.stretch(gradient, images, radius, norm)).sum((1, 2, 3))
        limit = budgets.bound(gradient, radius, norm)
        assert (reached <= limit * (1 + 1e-12)).all() and (reached > 0.8 * limit).all()


def test_images_outside_the_pixel_range_unknown_norms_and_bad_radii_are_refused():
    images = torch.rand(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"\[0, 1\], found 0 to 2"):
        budgets.check(torch.tensor([0.0, 2.0]).expand(3, 4, 2)[None], 1.0, "l2")
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        budgets.check(torch.full((1, 3, 2, 2), torch.nan), 1.0, "l2")
    with pytest.raises(ValueError, match="norm must be one of l2, linf, not 'l1'"):
        budgets.check(images, 1.0, "l1")
    with pytest.raises(ValueError, match="radius must be above 0"):
        budgets.check(images, torch.tensor([1.0, 0.0]), "l2")
    with pytest.raises(ValueError, match=r"\(n, 3, h, w\)"):
        budgets.check(images[0], 1.0, "l2")
