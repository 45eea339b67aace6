"""Find the smallest perturbation that changes a response by a given amount.

The search is that for a given size (`steps.ascent`), with a radius that follows the effect.
"""

import torch

from codingaxes.attacks import budgets
from codingaxes.attacks.steps import annealed, later_rounds, unit, wide
from codingaxes.attacks.strongest import (
    Attack,
    Objective,
    check_choice,
    check_steps,
    maximise,
    value_and_gradient,
)
from codingaxes.names import SIGNS

SETTLE = 12  # forward passes at most, after a round, to find the size along its last direction
# Shares of the tolerance that settling aims at, and that count as a hit; the rest is for rounding to float16.
AIM, HIT = 0.25, 0.75
RESCUE = (2.0, 0.5, 8.0, 0.125)  # sizes to try, over that of the strongest perturbation that did not suffice


def reach(
    respond,
    images,
    wanted,
    *,
    which=None,
    norm="l2",
    direction="increase",
    steps=10,
    limit=0,
    tolerance=0.01,
    accuracy=0.01,
    begin=None,
    known=(),
    first=None,
    explore=None,
    prior=None,
):
    """Find the smallest perturbations that change the response by a wanted amount.

    Directions are those of `steps.ascent`. The radius follows the effect by Newton's steps on the size. At
    the end of a round the size along the last direction is settled by forward passes alone.

    As in `strongest.maximise`, longer rounds that begin at the best point follow, until one makes the
    perturbation smaller by at most the tolerance.

    Parameters
    ----------
    respond, images, which, norm, direction, steps, limit, known, first, explore, prior
        As in `strongest.maximise`, but without "either"; known perturbations may have any size.
    wanted : float or tensor (n,)
        Change in the unit of the response, above 0.
    tolerance : float
        Share of the size that going on may have spared, for an image to be done, and to be flagged as
        converged; with one round, nothing is. It is measured, as in `strongest.maximise`.
    accuracy : float or tensor (n,)
        An effect is reached if it differs from the wanted one by at most this share.
    begin : tensor (n, 3, h, w), optional
        Perturbations to begin with, for instance those of a smaller wanted change: the first direction is
        theirs, and the first size is taken from their change. Where it is not given, or changes the response
        the wrong way, the search begins with the gradient at the image.

    Returns
    -------
    strongest.Attack
        The effect is looked for among the strongest perturbations of four other sizes as well, whose
        gradients are counted. An image on which it was not found has reached False, and the strongest
        perturbation that was seen or the smallest that has more than the wanted effect. The bound is that of
        the perturbation's own size.

    Raises
    ------
    ValueError
        If an image leaves [0, 1], or an argument is out of range.
    """
    budgets.check(images, 1.0, norm)
    if isinstance(direction, str):
        check_choice("direction", direction, SIGNS)
    check_steps(steps)
    first = first if first is not None else value_and_gradient(explore or respond, images, which)
    objective, slope = Objective.of(respond, images, direction, first, which, explore, prior), first[1]
    before = objective.before
    wanted = torch.as_tensor(wanted, dtype=before.dtype, device=before.device).expand_as(before)
    if not (wanted > 0).all():
        raise ValueError(f"wanted must be above 0, not {float(wanted.min()):g}; direction says which way")
    accuracy = torch.as_tensor(accuracy, dtype=before.dtype, device=before.device).expand_as(before)
    search = _Search(objective, wanted, norm, accuracy)
    rounds = _Rounds(search, slope, steps, begin)
    for delta in known:
        search.note(delta, search.objective.at(delta))
    search.settle_strongest()
    rounds.go_on(limit, tolerance)
    for factor in RESCUE:
        missed = torch.nonzero(~search.passed & (search.change > 0)).flatten()
        if len(missed):
            rounds.spent[missed] += search.rescue(missed, factor, steps, first)
    search.settle_strongest()
    size = budgets.size(search.delta, norm)
    return Attack(
        delta=search.delta,
        before=before,
        after=before + objective.sign * search.change,
        size=size,
        bound=budgets.bound(slope, size, norm),
        converged=search.reached & rounds.converged,
        evaluations=rounds.spent,
        reached=search.reached,
    )


