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

SETTLE = 12  # forward passes at most, at the end, to find the size along the last direction
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
    search.settle_strongest()
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
        self.trusted = torch.zeros_like(wanted)  # the largest change that sizes were taken from
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
        """The size at which the effect would be the wanted one, by the slope along a perturbation.

        A point far from the wanted effect says little, as directions are still being found: then the size
        stays as it was, and goes on only when the change grows.
        """
        size = budgets.size(delta, self.norm).clamp_min(1e-30)
        slope = (gradient * delta).sum(dim=(1, 2, 3), dtype=torch.float64) / size
        secant = change.double() / size
        # the slope at a kink may be anything: keep it within a factor of two of the mean slope so far
        slope = torch.minimum(torch.maximum(slope, secant / 2), secant * 2)
        newton = size + (self.wanted - change) / slope.clamp_min(1e-30)
        trusted = change >= torch.minimum(self.wanted / 2, self.trusted)
        self.trusted = torch.maximum(self.trusted, torch.where(trusted, change, self.trusted))
        bounded = torch.minimum(torch.maximum(newton, radius / 2), radius * 2)
        return self.limited(torch.where(trusted & (change > 0), bounded, radius))

    def settle(self, direction, radius, wanting=None):
        """Find the size along a direction by false position inside a bracket, all images at once.

        Source: the Illinois variant of regula falsi (Dowell & Jarratt, BIT 1971).
        """
        images, wanted = self.objective.images, self.wanted.double()
        low, high = torch.zeros_like(radius), torch.full_like(radius, torch.inf)
        below, above = (
            -wanted,
            torch.full_like(radius, torch.nan),
        )  # how far the change is from the wanted one
        done = torch.zeros_like(self.reached) if wanting is None else ~wanting
        for _ in range(SETTLE):
            delta = budgets.stretch(direction, images, radius, self.norm)
            change = torch.where(done, 0.0, self.objective.at(delta))
            self.note(delta, change)
            off = change.double() - wanted
            done = (
                done | (off.abs() <= NEAR * self.tolerance * wanted) | ((off < 0) & (radius >= self.largest))
            )
            if done.all():
                break
            enough, known = off >= 0, torch.isfinite(high)
            # the end that stays twice counts half
            below = torch.where(enough, below / (1 + (known & (off * above > 0))), off)
            above = torch.where(enough, off, torch.where(known, above / 2, above))
            low, high = torch.where(enough, low, radius), torch.where(enough, radius, high)
            inside = (low * above - high * below) / (above - below)
            middle = (low + high) / 2
            inside = torch.where((inside > low) & (inside < high), inside, middle)
            secant = radius * wanted / change.clamp_min(1e-30)
            outside = torch.minimum(torch.maximum(secant, 1.02 * radius), 2 * radius)
            radius = self.limited(torch.where(torch.isfinite(high), inside, outside))

    def settle_strongest(self):
        """Where the wanted effect was passed but not met, look for it on the way to the strongest point."""
        passed = ~self.reached & (self.change > self.wanted)
        if passed.any():
            size = budgets.size(self.delta, self.norm)
            share = self.wanted / torch.where(passed, self.change, self.wanted)
            self.settle(self.delta.clone(), self.limited(size * share), wanting=passed)
