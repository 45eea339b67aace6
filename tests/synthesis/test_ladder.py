"""Tests of ladders of large perturbations: closed forms with and without a prior, growth, batches."""

import pytest
import torch
from planted_quadratics import SHAPE, grey_images, quadratic, strongest_of_quadratic
from planted_responses import kinked, linear, rand, randn

from codingaxes.attacks import budgets
from codingaxes.names import SIGNS
from codingaxes.synthesis import ladder, priors

RADII = [0.1, 0.3, 0.6]


def climb(respond, images, radii=RADII, exponents=None, **settings):
    """Climb a ladder, with a prior for each image if exponents are given."""
    prior = None if exponents is None else priors.Coarse(torch.tensor(exponents).to(images), SHAPE)
    settings = {"direction": "increase", "steps": 20, "limit": 620, "tolerance": 1e-6} | settings
    return list(ladder.grow(respond, images, radii, prior=prior, **settings))


@pytest.mark.parametrize("exponent", [0.0, 1.0])
@pytest.mark.parametrize("direction", SIGNS)
def test_every_size_of_a_linear_response_has_its_closed_form(exponent, direction):
    weights, images = randn(3, *SHAPE), grey_images(2)
    steps = climb(linear(weights), images, exponents=[exponent] * 2, direction=direction)
    towards = SIGNS[direction] * priors.Coarse(torch.tensor([exponent]).double(), SHAPE)(weights[None])
    for radius, attack in zip(RADII, steps, strict=True):
        expected = radius * towards / towards.norm()
        torch.testing.assert_close(attack.delta, expected.expand(2, -1, -1, -1), rtol=1e-4, atol=1e-6)
        assert attack.converged.all()


def test_every_size_of_a_quadratic_response_has_its_closed_form():
    respond, gradient, curvature = quadratic()
    for radius, attack in zip(RADII, climb(respond, grey_images(1)), strict=True):
        best = strongest_of_quadratic(gradient, curvature, radius)
        change = gradient @ best + best @ curvature @ best / 2
        assert attack.change.item() == pytest.approx(change.item(), rel=1e-4)
        torch.testing.assert_close(attack.delta.flatten(), best, rtol=0, atol=1e-2 * radius)


def test_with_a_prior_a_quadratic_response_changes_as_where_the_prior_leads_or_a_little_more():
    respond, gradient, curvature = quadratic()
    for radius, attack in zip(RADII, climb(respond, grey_images(1), exponents=[1.0]), strict=True):
        led, best = (strongest_of_quadratic(gradient, curvature, radius, exponent) for exponent in (1.0, 0.0))
        least, most = ((gradient @ delta + delta @ curvature @ delta / 2).item() for delta in (led, best))
        assert least * (1 - 1e-4) <= attack.change.item() < least + 0.2 * (most - least)


def test_changes_grow_along_the_ladder_inside_ball_and_box():
    images = rand(6, 3, *SHAPE)
    steps = climb(kinked(side=SHAPE[0]), images, radii=[0.5, 2.0, 4.0], steps=5, limit=35, tolerance=0.01)
    change = torch.stack([attack.change for attack in steps])
    assert (change[1:] > change[:-1]).all()
    for radius, attack in zip([0.5, 2.0, 4.0], steps, strict=True):
        assert (budgets.size(attack.delta, "l2") <= radius * (1 + 1e-6)).all()
        assert (images + attack.delta).min() >= 0 and (images + attack.delta).max() <= 1


def test_each_size_begins_in_the_direction_of_the_perturbation_before():
    images = rand(2, 3, *SHAPE)
    first, second = climb(kinked(side=SHAPE[0]), images, radii=[0.1, 0.2], steps=2, limit=2)
    (alone,) = climb(kinked(side=SHAPE[0]), images, radii=[0.2], steps=2, limit=2)
    again = ladder.strongest.maximise(
        kinked(side=SHAPE[0]), images, 0.2, begin=first.delta, known=[first.delta], steps=2
    )
    assert torch.equal(second.delta, again.delta) and not torch.equal(second.delta, alone.delta)


def test_images_and_arms_do_not_depend_on_what_else_is_in_the_batch():
    images, exponents = rand(4, 3, *SHAPE), [0.0, 1.0, 0.0, 2.0]
    settings = {"radii": [0.5, 2.0], "steps": 4, "limit": 28, "tolerance": 0.01}
    together = climb(kinked(side=SHAPE[0]), images, exponents=exponents, **settings)
    for i in range(4):
        alone = climb(kinked(side=SHAPE[0]), images[i : i + 1], exponents=exponents[i : i + 1], **settings)
        for attack, other in zip(together, alone, strict=True):
            torch.testing.assert_close(attack.delta[i : i + 1], other.delta, rtol=1e-9, atol=1e-12)


def test_a_prior_makes_perturbations_coarser_and_one_of_exponent_0_changes_nothing():
    images = rand(2, 3, *SHAPE)
    plain, zero, coarse = (
        climb(kinked(side=SHAPE[0]), images, radii=[1.0], exponents=e) for e in (None, [0.0] * 2, [1.0] * 2)
    )
    torch.testing.assert_close(plain[0].delta, zero[0].delta)
    spectra = [torch.fft.rfft2(part[0].delta).abs().square() for part in (plain, coarse)]
    low = [spectrum[..., :2, :2].sum() / spectrum.sum() for spectrum in spectra]
    assert low[1] > 1.5 * low[0]
    assert (coarse[0].change < plain[0].change).all()


def test_radii_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="ascend"):
        climb(linear(randn(3, *SHAPE)), grey_images(1), radii=[1.0, 0.5])
