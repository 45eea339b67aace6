"""Make the images that drive a response the most or the least: maximally and minimally exciting images.

`respond` is as in `attacks.strongest`. The search begins at an image, and may go anywhere in the pixel box,
or in a ball around mid grey.
"""

from dataclasses import dataclass, fields, replace

import torch

from codingaxes.attacks import budgets
from codingaxes.attacks.noise import white
from codingaxes.attacks.steps import later_rounds, unit, wide
from codingaxes.attacks.strongest import (
    Objective,
    check_choice,
    check_steps,
    follow,
    forward,
    maximise,
    value_and_gradient,
)
from codingaxes.names import SIGNS

GREY = 0.5
# Chosen on five networks of the miniature; benchmarks/synthesis.py reports on the others.
STEP = 0.35  # the first step of each round, RMS over pixels, pixels in [0, 1]
FADE = 1.5  # power of the share of a round that is left, by which steps shrink
MOMENTUM = 0.9
# Noise of each further attempt to find a gradient: its sign times its SD, pixels in [0, 1].
RESTARTS = (0.02, -0.02, 0.05, -0.05, 0.1, -0.1, 0.2, -0.2)


@dataclass(frozen=True)
class Exciting:
    """Images, each with its own evidence; one entry per image."""

    images: torch.Tensor  # (n, 3, h, w) in [0, 1]
    before: torch.Tensor  # (n,) response to the image that the search began with
    after: torch.Tensor  # (n,) response to the image
    evaluations: torch.Tensor  # (n,) int, gradients spent on the image
    converged: torch.Tensor  # (n,) bool, the last round added little; see `excite`
    reached: torch.Tensor  # (n,) bool, the response changed the right way
    restarted: torch.Tensor  # (n,) bool, the start was dead, and noise was added to it

    @staticmethod
    def joined(parts):
        """Join the results of parts of a batch into one."""
        names = [field.name for field in fields(Exciting)]
        return Exciting(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def excite(
    respond,
    starts,
    *,
    which=None,
    direction="increase",
    norm=None,
    explore=None,
    prior=None,
    seeds=None,
    steps=50,
    limit=150,
    tolerance=0.01,
):
    """Find images with the largest or least response, each beginning at a given image.

    Without a norm the search is `climb`, in rounds. Each round begins at the best image so far; see
    `steps.later_rounds`. With a norm it is that of `strongest.maximise` around mid grey, which begins in the
    direction of the start. The best image that was seen is returned. Images do not influence each other, as
    far as `respond` gives the same in any batch: convolutions may round otherwise, which a long search
    magnifies.

    A start is dead where the gradient is zero, as behind units that are silent, or not finite. Such a start
    gets noise, added and then taken away, which grows until there is a gradient; see `RESTARTS`.

    Parameters
    ----------
    respond, which
        As in `strongest.maximise`.
    starts : tensor (n, 3, h, w)
        In [0, 1].
    direction : "increase", "decrease", or tensor (n,) of signs
    norm : float or tensor (n,), optional
        Largest l2 distance of the image from mid grey, pixels in [0, 1]. A start gets this distance, but for
        mid grey itself. None: the whole pixel box.
    explore : callable, optional
        The same response in a cheaper precision, for the search. What is reported is of `respond`.
    prior : callable, optional
        As in `strongest.maximise`; for instance `priors.Coarse`.
    seeds : sequence of int (n,), optional
        Of the noise that a dead start gets; 0 for all if not given.
    steps : int
        Gradients of the first round, at least 1.
    limit : int
        Most gradients for an image, without those of restarts.
    tolerance : float
        An image is done, and converged, once a round has added at most this share of the whole change of the
        response; the first round alone says nothing. With a norm see `strongest.maximise`.

    Returns
    -------
    Exciting
        An image that is dead after all restarts, or never changes the right way, is its start, or with a norm
        the start at this distance, with reached False.

    Raises
    ------
    ValueError
        If a start leaves [0, 1], or an argument is out of range.
    """
    budgets.check(starts, 1.0 if norm is None else norm, "l2")
    check_steps(steps)
    if isinstance(direction, str):
        check_choice("direction", direction, SIGNS)
    seeds = [0] * len(starts) if seeds is None else list(seeds)
    if len(seeds) != len(starts):
        raise ValueError(f"seeds must be one for each of {len(starts)} starts, not {len(seeds)}")
    if norm is not None:
        norm = torch.as_tensor(norm, dtype=starts.dtype, device=starts.device).expand(len(starts))
    search = explore or respond
    begin, first, restarts = _living(search, _bounded(starts, norm), norm, which, seeds)
    settings = {"which": which, "steps": steps, "limit": limit, "tolerance": tolerance}
    if norm is None:
        found = _in_box(search, begin, direction, first, prior, **settings)
    else:
        found = _in_ball(search, begin, norm, first, direction=direction, prior=prior, **settings)
    found = replace(found, evaluations=found.evaluations + restarts, restarted=restarts > 0)
    return found if explore is None else _scored(respond, begin, found, direction, which)


def _scored(respond, begin, found, direction, which):
    """Report the response itself, not the one that was searched in; where it falls, nothing was reached."""
    before, after = (forward(respond, images, which) for images in (begin, found.images))
    sign = SIGNS[direction] if isinstance(direction, str) else direction
    reached = found.reached & (sign * (after - before) > 0)
    return replace(
        found,
        images=torch.where(wide(reached, begin), found.images, begin),
        before=before,
        after=torch.where(reached, after, before),
        converged=found.converged & reached,
        reached=reached,
    )


def _bounded(images, norm):
    """Bring images into the pixel box, or to distances (n,) from mid grey, where these are given."""
    if norm is None:
        return images.clamp(0, 1)
    grey = torch.full_like(images, GREY)
    return grey + budgets.stretch(images - grey, grey, norm)


def _living(respond, starts, norm, which, seeds):
    """Add noise to dead starts: begins, their responses and gradients, and attempts beyond the first (n,)."""
    value, gradient = value_and_gradient(respond, starts, which)
    begin, restarts = starts.clone(), torch.zeros_like(value, dtype=torch.int32)
    shape = (len(RESTARTS) // 2, *starts.shape[1:])
    for attempt, sd in enumerate(RESTARTS):
        dead = torch.nonzero(~gradient.flatten(1).any(dim=1)).flatten()
        if not len(dead):
            break
        noise = torch.stack([white(seeds[row], shape)[attempt // 2] for row in dead.tolist()])
        noisy = (starts[dead] + sd * noise.to(starts)).clamp(0, 1)
        begin[dead] = _bounded(noisy, None if norm is None else norm[dead])
        chosen = None if which is None else which[dead]
        value[dead], gradient[dead] = value_and_gradient(respond, begin[dead], chosen)
        restarts[dead] += 1
    return begin, (value, gradient), restarts


def _in_ball(respond, begin, norm, first, **settings):
    """Search the ball around mid grey; the response is compared with that to the image it begins with."""
    grey = torch.full_like(begin, GREY)
    attack = maximise(respond, grey, norm, begin=begin - grey, first=first, **settings)
    return Exciting(
        images=torch.where(wide(attack.reached, begin), grey + attack.delta, begin),
        before=first[0],
        after=attack.after,
        evaluations=attack.evaluations,
        converged=attack.converged,
        reached=attack.reached,
        restarted=torch.zeros_like(attack.reached),
    )


def _in_box(respond, begin, direction, first, prior, *, which, steps, limit, tolerance):
    """Search the whole pixel box, in rounds."""
    black = torch.zeros_like(begin)  # whose perturbations are images
    objective = Objective.of(respond, black, direction, first, which, None)
    best, change, gradient = begin.clone(), torch.zeros_like(first[0]), first[1]
    gradient = wide(objective.sign, gradient) * gradient
    spent = torch.zeros_like(change, dtype=torch.int32)
    converged = torch.zeros_like(change, dtype=torch.bool)
    rows = torch.arange(len(begin), device=begin.device)
    for length in (steps, *later_rounds(steps, limit)):
        part, before = objective.only(rows), change[rows]
        if spent.any():  # later rounds compute it again, which is cheaper than to keep it
            _, gradient = part.with_gradient(best[rows])
        some = None if prior is None else prior.only(rows)
        after, images, _ = follow(part, gradient, climb(best[rows], length, some), length)
        better, now = after > before, torch.maximum(after, before)
        best[rows[better]], change[rows] = images[better], now
        done = (spent[rows] > 0) & (now > 0) & (now - before <= tolerance * now)
        spent[rows] += length
        converged[rows] = done
        rows = rows[~done & (now > 0)]
        if not len(rows):
            break
    return Exciting(
        images=best,
        before=objective.before,
        after=objective.before + objective.sign * change,
        evaluations=spent,
        converged=converged,
        reached=change > 0,
        restarted=torch.zeros_like(converged),
    )


def climb(images, steps, prior=None):
    """Climb in the pixel box: steps in the sign of averaged gradients, that leave out pixels at a wall.

    Steps are the largest that make sense, a third of the box, and shrink to nothing: large ones find the
    region, and small ones average out kinks. A pixel at black or white whose gradient points out of the box
    counts neither in the mean of gradients nor in the scale of a step. With a prior the steps are not signs,
    which would be as rough as pixels, but the weighted mean itself, at equal RMS.

    Parameters
    ----------
    images : tensor (n, 3, h, w)
        Where to begin.
    steps : int
        How many gradients will be sent, each with the value there, as in `attacks.steps`. The images to
        compute them at are yielded.
    prior : callable, optional

    Source
    ------
    Signs of averaged gradients: Y. Dong and others, Boosting adversarial attacks with momentum (CVPR 2018).
    Leaving out pixels at a wall, before and after the prior: two-metric projection (D. P. Bertsekas,
    Projected Newton methods for optimization problems with simple constraints, SIAM J. Control Optim. 1982).
    """
    mean = torch.zeros_like(images)
    _, gradient = yield
    for step in range(steps):
        free = gradient.masked_fill(_at_wall(gradient, images), 0.0)
        mean = MOMENTUM * mean + (1 - MOMENTUM) * unit(free)
        fixed = _at_wall(mean, images)
        mean = mean.masked_fill(fixed, 0.0)
        length = STEP * (1 - step / steps) ** FADE
        if prior is None:
            move = length * mean.sign()
        else:
            move = prior(mean).masked_fill(fixed, 0.0)
            move = move.masked_fill(_at_wall(move, images), 0.0)
            move = length * images[0].numel() ** 0.5 * unit(move)
        images = (images + move).clamp(0, 1)
        _, gradient = yield images


def _at_wall(direction, images):
    """Say which pixels a direction (n, 3, h, w) would move out of the pixel box."""
    return (images <= 0) & (direction < 0) | (images >= 1) & (direction > 0)
