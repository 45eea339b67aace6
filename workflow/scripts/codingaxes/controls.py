"""Perturbations to compare attacks with: of the same size, without what makes an attack an attack."""

import torch

from codingaxes import budgets


def random_direction(seed, image):
    """White noise of the shape of an image (3, h, w), the same on every device; `stretch` sizes it."""
    return _noise(seed, image.shape).to(image)


def phase_scrambled(delta, images, seeds, norm="l2"):
    """Perturbations with the amplitude spectrum of `delta` and random phases, of the same size.

    All colours of an image share the random phases, so that their relation at each frequency is kept. Where
    the result leaves the pixel box it is clipped and stretched again, which changes its spectrum a little.

    Parameters
    ----------
    delta, images : tensors (n, 3, h, w)
    seeds : sequence of int
        One for each image.
    norm : "l2" or "linf"
        In which the size is kept.

    Returns
    -------
    tensor (n, 3, h, w)
        Zeros where `delta` is zero.
    """
    noise = torch.stack([_noise(seed, delta.shape[2:]) for seed in seeds]).to(delta)
    phases = torch.fft.rfft2(noise)[:, None]
    phases = phases / phases.abs().clamp_min(1e-30)
    scrambled = torch.fft.irfft2(torch.fft.rfft2(delta) * phases, s=delta.shape[2:])
    return resized(scrambled, images, budgets.size(delta, norm), norm)


def of_another_image(delta, images, norm="l2"):
    """For each image the perturbation that was made for the next one (the last takes the first's), as large.

    Parameters
    ----------
    delta, images : tensors (n, 3, h, w)
        At least two images.
    norm : "l2" or "linf"
    """
    if len(images) < 2:
        raise ValueError("there is no other image whose perturbation could be shown; use two probes or more")
    return resized(delta.roll(-1, 0), images, budgets.size(delta, norm), norm)


def resized(direction, images, size, norm):
    """Perturbations along a direction, of given sizes (n,), inside the box; zeros where the size is 0."""
    found = budgets.stretch(direction, images, size.clamp_min(1e-12), norm)
    return torch.where((size > 0).view(-1, 1, 1, 1), found, torch.zeros_like(found))


def _noise(seed, shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
