"""Turn the betas of single trials into z-scored mean responses, and estimate their noise ceilings.

Source: the NSD data manual, and the code of NSD's authors (Allen et al., Nature Neuroscience 2022).
"""

from dataclasses import dataclass

import numpy as np

from codingaxes.estimates.undefined import constant

SHIFTS = 20  # comparisons with other images, from which the spread of those with the same image is known
FEWEST_COMMON = 10  # images that a session has in common with others, for a comparison to mean anything
# In SDs of comparisons with other images: a session below the first is strange, if two others or more are
# not, and their median is above the second.
STRANGE, CLEAR = 3.0, 6.0


def standardise(betas):
    """Standardise each voxel over the trials of one session (z-score).

    Parameters
    ----------
    betas : array (trials, v)

    Returns
    -------
    z : float64 array (trials, v)
        A voxel that is constant, but for rounding, or not finite in this session is NaN throughout.
    mean, sd : float64 arrays (v,)
        sd is NaN for such a voxel.
    """
    betas = np.asarray(betas, np.float64)
    mean, sd = betas.mean(axis=0), betas.std(axis=0)
    usable = np.isfinite(sd) & (sd > 0) & ~constant(betas)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (betas - mean) / sd
    z[:, ~usable] = np.nan
    return z, mean, np.where(usable, sd, np.nan)


@dataclass(frozen=True)
class Repeats:
    """Hold trials that were averaged by image."""

    images: np.ndarray  # (n,) ids, ascending
    counts: np.ndarray  # (n,) trials of each
    mean: np.ndarray  # (n, v) over the trials of an image
    noise_sd: np.ndarray  # (v,) SD of a single trial about its image's mean; NaN if no image has two trials


def average_repeats(z, trial_images):
    """Average the trials of each image, and estimate the noise of one trial.

    The noise variance is the sum of squares of trials about their image's mean over its degrees of freedom,
    one less than the trials of each image. With as many trials of every image it is the mean of the images'
    variances, as NSD computes it.

    Parameters
    ----------
    z : array (trials, v)
    trial_images : int array (trials,)
        Image of each trial.

    Returns
    -------
    Repeats
    """
    images, counts = np.unique(trial_images, return_counts=True)
    begin = np.cumsum(counts) - counts
    ordered = z[np.argsort(trial_images, kind="stable")]
    mean = np.add.reduceat(ordered, begin, axis=0) / counts[:, None]
    ordered -= np.repeat(mean, counts, axis=0)
    freedom = (counts - 1).sum()
    squares = np.einsum("tv,tv->v", ordered, ordered)
    noise = np.sqrt(squares / freedom) if freedom else np.full(z.shape[1], np.nan)
    return Repeats(images, counts, mean, noise)


def session_products(z, trial_images, trial_sessions):
    """Multiply the responses of each session to its images with those of other sessions to the same images.

    Sums over blocks of voxels may be added.

    Parameters
    ----------
    z : array (trials, v)
        z-scored within sessions.
    trial_images, trial_sessions : int arrays (trials,)
        Image of each trial, and its session, from 0.

    Returns
    -------
    array (sessions, 1 + SHIFTS)
        Sum over images and voxels of the products: with the same image first, then with other images. NaN of
        a session that has fewer than `FEWEST_COMMON` images in common with others.
    """
    images, image = np.unique(trial_images, return_inverse=True)
    sessions = trial_sessions.max() + 1
    products = np.full((sessions, 1 + SHIFTS), np.nan)
    counts = np.zeros((sessions, len(images)))
    np.add.at(counts, (trial_sessions, image), 1)
    total = np.zeros((len(images), z.shape[1]))
    np.add.at(total, image, z)
    for session, count in enumerate(counts):
        elsewhere = counts.sum(axis=0) - count
        common = np.flatnonzero((count > 0) & (elsewhere > 0))
        if len(common) < FEWEST_COMMON:
            continue
        rows = trial_sessions == session
        own = np.zeros((len(images), z.shape[1]))
        np.add.at(own, image[rows], z[rows])
        others = (total[common] - own[common]) / elsewhere[common, None]
        here = own[common] / count[common, None]
        for shift in range(1 + SHIFTS):
            moved = np.roll(others, shift * len(common) // (1 + SHIFTS), axis=0)
            products[session, shift] = np.einsum("iv,iv->", here, moved)
    return products


def strange_sessions(products, names):
    """Say which sessions do not respond to images as the other sessions do, although these agree.

    Parameters
    ----------
    products : array (sessions, 1 + SHIFTS)
        From `session_products`, summed over all voxels.
    names : sequence (sessions,)

    Returns
    -------
    list of str
        A sentence, or nothing.
    """
    same, other = products[:, 0], products[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        agreement = (same - other.mean(axis=1)) / other.std(axis=1, ddof=1)
    strange, agreeing = agreement < STRANGE, agreement[agreement >= STRANGE]
    if not strange.any() or len(agreeing) < 2 or np.median(agreeing) < CLEAR:
        return []
    listed = ", ".join(f"{names[place]} ({agreement[place]:.1f})" for place in np.flatnonzero(strange)[:5])
    return [
        f"{strange.sum()} of {len(names)} sessions do not respond to images as the other sessions do to the "
        f"same images: {listed}, in SDs of comparisons with other images, where the median of the others is "
        f"{np.median(agreeing):.1f}. Is it the file of another session or subject, or are its trials in "
        "another order?"
    ]


def ncsnr(noise):
    """Estimate the noise ceiling signal-to-noise ratio of z-scored voxels.

    It is sqrt(max(0, 1 - noise²)) / noise, as NSD computes it.

    Parameters
    ----------
    noise : array (v,)
        SD of a single trial about its image's mean, z.

    Returns
    -------
    array (v,)
        Infinity where there is no noise.
    """
    with np.errstate(divide="ignore"):
        return np.sqrt(np.clip(1 - np.square(noise), 0, None)) / noise


def noise_ceiling(snr, counts):
    """Estimate which share of the variance of mean responses over images is signal.

    It is snr² / (snr² + mean of 1 / n).

    Parameters
    ----------
    snr : array (v,)
        Noise ceiling signal-to-noise ratio; NaN gives NaN, infinity (no noise) gives 1.
    counts : int or array (images,)
        Trials n that the response to each image averages.

    Source
    ------
    NSD data manual, "Conversion of ncsnr to noise ceiling percentages".
    """
    with np.errstate(divide="ignore"):
        return 1 / (1 + np.mean(1 / np.asarray(counts)) / np.square(snr))
