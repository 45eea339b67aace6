"""features of a layer -> numbers that describe its representation, whatever is read out from it."""

import numpy as np


def sparseness(features):
    """Population sparseness, 0 (all units answer alike) to 1 (one unit answers), mean over images.

    One minus the squared mean over the mean square of the units' absolute answers to an image, divided by one
    minus 1 / units. Images that no unit answers to are left out; NaN if there is no other.

    Parameters
    ----------
    features : array (n, d), d >= 2

    Returns
    -------
    float

    Source
    ------
    Rolls & Tovee, Journal of Neurophysiology 73 (1995), with the normalisation of Vinje & Gallant, Science
    287 (2000).
    """
    d = features.shape[1]
    if d < 2:
        raise ValueError("sparseness is about two units or more")
    found = []
    for row in features:
        row = np.abs(row.astype(np.float64))
        power = np.mean(row**2)
        if power > 0:
            found.append((1 - row.mean() ** 2 / power) / (1 - 1 / d))
    return float(np.mean(found)) if found else np.nan


def normalised_variance(features):
    """Variance over images, summed over units, over the mean squared length of the feature vector; 0 to 1.

    0: all images have the same features. 1: the features have no common mean. A readout sees
    only the varying part. NaN if all features are 0.

    Parameters
    ----------
    features : array (n, d)

    Source
    ------
    Our definition. The study names a normalised variance; its text was not at hand when this was written.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    power = sum(np.square(row.astype(np.float64)).sum() for row in features) / len(features)
    return float(max(0.0, 1 - np.square(mean).sum() / power)) if power > 0 else np.nan


def effective_dimensionality(values):
    """Participation ratio of the eigenvalues of the covariance over images; 1 to min(n - 1, d).

    As many dimensions of equal variance would have the same ratio. With few images it is a lower bound.
    NaN if nothing varies.

    Parameters
    ----------
    values : array (n, r)
        Features, or `readouts.Coordinates.values`, which have the same eigenvalues.

    Source
    ------
    Gao et al., A theory of multineuronal dimensionality, dynamics and measurement, bioRxiv 214262 (2017).
    """
    centred = values - values.mean(axis=0)
    gram = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    total = np.trace(gram)
    return float(total**2 / np.square(gram).sum()) if total > 0 else np.nan


def spread(values):
    """Root mean squared distance of the images from their mean, in feature units."""
    return float(np.sqrt(np.square(values - values.mean(axis=0)).sum() / len(values)))
