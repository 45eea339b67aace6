"""Bring a response to levels of natural responses by the smallest perturbations."""

from dataclasses import fields
from itertools import pairwise

import torch

from codingaxes.attacks import budgets, smallest, strongest


def accentuate(respond, images, levels, low, high, *, which=None, accuracy=0.01, first=None, **settings):
    """Find the smallest perturbations that bring responses to each of some levels.

    A level of 0 is the response `low`, one of 1 is `high`. Levels above that of the image itself are reached
    one after the other, each search beginning with the perturbation of the level before, and those below it
    likewise.

    Parameters
    ----------
    respond, images, which, first
        See `strongest.maximise`.
    levels : sequence of float (k,)
        Ascending.
    low, high : tensors (n,)
        Responses at level 0 and level 1, for instance the quantiles 0.01 and 0.99 of natural responses.
    accuracy : float
        A level is reached if it is missed by at most this much, as a share of `high` - `low`.
    **settings
        steps, limit, tolerance, explore and prior, as in `smallest.reach`.

    Returns
    -------
    list of strongest.Attack
        One for each level. What cannot be reached inside the pixel box has reached False, and the nearest
        that was found. Where `high` is not above `low`, nothing is looked for: the perturbation is zero and
        reached is False.

    Raises
    ------
    ValueError
        If the levels do not ascend.

    Source
    ------
    Levels as in J. S. Prince and others, parametric neural control (bioRxiv 2026); the smallest perturbation
    in place of their regulariser is ours.
    """
    levels = [float(level) for level in levels]
    if any(later <= earlier for earlier, later in pairwise(levels)):
        raise ValueError(f"levels must ascend, each larger than the one before, not {levels}")
    explore = settings.get("explore")
    first = strongest.value_and_gradient(explore or respond, images, which) if first is None else first
    before = first[0] if explore is None else strongest.forward(respond, images, which)
    width = (high - low).to(before)
    change = torch.stack([low.to(before) + level * width - before for level in levels])  # (k, n)
    attacks = [_unchanged(images, before, change[i], first[1], accuracy * width) for i in range(len(levels))]
    # each image twice: on the way up and on the way down; both pass their next levels together
    place = torch.arange(len(images), device=images.device).repeat(2)
    sign = torch.ones_like(before).repeat(2)
    sign[len(images) :] = -1
    wanted = sign * change[:, place]  # (k, 2 n)
    beyond = (wanted > accuracy * width[place]) & (width[place] > 0)
    begin = torch.zeros_like(images).repeat(2, 1, 1, 1)
    prior = settings.pop("prior", None)
    for number in range(int(beyond.sum(dim=0).max())):
        rows = torch.nonzero(beyond.sum(dim=0) > number).flatten()
        # the levels above an image begin at the first of them, those below at the last
        above = sign[rows] > 0
        start = torch.where(above, len(levels) - beyond[:, rows].sum(dim=0), beyond[:, rows].sum(dim=0) - 1)
        level = torch.where(above, start + number, start - number)
        images_of = place[rows]
        attack = smallest.reach(
            respond,
            images[images_of],
            wanted[level, rows],
            which=None if which is None else which[images_of],
            direction=sign[rows],
            accuracy=accuracy * width[images_of] / wanted[level, rows],
            begin=begin[rows],
            first=tuple(part[images_of] for part in first),
            prior=None if prior is None else prior.only(images_of),
            **settings,
        )
        begin[rows] = attack.delta
        for i in level.unique().tolist():
            chosen = torch.nonzero(level == i).flatten()
            attacks[i] = _put(attacks[i], images_of[chosen], attack, chosen)
    return attacks


def _unchanged(images, before, change, gradient, accuracy):
    """Give the attack that does nothing: it reaches levels that the images have."""
    nothing = torch.zeros_like(images)
    there = (change.abs() <= accuracy) & (accuracy > 0)
    size = budgets.size(nothing, "l2")
    return strongest.Attack(
        delta=nothing,
        before=before,
        after=before.clone(),
        size=size,
        bound=budgets.bound(gradient, size, "l2"),
        converged=there.clone(),
        evaluations=torch.ones_like(before, dtype=torch.int32),
        reached=there,
    )


def _put(attack, places, other, rows):
    """Put some rows of another attack into places of an attack."""
    whole = {field.name: getattr(attack, field.name).clone() for field in fields(strongest.Attack)}
    for name, values in whole.items():
        values[places] = getattr(other, name)[rows]
    return strongest.Attack(**whole)
