"""Describe the representation of a layer by numbers that do not depend on what is read out from it."""

import numpy as np


def sparseness(features):
    """Measure population sparseness, 0 (all units respond alike) to 1 (one unit responds), mean over images.

    Of an image it is (1 - mean(|a|)² / mean(a²)) / (1 - 1 / d) over the responses a of the d units. Images
    that no unit responds to are left out.

    Parameters
    ----------
    features : array (n, d), d >= 2

    Returns
    -------
    float
        NaN if no unit responds to any image.

    Raises
    ------
    ValueError
        If there is only one unit.

    Source
    ------
    Rolls & Tovee, Journal of Neurophysiology 73 (1995), with the normalisation of Vinje & Gallant, Science
    287 (2000).
    """
    d = features.shape[1]
    if d < 2:
        raise ValueError("sparseness is about two units or more")
    values = []
    for row in features:
        row = np.abs(row.astype(np.float64))
        power = np.mean(row**2)
        if power > 0:
            values.append((1 - row.mean() ** 2 / power) / (1 - 1 / d))
    return float(np.mean(values)) if values else np.nan


def normalised_variance(features):
    """Divide the variance over images, summed over units, by the mean squared length of the feature vector.

    A readout sees only the varying part.

    Parameters
    ----------
    features : array (n, d)

    Returns
    -------
    float
        0: all images have the same features. 1: the features have a mean of zero. NaN if all features are 0.

    Source
    ------
    Our definition. The study names a normalised variance; its text was not at hand when this was written.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    power = sum(np.square(row.astype(np.float64)).sum() for row in features) / len(features)
    return float(max(0.0, 1 - np.square(mean).sum() / power)) if power > 0 else np.nan


def effective_dimensionality(values):
    """Compute the participation ratio of the eigenvalues of the covariance over images.

    It is the number of dimensions of equal variance that have the same ratio. With few images it is a lower
    bound.

    Parameters
    ----------
    values : array (n, r)
        Features, or `ridge.Coordinates.values`, which have the same eigenvalues.

    Returns
    -------
    float
        1 to min(n - 1, r); NaN if nothing varies.

    Source
    ------
    Gao et al., A theory of multineuronal dimensionality, dynamics and measurement, bioRxiv 214262 (2017).
    """
    centred = values - values.mean(axis=0)
    gram = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    total = np.trace(gram)
    return float(total**2 / np.square(gram).sum()) if total > 0 else np.nan


def spread(values):
    """Compute the root mean squared distance of images (n, r) from their mean, in feature units."""
    return float(np.sqrt(np.square(values - values.mean(axis=0)).sum() / len(values)))
