"""Tests of exciting images: known optima, both directions, the box, norms, dead starts, batches, counts."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_responses import Counted, constant, grey, kinked, linear, rand, randn, undefined
from planted_zoo import face_body_house

from codingaxes import devices
from codingaxes.attacks import budgets, strongest
from codingaxes.names import SIGNS
from codingaxes.synthesis import exciting

ZOO = Path(__file__).parents[2] / "resources" / "zoo"
NO_PRIOR = None


class Smooth:
    """Weight neighbours of a pixel: symmetric and positive definite."""

    def __call__(self, gradient):
        return gradient + 0.4 * (gradient.roll(1, 3) + gradient.roll(-1, 3))

    def only(self, rows):
        return self


def silent(threshold):
    """Make a response with a gradient of zero up to a threshold along one direction."""
    weights = randn(3, 8, 8, seed=9)
    return lambda images: torch.relu(((images - 0.5) * weights).sum(dim=(1, 2, 3)) - threshold)


@pytest.mark.parametrize("start", ["grey", "noise", "black"])
@pytest.mark.parametrize("prior", [NO_PRIOR, Smooth()])
def test_a_linear_response_is_driven_to_the_corner_of_the_box_from_any_start(start, prior):
    weights = randn(3, 8, 8)
    rounds = {"steps": 60, "limit": 1000, "tolerance": 1e-5}
    starts = {"grey": grey(), "noise": rand(2, 3, 8, 8, seed=5), "black": torch.zeros(2, 3, 8, 8).double()}
    for direction, sign in SIGNS.items():
        made = exciting.excite(linear(weights), starts[start], direction=direction, prior=prior, **rounds)
        best = (sign * weights).clamp(min=0).sum() * sign
        torch.testing.assert_close(made.after, best.expand(2), rtol=1e-4, atol=0)
        assert made.converged.all() and made.reached.all() and not made.restarted.any()


@pytest.mark.parametrize("prior", [NO_PRIOR, Smooth()])
def test_a_concave_quadratic_response_reaches_its_optimum_in_the_box(prior):
    best = 1.6 * rand(3, 8, 8, seed=2) - 0.3  # beyond the box in some pixels
    curvature = 0.2 + rand(3, 8, 8, seed=3)

    def respond(images):
        return -(curvature * (images - best) ** 2).sum(dim=(1, 2, 3))

    made = exciting.excite(respond, rand(3, 3, 8, 8, seed=4), prior=prior, steps=100, limit=900, tolerance=0)
    optimum = respond(best.clamp(0, 1)[None])[0]
    change = optimum - made.before
    assert ((made.after - made.before) / change > 0.999).all()


@pytest.mark.parametrize("norm", [0.5, torch.tensor([0.5, 2.0, 4.0])])
def test_with_a_norm_a_linear_response_reaches_the_closed_form_on_the_ball(norm):
    weights, starts = randn(3, 8, 8), rand(3, 3, 8, 8, seed=5)
    for direction, sign in SIGNS.items():
        made = exciting.excite(linear(weights), starts, direction=direction, norm=norm, steps=20)
        attack = strongest.maximise(linear(weights), grey(3), norm, direction=direction, steps=1)
        torch.testing.assert_close(made.after, attack.after, rtol=1e-4, atol=0)
        size = (made.images - 0.5).flatten(1).norm(dim=1)
        assert (size <= torch.as_tensor(norm).double() * (1 + 1e-9)).all()
        assert (sign * (made.after - made.before) > 0).all()


def test_with_a_norm_the_search_begins_in_the_direction_of_the_start():
    def respond(images):  # two hills; which one is climbed depends on the start
        left = (images - 0.5)[:, 0].sum(dim=(1, 2))
        return torch.maximum(left, -1.5 * left)

    starts = grey()
    starts[0, 0] += 0.1
    starts[1, 0] -= 0.1  # both have a norm of 0.8
    made = exciting.excite(respond, starts, norm=0.8, steps=20)
    torch.testing.assert_close(made.after, torch.tensor([6.4, 9.6]).double())
    torch.testing.assert_close(made.before, respond(starts))


def test_with_a_norm_a_start_gets_this_distance_but_for_mid_grey():
    starts = rand(3, 3, 8, 8, seed=6)
    starts[0] = 0.5
    respond = linear(randn(3, 8, 8))
    made = exciting.excite(respond, starts, norm=1.5, steps=4)
    at_distance = 0.5 + budgets.stretch(starts - 0.5, grey(3), 1.5)
    torch.testing.assert_close(made.before, respond(at_distance))
    size = (at_distance - 0.5).flatten(1).norm(dim=1)
    torch.testing.assert_close(size, torch.tensor([0.0, 1.5, 1.5]).double())


def test_more_gradients_give_more_and_far_more_than_steps_in_the_gradient_at_the_start():
    respond, starts = kinked(hidden=400), rand(8, 3, 8, 8)
    reached = [exciting.excite(respond, starts, steps=n, limit=n).after.mean() for n in (1, 5, 20, 80)]
    assert reached == sorted(reached) and reached[3] > 1.2 * reached[0]


def adam(respond, starts, which, sign, steps, rate):
    """Follow Adam on pixels, clamped to the box: the best responses that were seen, times sign."""
    images, best = starts.clone().requires_grad_(True), torch.full_like(sign, -torch.inf)
    steps_of = torch.optim.Adam([images], rate)
    for step in range(steps + 1):
        value = sign * respond(images).gather(1, which[:, None])[:, 0]
        best = torch.maximum(best, value.detach())
        if step < steps:
            steps_of.zero_grad()
            (-value.sum()).backward()
            steps_of.step()
            with torch.no_grad():
                images.clamp_(0, 1)
    return best


def test_adam_with_the_same_gradients_reaches_less():
    kinks, starts, steps = kinked(hidden=400), rand(8, 3, 8, 8), 40
    which, sign = torch.zeros(8, dtype=torch.long), torch.ones(8).double()
    rates = (0.02, 0.05, 0.1, 0.2)
    best = [adam(lambda images: kinks(images)[:, None], starts, which, sign, steps, rate) for rate in rates]
    made = exciting.excite(kinks, starts, steps=steps, limit=steps)
    assert (made.after > torch.stack(best).amax(dim=0)).all()


@pytest.mark.slow
@pytest.mark.parametrize("network", ["resnet_standard_2", "vgg_robust_2"])
def test_on_shipped_networks_adam_with_the_same_gradients_reaches_less(network):
    devices.keep_memory()
    respond, _ = face_body_house(ZOO, network, n=1)
    noise = (0.5 + 0.1 * randn(3, 64, 64)).clamp(0, 1).float()
    starts = torch.stack([torch.full((3, 64, 64), 0.5), noise]).repeat_interleave(6, dim=0)
    which, sign = torch.arange(3).repeat(4), torch.tensor([1.0, 1, 1, -1, -1, -1]).repeat(2)
    made = exciting.excite(respond, starts, which=which, direction=sign, steps=50, limit=50)
    peer = torch.stack([adam(respond, starts, which, sign, 50, rate) for rate in (0.1, 0.2)]).amax(dim=0)
    assert (sign * made.after > peer).float().mean() >= 0.8


@pytest.mark.parametrize("norm", [None, 2.0])
def test_gradients_are_counted_and_the_best_image_that_was_seen_is_returned(norm):
    starts = rand(4, 3, 8, 8)
    for steps, limit in ((1, 0), (2, 0), (7, 7), (3, 9)):
        respond = Counted(kinked())
        made = exciting.excite(respond, starts, norm=norm, steps=steps, limit=limit, tolerance=0)
        assert (made.evaluations == respond.gradients).all()
        assert (made.evaluations <= max(steps, limit)).all()
        torch.testing.assert_close(made.after, torch.stack(respond.values).amax(0))
        torch.testing.assert_close(made.after, kinked()(made.images))


def test_rounds_end_once_one_adds_at_most_the_tolerance_for_each_image_alone():
    respond, starts = kinked(hidden=400), rand(8, 3, 8, 8)
    settings = {"steps": 5, "limit": 155}
    made = exciting.excite(respond, starts, tolerance=0.02, **settings)
    assert set(made.evaluations.tolist()) <= {15, 35, 155} and len(set(made.evaluations.tolist())) > 1
    assert made.converged[made.evaluations < 155].all()
    one = exciting.excite(respond, starts, steps=5, limit=5)
    two = exciting.excite(respond, starts, steps=5, limit=15, tolerance=0)
    early = made.evaluations == 15
    torch.testing.assert_close(two.after[early], made.after[early])
    gain = (two.after - one.after) / (two.after - two.before)
    assert ((gain <= 0.02) == early).all() and (one.evaluations == 5).all() and not one.converged.any()


@pytest.mark.parametrize("norm", [None, 2.0])
def test_an_image_comes_out_the_same_alone_and_in_a_batch(norm):
    starts, respond = rand(6, 3, 8, 8), kinked(hidden=400)
    starts[1] = starts[4] = 0.5
    about = {"direction": torch.tensor([1.0, -1, 1, -1, 1, -1]).double(), "seeds": list(range(6))}
    norm = None if norm is None else torch.full((6,), norm).double()

    def excite(part):
        some = {name: values[part] for name, values in about.items()}
        return exciting.excite(
            respond, starts[part], norm=None if norm is None else norm[part], steps=5, limit=35, **some
        )

    together = excite(slice(0, 6))
    for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
        torch.testing.assert_close(excite(part).images, together.images[part], rtol=1e-9, atol=1e-11)
        assert (excite(part).evaluations == together.evaluations[part]).all()
    joined = exciting.Exciting.joined([excite(slice(0, 4)), excite(slice(4, 6))])
    torch.testing.assert_close(joined.images, together.images)


@pytest.mark.parametrize("norm", [None, 3.0])
def test_a_search_in_a_cheaper_precision_is_reported_in_full_precision(norm):
    respond, starts = kinked(hidden=200), rand(4, 3, 8, 8, seed=2).float()
    cheap = devices.exploring(respond, "bfloat16")
    made = exciting.excite(respond, starts, norm=norm, steps=20, explore=cheap)
    begin = exciting.excite(respond, starts, norm=norm, steps=20)
    assert torch.equal(made.after, respond(made.images)) and not torch.equal(made.after, cheap(made.images))
    assert torch.equal(made.before, begin.before) and made.reached.all()
    change = (made.after - made.before) / (begin.after - begin.before)
    assert change.min() > 0.9, "the search itself goes on as in full precision"


def test_an_image_that_falls_in_full_precision_is_flagged_and_stays_as_it_was():
    respond, starts = linear(randn(3, 8, 8).float()), rand(2, 3, 8, 8).float()
    made = exciting.excite(respond, starts, steps=10, explore=lambda images: -respond(images))
    assert not made.reached.any() and not made.converged.any()
    assert torch.equal(made.images, starts) and torch.equal(made.after, made.before)


def test_several_responses_share_a_batch():
    first, second, starts = kinked(), kinked(seed=7), rand(4, 3, 8, 8)

    def respond(images):
        return torch.stack([first(images), second(images)], dim=1)

    which, sign = torch.tensor([0, 1, 0, 1]), torch.tensor([1.0, 1.0, -1.0, -1.0]).double()
    made = exciting.excite(respond, starts, which=which, direction=sign, steps=6, limit=18)
    for i, (of, way) in enumerate(zip((first, second) * 2, sign, strict=True)):
        direction = "increase" if way > 0 else "decrease"
        alone = exciting.excite(of, starts[i : i + 1], direction=direction, steps=6, limit=18)
        torch.testing.assert_close(alone.images[0], made.images[i])
    assert (sign * (made.after - made.before) > 0).all()


@pytest.mark.parametrize("norm", [None, 3.0])
def test_a_dead_start_restarts_from_noise_of_its_seed_and_says_so(norm):
    starts = grey(4)
    starts[3] += 0.1 * randn(3, 8, 8, seed=9).clamp(-3, 3)  # alive
    respond = silent(0.5)
    made = exciting.excite(respond, starts, norm=norm, seeds=[1, 2, 1, 3], steps=10)
    assert made.restarted.tolist() == [True, True, True, False]
    assert made.reached.all() and (made.after > 10).all()
    torch.testing.assert_close(made.images[0], made.images[2])
    assert not torch.equal(exciting.excite(respond, starts, seeds=[1, 2, 1, 3], steps=1).images[0], starts[0])


def test_noise_of_a_dead_start_grows_until_there_is_a_gradient_and_is_counted():
    spent = {}
    for threshold in (0.0, 1.0, 3.0):
        respond = Counted(silent(threshold))
        made = exciting.excite(respond, grey(1), seeds=[4], steps=5, limit=5)
        assert made.evaluations.item() == respond.gradients
        spent[threshold] = respond.gradients - 5
    assert 0 < spent[0.0] < spent[1.0] < spent[3.0] <= len(exciting.RESTARTS)


@pytest.mark.parametrize("norm", [None, 2.0])
@pytest.mark.parametrize("respond", [constant, undefined, silent(1e4)])
def test_a_response_without_gradient_anywhere_is_flagged(respond, norm):
    made = exciting.excite(respond, rand(2, 3, 8, 8), norm=norm, steps=3)
    assert made.restarted.all() and not made.reached.any() and not made.converged.any()
    assert made.images.min() >= 0 and made.images.max() <= 1
    if norm is not None:
        assert ((made.images - 0.5).flatten(1).norm(dim=1) <= norm * (1 + 1e-9)).all()


def test_a_start_that_is_best_stays_and_is_flagged():
    weights = randn(3, 8, 8)
    corner = (weights > 0).double()[None]
    made = exciting.excite(linear(weights), corner, steps=5)
    assert torch.equal(made.images, corner) and not made.reached.any() and not made.restarted.any()


def test_starts_outside_the_box_and_settings_out_of_range_are_refused():
    respond = linear(randn(3, 8, 8))
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], found 0.5 to 1.5"):
        exciting.excite(respond, torch.cat([grey(1), grey(1) + 1]))
    with pytest.raises(ValueError, match="radius must be above 0"):
        exciting.excite(respond, grey(), norm=0.0)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        exciting.excite(respond, grey(), steps=0)
    with pytest.raises(ValueError, match="direction must be one of increase, decrease"):
        exciting.excite(respond, grey(), direction="either")
    with pytest.raises(ValueError, match="seeds must be one for each of 2 starts, not 3"):
        exciting.excite(respond, grey(), seeds=[1, 2, 3])


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 2**31),
    norm=st.sampled_from([None, 0.1, 1.0, 5.0]),
    direction=st.sampled_from(list(SIGNS)),
    prior=st.sampled_from([NO_PRIOR, Smooth()]),
    steps=st.integers(1, 6),
)
def test_no_image_leaves_ball_or_box_or_reports_what_it_does_not_do(seed, norm, direction, prior, steps):
    respond = kinked(seed=seed, hidden=9, side=4)
    starts = rand(5, 3, 4, 4, seed=seed).float().round(decimals=seed % 3)
    made = exciting.excite(
        respond, starts, direction=direction, norm=norm, prior=prior, steps=steps, limit=3 * steps
    )
    assert made.images.min() >= 0 and made.images.max() <= 1
    if norm is not None:
        assert ((made.images - 0.5).flatten(1).norm(dim=1) <= norm * (1 + 1e-5)).all()
    torch.testing.assert_close(made.after, respond(made.images), rtol=1e-4, atol=1e-5)
    assert (SIGNS[direction] * (made.after - made.before) >= -1e-5).all()
    assert not (made.converged & ~made.reached).any()
