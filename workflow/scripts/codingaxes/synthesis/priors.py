"""Prefer some perturbations to others of the same size, by a linear map that gradients pass."""

import torch


class Coarse:
    """Weight each spatial frequency of a gradient by 1 / frequency^exponent.

    Gradients of networks are strong at high spatial frequencies, where natural images have little contrast.
    A perturbation that follows weighted gradients is smoother. Of all perturbations with the same
    Σ |amplitude|² frequency^exponent it is the strongest for a linear response. The map is symmetric and
    positive definite.
    The mean, with a frequency of 0, counts as the lowest frequency, 1 cycle an image.

    Parameters
    ----------
    exponents : tensor (n,)
        One for each image; 0 changes nothing. If images are parametrised by Fourier coefficients that are
        multiplied by 1 / frequency^a, the gradient in pixels is weighted by 1 / frequency^2a.
    shape : tuple of int
        Height and width in pixels.

    Source
    ------
    C. Olah, A. Mordvintsev & L. Schubert, Feature visualization (Distill 2017), section "preconditioning".
    """

    def __init__(self, exponents, shape):
        self.exponents, self.shape = exponents, tuple(shape)
        height, width = self.shape
        rows = torch.fft.fftfreq(height, 1 / height, device=exponents.device)[:, None]
        columns = torch.fft.rfftfreq(width, 1 / width, device=exponents.device)[None]
        self.frequency = torch.hypot(rows, columns).clamp_min(1.0)
        self.weights = self.frequency ** -exponents.view(-1, 1, 1, 1)

    def __call__(self, gradient):
        """Weight the frequencies of gradients (n, 3, h, w), each image and colour alone."""
        spectrum = torch.fft.rfft2(gradient) * self.weights
        weighted = torch.fft.irfft2(spectrum, s=self.shape)
        return torch.where(self.exponents.view(-1, 1, 1, 1) == 0, gradient, weighted)

    def only(self, rows):
        """Give the map of some of the images."""
        return Coarse(self.exponents[rows], self.shape)
