"""Attacks: closed-form optima, the budget, independence of images, rounding."""

import itertools

import pytest
import torch

from codingaxes import attacks


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(weights):
    return lambda images: (images * weights).sum(dim=(1, 2, 3))


def curved(seed=3):
    """A response with curvature and interactions between pixels."""
    first, second = randn(20, 3 * 8 * 8, seed=seed) / 10, randn(20, seed=seed + 1)
    return lambda images: torch.tanh(images.flatten(1) @ first.T) @ second


def norms(x):
    return x.flatten(1).norm(dim=1)


def test_a_linear_response_is_increased_to_its_optimum_in_one_step():
    weights, images = randn(3, 8, 8), 0.5 + 0 * rand(4, 3, 8, 8)
    found = attacks.increase(linear(weights), images, 0.3, steps=1, tolerance=1e-6)
    torch.testing.assert_close(
        found.change, torch.full((4,), 0.3 * float(weights.norm())).double(), rtol=1e-6, atol=0
    )
    found = attacks.increase(linear(weights), images, 0.3, steps=3, tolerance=1e-6)
    assert found.converged.all() and (found.gap <= 1e-6 * found.change).all()


def test_where_pixels_meet_the_box_the_optimum_is_that_of_the_dual():
    # maximise w.d over ||d|| <= e and lo <= d <= hi: d = clip(w / (2 m), lo, hi), m found by bisection
    weights, images = randn(3, 8, 8), rand(5, 3, 8, 8)
    found = attacks.increase(linear(weights), images, 4.0, steps=1, tolerance=1e-6)
    for image, delta in zip(images, found.delta, strict=True):
        low, high = 1e-6, 1e6
        for _ in range(200):
            middle = (low * high) ** 0.5
            expected = torch.minimum(torch.maximum(weights / middle, -image), 1 - image)
            low, high = (middle, high) if expected.norm() > 4.0 else (low, middle)
        torch.testing.assert_close(delta, expected, atol=1e-6, rtol=0)
        assert (image + delta <= 1e-12).any() or (image + delta >= 1 - 1e-12).any()


def test_a_budget_larger_than_the_box_ends_in_its_corner():
    weights, images = randn(3, 8, 8), rand(2, 3, 8, 8)
    found = attacks.increase(linear(weights), images, 1e3, steps=2, tolerance=1e-6)
    torch.testing.assert_close(images + found.delta, (weights > 0).double().expand_as(images))


def test_norm_and_box_hold_for_the_stored_perturbation_in_many_random_cases():
    for seed in range(200):
        images = rand(3, 3, 8, 8, seed=seed).float().round(decimals=seed % 3)  # many pixels at 0 and 1
        radius = float(10 ** (2 * rand(1, seed=seed) - 1))
        delta = attacks.stretch(randn(3, 3, 8, 8, seed=seed).float(), images, radius)
        stored = attacks.round_towards_zero(delta)
        assert (norms(stored.double()) <= radius * (1 + 1e-6)).all()
        shown = images + stored.float()
        assert shown.min() >= 0 and shown.max() <= 1
        torch.testing.assert_close(stored.float(), delta, rtol=1e-3, atol=1e-7)


def test_an_attack_beats_one_gradient_step_and_random_noise_of_its_size():
    respond, images = curved(), 0.2 + 0.6 * rand(6, 3, 8, 8)
    found = attacks.increase(respond, images, 1.0, steps=20, tolerance=0.01)
    once = attacks.increase(respond, images, 1.0, steps=1, tolerance=0.01)
    noise = attacks.stretch(randn(6, 3, 8, 8), images, 1.0)
    assert (found.change >= once.change).all() and (found.change > once.change + 1e-6).any()
    assert (found.change > 3 * (respond(images + noise) - respond(images)).abs()).all()
    torch.testing.assert_close(norms(noise), norms(found.delta), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.change, respond(images + found.delta) - respond(images))


def test_more_steps_never_give_less():
    respond, images = curved(), rand(6, 3, 8, 8)
    changes = [
        attacks.increase(respond, images, 1.0, steps=n, tolerance=0.01).change for n in (1, 2, 4, 8, 16)
    ]
    for fewer, more in itertools.pairwise(changes):
        assert (more >= fewer - 1e-12).all()


def test_an_image_is_attacked_the_same_alone_and_in_a_batch():
    respond, images = curved(), rand(6, 3, 8, 8)
    together = attacks.increase(respond, images, 1.0, steps=8, tolerance=0.01)
    for i in range(6):
        alone = attacks.increase(respond, images[i : i + 1], 1.0, steps=8, tolerance=0.01)
        torch.testing.assert_close(alone.delta[0], together.delta[i], rtol=1e-9, atol=1e-11)


def test_a_constant_or_undefined_response_gives_flagged_rows_of_zeros():
    images = rand(2, 3, 8, 8)
    for respond in (lambda x: 0 * x.sum(dim=(1, 2, 3)), lambda x: (0 * x).sqrt().sum(dim=(1, 2, 3))):
        found = attacks.increase(respond, images, 1.0, steps=3, tolerance=0.1)
        assert not found.converged.any() and (found.change == 0).all() and (found.delta == 0).all()


def test_images_outside_the_pixel_range_and_bad_budgets_are_refused():
    respond = linear(randn(3, 8, 8))
    with pytest.raises(ValueError, match=r"\[0, 1\], found 0 to 2"):
        attacks.increase(
            respond, torch.tensor([0.0, 2.0]).double().expand(3, 8, 2)[None], 1.0, steps=1, tolerance=0.1
        )
    with pytest.raises(ValueError, match="radius"):
        attacks.increase(respond, rand(1, 3, 8, 8), 0.0, steps=1, tolerance=0.1)
    with pytest.raises(ValueError, match="steps"):
        attacks.increase(respond, rand(1, 3, 8, 8), 1.0, steps=0, tolerance=0.1)
    with pytest.raises(ValueError, match="one number for each"):
        attacks.increase(lambda x: x.flatten(1), rand(2, 3, 8, 8), 1.0, steps=1, tolerance=0.1)
