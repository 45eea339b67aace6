"""respond, images, budget -> the perturbation inside the budget that changes the response most.

`respond` maps images (n, 3, h, w) in [0, 1] to responses (n,), each from its own image alone: any linear
combination of voxels or regions, of a network or of a brain that can be differentiated.
"""

from dataclasses import dataclass

import torch

from codingaxes import budgets
from codingaxes.algorithms import ALGORITHMS, Ball, wide

SIGNS = {"increase": 1.0, "decrease": -1.0}
JUDGED = 5  # steps from which on the last third says something about the point that was found


@dataclass(frozen=True)
class Attack:
    """Perturbations, each with its own evidence; one entry per image."""

    delta: torch.Tensor  # (n, 3, h, w) pixels; images + delta lie in [0, 1]
    before: torch.Tensor  # (n,) response to the image
    after: torch.Tensor  # (n,) response to the perturbed image
    size: torch.Tensor  # (n,) float64, norm of delta
    bound: (
        torch.Tensor
    )  # (n,) float64, change of a linear response: size allowed (effect: needed) * dual norm
    gap: torch.Tensor  # (n,) what a first-order step could still add, in the unit of the response
    converged: torch.Tensor  # (n,) bool, gap <= tolerance * change
    evaluations: torch.Tensor  # (n,) int, gradients spent on the image
    reached: torch.Tensor  # (n,) bool, the wanted effect, or for a given size any change the right way

    @staticmethod
    def joined(parts):
        """The attacks on parts of a batch as one."""
        return Attack(
            *(torch.cat([getattr(part, name) for part in parts]) for name in Attack.__annotations__)
        )

    @property
    def change(self):
        """Response after minus before, (n,)."""
        return self.after - self.before

    @property
    def bound_ratio(self):
        """|change| over the first-order bound, float64 (n,); NaN where the gradient is zero."""
        return self.change.abs().double() / torch.where(self.bound > 0, self.bound, torch.nan)


def maximise(
    respond,
    images,
    radius,
    *,
    norm="l2",
    direction="increase",
    algorithm="ascent",
    steps=20,
    tolerance=0.05,
    starts=(),
    known=(),
    first=None,
    explore=None,
):
    """Perturbations of at most a given size that change the response most.

    Every point that an algorithm proposes lies in ball and box, and the best one that was seen is returned,
    never the last by accident. Images do not influence each other.

    Parameters
    ----------
    respond : callable, (n, 3, h, w) -> (n,)
        Differentiable and deterministic.
    images : tensor (n, 3, h, w)
        In [0, 1].
    radius : float or tensor (n,)
        Above 0, pixels in [0, 1].
    norm : "l2" or "linf"
    direction : "increase", "decrease" or "either"
        either: the larger |change|. One step is tried each way, and the better way is gone on with.
    algorithm : str
        Of `algorithms.ALGORITHMS`: ascent, pgd or apgd.
    steps : int
        Gradients to spend on each image, at least 1; each start costs as many again, less the first one.
    tolerance : float
        For the converged flag: the share of the change that a first-order step could still add. The step is
        along the mean gradient of the last third of the steps: at a kink of the response a single gradient
        is never small, a mean over its sides is (Goldstein, Math. Programming 1977). With fewer than `JUDGED`
        steps that mean is of the gradients that the point was made from, and nothing counts as converged.
    starts : sequence of tensors (n, 3, h, w)
        Directions of further attempts; of all attempts the best is kept for each image.
    known : sequence of tensors (n, 3, h, w)
        Perturbations inside the budget, of a smaller one for instance: a forward pass each, no less is found.
    first : pair of tensors (n,), (n, 3, h, w), optional
        Response and gradient at the images, where the caller has them from another budget.
    explore : callable, optional
        The same response in a cheaper precision, for gradients; every change that is reported is of
        `respond`.

    Returns
    -------
    Attack
        An image with a gradient of zero, or a response that is not finite, keeps its best point, possibly
        zeros, and is flagged as not converged.

    Raises
    ------
    ValueError
        If an image leaves [0, 1], or an argument is out of range.
    """
    budgets.check(images, radius, norm)
    check_choice("direction", direction, (*SIGNS, "either"))
    check_choice("algorithm", algorithm, ALGORITHMS)
    check_steps(steps)
    explored, gradient = first if first is not None else value_and_gradient(explore or respond, images)
    before = explored if explore is None else forward(respond, images)
    ball = Ball(images, radius, norm)
    sign = _better_way(respond, ball, before, gradient) if direction == "either" else SIGNS[direction]
    sign = torch.as_tensor(sign, dtype=before.dtype, device=before.device).expand_as(before)
    objective = Objective(respond, images, sign, before, explore, explored)
    change, best, tail = torch.zeros_like(before), torch.zeros_like(images), wide(sign, images) * gradient
    for start in (None, *starts):
        proposals = ALGORITHMS[algorithm](ball, steps, start)
        found = _climb(objective, wide(sign, images) * gradient, proposals, steps)
        better = found[0] > change
        change = torch.where(better, found[0], change)
        better = wide(better, images)
        best, tail = torch.where(better, found[1], best), torch.where(better, found[2], tail)
    if explore is not None:  # cheap arithmetic has chosen; what is reported is respond's
        change = objective.at(best)
    for delta in known:
        found = objective.at(delta)
        best = torch.where(wide(found > change, images), delta, best)
        change = torch.maximum(found, change)
    gap = ball.gap(tail, best)
    return Attack(
        delta=best,
        before=before,
        after=before + sign * change,
        size=budgets.size(best, norm),
        bound=budgets.bound(gradient, radius, norm),
        gap=gap,
        converged=(change > 0) & (gap <= tolerance * change) & (steps >= JUDGED),
        evaluations=torch.full_like(before, steps + len(starts) * (steps - 1), dtype=torch.int32),
        reached=change > 0,
    )


