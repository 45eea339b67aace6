"""Tests of attacks of a given effect: known smallest sizes, the tolerance, images that cannot reach it."""

import pytest
import torch
from planted_responses import Counted, along, constant, grey, kinked, linear, rand, randn, undefined

from codingaxes.attacks import budgets, smallest, strongest
from codingaxes.names import SIGNS


def smallest_for_linear(weights, image, wanted):
    """Find the size of the smallest perturbation of a linear response, by bisection on the radius."""
    low, high = 0.0, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        delta = budgets.stretch(weights[None], image[None], max(middle, 1e-9))
        low, high = (middle, high) if (weights * delta[0]).sum() < wanted else (low, middle)
    return high


@pytest.mark.parametrize("wanted", [0.5, 25.0, 60.0])
def test_the_smallest_perturbation_of_a_linear_response_is_found_with_and_without_the_box(wanted):
    weights, images = randn(3, 8, 8), rand(4, 3, 8, 8)
    for direction, sign in SIGNS.items():
        attack = smallest.reach(
            linear(sign * weights), images, wanted, direction=direction, steps=5, limit=15
        )
        assert attack.reached.all() and attack.converged.all()
        torch.testing.assert_close(sign * attack.change, torch.full((4,), wanted).double(), rtol=0.01, atol=0)
        for image, size, change in zip(images, attack.size, sign * attack.change, strict=True):
            best = smallest_for_linear(weights, image, float(change))
            assert size == pytest.approx(best, rel=1e-5)


def test_effects_of_a_network_are_reached_to_one_percent_with_less_size_than_one_gradient_needs():
    respond, images = Counted(kinked(hidden=400)), rand(8, 3, 8, 8)
    wanted = strongest.maximise(respond, images, 1.0, steps=100).change
    sizes = []
    for steps in (1, 5, 20, 60):
        respond.gradients = 0
        attack = smallest.reach(respond, images, wanted, steps=steps)
        assert attack.reached.all() and respond.gradients == steps and (attack.evaluations == steps).all()
        torch.testing.assert_close(attack.change, wanted, rtol=0.01, atol=0)
        torch.testing.assert_close(attack.after, respond(images + attack.delta))
        sizes.append(float(attack.size.median()))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < 1.03  # the reference has size 1


def test_rounds_make_perturbations_smaller_until_one_spares_little():
    respond, images = Counted(kinked(hidden=400)), rand(8, 3, 8, 8)
    wanted = strongest.maximise(respond, images, 1.0, steps=100).change
    once = smallest.reach(respond, images, wanted, steps=5)
    assert not once.converged.any()
    respond.gradients = 0
    attack = smallest.reach(respond, images, wanted, steps=5, limit=155, tolerance=0.005)
    assert attack.reached.all() and respond.gradients == attack.evaluations.max()
    assert (attack.size <= once.size).all() and attack.size.mean() < 1.004 < 1.01 < once.size.mean()
    assert attack.converged[attack.evaluations < 155].all()
    for i in range(8):
        alone = smallest.reach(
            respond, images[i : i + 1], wanted[i : i + 1], steps=5, limit=155, tolerance=0.005
        )
        torch.testing.assert_close(alone.delta[0], attack.delta[i], rtol=1e-9, atol=1e-11)


def test_the_effect_may_be_given_for_each_image_and_in_another_norm():
    respond, images = kinked(), rand(3, 3, 8, 8)
    wanted = torch.tensor([0.1, 0.4, 1.0]).double()
    for norm in budgets.NORMS:
        attack = smallest.reach(respond, images, wanted, norm=norm, steps=10)
        assert attack.reached.all()
        torch.testing.assert_close(attack.change, wanted, rtol=0.01, atol=0)
        torch.testing.assert_close(attack.size, budgets.size(attack.delta, norm))


def test_images_that_cannot_reach_the_effect_inside_the_box_are_flagged_with_their_strongest():
    weights, images = randn(3, 8, 8), rand(3, 3, 8, 8)
    most = (weights * budgets.stretch(weights.expand_as(images), images, 1e3)).sum((1, 2, 3))
    wanted = most * torch.tensor([0.5, 1.5, 0.9]).double()
    attack = smallest.reach(linear(weights), images, wanted, steps=6)
    assert attack.reached.tolist() == [True, False, True]
    assert attack.change[1] == pytest.approx(float(most[1]), rel=1e-6)
    attacked = images + attack.delta
    assert attacked.min() >= 0 and attacked.max() <= 1


SHAPES = {  # response by that distance t: the smallest t at which it is 1
    "flat, then a bump": (lambda t: 1e-3 * t + 1.5 * torch.exp(-(((t - 0.8) / 0.2) ** 2)), 0.672),
    "falls beyond its top": (lambda t: 1.1 * torch.sin(t), 1.141),
    "steep, then flat": (lambda t: torch.log1p(1e4 * t) / 5, 0.0147),
    "grows with the fourth power": (lambda t: 2 * t**4 + 1e-3 * t, 0.840),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_effects_of_odd_responses_are_found(shape):
    curve, size = SHAPES[shape]
    images = grey()
    attack = smallest.reach(lambda x: curve(along(x)), images, 1.0, steps=20)
    assert attack.reached.all()
    assert ((attack.size > 0.95 * size) & (attack.size < 1.5 * size)).all()


def test_a_jump_over_the_effect_gives_the_smallest_perturbation_beyond_it_and_a_flag():
    images = grey()
    attack = smallest.reach(lambda x: 0.1 * along(x) + (along(x) > 0.7), images, 0.5, steps=10)
    assert not attack.reached.any() and not attack.converged.any()
    assert ((attack.size >= 0.7) & (attack.size < 1.0)).all()


def test_known_perturbations_serve_where_the_search_finds_none():
    images = grey(1)

    def respond(x):  # two directions: nothing but a far one has the effect, and no gradient points to it
        first, second = (x - 0.5)[:, 0].sum((1, 2)), (x - 0.5)[:, 1].sum((1, 2))
        return 0.1 * torch.tanh(first) + torch.relu(second - 4)

    known = torch.zeros_like(images)
    known[:, 1] = 0.1
    assert not smallest.reach(respond, images, 1.0, steps=5).reached.any()
    attack = smallest.reach(respond, images, 1.0, steps=5, known=[known])
    assert attack.reached.all() and (attack.size <= budgets.size(known, "l2")).all()


@pytest.mark.parametrize("respond", [constant, undefined])
def test_constant_and_undefined_responses_give_flagged_rows_of_zeros(respond):
    attack = smallest.reach(respond, rand(2, 3, 8, 8), 0.5, steps=3)
    assert not attack.reached.any() and not attack.converged.any()
    assert (attack.delta == 0).all()


def test_an_image_is_attacked_the_same_alone_and_in_a_batch():
    respond, images = kinked(hidden=400), rand(6, 3, 8, 8)
    together = smallest.reach(respond, images, 0.7, steps=8)
    for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
        alone = smallest.reach(respond, images[part], 0.7, steps=8)
        torch.testing.assert_close(alone.delta, together.delta[part], rtol=1e-9, atol=1e-11)


def test_bad_arguments_are_refused():
    respond, images = linear(randn(3, 8, 8)), rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match="wanted must be above 0, not -1; direction says which way"):
        smallest.reach(respond, images, -1.0)
    with pytest.raises(ValueError, match="direction must be one of increase, decrease, not 'either'"):
        smallest.reach(respond, images, 1.0, direction="either")