class _Rounds:
    """Search in rounds, each from the best point so far; what a round spares says who is done."""

    def __init__(self, search, slope, steps, begin):
        self.search, self.steps = search, steps
        self.spent = torch.full_like(search.wanted, steps, dtype=torch.int32)
        self.converged = torch.zeros_like(search.reached)
        mean, radius = self.first_step(wide(search.objective.sign, slope) * slope, begin)
        # one of the first round's gradients is that at the images
        search.settle(*search.descend(mean, search.limited(radius), steps - 1))

    def first_step(self, gradient, begin):
        """Choose the first direction, of unit length, and the first size."""
        search = self.search
        mean = unit(search.objective.steer(gradient))
        if search.objective.prior is None:
            slope = budgets.bound(gradient, 1.0, search.norm)
        else:  # of a linear response along the direction, without the box
            slope = (gradient * mean).sum(dim=(1, 2, 3), dtype=torch.float64)
            slope = slope / budgets.size(mean, search.norm).clamp_min(1e-30)
        radius = search.wanted / slope.clamp_min(1e-30)
        if begin is None:
            return mean, radius
        change, size = search.objective.at(begin), budgets.size(begin, search.norm)
        search.note(begin, change)
        usable = (change > 0) & (size > 0)
        scaled = size * (search.wanted / change.clamp_min(1e-30)).clamp(0.5, 2.0)
        return torch.where(wide(usable, begin), unit(begin), mean), torch.where(usable, scaled, radius)

    def go_on(self, limit, tolerance):
        """Make further rounds until images are done or the limit is reached."""
        search = self.search
        rows = torch.nonzero(search.change > 0).flatten()
        for length in later_rounds(self.steps, limit):
            if not len(rows):
                break
            before = budgets.size(search.delta[rows], search.norm)
            reached = search.reached[rows]
            part = search.only(rows)
            mean = unit(part.delta)
            part.settle(*part.descend(mean, part.limited(before), length))
            part.settle_strongest()
            search.put(rows, part)
            now = budgets.size(part.delta, search.norm)
            done = reached & part.reached & (before - now <= tolerance * before)
            self.converged[rows], self.spent[rows] = done, self.spent[rows] + length
            rows = rows[~done]


