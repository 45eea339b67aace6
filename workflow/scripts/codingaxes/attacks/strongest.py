"""Find the perturbation inside a budget that changes a response the most.

`respond` maps images (n, 3, h, w) in [0, 1] to responses (n,), each from its own image alone: any linear
combination of voxels or regions, of a network or of a brain that can be differentiated.
"""

from dataclasses import dataclass, fields

import torch

from codingaxes.attacks import budgets
from codingaxes.attacks.steps import ALGORITHMS, Ball, wide
from codingaxes.names import SIGNS

JUDGED = 5  # steps from which on the last third says something about the point that was reached


@dataclass(frozen=True)
class Attack:
    """Perturbations, each with its own evidence; one entry per image."""

    delta: torch.Tensor  # (n, 3, h, w) pixels; images + delta lie in [0, 1]
    before: torch.Tensor  # (n,) response to the image
    after: torch.Tensor  # (n,) response to the perturbed image
    size: torch.Tensor  # (n,) float64, norm of delta
    bound: torch.Tensor  # (n,) float64, change of a linear response: size (allowed or needed) * dual norm
    converged: torch.Tensor  # (n,) bool, a first-order step could add at most tolerance * change
    evaluations: torch.Tensor  # (n,) int, gradients spent on the image
    reached: torch.Tensor  # (n,) bool, the wanted effect, or for a given size any change the right way

    @staticmethod
    def joined(parts):
        """Join the attacks on parts of a batch into one."""
        names = [field.name for field in fields(Attack)]
        return Attack(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    @property
    def change(self):
        """Subtract the response before from the response after, (n,)."""
        return self.after - self.before


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
    """Find perturbations of at most a given size that change the response the most.

    Every point that an algorithm proposes lies in ball and box. The best point that was seen is returned,
    which need not be the last. Images do not influence each other.

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
        either: the larger |change|. One step is tried each way, and the attack continues the better way.
    algorithm : str
        Of `steps.ALGORITHMS`: ascent, pgd or apgd.
    steps : int
        Gradients to spend on each image, at least 1. Each start costs as many again, less the first one.
    tolerance : float
        For the converged flag: the share of the change that a first-order step could still add. The step is
        along the mean gradient of the last third of the steps: at a kink of the response a single gradient
        is never small, a mean over its sides is (Goldstein, Math. Programming 1977). With fewer than `JUDGED`
        steps that mean is of the gradients that the point was made from, and nothing counts as converged.
    starts : sequence of tensors (n, 3, h, w)
        Directions of further attempts. The best of all attempts is returned for each image.
    known : sequence of tensors (n, 3, h, w)
        Perturbations inside the budget, for instance of a smaller one. Each costs a forward pass, and the
        result is never weaker.
    first : pair of tensors (n,), (n, 3, h, w), optional
        Response and gradient at the images, where the caller has them from another budget.
    explore : callable, optional
        The same response in a cheaper precision, for gradients. Every change that is reported is of
        `respond`.

    Returns
    -------
    Attack
        An image with a gradient of zero, or a response that is not finite, has its best point, possibly
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
    change, best, tail = _attempts(objective, ball, gradient, ALGORITHMS[algorithm], steps, starts)
    for delta in known:
        other = objective.at(delta)
        best = torch.where(wide(other > change, images), delta, best)
        change = torch.maximum(other, change)
    judged = (ball.gap(tail, best) <= tolerance * change) & (steps >= JUDGED)
    return Attack(
        delta=best,
        before=before,
        after=before + sign * change,
        size=budgets.size(best, norm),
        bound=budgets.bound(gradient, radius, norm),
        converged=(change > 0) & judged,
        evaluations=torch.full_like(before, steps + len(starts) * (steps - 1), dtype=torch.int32),
        reached=change > 0,
    )


class Objective:
    """Compute the change of the response in the wanted direction, at perturbations of some images.

    A change that is not finite counts as none, so that no perturbation is chosen for it. With `explore`,
    changes that come with gradients are of that response, from `explored` at the images themselves.
    """

    def __init__(self, respond, images, sign, before, explore=None, explored=None):
        self.respond, self.images, self.sign, self.before = respond, images, sign, before
        self.exact = explore is None
        self.explore, self.explored = (respond, before) if self.exact else (explore, explored)

    def with_gradient(self, delta):
        """Compute changes (n,) and their gradients (n, 3, h, w)."""
        after, gradient = value_and_gradient(self.explore, self.images + delta)
        return self._change(after, self.explored), wide(self.sign, delta) * gradient

    def without_gradient(self, delta):
        """Compute the same changes (n,) by a forward pass alone."""
        return self._change(forward(self.explore, self.images + delta), self.explored)

    def at(self, delta):
        """Compute changes (n,) of the response itself, by a forward pass alone."""
        return self._change(forward(self.respond, self.images + delta), self.before)

    def _change(self, after, before):
        """Compute changes in the wanted direction; one that is not finite counts as 0."""
        change = self.sign * (after - before)
        return torch.where(torch.isfinite(change), change, torch.zeros_like(change))


class Tail:
    """Average the last gradients of a search, by which convergence is judged.

    Parameters
    ----------
    gradient : tensor (n, 3, h, w)
        At the images themselves, which is number 0.
    start : int
        Number of the first gradient that counts.
    """

    def __init__(self, gradient, start):
        self.start, self.number = start, 0
        self.sum, self.count = gradient, 1

    def add(self, gradient):
        """Take in the next gradient."""
        self.number += 1
        counts = self.number > self.start
        self.sum, self.count = (self.sum + gradient, self.count + 1) if counts else (gradient, 1)

    @property
    def mean(self):
        """Give the mean gradient, (n, 3, h, w)."""
        return self.sum / self.count


def _attempts(objective, ball, gradient, algorithm, steps, starts):
    """Run an attack from its own start and from others; the best change, perturbation and mean gradient."""
    gradient = wide(objective.sign, gradient) * gradient
    change, best, tail = torch.zeros_like(objective.before), torch.zeros_like(objective.images), gradient
    for start in (None, *starts):
        attempt = _climb(objective, gradient, algorithm(ball, steps, start), steps)
        better = attempt[0] > change
        change = torch.where(better, attempt[0], change)
        better = wide(better, gradient)
        best, tail = torch.where(better, attempt[1], best), torch.where(better, attempt[2], tail)
    # where cheap arithmetic has chosen, the change that is reported is still that of the response itself
    return (change if objective.exact else objective.at(best)), best, tail


def _climb(objective, gradient, proposals, steps):
    """Follow an algorithm; the best change (n,), its perturbation, and the mean of the last gradients.

    The last proposal takes a forward pass alone, so that `steps` gradients are spent with that at the images.
    """
    best, change = torch.zeros_like(gradient), torch.zeros_like(objective.before)
    tail = Tail(gradient, 2 * steps // 3)
    proposals.send(None)
    delta = proposals.send((change, gradient))
    for step in range(1, steps + 1):
        if step == steps:
            reached = objective.without_gradient(delta)
        else:
            reached, gradient = objective.with_gradient(delta)
            tail.add(gradient)
        better = reached > change
        if better.all():
            best = delta
        elif better.any():  # by rows: a mask over pixels would take as long as a step
            best = best.index_copy(0, better.nonzero().flatten(), delta[better])
        change = torch.where(better, reached, change)
        if step < steps:
            delta = proposals.send((reached, gradient))
    return change, best, tail.mean


def _better_way(respond, ball, before, gradient):
    """Choose the sign of the larger change after one step up and one down; not finite counts as 0."""
    up, down = (
        (forward(respond, ball.images + ball.stretch(way * gradient)) - before).abs() for way in (1, -1)
    )
    return torch.where(torch.isfinite(down) & ~(up >= down), -1.0, 1.0)


@torch.no_grad()
def forward(respond, images):
    """Compute responses (n,) without a gradient."""
    return respond(images)


def value_and_gradient(respond, images):
    """Compute responses (n,) and their gradients (n, 3, h, w); one that is not finite counts as zero.

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


def check_choice(name, choice, allowed):
    """Refuse a word that is not one of those allowed."""
    if choice not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {choice!r}")


def check_steps(steps):
    """Refuse to spend no gradient."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
