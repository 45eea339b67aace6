"""respond, images, wanted change -> the smallest perturbation that has it.

The same search as for a given size (`algorithms.ascent`), with a radius that follows the effect.
"""

import torch

from codingaxes import budgets
from codingaxes.algorithms import Ball, annealed, unit, wide
from codingaxes.attacks import (
    JUDGED,
    SIGNS,
    Attack,
    Objective,
    check_choice,
    check_steps,
    forward,
    in_tail,
    maximise,
    value_and_gradient,
)

SETTLE = 12  # forward passes at most, at the end, to find the size along the last direction
NEAR, KEPT = (
    0.25,
    0.75,
)  # shares of the tolerance: aimed at in settling, and kept; the rest is for rounding to float16
RESCUE = (2.0, 0.5, 8.0, 0.125)  # sizes to try, over that of the strongest perturbation that did not suffice


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
    known=(),
    first=None,
    explore=None,
):
    """The smallest perturbations that change the response by a wanted amount.

    Directions are those of `algorithms.ascent`; the radius follows the effect by Newton's steps on the
    size. At the end the size along the last direction is settled by forward passes alone.

    Parameters
    ----------
    respond, images, norm, steps, known, first, explore
        As in `attacks.maximise`; known perturbations may have any size.
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
        An image on which the effect was not found has reached False and the strongest perturbation that was
        seen, or the smallest that has more than the wanted effect: this is data, not an error. It is looked
        for among the strongest perturbations of four other sizes as well, whose gradients are counted. The
        bound is that of the perturbation's own size.

    Raises
    ------
    ValueError
        If an image leaves [0, 1], or an argument is out of range.
    """
    budgets.check(images, 1.0, norm)
    check_choice("direction", direction, SIGNS)
    check_steps(steps)
    explored, slope = first if first is not None else value_and_gradient(explore or respond, images)
    before = explored if explore is None else forward(respond, images)
    wanted = torch.as_tensor(wanted, dtype=before.dtype, device=before.device).expand_as(before)
    if not (wanted > 0).all():
        raise ValueError(f"wanted must be above 0, not {float(wanted.min()):g}; direction says which way")
    sign = torch.full_like(before, SIGNS[direction])
    objective = Objective(respond, images, sign, before, explore, explored)
    search = _Search(objective, wanted, norm, tolerance)
    gradient = wide(sign, images) * slope
    mean, tail, count = unit(gradient), gradient, 1
    radius = search.limited(wanted / budgets.bound(slope, 1.0, norm).clamp_min(1e-30))
    for step in range(steps - 1):
        delta = budgets.stretch(mean, images, radius, norm)
        change, gradient = objective.with_gradient(delta)
        radius = search.follow(delta, change, gradient, radius)
        if explore is None:  # else what counts is seen in full precision alone, below
            search.note(delta, change)
        mean = annealed(mean, gradient, step, steps)
        tail, count = (tail + gradient, count + 1) if in_tail(step + 1, steps) else (gradient, 1)
    for delta in known:
        search.note(delta, objective.at(delta))
    search.settle(mean, radius)
    search.settle_strongest()
    spent = torch.full_like(before, steps, dtype=torch.int32)
    for factor in RESCUE:
        missed = torch.nonzero(~search.passed & (search.change > 0)).flatten()
        if len(missed):
            spent[missed] += search.rescue(missed, factor, direction, steps, (explored, slope), explore)
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
        converged=search.reached & (gap <= gap_tolerance * search.change) & (steps >= JUDGED),
        evaluations=spent,
        reached=search.reached,
    )


class _Search:
    """The best perturbation so far.

    It is the smallest that has the wanted effect; before there is one, the smallest that has more than that;
    before there is one of these, the strongest.
    """

    def __init__(self, objective, wanted, norm, tolerance):
        self.objective, self.wanted, self.norm, self.tolerance = objective, wanted, norm, tolerance
        self.delta, self.change = torch.zeros_like(objective.images), torch.zeros_like(wanted)
        self.reached = torch.zeros_like(wanted, dtype=torch.bool)
        corner = torch.maximum(objective.images, 1 - objective.images)
        self.largest = budgets.size(corner, norm)
        # the point that sizes are taken from: its change, at most half the wanted one, and its size
        self.trusted, self.at = torch.zeros_like(wanted), torch.zeros_like(self.largest)

    @property
    def passed(self):
        """Whether the effect, or more than that, has been seen."""
        return self.reached | (self.change >= self.wanted)

    def limited(self, radius):
        """A radius that is above 0 and no larger than the box."""
        return torch.minimum(radius.double(), self.largest).clamp_min(1e-12)

    def note(self, delta, change):
        """Keep what is better."""
        hit = (change - self.wanted).abs() <= KEPT * self.tolerance * self.wanted
        more = change >= self.wanted
        smaller = budgets.size(delta, self.norm) < budgets.size(self.delta, self.norm)
        before = torch.where(self.passed, more & smaller, more | (change > self.change))
        better = torch.where(self.reached, hit & smaller, hit | before)
        self.delta = torch.where(wide(better, delta), delta, self.delta)
        self.change = torch.where(better, change, self.change)
        self.reached = self.reached | hit

    def follow(self, delta, change, gradient, radius):
        """The size at which the effect would be the wanted one, by the slope along a perturbation.

        A point far from the wanted effect, and worse than one before, says little, as directions are still
        being found: then the size is taken from that other one; where there was none, it is halved.
        """
        size = budgets.size(delta, self.norm).clamp_min(1e-30)
        slope = (gradient * delta).sum(dim=(1, 2, 3), dtype=torch.float64) / size
        secant = change.double() / size
        # the slope at a kink may be anything: keep it within a factor of two of the mean slope so far
        slope = torch.minimum(torch.maximum(slope, secant / 2), secant * 2)
        newton = size + (self.wanted - change) / slope.clamp_min(1e-30)
        newton = torch.minimum(torch.maximum(newton, radius / 2), radius * 2)
        trusted = (change > 0) & (change >= torch.minimum(self.wanted / 2, self.trusted))
        self.at = torch.where(trusted, size, self.at)
        self.trusted = torch.where(trusted, torch.minimum(change, self.wanted / 2), self.trusted)
        back = torch.where(self.trusted > 0, 1.5 * self.at, radius / 2)
        return self.limited(torch.where(trusted, newton, back))

    def rescue(self, missed, factor, direction, steps, first, explore):
        """Look for the effect of some images among the strongest of another size; gradients spent on each."""
        objective = self.objective
        radius = self.limited(factor * budgets.size(self.delta, self.norm))[missed]
        found = maximise(
            objective.respond,
            objective.images[missed],
            radius.to(objective.images.dtype),
            norm=self.norm,
            direction=direction,
            steps=steps,
            first=tuple(part[missed] for part in first),
            explore=explore,
        )
        delta, change = torch.zeros_like(self.delta), torch.zeros_like(self.change)
        delta[missed], change[missed] = found.delta, (objective.sign[missed] * found.change).to(change.dtype)
        self.note(delta, change)
        return steps - 1

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
        passed = ~self.reached & self.passed
        if passed.any():
            size = budgets.size(self.delta, self.norm)
            share = self.wanted / torch.where(passed, self.change, self.wanted)
            self.settle(self.delta.clone(), self.limited(size * share), wanting=passed)
