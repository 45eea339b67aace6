"""Tests of spectra: spatial frequencies of planted gratings and noise, and random fields that have them."""

import numpy as np
import pytest

from codingaxes.axes import spectra, subspaces


def grating(size, fy, fx, colour=(1.0, 1.0, 1.0)):
    """Make a grating (3, size, size) of a frequency in cycles per image."""
    y, x = np.mgrid[:size, :size] / size
    return np.multiply.outer(colour, np.cos(2 * np.pi * (fy * y + fx * x) + 0.7))


def shifted_noise(rng, count, shape):
    """Draw smooth fields (count, size) whose second channel is the first, moved one pixel to the right."""
    channels, height, width = shape
    white = rng.standard_normal((count, channels, height, width))
    white[:, 1] = np.roll(white[:, 0], 1, axis=-1) + 0.1 * white[:, 1]
    smooth = white + np.roll(white, 1, axis=-2) + 0.5 * np.roll(white, 2, axis=-2)
    return smooth.reshape(count, -1)


def share_below(power, frequency):
    """Compute the share of power spectra (..., size, size) below a frequency."""
    return (power * (spectra.radii(power.shape[-1]) < frequency)).sum(axis=(-2, -1))


def spans(fields, k):
    """Make orthonormal bases of every k fields."""
    return subspaces.orthonormal(fields.reshape(-1, k, fields.shape[-1]))


@pytest.mark.parametrize("size", [32, 33])
def test_the_profile_of_a_grating_peaks_at_its_frequency(size):
    power = spectra.power_spectrum(np.stack([grating(size, 0, 5), grating(size, 6, -8, (1.0, -0.5, 0.0))]))
    frequency, share = spectra.radial_profile(power)
    np.testing.assert_array_equal(frequency[share.argmax(axis=1)], [5, 10])
    np.testing.assert_allclose(share.max(axis=1), 1)