class _Search:
    """Hold the best perturbation so far, and look for better ones.

    The best is the smallest that has the wanted effect. Before there is one, it is the smallest that has more
    than that, and before there is one of these, the strongest.
    """

    STATE = ("delta", "change", "reached", "trusted", "at")  # one entry per image

    def __init__(self, objective, wanted, norm, tolerance):
        self.objective, self.wanted, self.norm, self.tolerance = objective, wanted, norm, tolerance
        self.delta, self.change = torch.zeros_like(objective.images), torch.zeros_like(wanted)
        self.reached = torch.zeros_like(wanted, dtype=torch.bool)
        corner = torch.maximum(objective.images, 1 - objective.images)
        self.largest = budgets.size(corner, norm)
        # the point that sizes are taken from: its change, at most half the wanted one, and its size
        self.trusted, self.at = torch.zeros_like(wanted), torch.zeros_like(self.largest)

    def only(self, rows):
        """Give the search for some of the images, as far as it has come."""
        part = _Search(self.objective.only(rows), self.wanted[rows], self.norm, self.tolerance[rows])
        for name in self.STATE:
            setattr(part, name, getattr(self, name)[rows])
        return part

    def put(self, rows, part):
        """Take back what the search for some of the images has found."""
        for name in self.STATE:
            getattr(self, name)[rows] = getattr(part, name)

    @property
    def passed(self):
        """Say whether the effect, or more than that, has been seen, (n,)."""
        return self.reached | (self.change >= self.wanted)

    def limited(self, radius):
        """Keep a radius above 0 and no larger than the box."""
        return torch.minimum(radius.double(), self.largest).clamp_min(1e-12)

    def note(self, delta, change):
        """Take perturbations (n, 3, h, w) with their changes (n,) where they are better than the best."""
        hit = (change - self.wanted).abs() <= HIT * self.tolerance * self.wanted
        more = change >= self.wanted
        smaller = budgets.size(delta, self.norm) < budgets.size(self.delta, self.norm)
        before = torch.where(self.passed, more & smaller, more | (change > self.change))
        better = torch.where(self.reached, hit & smaller, hit | before)
        self.delta = torch.where(wide(better, delta), delta, self.delta)
        self.change = torch.where(better, change, self.change)
        self.reached = self.reached | hit

    def descend(self, mean, radius, steps):
        """Search from a direction and a size, with some gradients; the last direction and size."""
        objective = self.objective
        for step in range(steps):
            delta = budgets.stretch(mean, objective.images, radius, self.norm)
            change, gradient = objective.with_gradient(delta)
            radius = self.follow(delta, change, gradient, radius)
            if objective.exact:  # otherwise only what full precision shows counts, in settling
                self.note(delta, change)
            mean = annealed(mean, objective.steer(gradient), step, steps)
        return mean, radius

    def follow(self, delta, change, gradient, radius):
        """Estimate the size at which the effect is the wanted one, by the slope along a perturbation.

        A point far from the wanted effect, and worse than one before, says little, because the directions are
        not good yet. Then the size is taken from that other point; where there was none, it is halved.
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

    def rescue(self, missed, factor, steps, first):
        """Look for the effect of some images among the strongest of another size; gradients spent on each."""
        objective = self.objective
        radius = self.limited(factor * budgets.size(self.delta, self.norm))[missed]
        attack = maximise(
            objective.respond,
            objective.images[missed],
            radius.to(objective.images.dtype),
            which=None if objective.which is None else objective.which[missed],
            norm=self.norm,
            direction=objective.sign[missed],
            steps=steps,
            first=tuple(part[missed] for part in first),
            explore=None if objective.exact else objective.explore,
            prior=None if objective.prior is None else objective.prior.only(missed),
        )
        delta, change = torch.zeros_like(self.delta), torch.zeros_like(self.change)
        delta[missed] = attack.delta
        change[missed] = (objective.sign[missed] * attack.change).to(change.dtype)
        self.note(delta, change)
        return steps - 1

    def settle(self, direction, radius, where=None):
        """Find the size along a direction by false position inside a bracket, all images (`where`) at once.

        Source: the Illinois variant of regula falsi (Dowell & Jarratt, BIT 1971).
        """
        images, wanted = self.objective.images, self.wanted.double()
        low, high = torch.zeros_like(radius), torch.full_like(radius, torch.inf)
        # how far the change is from the wanted one at either end
        below, above = -wanted, torch.full_like(radius, torch.nan)
        done = torch.zeros_like(self.reached) if where is None else ~where
        for _ in range(SETTLE):
            delta = budgets.stretch(direction, images, radius, self.norm)
            change = torch.where(done, 0.0, self.objective.at(delta))
            self.note(delta, change)
            off = change.double() - wanted
            done = done | (off.abs() <= AIM * self.tolerance * wanted)
            done = done | ((off < 0) & (radius >= self.largest))
            if done.all():
                break
            enough, bracketed = off >= 0, torch.isfinite(high)
            # the end that stays twice counts half
            below = torch.where(enough, below / (1 + (bracketed & (off * above > 0))), off)
            above = torch.where(enough, off, torch.where(bracketed, above / 2, above))
            low, high = torch.where(enough, low, radius), torch.where(enough, radius, high)
            inside = (low * above - high * below) / (above - below)
            inside = torch.where((inside > low) & (inside < high), inside, (low + high) / 2)
            secant = radius * wanted / change.clamp_min(1e-30)
            outside = torch.minimum(torch.maximum(secant, 1.02 * radius), 2 * radius)
            radius = self.limited(torch.where(torch.isfinite(high), inside, outside))

    def settle_strongest(self):
        """Where the wanted effect was passed but not met, look for it on the way to the strongest point."""
        passed = ~self.reached & self.passed
        if passed.any():
            size = budgets.size(self.delta, self.norm)
            share = self.wanted / torch.where(passed, self.change, self.wanted)
            self.settle(self.delta.clone(), self.limited(size * share), where=passed)
