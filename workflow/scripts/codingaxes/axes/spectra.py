"""Measure the spatial frequencies of axes, and draw random fields that have the same ones."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

# Largest share of a component that random axes may be asked to hold: one that every image's axes
# span (share 1) would otherwise be infinitely strong. The random axes then hold 99.9% of it.
LARGEST_SHARE = 0.999


def power_spectrum(vectors):
    """Compute the share of each vector's power at each spatial frequency, summed over colour channels.

    Parameters
    ----------
    vectors : array (n, channels, size, size)
        For instance eigenvectors, gradients or perturbations. Their length and sign do not matter.

    Returns
    -------
    array (n, size, size)
        At [fy, fx] as `numpy.fft.fft2` orders them, in cycles per image. Sums to 1 for each vector:
        by Parseval's theorem the sum over frequencies is the sum over pixels.

    Raises
    ------
    ValueError
        If images are not square, as cycles per image then differ between the axes; or if a vector
        has no power or a missing value.
    """
    vectors = np.asarray(vectors, np.float64)
    if vectors.ndim != 4 or vectors.shape[-1] != vectors.shape[-2]:
        raise ValueError(f"vectors must be (n, channels, size, size), square images, not {vectors.shape}")
    power = (np.abs(fft.fft2(vectors)) ** 2).sum(axis=1)
    total = power.sum(axis=(-2, -1), keepdims=True)
    unusable = np.flatnonzero(~(total > 0))
    if len(unusable):
        raise ValueError(f"vectors {unusable.tolist()} are zero or have missing values: leave them out")
    return power / total


def radii(size):
    """Compute the spatial frequency |f| of each entry of a power spectrum, (size, size), cycles per image."""
    one = fft.fftfreq(size, d=1 / size)
    return np.hypot(one[:, None], one)


def radial_profile(power):
    """Sum power spectra within annuli of one cycle per image.

    Annulus b holds the frequencies with b - 0.5 < |f| <= b + 0.5; annulus 0 is the mean of the image alone.
    The corners beyond the Nyquist frequency of an axis (|f| > size / 2, up to size / sqrt(2)) have annuli of
    their own, so that no power is lost.

    Parameters
    ----------
    power : array (..., size, size)
        Of `power_spectrum`, or a mean of such.

    Returns
    -------
    frequency : array (annuli,)
        Centre b of each annulus, in cycles per image.
    share : array (..., annuli)
        Summed power: its sum is that of `power`, which is 1 for a vector. White noise has a share
        proportional to the number of frequencies in the annulus.
    """
    annulus = np.ceil(radii(power.shape[-1]) - 0.5).astype(int).ravel()
    belongs = annulus[:, None] == np.arange(annulus.max() + 1)
    share = power.reshape(*power.shape[:-2], -1) @ belongs.astype(np.float64)
    return np.arange(belongs.shape[1]), share


def participation_ratio(share):
    """Compute how many annuli share the power of a radial profile: (Σ p)² / Σ p².

    1: all power in one annulus; the number of annuli: equal power in each. It is one number for how wide a
    band of spatial frequencies an axis covers. As an annulus holds more components the higher its frequency,
    white noise has about 0.7 of the number of annuli.

    Parameters
    ----------
    share : array (..., annuli)
        Of `radial_profile`.

    Returns
    -------
    array (...)
        In annuli of 1 cycle per image.
    """
    return share.sum(axis=-1) ** 2 / np.square(share).sum(axis=-1)


@dataclass(frozen=True)
class CrossSpectrum:
    """Average power of subspaces at each spatial frequency, with the covariance of colour channels.

    In the unitary Fourier basis the mean projector onto the subspaces has a block (channels, channels)
    for each frequency. These blocks are `power`; blocks between frequencies hold what depends on
    position (phase) and are left out.
    """

    power: np.ndarray  # (h, w, channels, channels) complex Hermitian, at [fy, fx] as numpy.fft.fft2
    k: int  # dimension of the subspaces; the traces of `power` sum to it


def cross_spectrum(bases, shape):
    """Average the cross-spectra of colour channels of the subspaces of several images.

    The power spectrum of a few axes of one image has about as many free numbers as the axes have pixels, so
    that a null made from it would be the axes up to phase. The average over images says which frequencies,
    orientations and colours a network's axes consist of in general. Similarity that comes from a frequency
    content that changes from image to image, the same way in both networks, thus counts as more than this
    null.

    Parameters
    ----------
    bases : array (images, k, size)
        Orthonormal rows (`subspaces.orthonormal`), each a field (channels, h, w), flattened.
    shape : tuple
        (channels, h, w); h and w may be odd and may differ.

    Returns
    -------
    CrossSpectrum

    Raises
    ------
    ValueError
        If the shape does not fit the size, or a value is missing.
    """
    bases = np.asarray(bases)
    if bases.ndim != 3 or bases.shape[-1] != np.prod(shape):
        raise ValueError(f"bases must be (images, k, {np.prod(shape)}) for fields {shape}, not {bases.shape}")
    if not np.isfinite(bases).all():
        raise ValueError("bases have missing values: leave those images out")
    power = 0
    for basis in bases:
        waves = fft.fft2(basis.reshape(-1, *shape), norm="ortho")
        power = power + np.einsum("kchw,kdhw->hwcd", waves, waves.conj()) / len(bases)
    return CrossSpectrum(power, bases.shape[1])


def matching_filter(spectrum):
    """Make the filter that turns white noise into fields whose spans have, on average, this cross-spectrum.

    The power of the fields is not that of the spans, because spanning evens out strong components (k fields
    of k strong components span them alone, however unequal they are). For fields of covariance S the mean
    projector onto the span of k of them is close to t S (1 + t S)⁻¹, where t makes its trace k. To have the
    mean projector P, the fields therefore need S = P (1 - P)⁻¹, which is P itself where no component is
    common.

    Parameters
    ----------
    spectrum : CrossSpectrum

    Returns
    -------
    array (channels, channels, h, w // 2 + 1), complex64
        Hermitian root of S at the frequencies of `scipy.fft.rfft2`; for `random_fields`.

    Source
    ------
    The mean projector: R. Couillet & Z. Liao, Random Matrix Methods for Machine Learning (2022),
    chapter 2 (deterministic equivalents of resolvents), in the limit of no regularisation.
    """
    half = spectrum.power[:, : spectrum.power.shape[1] // 2 + 1]
    share, vectors = np.linalg.eigh(half)
    share = share.clip(0, LARGEST_SHARE)
    gain = np.sqrt(share / (1 - share))
    root = (vectors * gain[..., None, :]) @ vectors.conj().swapaxes(-1, -2)
    return np.ascontiguousarray(root.transpose(2, 3, 0, 1), np.complex64)


def random_fields(weights, count, width, rng):
    """Draw Gaussian random fields: filtered white noise, stationary over the image, which wraps round.

    Parameters
    ----------
    weights : array (channels, channels, h, width // 2 + 1)
        Of `matching_filter`.
    count : int
        Fields to draw.
    width : int
        Pixels of a row; the half-plane of frequencies is the same for an even and the next odd width.
    rng : numpy.random.Generator

    Returns
    -------
    array (count, channels * h * width), float32
    """
    channels, height = weights.shape[1:3]
    white = rng.standard_normal((count, channels, height, width), dtype=np.float32)
    waves = fft.rfft2(white, norm="ortho")
    coloured = np.einsum("cdhw,kdhw->kchw", weights, waves)
    return fft.irfft2(coloured, s=(height, width), norm="ortho").reshape(count, -1)