@pytest.mark.parametrize("size", [16, 17])
def test_no_power_is_lost_and_length_and_sign_do_not_matter(rng, size):
    vectors = rng.standard_normal((4, 3, size, size))
    power = spectra.power_spectrum(vectors)
    np.testing.assert_allclose(power.sum(axis=(1, 2)), 1)
    np.testing.assert_allclose(spectra.radial_profile(power)[1].sum(axis=1), 1)
    np.testing.assert_allclose(spectra.power_spectrum(-3 * vectors), power)
    # Parseval: the share at zero frequency is that of the channel means among all pixels.
    means = vectors.mean(axis=(2, 3))
    expected = size**2 * (means**2).sum(axis=1) / (vectors**2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(power[:, 0, 0], expected)
    np.testing.assert_allclose(spectra.radial_profile(power)[1][:, 0], expected)


def test_two_gratings_share_power_by_their_squared_contrast():
    power = spectra.power_spectrum(2 * grating(32, 0, 3)[None] + grating(32, 0, 12)[None])
    _, share = spectra.radial_profile(power)
    np.testing.assert_allclose(share[0, [3, 12]], [4 / 5, 1 / 5])


def test_annuli_end_halfway_between_whole_frequencies():
    power = spectra.power_spectrum(np.stack([grating(32, 1, 1), grating(32, 2, 2), grating(32, 3, 4)]))
    np.testing.assert_array_equal(spectra.radial_profile(power)[1].argmax(axis=1), [1, 3, 5])


def test_white_noise_has_a_flat_density(rng):
    power = spectra.power_spectrum(rng.standard_normal((400, 3, 16, 16))).mean(axis=0)
    frequency, share = spectra.radial_profile(power)
    # frequencies in each annulus, from 0.5 below to 0.5 above its centre
    count, _ = np.histogram(spectra.radii(16), [-1, *(frequency + 0.5)])
    np.testing.assert_allclose(share / count * 256, 1, rtol=5 / np.sqrt(400 * 1.5))


def test_vectors_without_power_or_not_square_are_refused(rng):
    vectors = rng.standard_normal((3, 3, 8, 8))
    vectors[1] = 0
    vectors[2, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"\[1, 2\] are zero or have missing"):
        spectra.power_spectrum(vectors)
    with pytest.raises(ValueError, match="square"):
        spectra.power_spectrum(np.ones((1, 3, 8, 9)))


def test_the_cross_spectrum_holds_the_whole_power_and_the_diagonal_that_of_each_channel(rng):
    shape = (3, 6, 9)
    bases = spans(rng.standard_normal((8, 162)), 4)
    spectrum = spectra.cross_spectrum(bases, shape)
    assert np.einsum("hwcc->", spectrum.power) == pytest.approx(4) and spectrum.k == 4
    green = np.square(np.abs(np.fft.fft2(bases.reshape(2, 4, *shape)[:, :, 1]))).sum(axis=1).mean(axis=0) / 54
    np.testing.assert_allclose(spectrum.power[..., 1, 1], green, atol=1e-12)
    bases[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="missing"):
        spectra.cross_spectrum(bases, shape)
    with pytest.raises(ValueError, match="for fields"):
        spectra.cross_spectrum(bases, (3, 6, 8))


@pytest.mark.parametrize("shape", [(3, 8, 10), (3, 7, 9)])
def test_spans_of_random_fields_have_the_spectrum_of_channels_and_orientations_that_they_should(rng, shape):
    planted = spectra.cross_spectrum(spans(shifted_noise(rng, 8000, shape), 4), shape)
    fields = spectra.random_fields(spectra.matching_filter(planted), 8000, shape[2], rng)
    spectrum = spectra.cross_spectrum(spans(fields, 4), shape)
    error = np.linalg.norm(spectrum.power - planted.power) / np.linalg.norm(planted.power)
    assert error < 0.03
    white = np.eye(3) * 4 / np.prod(shape)
    assert np.linalg.norm(planted.power - white) > 0.8 * np.linalg.norm(planted.power)  # so it can fail
    # The second channel follows the first by a pixel to the right, which only a phase can say.
    lag = np.fft.ifft2(spectrum.power[..., 1, 0]).real
    assert np.unravel_index(lag.argmax(), lag.shape) == (0, 1)


def test_many_axes_on_few_components_keep_their_spectrum(rng):
    """The span of k fields is more even than the fields: without a correction it gets evener each time."""
    strength = np.exp(-0.5 * spectra.radii(12) ** 2)[:, :7]
    weights = (np.eye(3)[:, :, None, None] * strength).astype(np.complex64)
    planted = spectra.cross_spectrum(spans(spectra.random_fields(weights, 4000, 12, rng), 8), (3, 12, 12))
    fields = spectra.random_fields(spectra.matching_filter(planted), 4000, 12, rng)
    spectrum = spectra.cross_spectrum(spans(fields, 8), (3, 12, 12))
    share = [np.einsum("hwcc->hw", one.power).real for one in (planted, spectrum)]
    low = [share_below(one, 1.5) for one in share]
    assert low[1] == pytest.approx(low[0], rel=0.015)
    assert low[0] > 0.6


def test_a_participation_ratio_counts_the_annuli_that_share_the_power():
    share = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(spectra.participation_ratio(share), [1, 4, 2])
    np.testing.assert_allclose(spectra.participation_ratio(7 * share), [1, 4, 2])


def test_a_grating_has_one_annulus_and_white_noise_seven_tenths_of_all(rng):
    grating = np.sin(2 * np.pi * 5 * np.arange(64) / 64) * np.ones((1, 3, 64, 64))
    for vector, low, high in ((grating, 1, 1.001), (rng.standard_normal((1, 3, 64, 64)), 0.6, 0.8)):
        _, share = spectra.radial_profile(spectra.power_spectrum(vector))
        annuli = 1 if high > 1 else share.shape[1]
        assert low <= spectra.participation_ratio(share)[0] / annuli <= high
