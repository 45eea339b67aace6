"""Tests of attacks of a given size: known optima, the budget, independence of images, odd responses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_responses import Counted, constant, dead, grey, kinked, linear, rand, randn, undefined

from codingaxes.attacks import budgets, strongest
from codingaxes.attacks.steps import ALGORITHMS, later_rounds
from codingaxes.devices import exploring
from codingaxes.names import SIGNS


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("radius", [0.3, 4.0])
def test_a_linear_response_is_driven_to_its_optimum_with_and_without_the_box(algorithm, radius):
    weights, images = randn(3, 8, 8), rand(5, 3, 8, 8)
    best = (weights * budgets.stretch(weights.expand_as(images), images, radius)).sum((1, 2, 3))
    steps = 5 if algorithm == "ascent" else 400
    for direction, sign in SIGNS.items():
        attack = strongest.maximise(
            linear(weights * sign), images, radius, direction=direction, algorithm=algorithm, steps=steps
        )
        torch.testing.assert_close(sign * attack.change, best, rtol=1e-6, atol=0)
    assert attack.reached.all() and (attack.converged.all() or algorithm == "pgd")
    assert (images + attack.delta).min() >= 0 and (images + attack.delta).max() <= 1
    if radius > 1:  # the box counts
        assert (images + attack.delta <= 1e-12).any() and (attack.change.abs() < 0.99 * attack.bound).all()


def test_a_linear_response_needs_one_gradient_and_meets_its_bound_inside_the_box():
    weights, images = randn(3, 8, 8), grey()
    for norm, radius in (("l2", 0.3), ("linf", 0.02)):
        attack = strongest.maximise(linear(weights), images, radius, norm=norm, steps=1)
        torch.testing.assert_close(attack.change, attack.bound, rtol=1e-9, atol=0)
        torch.testing.assert_close(
            attack.size, torch.full((2,), radius, dtype=torch.float64), rtol=1e-9, atol=0
        )
        assert (attack.evaluations == 1).all()


def trust_region(b, q, radius):
    """Solve max b.d + d.Q d / 2 over a ball, by the eigenvalues of Q and bisection on the multiplier."""
    values, vectors = torch.linalg.eigh(q)
    along = vectors.T @ b
    low, high = values[-1] + 1e-12, values[-1] + b.norm() / radius + 1
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (along / (middle - values)).norm() > radius else (low, middle)
    d = vectors @ (along / (high - values))
    return float(b @ d + d @ q @ d / 2)


@pytest.mark.parametrize("curvature", [0.3, 1.0, 3.0])
def test_a_quadratic_response_reaches_the_solution_of_the_trust_region_problem(curvature):
    b, q = randn(48, seed=1), randn(48, 48, seed=2)
    q = curvature * (q + q.T) / 20
    images, radius = grey(3, side=4), 0.4

    def respond(images):
        d = images.flatten(1) - 0.5
        return d @ b + ((d @ q) * d).sum(1) / 2

    best = trust_region(b, q, radius)
    attack = strongest.maximise(respond, images, radius, steps=100)
    torch.testing.assert_close(attack.change, torch.full((3,), best).double(), rtol=1e-6, atol=0)
    assert attack.converged.all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("norm", budgets.NORMS)
def test_gradients_are_counted_and_the_best_point_that_was_seen_is_returned(algorithm, norm):
    respond, images = Counted(kinked()), rand(6, 3, 8, 8)
    for steps in (1, 2, 3, 10):
        respond.gradients, respond.values = 0, []
        attack = strongest.maximise(
            respond, images, 2.0 if norm == "l2" else 0.1, norm=norm, algorithm=algorithm, steps=steps
        )
        assert (attack.evaluations == steps).all() and respond.gradients == steps
        torch.testing.assert_close(attack.after, torch.stack(respond.values).amax(0))
        torch.testing.assert_close(attack.after, respond(images + attack.delta))


def test_restarts_from_given_directions_never_give_less():
    respond, images = Counted(kinked()), rand(6, 3, 8, 8)
    once = strongest.maximise(respond, images, 2.0, steps=5)
    respond.gradients = 0
    starts = [randn(6, 3, 8, 8, seed=seed) for seed in (5, 6)]
    often = strongest.maximise(respond, images, 2.0, steps=5, starts=starts)
    assert (often.change >= once.change).all() and (often.change > once.change).any()
    assert (often.evaluations == respond.gradients).all()


def test_a_larger_ball_gives_no_less_than_what_is_known_of_a_smaller_one():
    def respond(images):  # falls again beyond a size of 1
        along = (images - 0.5).flatten(1).sum(1) / 192**0.5
        return along * (2 - along)

    images = grey()
    small = strongest.maximise(respond, images, 0.9, steps=4)
    large = strongest.maximise(respond, images, 5.0, steps=4, known=[small.delta])
    assert (large.change >= small.change).all() and (small.change > 0.9).all()
    assert (strongest.maximise(respond, images, 5.0, steps=4).change < small.change).all()
    assert large.reached.all() and (large.evaluations == 4).all()


def test_what_is_known_and_better_shows_that_the_search_had_not_converged():
    def respond(images):  # rises along one colour for ever, and more steeply far out along another
        first, second = ((images - 0.5)[:, colour].flatten(1).sum(1) for colour in (0, 1))
        return first + torch.relu(second - 3) * 100

    images = grey()
    known = torch.zeros_like(images)
    known[:, 1] = 0.1
    alone = strongest.maximise(respond, images, 0.8, steps=4)
    assert alone.converged.all()
    attack = strongest.maximise(respond, images, 0.8, steps=4, known=[known])
    assert (attack.change > alone.change).all() and not attack.converged.any()


def test_one_gradient_says_nothing_about_convergence():
    assert not strongest.maximise(linear(randn(3, 8, 8)), rand(4, 3, 8, 8), 1.0, steps=1).converged.any()


def test_images_go_on_in_rounds_until_one_adds_little_or_the_limit_is_reached():
    respond, images = Counted(kinked(hidden=400)), rand(8, 3, 8, 8)
    once = strongest.maximise(respond, images, 1.5, steps=5)
    respond.gradients = 0
    attack = strongest.maximise(respond, images, 1.5, steps=5, limit=155, tolerance=0.01)
    assert (attack.change >= once.change).all() and (attack.change > 1.02 * once.change).any()
    # done after 10 + 20 more, or after all that was left: after 10 if rugged, else after 10 + 20
    assert set(attack.evaluations.tolist()) <= {33, 152, 153}
    rugged = attack.change - once.change > strongest.RUGGED * 0.01 * attack.change
    assert attack.converged[attack.evaluations < 152].all()
    assert attack.converged.any() and not (attack.converged & rugged).any()
    # a far longer attack from there adds little on average; tests/study holds single images of the zoo to it
    more = strongest.maximise(respond, images, 1.5, steps=300, starts=[attack.delta])
    gained = (torch.maximum(more.change, attack.change) / attack.change)[attack.converged]
    assert gained.mean() < 1.01
    exact = strongest.maximise(respond, images, 1.5, steps=5, limit=155, tolerance=1e-12)
    assert (exact.evaluations >= 152).sum() > 4 and not exact.converged[exact.evaluations >= 152].all()


def test_a_rugged_image_gets_all_that_is_left_at_once_and_never_counts_as_converged():
    respond, images = kinked(hidden=400), rand(8, 3, 8, 8)
    settings = {"steps": 5, "tolerance": 0.002}
    once = strongest.maximise(respond, images, 1.5, steps=5)
    short = strongest.maximise(respond, images, 1.5, limit=15, **settings)
    attack = strongest.maximise(respond, images, 1.5, limit=155, **settings)
    rugged = short.change - once.change > strongest.RUGGED * 0.002 * short.change
    assert rugged.any() and not rugged.all()
    assert (attack.evaluations[rugged] == 5 + 9 + 139).all(), "5, 10, and the 140 that are left"
    assert (attack.evaluations[~rugged] < 153).all()
    assert not attack.converged[rugged].any() and (attack.change >= short.change).all()
    # what is left is too little for a longer round than the last
    assert (strongest.maximise(respond, images, 1.5, limit=34, **settings).evaluations == 14).all()


def test_images_that_are_done_leave_the_others_as_they_would_be_alone():
    respond, images = kinked(hidden=400), rand(6, 3, 8, 8)
    settings = {"steps": 5, "limit": 155, "tolerance": 0.01}
    together = strongest.maximise(respond, images, 1.5, **settings)
    assert len(set(together.evaluations.tolist())) > 1
    for i in range(6):
        alone = strongest.maximise(respond, images[i : i + 1], 1.5, **settings)
        torch.testing.assert_close(alone.delta[0], together.delta[i], rtol=1e-9, atol=1e-11)
        assert alone.evaluations == together.evaluations[i]


def test_attacks_on_several_responses_and_directions_share_a_batch():
    first, second, images = kinked(), kinked(seed=7), rand(4, 3, 8, 8)

    def respond(images):
        return torch.stack([first(images), second(images)], dim=1)

    settings = {"steps": 4, "limit": 12, "tolerance": 1e-6}
    which, sign = torch.tensor([0, 1, 0, 1]), torch.tensor([1.0, 1.0, -1.0, -1.0]).double()
    attack = strongest.maximise(respond, images, 1.0, which=which, direction=sign, **settings)
    for i, (of, way) in enumerate(zip(which.tolist(), sign.tolist(), strict=True)):
        direction = "increase" if way > 0 else "decrease"
        alone = strongest.maximise(
            (first, second)[of], images[i : i + 1], 1.0, direction=direction, **settings
        )
        torch.testing.assert_close(alone.change[0], attack.change[i])
        torch.testing.assert_close(alone.delta[0], attack.delta[i])


def test_the_first_gradient_may_be_shared_between_budgets():
    respond, images = Counted(kinked()), rand(4, 3, 8, 8)
    first = strongest.value_and_gradient(respond, images)
    respond.gradients = 0
    for radius in (0.5, 1.0):
        shared = strongest.maximise(respond, images, radius, steps=4, first=first)
        torch.testing.assert_close(shared.delta, strongest.maximise(kinked(), images, radius, steps=4).delta)
    assert respond.gradients == 2 * 3


def test_either_direction_takes_the_larger_change_of_both_whole_attacks():
    def respond(images):  # rises fast at first, but falls farther in the end
        along = (images - 0.5).sum(dim=(1, 2, 3))
        return torch.where(along > 0, torch.clamp(3 * along, max=0.5), 2 * along)

    images = grey(side=4)
    images[1] -= 0.01
    attack = strongest.maximise(respond, images, 0.4, direction="either", steps=3)
    assert (attack.change < -1).all()
    down = strongest.maximise(respond, images, 0.4, direction="decrease", steps=3)
    torch.testing.assert_close(attack.change, down.change)
    assert attack.reached.all()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_image_is_attacked_the_same_alone_and_in_a_batch(algorithm):
    respond, images = kinked(), rand(6, 3, 8, 8)
    together = strongest.maximise(respond, images, 2.0, steps=12, algorithm=algorithm)
    for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
        alone = strongest.maximise(respond, images[part], 2.0, steps=12, algorithm=algorithm)
        torch.testing.assert_close(alone.delta, together.delta[part], rtol=1e-9, atol=1e-11)


def test_more_gradients_give_more_and_ours_gives_more_than_the_others():
    respond, images = kinked(hidden=400), rand(8, 3, 8, 8)
    reached = [strongest.maximise(respond, images, 1.5, steps=n).change.mean() for n in (1, 5, 20, 80)]
    assert reached == sorted(reached)
    for algorithm in ("pgd", "apgd"):
        other = strongest.maximise(respond, images, 1.5, steps=20, algorithm=algorithm)
        assert other.change.mean() < reached[2]


def test_noise_of_equal_size_moves_less_than_an_attack():
    respond, images = kinked(), 0.2 + 0.6 * rand(6, 3, 8, 8)
    attack = strongest.maximise(respond, images, 1.0)
    noise = budgets.stretch(randn(6, 3, 8, 8), images, 1.0)
    assert (attack.change > 3 * (respond(images + noise) - respond(images)).abs()).all()


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 2**31),
    radius=st.floats(-2, 1).map(lambda power: 10.0**power),
    norm=st.sampled_from(budgets.NORMS),
    direction=st.sampled_from([*SIGNS, "either"]),
    algorithm=st.sampled_from(list(ALGORITHMS)),
    steps=st.integers(1, 6),
)
def test_no_attack_leaves_ball_or_box_or_reports_what_it_did_not_do(
    seed, radius, norm, direction, algorithm, steps
):
    respond = kinked(seed=seed, hidden=9, side=4)
    images = rand(5, 3, 4, 4, seed=seed).float().round(decimals=seed % 3)
    attack = strongest.maximise(
        respond, images, radius, norm=norm, direction=direction, algorithm=algorithm, steps=steps
    )
    assert (attack.size <= radius * (1 + 1e-6)).all()
    attacked = images + attack.delta
    assert attacked.min() >= 0 and attacked.max() <= 1
    torch.testing.assert_close(attack.after, respond(attacked), rtol=1e-4, atol=1e-5)
    sign = SIGNS.get(direction, 1.0)
    change = attack.change.abs() if direction == "either" else sign * attack.change
    assert (change >= -1e-6).all() and (attack.evaluations == steps).all()
    assert not (attack.converged & ~attack.reached).any()


def partly_undefined(images):
    """Respond linearly, but with no number to images whose first pixel is 0."""
    return images.sum(dim=(1, 2, 3)) + 0 / images[:, 0, 0, 0]


@pytest.mark.parametrize("respond", [constant, undefined, dead])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_constant_undefined_and_dead_responses_give_flagged_rows_of_zeros(respond, algorithm):
    images = rand(2, 3, 8, 8)
    for starts in ((), (randn(2, 3, 8, 8),)):
        attack = strongest.maximise(respond, images, 1.0, steps=3, algorithm=algorithm, starts=starts)
        assert not attack.converged.any() and not attack.reached.any()
        assert (attack.delta == 0).all() and (attack.change == 0).all()
        assert (attack.bound == 0).all()


def test_either_direction_avoids_the_one_that_is_undefined():
    def respond(images):  # not a number above the image's own mean
        along = (images - 0.5).flatten(1).sum(1)
        return torch.where(along > 0, torch.nan, along)

    attack = strongest.maximise(respond, torch.full((1, 3, 4, 4), 0.5), 0.1, direction="either", steps=5)
    assert attack.reached.all() and (attack.change < -0.5).all()


def test_an_undefined_response_to_one_image_leaves_the_others_alone():
    images = rand(3, 3, 8, 8)
    images[1, 0, 0, 0] = 0
    attack = strongest.maximise(partly_undefined, images, 1.0, steps=5)
    assert (attack.delta[1] == 0).all() and not attack.converged[1]
    alone = strongest.maximise(partly_undefined, images[[0, 2]], 1.0, steps=5)
    torch.testing.assert_close(attack.delta[[0, 2]], alone.delta)
    assert attack.converged[[0, 2]].all()


def test_cheaper_arithmetic_is_for_gradients_alone():
    respond, images = kinked(hidden=200), rand(4, 3, 8, 8).float()
    explore = exploring(respond, "bfloat16")
    assert not torch.equal(explore(images), respond(images))
    attack = strongest.maximise(respond, images, 1.0, steps=8, explore=explore)
    torch.testing.assert_close(attack.before, respond(images), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(attack.after, respond(images + attack.delta), rtol=1e-6, atol=1e-6)
    full = strongest.maximise(respond, images, 1.0, steps=8)
    assert (attack.change > 0.9 * full.change).all()


def test_bad_arguments_are_refused_with_what_is_allowed():
    respond, images = linear(randn(3, 8, 8)), rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match="radius"):
        strongest.maximise(respond, images, 0.0)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        strongest.maximise(respond, images, 1.0, steps=0)
    with pytest.raises(ValueError, match="algorithm must be one of ascent, pgd, apgd, not 'fgsm'"):
        strongest.maximise(respond, images, 1.0, algorithm="fgsm")
    with pytest.raises(ValueError, match="direction must be one of increase, decrease, either"):
        strongest.maximise(respond, images, 1.0, direction="up")
    with pytest.raises(ValueError, match="one number for each"):
        strongest.maximise(lambda x: x.flatten(1), images.expand(2, -1, -1, -1), 1.0)


def test_three_short_rounds_are_followed_by_one_with_all_that_is_left():
    assert later_rounds(10, 310) == [20, 40, 240]
    assert later_rounds(10, 1560) == [20, 40, 1490]
    assert later_rounds(10, 149) == later_rounds(10, 70) == [20, 40], (
        "what is left is too little for a long one"
    )
    assert later_rounds(10, 69) == [20] and later_rounds(10, 29) == later_rounds(10, 0) == []
