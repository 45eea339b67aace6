"""Tests of accentuation: levels of linear and quadratic responses, what cannot be reached, batches."""

import pytest
import torch
from planted_quadratics import SHAPE, grey_images, quadratic, strongest_of_quadratic
from planted_responses import Counted, constant, kinked, linear, rand, randn

from codingaxes.synthesis import accentuation, priors

LEVELS = torch.linspace(-0.25, 1.5, 11).tolist()


def accentuate(respond, images, low, high, exponents=None, levels=LEVELS, **settings):
    """Bring responses to levels, with a prior for each image if exponents are given."""
    prior = None if exponents is None else priors.Coarse(torch.tensor(exponents).to(images), SHAPE)
    n, settings = len(images), {"steps": 10, "limit": 70, "tolerance": 1e-3} | settings
    low, high = (torch.full((n,), value).double() for value in (low, high))
    return accentuation.accentuate(respond, images, levels, low, high, prior=prior, **settings)


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_every_level_of_a_linear_response_has_its_closed_form(exponent):
    weights, images = randn(3, *SHAPE), grey_images(2)
    before = 0.5 * weights.sum().item()
    steps = accentuate(
        linear(weights), images, before - 0.6, before + 0.4, exponents=[exponent] * 2, accuracy=1e-6
    )
    towards = priors.Coarse(torch.tensor([exponent]).double(), SHAPE)(weights[None])
    for level, attack in zip(LEVELS, steps, strict=True):
        wanted = level - 0.6
        expected = wanted * towards / (weights * towards).sum()
        torch.testing.assert_close(attack.delta, expected.expand(2, -1, -1, -1), rtol=1e-4, atol=1e-6)
        assert attack.reached.all()


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_every_level_of_a_quadratic_response_has_the_size_of_its_closed_form(exponent):
    respond, gradient, curvature = quadratic()
    steps = accentuate(
        respond, grey_images(1), -0.3, 0.7, exponents=[exponent], accuracy=1e-6, limit=310, tolerance=1e-7
    )
    for level, attack in zip(LEVELS, steps, strict=True):
        if level < 0.3:
            continue
        best = strongest_of_quadratic(gradient, curvature, attack.size.item(), exponent)
        reachable = gradient @ best + best @ curvature @ best / 2
        assert attack.change.item() == pytest.approx(level - 0.3, abs=1e-6)
        assert attack.change.item() == pytest.approx(reachable.item(), rel=1e-4)


def test_a_level_beyond_the_pixel_box_is_flagged_and_the_nearest_image_is_given():
    weights, images = randn(3, *SHAPE), rand(3, 3, *SHAPE)
    respond = linear(weights)
    largest = weights.clamp_min(0).sum().item()
    before = respond(images)
    (attack,) = accentuate(respond, images, 0.0, largest, levels=[1.5])
    assert not attack.reached.any()
    assert (attack.after > before + 0.95 * (largest - before)).all()
    assert (images + attack.delta).min() >= 0 and (images + attack.delta).max() <= 1


def test_a_level_that_an_image_has_already_costs_nothing():
    weights, images = randn(3, *SHAPE), grey_images(1)
    before = 0.5 * weights.sum().item()
    respond = Counted(linear(weights))
    (attack,) = accentuate(respond, images, before, before + 1.0, levels=[0.0])
    assert attack.reached.all() and not attack.delta.any() and respond.gradients == 1


def test_responses_that_are_all_alike_have_no_levels():
    images = rand(2, 3, *SHAPE)
    for attack in accentuate(constant, images, 0.0, 0.0):
        assert not attack.delta.any() and not attack.reached.any() and not attack.converged.any()


def test_sizes_grow_away_from_the_level_of_the_image_itself():
    images, respond = rand(4, 3, *SHAPE), kinked(side=SHAPE[0])
    responses = respond(rand(400, 3, *SHAPE))
    low, high = responses.quantile(0.01).item(), responses.quantile(0.99).item()
    steps = accentuate(respond, images, low, high, accuracy=0.01)
    own = (respond(images) - low) / (high - low)
    size = torch.stack([attack.size for attack in steps])
    reached = torch.stack([attack.reached for attack in steps])
    after = torch.stack([(attack.after - low) / (high - low) for attack in steps])
    wanted = torch.tensor(LEVELS).double()[:, None].expand_as(after)
    assert ((after - wanted).abs()[reached] <= 0.01).all() and reached.float().mean() > 0.9
    for i in range(4):
        above, below = size[wanted[:, 0] > own[i], i], size[wanted[:, 0] < own[i], i].flip(0)
        assert (above.diff() > 0).all() and (below.diff() > 0).all()


def test_images_and_arms_do_not_depend_on_what_else_is_in_the_batch():
    images, exponents = rand(3, 3, *SHAPE), [0.0, 1.0, 0.5]
    settings = {"levels": [-0.5, 0.3, 1.5], "steps": 4, "limit": 28, "tolerance": 0.01}
    respond = kinked(side=SHAPE[0])
    together = accentuate(respond, images, 0.0, 5.0, exponents=exponents, **settings)
    for i in range(3):
        alone = accentuate(respond, images[i : i + 1], 0.0, 5.0, exponents=exponents[i : i + 1], **settings)
        for attack, other in zip(together, alone, strict=True):
            torch.testing.assert_close(attack.delta[i : i + 1], other.delta, rtol=1e-9, atol=1e-12)


def test_levels_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match="ascend"):
        accentuate(linear(randn(3, *SHAPE)), grey_images(1), 0.0, 1.0, levels=[0.5, 0.0])
