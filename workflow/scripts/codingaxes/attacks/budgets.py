"""Keep perturbations inside a ball (l2 or l∞) and inside the pixel box [0, 1], both exactly.

All functions work on a batch and treat each image alone. A radius is a number, or one for each image (n,).
"""

import itertools

import torch

NORMS = ("l2", "linf")
FEW = 6  # secants that are enough unless the box is nearly all of the budget


def size(delta, norm):
    """Measure the norm of each perturbation (n, 3, h, w), as float64 (n,)."""
    flat = delta.flatten(1).double()
    return flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1)


def bound(gradient, radius, norm):
    """Bound the change of a linear response with this gradient inside the ball: radius times dual norm.

    Parameters
    ----------
    gradient : tensor (n, 3, h, w)
    radius : float or tensor (n,)
    norm : "l2" or "linf"

    Returns
    -------
    float64 tensor (n,)
        In the unit of the response. The box is left out, so it is an upper bound there too.
    """
    flat = gradient.flatten(1).double()
    dual = flat.norm(dim=1) if norm == "l2" else flat.abs().sum(dim=1)
    return dual * radius


def stretch(direction, images, radius, norm="l2"):
    """Find the perturbation that raises a linear response with gradient `direction` the most.

    l2: clip(s * direction) to the box, with the s for which its norm is `radius`, to rounding. l∞: every
    pixel moves by `radius`, or to the box. Where the whole box lies inside the ball, it is a corner of the
    box.

    Parameters
    ----------
    direction : tensor (n, 3, h, w)
        Values that are not finite count as 0.
    images : tensor (n, 3, h, w)
        In [0, 1]; the box is -images .. 1 - images.
    radius : float or tensor (n,)
        Above 0.
    norm : "l2" or "linf"

    Returns
    -------
    tensor (n, 3, h, w)
        Zeros for an image with a direction of zero.
    """
    direction = torch.nan_to_num(direction, 0.0, 0.0, 0.0)
    low, high = -images, 1 - images
    if norm == "linf":
        limit = _wide(radius, images)
        return _clip(direction.sign() * limit, low, high)
    direction = direction / direction.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-30)
    budget, close = _wide(radius, images).square(), 1 - 4 * torch.finfo(images.dtype).eps
    # the squared norm is concave in the squared scale, so that secants from below do not pass the root
    scale = budget / _sum(direction.square()).clamp_min(1e-30)
    before, reached, inside = torch.zeros_like(scale), torch.zeros_like(scale), None
    beyond = torch.full_like(scale, torch.inf)  # a scale that was too large
    for secants in itertools.count(1):
        delta = _clip(scale.sqrt() * direction, low, high)
        square = _sum(delta.square())
        over = square > budget * (2 - close)
        done = ~over & (square >= close * budget) | (scale > 1e30) | (beyond <= before * (2 - close))
        if inside is not None:
            done |= inside
        if done.all():
            break
        if secants == FEW:  # does the ball hold the whole box in this direction?
            corner = _clip(direction.sign(), low, high)
            inside = _sum(corner.square()) <= budget
        beyond = torch.where(over, scale, beyond)
        secant = scale + (budget - square) * (scale - before) / (square - reached)
        # where what is left is too small to count beside the rest, go on until it does, and then between
        farther = torch.where(square > reached, secant, 4 * scale)
        before, reached = torch.where(done | over, before, scale), torch.where(done | over, reached, square)
        farther = torch.where(farther < beyond, farther, (before * beyond).sqrt())
        scale = torch.where(done, scale, torch.where(over, (before * beyond).sqrt(), farther))
    # to rounding, where the last point is still beyond
    delta = torch.where(over, _clip(before.sqrt() * direction, low, high), delta) if over.any() else delta
    return delta if inside is None else torch.where(inside, corner, delta)


def project(delta, images, radius, norm="l2"):
    """Find the nearest point (Euclidean) of ball and box together.

    For l2 it is a multiple of `delta`, clipped to the box: `delta` itself, clipped, if that is inside the
    ball, and otherwise its `stretch`, because both solve the same conditions (Karush, Kuhn & Tucker).

    Parameters
    ----------
    delta, images : tensors (n, 3, h, w)
    radius : float or tensor (n,)
    norm : "l2" or "linf"

    Returns
    -------
    tensor (n, 3, h, w)
    """
    inside = _clip(torch.nan_to_num(delta, 0.0, 0.0, 0.0), -images, 1 - images)
    limit = _wide(radius, images)
    if norm == "linf":
        return _clip(inside, -limit, limit)
    fits = _sum(inside.square()) <= limit.square()
    return inside if fits.all() else torch.where(fits, inside, stretch(delta, images, radius))


def round_towards_zero(delta):
    """Round perturbations to float16 towards zero, so that they stay inside the ball and the box."""
    rounded = delta.half()
    too_large = rounded.to(delta.dtype).abs() > delta.abs()
    # the next float16 towards zero: one less in the integer that holds sign and magnitude
    return torch.where(too_large, (rounded.view(torch.int16) - 1).view(torch.float16), rounded)


def check(images, radius, norm):
    """Refuse images outside [0, 1], an unknown norm, and a radius that is not above 0.

    Raises
    ------
    ValueError
        Says which value was refused and what is allowed.
    """
    if images.ndim != 4:
        raise ValueError(f"images must be (n, 3, h, w), not {tuple(images.shape)}")
    if not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"images must lie in [0, 1], found {float(images.min()):.3g} to {float(images.max()):.3g}"
        )
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, not {norm!r}")
    if not (torch.as_tensor(radius) > 0).all():
        raise ValueError(f"radius must be above 0 ({norm}, pixels in [0, 1]), not {radius}")


def _sum(x):
    """Sum over the pixels and colours of each image, (n, 1, 1, 1)."""
    return x.sum(dim=(1, 2, 3), keepdim=True)


def _clip(x, low, high):
    """Limit each pixel to its own range."""
    return torch.clamp(x, low, high)


def _wide(radius, images):
    """Shape a radius, or one for each image (n,), so that it can multiply images."""
    return torch.as_tensor(radius, dtype=images.dtype, device=images.device).view(-1, 1, 1, 1)
