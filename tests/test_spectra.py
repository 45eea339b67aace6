"""Spatial frequencies of axes, and random fields that have them."""

import numpy as np
import pytest

from codingaxes import spectra, subspaces


def grating(size, fy, fx, colour=(1.0, 1.0, 1.0)):
    y, x = np.mgrid[:size, :size] / size
    return np.multiply.outer(colour, np.cos(2 * np.pi * (fy * y + fx * x) + 0.7))


def shifted_noise(rng, count, shape):
    """Smooth fields (count, channels * h * w) whose second channel is the first, one pixel to the right."""
    channels, height, width = shape
    white = rng.standard_normal((count, channels, height, width))
    white[:, 1] = np.roll(white[:, 0], 1, axis=-1) + 0.1 * white[:, 1]
    smooth = white + np.roll(white, 1, axis=-2) + 0.5 * np.roll(white, 2, axis=-2)
    return smooth.reshape(count, -1)


def spans(fields, k):
    return subspaces.orthonormal(fields.reshape(-1, k, fields.shape[-1]))


@pytest.mark.parametrize("size", [32, 33])
def test_the_profile_of_a_grating_peaks_at_its_frequency(size):
    power = spectra.power_spectrum(np.stack([grating(size, 0, 5), grating(size, 6, -8, (1.0, -0.5, 0.0))]))
    frequency, share, count = spectra.radial_profile(power)
    np.testing.assert_array_equal(frequency[share.argmax(axis=1)], [5, 10])
    np.testing.assert_allclose(share.max(axis=1), 1)
    np.testing.assert_allclose(spectra.mean_frequency(power), [5, 10])
    np.testing.assert_allclose(spectra.median_frequency(power), [5, 10])
    np.testing.assert_allclose(spectra.share_below(power, 7.5), [1, 0], atol=1e-12)
    assert count.sum() == size**2 and count[0] == 1


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
    np.testing.assert_allclose(spectra.share_below(power, 0.5), expected)


def test_two_gratings_share_power_by_their_squared_contrast():
    power = spectra.power_spectrum(2 * grating(32, 0, 3)[None] + grating(32, 0, 12)[None])
    assert spectra.share_below(power, 8) == pytest.approx(4 / 5)
    assert spectra.mean_frequency(power) == pytest.approx(3 * 4 / 5 + 12 / 5)
    assert spectra.median_frequency(power) == pytest.approx(3)


def test_annuli_end_halfway_and_thresholds_are_exclusive():
    power = spectra.power_spectrum(np.stack([grating(32, 1, 1), grating(32, 2, 2), grating(32, 3, 4)]))
    np.testing.assert_array_equal(spectra.radial_profile(power)[1].argmax(axis=1), [1, 3, 5])
    np.testing.assert_allclose(spectra.share_below(power[2], 5), 0, atol=1e-12)
    np.testing.assert_allclose(spectra.share_below(power[2], 5.01), 1)


def test_rounding_does_not_move_a_median_that_cuts_power_in_two_equal_halves():
    low = np.arange(1, 11)
    power = spectra.power_spectrum(np.stack([grating(32, 0, f) + grating(32, 12, 0) for f in low]))
    np.testing.assert_allclose(spectra.median_frequency(power), low)


def test_white_noise_has_a_flat_density(rng):
    power = spectra.power_spectrum(rng.standard_normal((400, 3, 16, 16))).mean(axis=0)
    _, share, count = spectra.radial_profile(power)
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
    found = spectra.cross_spectrum(bases, shape)
    assert np.einsum("hwcc->", found.power) == pytest.approx(4) and found.k == 4
    green = np.square(np.abs(np.fft.fft2(bases.reshape(2, 4, *shape)[:, :, 1]))).sum(axis=1).mean(axis=0) / 54
    np.testing.assert_allclose(found.power[..., 1, 1], green, atol=1e-12)
    bases[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="missing"):
        spectra.cross_spectrum(bases, shape)
    with pytest.raises(ValueError, match="for fields"):
        spectra.cross_spectrum(bases, (3, 6, 8))


@pytest.mark.parametrize("shape", [(3, 8, 10), (3, 7, 9)])
def test_spans_of_random_fields_have_the_spectrum_of_channels_and_orientations_that_they_should(rng, shape):
    given = spectra.cross_spectrum(spans(shifted_noise(rng, 8000, shape), 4), shape)
    fields = spectra.random_fields(spectra.matching_filter(given), 8000, shape[2], rng)
    found = spectra.cross_spectrum(spans(fields, 4), shape)
    error = np.linalg.norm(found.power - given.power) / np.linalg.norm(given.power)
    assert error < 0.03
    white = np.eye(3) * 4 / np.prod(shape)
    assert np.linalg.norm(given.power - white) > 0.8 * np.linalg.norm(given.power)  # so it can fail
    # The second channel follows the first by a pixel to the right, which only a phase can say.
    lag = np.fft.ifft2(found.power[..., 1, 0]).real
    assert np.unravel_index(lag.argmax(), lag.shape) == (0, 1)


def test_many_axes_on_few_components_keep_their_spectrum(rng):
    """The span of k fields is more even than the fields: without a correction it gets evener each time."""
    strength = np.exp(-0.5 * spectra.radii(12) ** 2)[:, :7]
    weights = (np.eye(3)[:, :, None, None] * strength).astype(np.complex64)
    given = spectra.cross_spectrum(spans(spectra.random_fields(weights, 4000, 12, rng), 8), (3, 12, 12))
    fields = spectra.random_fields(spectra.matching_filter(given), 4000, 12, rng)
    found = spectra.cross_spectrum(spans(fields, 8), (3, 12, 12))
    share = [np.einsum("hwcc->hw", one.power).real for one in (given, found)]
    low = [spectra.share_below(one, 1.5) for one in share]
    assert low[1] == pytest.approx(low[0], rel=0.015)
    assert low[0] > 0.6
