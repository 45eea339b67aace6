"""respond, images, wanted change -> the smallest perturbation that has it.

The same search as for a given size (`algorithms.ascent`), with a radius that follows the effect.
"""

import torch

from codingaxes import budgets
from codingaxes.algorithms import Ball, annealed, unit, wide
from codingaxes.attacks import (
    SIGNS,
    Attack,
    Objective,
    check_choice,
    check_steps,
    in_tail,
    value_and_gradient,
)

SETTLE = 8  # forward passes at most, at the end, to find the size along the last direction
NEAR = 0.25  # share of the tolerance that settling aims at, so that rounding to float16 stays inside


def reach(
    respond,
    images,
    wanted,
    *,
    norm="l2",
    direction="increase",
    steps=20,
    tolerance=0.01,
    gap_tolerance=0.05,
    first=None,
    explore=None,
):
    """The smallest perturbations that change the response by a wanted amount.

    Directions are those of `algorithms.ascent`; the radius follows the effect by Newton's steps on the
    size. At the end the size along the last direction is settled by forward passes alone.

    Parameters
    ----------
    respond, images, norm, steps, first, explore
        As in `attacks.maximise`.
    wanted : float or tensor (n,)
        Change in the unit of the response, above 0.
    direction : "increase" or "decrease"
    tolerance : float
        An effect is reached if it differs from the wanted one by at most this share.
    gap_tolerance : float
        For the converged flag: the share of the change that a first-order step of the same size could add.

    Returns
    -------
    attacks.Attack
        An image that cannot reach the effect inside the box has reached False and the strongest perturbation
        that was seen: this is data, not an error. The bound is that of the perturbation's own size.

    Raises
    ------
    ValueError
        If an image leaves [0, 1], or an argument is out of range.
    """
    budgets.check(images, 1.0, norm)
    check_choice("direction", direction, SIGNS)
    check_steps(steps)
    before, slope = first if first is not None else value_and_gradient(explore or respond, images)
    if explore is not None:
        with torch.no_grad():
            before = respond(images)
    wanted = torch.as_tensor(wanted, dtype=before.dtype, device=before.device).expand_as(before)
    if not (wanted > 0).all():
        raise ValueError(f"wanted must be above 0, not {float(wanted.min()):g}; direction says which way")
    sign = torch.full_like(before, SIGNS[direction])
    objective = Objective(respond, images, sign, before, explore)
    search = _Search(objective, wanted, norm, tolerance)
    gradient = wide(sign, images) * slope
    mean, tail, count = unit(gradient), gradient, 1
    radius = search.limited(wanted / budgets.bound(slope, 1.0, norm).clamp_min(1e-30))
    for step in range(steps - 1):
        delta = budgets.stretch(mean, images, radius, norm)
        change, gradient = search.objective.with_gradient(delta)
        search.note(delta, change)
        radius = search.follow(delta, change, gradient, radius)
        mean = annealed(mean, gradient, step, steps)
        tail, count = (tail + gradient, count + 1) if in_tail(step + 1, steps) else (gradient, 1)
    if explore is not None:  # what counts is reached in full precision
        search = _Search(objective, wanted, norm, tolerance)
    search.settle(mean, radius)
    size = budgets.size(search.delta, norm)
    gap = Ball(images, size.clamp_min(1e-30), norm).gap(tail / count, search.delta)
    return Attack(
        delta=search.delta,
        before=before,
        after=before + sign * search.change,
        size=size,
        bound=budgets.bound(slope, size, norm),
        gap=gap,
        converged=(search.change > 0) & (gap <= gap_tolerance * search.change),
        evaluations=torch.full_like(before, steps, dtype=torch.int32),
        reached=search.reached,
    )


class _Search:
    """The smallest perturbation so far that has the wanted effect; before there is one, the strongest."""

    def __init__(self, objective, wanted, norm, tolerance):
        self.objective, self.wanted, self.norm, self.tolerance = objective, wanted, norm, tolerance
        self.delta, self.change = torch.zeros_like(objective.images), torch.zeros_like(wanted)
        self.reached = torch.zeros_like(wanted, dtype=torch.bool)
        corner = torch.maximum(objective.images, 1 - objective.images)
        self.largest = budgets.size(corner, norm)

    def limited(self, radius):
        """A radius that is above 0 and no larger than the box."""
        return torch.minimum(radius.double(), self.largest).clamp_min(1e-12)

    def note(self, delta, change):
        """Keep what is better."""
        hit = (change - self.wanted).abs() <= self.tolerance * self.wanted
        smaller = budgets.size(delta, self.norm) < budgets.size(self.delta, self.norm)
        better = torch.where(self.reached, hit & smaller, hit | (change > self.change))
        self.delta = torch.where(wide(better, delta), delta, self.delta)
        self.change = torch.where(better, change, self.change)
        self.reached = self.reached | hit

    def follow(self, delta, change, gradient, radius):
        """The size at which the effect would be the wanted one, by the slope along the perturbation."""
        size = budgets.size(delta, self.norm).clamp_min(1e-30)
        slope = (gradient * delta).sum(dim=(1, 2, 3), dtype=torch.float64) / size
        secant = change.double() / size
        # the slope at a kink may be anything: keep it within a factor of two of the mean slope so far
        slope = torch.minimum(torch.maximum(slope, secant / 2), secant * 2)
        newton = size + (self.wanted - change) / slope.clamp_min(1e-30)
        newton = torch.where(change > 0, newton, 2 * radius)
        return self.limited(torch.minimum(torch.maximum(newton, radius / 2), radius * 2))

    def settle(self, direction, radius):
        """Find the size along a direction by false position inside a bracket, all images at once."""
        images, low, high = self.objective.images, torch.zeros_like(radius), self.largest
        low_change, high_change = torch.zeros_like(radius), torch.full_like(radius, torch.nan)
        for _ in range(SETTLE):
            delta = budgets.stretch(direction, images, radius, self.norm)
            change = self.objective.at(delta)
            self.note(delta, change)
            short = self.wanted - change
            if (short.abs() <= NEAR * self.tolerance * self.wanted).all():
                break
            enough = short <= 0
            low, low_change = (
                torch.where(enough, low, radius),
                torch.where(enough, low_change, change.double()),
            )
            high, high_change = (
                torch.where(enough, radius, high),
                torch.where(enough, change.double(), high_change),
            )
            slope = torch.where(change > 0, change / radius, torch.nan)
            inside = low + (high - low) * (self.wanted - low_change) / (high_change - low_change)
            guess = torch.where(torch.isfinite(high_change), inside, radius + short / slope)
            guess = torch.where(torch.isfinite(guess), guess, 2 * radius)
            inner = (guess > low) & (guess < high)
            radius = self.limited(
                torch.where(inner, guess, torch.minimum((low + high) / 2, 2 * low.clamp_min(1e-12)))
            )
