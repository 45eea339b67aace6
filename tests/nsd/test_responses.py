"""Standardising, averaging repetitions, and noise ceilings, against planted noise and formulas."""

import numpy as np
import pytest

from codingaxes.miniature import scenes
from codingaxes.miniature.brain import evaluate, trials
from codingaxes.nsd.responses import (
    average_repeats,
    ncsnr,
    noise_ceiling,
    session_products,
    standardise,
    strange_sessions,
)


def test_a_constant_or_nan_voxel_is_missing_and_others_are_standard(rng):
    betas = rng.normal(3, 2, (50, 4))
    betas[:, 1], betas[7, 2] = 1.5, np.nan
    z, mean, sd = standardise(betas)
    np.testing.assert_allclose(mean[[0, 3]], betas[:, [0, 3]].mean(axis=0))
    assert np.isnan(z[:, 1:3]).all() and np.isnan(sd[1:3]).all()
    np.testing.assert_allclose(z[:, [0, 3]].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z[:, [0, 3]].std(axis=0), 1)


def test_a_voxel_that_varies_by_rounding_alone_is_constant_and_a_faint_one_is_not(rng):
    rounding = np.where(np.arange(50) % 2, 0.1 + 0.2, 0.3)
    faint = 1000 + 1e-6 * rng.standard_normal(50)
    z, _, sd = standardise(np.stack([rounding, faint], axis=1))
    assert np.isnan(z[:, 0]).all() and np.isnan(sd[0]) and z[:, 1].std() == pytest.approx(1)


def test_repeats_are_averaged_by_image_whatever_their_order(rng):
    trial_images = rng.permutation(np.repeat(np.arange(10), 3))
    trial_images = np.append(trial_images, 10)  # seen once: it says nothing of the noise
    z = trial_images[:, None] * np.array([[1.0, 10.0]])
    averages = average_repeats(z, trial_images)
    assert np.array_equal(averages.images, np.arange(11)) and list(averages.counts) == [3] * 10 + [1]
    np.testing.assert_allclose(averages.mean, np.arange(11)[:, None] * [1.0, 10.0])
    np.testing.assert_allclose(averages.noise_sd, 0, atol=1e-12)
    assert np.array_equal(z, trial_images[:, None] * np.array([[1.0, 10.0]]))  # the argument is untouched
    assert np.isnan(average_repeats(z[:1], trial_images[:1]).noise_sd).all()


def test_noise_of_unequal_repetitions_weighs_each_image_by_its_degrees_of_freedom(rng):
    counts = rng.integers(1, 6, 4000)
    trial_images = np.repeat(np.arange(4000), counts)
    z = rng.normal(0, 1, (4000, 1))[trial_images] + rng.normal(0, 0.7, (len(trial_images), 1))
    averages = average_repeats(z, trial_images)
    groups = [z[trial_images == image, 0] for image in range(4000) if counts[image] > 1]
    pooled = sum(np.var(group, ddof=1) * (len(group) - 1) for group in groups) / sum(
        len(group) - 1 for group in groups
    )
    assert averages.noise_sd[0] == pytest.approx(np.sqrt(pooled)) and abs(averages.noise_sd[0] - 0.7) < 0.02
    # the ceiling is the variance that the signal has among the means, images of one trial included
    total = np.sqrt(1 + 0.49)
    snr = ncsnr(averages.noise_sd / total)
    expected = 1 / averages.mean.var()
    np.testing.assert_allclose(noise_ceiling(snr, counts), expected, atol=0.03)


def test_a_noise_ceiling_is_0_without_signal_and_1_without_noise():
    np.testing.assert_allclose(noise_ceiling(ncsnr(np.array([1.2, 1.0, 0.0])), 3), [0, 0, 1])
    counts = np.array([1, 1, 2, 3])  # the manual's formula: (c1 / 1 + c2 / 2 + c3 / 3) / (c1 + c2 + c3)
    expected = 0.25 / (0.25 + (2 + 1 / 2 + 1 / 3) / 4)
    np.testing.assert_allclose(noise_ceiling(np.array([0.5]), counts), expected)


def test_the_noise_ceiling_of_planted_voxels_is_recovered(rng):
    planted = np.array([0.2, 0.4, 0.6])
    signal = rng.standard_normal((30000, 3))
    trials = signal[:, None] + rng.standard_normal((30000, 3, 3)) / planted
    z = trials / trials.reshape(-1, 3).std(axis=0)
    snr = ncsnr(average_repeats(z.reshape(-1, 3), np.repeat(np.arange(30000), 3)).noise_sd)
    # the noise variance has a relative error of sqrt(2 / 60000), which at 0.2 is 0.015 in the ratio
    np.testing.assert_allclose(snr, planted, atol=0.045)
    # and the ceiling is what an ideal model reaches: squared correlation of signal and mean of three trials
    ideal = [np.corrcoef(signal[:, v], z.mean(axis=1)[:, v])[0, 1] ** 2 for v in range(3)]
    np.testing.assert_allclose(noise_ceiling(snr, 3), ideal, atol=0.03)


def test_noise_ceilings_of_the_simulated_brain_are_recovered_within_their_sampling_error(brain):
    n, rng, errors = 400, np.random.default_rng(4), []
    responses = evaluate(brain, scenes.render_many(21, n, 64)[0])
    start = 0
    for voxels in brain.subjects.values():
        signal = responses[:, start : start + len(voxels.noise)]
        start += len(voxels.noise)
        trial_images = np.repeat(np.arange(n), 3)
        z, _, _ = standardise(trials(signal[trial_images], voxels, rng))
        snr = ncsnr(average_repeats(z, trial_images).noise_sd)
        true = signal.std(axis=0) / voxels.noise
        # the noise variance has a relative error of sqrt(2 / 2n); total over noise variance is ncsnr^2 + 1
        errors.append((snr - true) / ((1 + true**2) / (2 * true) / np.sqrt(n)))
    errors = np.concatenate(errors)
    assert np.abs(errors).max() < 5 and 0.5 < np.sqrt(np.mean(errors**2)) < 1.2
    # noise is shared within the 12 regions, so that their errors are not independent
    assert abs(errors.mean()) < 3 / np.sqrt(12)


def planted_sessions(rng, n_sessions=6, n_images=60, noise=1.0):
    """Draw trials of all images in every session, in another order each; also their images and sessions."""
    signal = rng.standard_normal((n_images, 8))
    image = np.concatenate([rng.permutation(n_images) for _ in range(n_sessions)])
    session = np.repeat(np.arange(n_sessions), n_images)
    trials = signal[image] + noise * rng.standard_normal((len(image), 8))
    return np.concatenate([standardise(part)[0] for part in np.split(trials, n_sessions)]), image, session


def test_sessions_that_were_swapped_are_named_and_sessions_that_were_not_are_not(rng):
    for _ in range(20):
        z, image, session = planted_sessions(rng)
        assert strange_sessions(session_products(z, image, session), range(1, 7)) == []
        swapped = np.concatenate([np.split(z, 6)[place] for place in (0, 4, 2, 3, 1, 5)])
        products = sum(session_products(part, image, session) for part in np.split(swapped, 2, axis=1))
        (said,) = strange_sessions(products, range(1, 7))
        assert said.startswith("2 of 6 sessions") and "images: 2 (" in said and ", 5 (" in said


def test_responses_without_a_signal_or_images_without_another_session_name_no_session(rng):
    z, image, session = planted_sessions(rng, noise=1e6)
    assert strange_sessions(session_products(z, image, session), range(6)) == []
    products = session_products(z, image + 100 * session, session)
    assert np.isnan(products).all() and strange_sessions(products, range(6)) == []