class Objective:
    """The change of the response in the wanted direction, at perturbations of some images.

    A change that is not finite counts as none: no perturbation is chosen for it. With `explore`, changes that
    come with gradients are of that response, from `explored` at the images themselves.
    """

    def __init__(self, respond, images, sign, before, explore=None, explored=None):
        self.respond, self.images, self.sign, self.before = respond, images, sign, before
        self.explore, self.explored = (respond, before) if explore is None else (explore, explored)

    def with_gradient(self, delta):
        """Changes (n,) and their gradients (n, 3, h, w)."""
        after, gradient = value_and_gradient(self.explore, self.images + delta)
        return self._change(after, self.explored), wide(self.sign, delta) * gradient

    def without_gradient(self, delta):
        """The same changes (n,), by a forward pass alone."""
        return self._change(forward(self.explore, self.images + delta), self.explored)

    def at(self, delta):
        """Changes (n,) of the response itself, by a forward pass alone."""
        return self._change(forward(self.respond, self.images + delta), self.before)

    def _change(self, after, before):
        change = self.sign * (after - before)
        return torch.where(torch.isfinite(change), change, torch.zeros_like(change))


def in_tail(step, steps):
    """Whether the gradient of this step, from 0, is one of the last third that convergence is judged by."""
    return step >= 2 * steps // 3


def _climb(objective, gradient, proposals, steps):
    """Follow an algorithm; the best change (n,), its perturbation, and the sum of the last gradients.

    The last proposal takes a forward pass alone, so that `steps` gradients are spent with that at the images.
    """
    best, change = torch.zeros_like(gradient), torch.zeros_like(objective.before)
    tail, count = gradient, 1
    proposals.send(None)
    delta = proposals.send((change, gradient))
    for step in range(1, steps + 1):
        if step == steps:
            reached = objective.without_gradient(delta)
        else:
            reached, gradient = objective.with_gradient(delta)
            tail, count = (tail + gradient, count + 1) if in_tail(step - 1, steps) else (gradient, 1)
        better = reached > change
        if better.all():
            best = delta
        elif better.any():  # by rows: a mask over pixels would take as long as a step
            best = best.index_copy(0, better.nonzero().flatten(), delta[better])
        change = torch.where(better, reached, change)
        if step < steps:
            delta = proposals.send((reached, gradient))
    return change, best, tail / count


def _better_way(respond, ball, before, gradient):
    """The sign of the larger change after one step up and one down; one that is not finite counts as 0."""
    up, down = (
        (forward(respond, ball.images + ball.stretch(way * gradient)) - before).abs() for way in (1, -1)
    )
    return torch.where(torch.isfinite(down) & ~(up >= down), -1.0, 1.0)


@torch.no_grad()
def forward(respond, images):
    """Responses (n,), without a gradient."""
    return respond(images)


def check_choice(name, found, allowed):
    """Refuse a word that is not one of those allowed."""
    if found not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {found!r}")


def check_steps(steps):
    """Refuse to spend no gradient."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")


def value_and_gradient(respond, images):
    """Responses (n,) and their gradients (n, 3, h, w); a gradient that is not finite counts as zero.

    Raises
    ------
    ValueError
        If `respond` does not give one number for each image.
    """
    images = images.detach().requires_grad_(True)
    value = respond(images)
    if value.shape != images.shape[:1]:
        raise ValueError(
            f"respond must give one number for each of {len(images)} images, not {tuple(value.shape)}"
        )
    (gradient,) = torch.autograd.grad(value.sum(), images)
    finite = torch.isfinite(gradient.sum(dim=(1, 2, 3)))
    return value.detach(), gradient if finite.all() else torch.where(wide(finite, gradient), gradient, 0.0)
