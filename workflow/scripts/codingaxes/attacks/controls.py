"""Make perturbations of the size of an attack that lack one of its properties each."""

import torch

from codingaxes.attacks import budgets, noise


def phase_scrambled(delta, images, seeds, norm="l2"):
    """Make perturbations with the amplitude spectrum of `delta` and random phases, of the same size.

    All colours of an image share the random phases, so that their relation at each frequency stays. Where
    the result leaves the pixel box it is clipped and stretched again, which changes its spectrum a little.

    Parameters
    ----------
    delta, images : tensors (n, 3, h, w)
    seeds : sequence of int
        One for each image.
    norm : "l2" or "linf"
        In which the size is equal.

    Returns
    -------
    tensor (n, 3, h, w)
        Zeros where `delta` is zero.
    """
    white = torch.stack([noise.white(seed, delta.shape[2:]) for seed in seeds]).to(delta)
    phases = torch.fft.rfft2(white)[:, None]
    phases = phases / phases.abs().clamp_min(1e-30)
    scrambled = torch.fft.irfft2(torch.fft.rfft2(delta) * phases, s=delta.shape[2:])
    return resized(scrambled, images, budgets.size(delta, norm), norm)


def of_another_image(delta, images, norm="l2"):
    """Give each image the perturbation of the next one (the last takes the first's), at its own size.

    Parameters
    ----------
    delta, images : tensors (n, 3, h, w)
        At least two images.
    norm : "l2" or "linf"
        In which each image's size is that of its own perturbation.

    Returns
    -------
    tensor (n, 3, h, w)

    Raises
    ------
    ValueError
        If there is only one image.
    """
    if len(images) < 2:
        raise ValueError("there is no other image whose perturbation could be shown; use two probes or more")
    return resized(delta.roll(-1, 0), images, budgets.size(delta, norm), norm)


def resized(direction, images, size, norm):
    """Scale directions (n, 3, h, w) to given sizes (n,) inside the box; zeros where the size is 0."""
    delta = budgets.stretch(direction, images, size.clamp_min(1e-12), norm)
    return torch.where((size > 0).view(-1, 1, 1, 1), delta, torch.zeros_like(delta))


def blended(images, others, size):
    """Step from images towards others, as far as a size allows, and no farther than the other image.

    Parameters
    ----------
    images, others : tensors (n, 3, h, w)
    size : tensor (n,)
        l2 norm of the steps, at least 0.

    Returns
    -------
    tensor (n, 3, h, w)
        The steps; their size is the smaller of `size` and the distance.
    """
    towards = others - images
    share = size / budgets.size(towards, "l2").clamp_min(1e-12)
    return towards * share.clamp(0, 1).to(images).view(-1, 1, 1, 1)
