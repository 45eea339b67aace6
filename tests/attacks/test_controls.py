"""Tests of controls: they are as large as the attack, and keep of it only what they should."""

import pytest
import torch

from codingaxes.attacks import budgets, controls, noise


def perturbations(images, *, radius=0.5, seed=0):
    """Draw perturbations whose pixels and colours depend on each other."""
    white = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return budgets.stretch(white.cumsum(-1) + white.roll(1, 1), images, radius)


def grey(n=3, side=8):
    """Make grey images, float32 (n, 3, side, side)."""
    return torch.full((n, 3, side, side), 0.5)


def test_scrambled_perturbations_keep_size_spectrum_and_colours_and_lose_their_structure():
    images = grey(side=16)
    delta = perturbations(images)
    control = controls.phase_scrambled(delta, images, [1, 2, 3])
    torch.testing.assert_close(budgets.size(control, "l2"), budgets.size(delta, "l2"), rtol=1e-5, atol=0)
    one, other = torch.fft.fft2(delta), torch.fft.fft2(control)
    torch.testing.assert_close(other.abs(), one.abs(), rtol=1e-3, atol=1e-4)
    # the cross spectrum of two colours too
    torch.testing.assert_close(
        other[:, 0] * other[:, 1].conj(), one[:, 0] * one[:, 1].conj(), rtol=1e-3, atol=1e-3
    )
    cosine = torch.nn.functional.cosine_similarity(control.flatten(1), delta.flatten(1))
    assert (cosine.abs() < 0.4).all()


def test_controls_stay_in_the_box_and_are_as_large_as_the_attack():
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)).round(decimals=1)
    for norm, radius in (("l2", 3.0), ("linf", 0.05)):
        delta = budgets.stretch(perturbations(images), images, radius, norm)
        for control in (
            controls.phase_scrambled(delta, images, [1, 2, 3, 4], norm),
            controls.of_another_image(delta, images, norm),
        ):
            perturbed = images + control
            assert perturbed.min() >= 0 and perturbed.max() <= 1
            torch.testing.assert_close(
                budgets.size(control, norm), budgets.size(delta, norm), rtol=1e-5, atol=0
            )


def test_a_draw_belongs_to_its_seed_alone():
    images = grey(2)
    delta = perturbations(images)
    together = controls.phase_scrambled(delta, images, [7, 8])
    alone = controls.phase_scrambled(delta[1:], images[1:], [8])
    torch.testing.assert_close(together[1:], alone)
    one, other = (noise.random_direction(seed, images[0]) for seed in (1, 2))
    assert torch.equal(one, noise.random_direction(1, images[1])) and not torch.equal(one, other)


def test_every_image_gets_the_perturbation_of_another():
    images = grey()
    delta = perturbations(images)
    control = controls.of_another_image(delta, images)
    for i in range(3):
        torch.testing.assert_close(control[i], delta[(i + 1) % 3], rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match="two probes or more"):
        controls.of_another_image(delta[:1], images[:1])


def test_no_perturbation_gives_no_control():
    images = grey(2)
    delta = perturbations(images)
    delta[0] = 0
    assert (controls.phase_scrambled(delta, images, [1, 2])[0] == 0).all()
    assert (controls.of_another_image(delta, images)[1] == 0).all()


def test_a_blend_steps_towards_the_other_image_by_a_size_and_no_farther_than_it():
    images, others = grey(3), grey(3) + 0.1
    distance = budgets.size(others - images, "l2")
    step = controls.blended(images, others, distance * torch.tensor([0.0, 0.25, 3.0]).double())
    shares = budgets.size(step, "l2") / distance
    torch.testing.assert_close(shares, torch.tensor([0.0, 0.25, 1.0]).double(), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(images[2] + step[2], others[2])
