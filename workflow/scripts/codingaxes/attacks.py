"""respond, images, budget -> the perturbation inside the budget that changes the response most.

`respond` maps images (n, 3, h, w) in [0, 1] to responses (n,), each from its own image alone.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Attack:
    """Perturbations, each with its own evidence; one entry per image."""

    delta: torch.Tensor  # (n, 3, h, w) pixels; images + delta lie in [0, 1]
    change: torch.Tensor  # (n,) response after minus before
    gap: torch.Tensor  # (n,) bound on what a first-order step could still add, same unit as change
    converged: torch.Tensor  # (n,) bool, gap <= tolerance * change
    evaluations: int  # gradients spent on each image


def increase(respond, images, radius, *, steps, tolerance):
    """Perturbations of l2 size at most `radius` that increase the response most.

    Projected gradient ascent: the gradient at the current point, a unit step along it, then back to the
    farthest point of ball and box in that direction (`stretch`). The first step is thus the optimum of
    a linear response. A step that lowers an image's response is undone and its length halved, so the
    result is the best point seen. Images do not influence each other.

    Parameters
    ----------
    respond : callable, (n, 3, h, w) -> (n,)
        Differentiable and deterministic. For a decrease give its negative.
    images : tensor (n, 3, h, w)
        In [0, 1].
    radius : float
        l2, pixels in [0, 1], above 0.
    steps : int
        Gradients to spend on each image, at least 1.
    tolerance : float
        For the converged flag: the share of the change that a first-order step could still add.

    Returns
    -------
    Attack
        An image with a gradient of zero, or one that is not finite, keeps its best point and is flagged.

    Raises
    ------
    ValueError
        If an image leaves [0, 1], or radius or steps are out of range.

    Source
    ------
    Madry et al., Towards deep learning models resistant to adversarial attacks (ICLR 2018), with the exact
    projection on ball and box; the gap is that of Frank and Wolfe (Jaggi, ICML 2013).
    """
    _check(images, radius, steps)
    before, gradient = _value_and_gradient(respond, images)
    best, at_best, value = torch.zeros_like(images), gradient, before
    length = torch.ones_like(before)
    for step in range(steps):
        candidate = stretch(best / radius + _scaled(at_best, length) if step else at_best, images, radius)
        if step == steps - 1:
            with torch.no_grad():
                reached, gradient = respond(images + candidate), None
        else:
            reached, gradient = _value_and_gradient(respond, images + candidate)
        better = reached > value
        length = torch.where(better, length, length / 2)
        best = torch.where(_wide(better), candidate, best)
        value = torch.where(better, reached, value)
        if gradient is not None:
            at_best = torch.where(_wide(better), gradient, at_best)
    change = value - before
    gap = _gap(at_best, best, images, radius)
    return Attack(best, change, gap, (change > 0) & (gap <= tolerance * change), steps)


def stretch(direction, images, radius):
    """The perturbation that a linear response with gradient `direction` would choose.

    It is clip(s * direction) to the box, with the s for which its l2 norm is `radius`; found exactly by
    fixing, in turn, the pixels that meet the box. Where the whole box is smaller than the ball, it is a
    corner of the box.

    Parameters
    ----------
    direction : tensor (n, 3, h, w)
        Values that are not finite count as 0.
    images : tensor (n, 3, h, w)
        In [0, 1]; the box is -images .. 1 - images.
    radius : float

    Returns
    -------
    tensor (n, 3, h, w)
    """
    wanted = torch.nan_to_num(direction, 0.0, 0.0, 0.0)
    wanted = wanted / wanted.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-30)
    room = torch.where(wanted > 0, 1 - images, images)  # from the image to the wall on its way
    length, square, fixed = wanted.abs(), wanted.square(), None
    while True:
        left, free = torch.tensor(radius**2, dtype=torch.float64), square
        if fixed is not None:
            left = (left - _sum(torch.where(fixed, room.square(), 0.0))).clamp_min(0)
            free = torch.where(fixed, 0.0, square)
        scale = torch.sqrt(left / _sum(free).clamp_min(1e-30)).to(images.dtype)
        meets = (scale * length >= room) & (length > 0)
        if fixed is not None:
            meets |= fixed
        if not meets.any() or (fixed is not None and torch.equal(meets, fixed)):
            break
        fixed = meets
    delta = scale * wanted
    return delta if fixed is None else torch.where(fixed, room.copysign(wanted), delta)


def random_direction(generator, images):
    """White noise of the shape of `images`, one image at a time; `stretch` gives it its size."""
    return torch.randn(images.shape, generator=generator, dtype=images.dtype)


def round_towards_zero(delta):
    """float16 perturbations that are nowhere larger than `delta`: still inside the ball and the box."""
    rounded = delta.half()
    too_large = rounded.to(delta.dtype).abs() > delta.abs()
    # the next float16 towards zero: one less in the integer that holds sign and magnitude
    return torch.where(too_large, (rounded.view(torch.int16) - 1).view(torch.float16), rounded)


def _value_and_gradient(respond, images):
    images = images.detach().requires_grad_(True)
    value = respond(images)
    if value.shape != images.shape[:1]:
        raise ValueError(
            f"respond must give one number for each of {len(images)} images, not {tuple(value.shape)}"
        )
    (gradient,) = torch.autograd.grad(value.sum(), images)
    finite = torch.isfinite(gradient).flatten(1).all(dim=1)
    return value.detach(), torch.where(_wide(finite), gradient, torch.zeros_like(gradient))


def _gap(gradient, delta, images, radius):
    farthest = stretch(gradient, images, radius)
    return _sum(gradient * (farthest - delta)).flatten().to(gradient.dtype)


def _scaled(gradient, length):
    norm = gradient.flatten(1).norm(dim=1).clamp_min(1e-30)
    return gradient * _wide(length / norm)


def _sum(x):
    return x.sum(dim=(1, 2, 3), keepdim=True, dtype=torch.float64)


def _wide(x):
    return x.view(-1, 1, 1, 1)


def _check(images, radius, steps):
    if images.ndim != 4:
        raise ValueError(f"images must be (n, 3, h, w), not {tuple(images.shape)}")
    if not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"images must lie in [0, 1], found {float(images.min()):.3g} to {float(images.max()):.3g}"
        )
    if not radius > 0:
        raise ValueError(f"radius must be above 0 (l2, pixels in [0, 1]), not {radius}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
