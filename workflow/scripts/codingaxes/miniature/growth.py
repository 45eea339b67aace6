"""Grow a simulated brain from a seed: its templates, what its regions prefer, and its subjects' voxels.

Regions and voxels are planted on features in the same way, whether these are template energies or a layer of
a network.
"""

import numpy as np
import torch
from sklearn.cluster import KMeans

from codingaxes.miniature import scenes
from codingaxes.miniature.brain import SimulatedBrain, Voxels, early_vision, evaluate

SCALES = (0.4, 0.5, 0.62, 0.76)  # of half the width: spans the sizes at which scenes show objects
POSES = 12  # templates of a category and size; one mean template would miss bodies, whose poses vary
EXAMPLES = 100  # objects of a category and size that its templates are made of
SHRINKAGE = 0.5  # of the templates' covariance towards a multiple of the identity
CALIBRATION = 1500  # scenes on which features are standardised and regions learn their preference


def grow(features, seed, subjects, n_voxels):
    """Grow a brain whose regions prefer the categories that `scenes.PREFERRED` lists.

    Parameters
    ----------
    features : brain.TemplateEnergies or brain.NetworkFeatures
        What voxels read. A feature that is constant over scenes gets no weight.
    seed : int
    subjects : list of str
    n_voxels : int
        At least so many voxels a region and subject; up to a third more are added.

    Returns
    -------
    brain.SimulatedBrain
    """
    images, labels = scenes.render_many(seed, CALIBRATION, features.size)
    responses = evaluate(features, images)
    mean, sd = responses.mean(axis=0), responses.std(axis=0)
    sd[sd < 1e-6 * sd.max()] = np.inf
    standard = (responses - mean) / sd
    preference = prefer(standard, labels)
    voxels = {
        subject: grow_voxels(preference, standard, n_voxels, np.random.default_rng([seed, 1, number]))
        for number, subject in enumerate(subjects)
    }
    return SimulatedBrain(features, mean, sd, voxels)


def make_templates(size, seed):
    """Make the templates of all categories, for each size of object in `SCALES`.

    Objects are drawn alone and seen through `early_vision`. A pose is the mean of objects that look alike
    (k-means). Whitening by the objects' covariance within categories leaves in a template what sets it apart
    from the others.

    Parameters
    ----------
    size : int
        Pixels on a side of the images.
    seed : int

    Returns
    -------
    list of tensors (categories * poses, 3, t, t)
        Of unit norm.
    """
    kernels = []
    for number, scale in enumerate(SCALES):
        width = int(0.75 * scale * size / 4) // 2 * 2 + 1
        start = (size // 4 - width) // 2
        crops = []
        for i, category in enumerate(scenes.CATEGORIES):
            rng = np.random.default_rng([seed, number, i])
            images = np.stack([scenes.render_object(rng, category, size, scale) for _ in range(EXAMPLES)])
            maps = early_vision(torch.from_numpy(images))
            crops.append(maps[:, :, start : start + width, start : start + width].flatten(1).double())
        mean = torch.cat(crops).mean(dim=0)
        within = torch.cat([crop - crop.mean(dim=0) for crop in crops])
        covariance = within.T @ within / len(within)
        covariance += SHRINKAGE * covariance.diagonal().mean() * torch.eye(len(covariance))
        poses = [
            KMeans(POSES, n_init=1, random_state=i).fit(crop).cluster_centers_ for i, crop in enumerate(crops)
        ]
        templates = torch.linalg.solve(covariance, (torch.from_numpy(np.concatenate(poses)) - mean).T).T
        templates /= templates.norm(dim=1, keepdim=True)
        kernels.append(templates.reshape(-1, 3, width, width).float())
    return kernels


def prefer(features, labels, ridge=30.0):
    """Find weights that tell the categories of each region from all others.

    Parameters
    ----------
    features : array (n, d)
        Standardised over scenes.
    labels : bool array (n, 6)
        Categories in each scene.
    ridge : float
        Penalty, in scenes.

    Returns
    -------
    dict of arrays (d,)
        Weights on the features, for each region of `scenes.PREFERRED`; the response has SD 1 over the scenes.

    Source
    ------
    The regularised linear discriminant: Hastie, Tibshirani & Friedman, The Elements of Statistical
    Learning (2009), section 4.3.
    """
    gram = features.T @ features + ridge * np.eye(features.shape[1])
    weights = {}
    for roi, own in scenes.PREFERRED.items():
        present = labels[:, [scenes.CATEGORIES.index(category) for category in own]].any(axis=1)
        solution = np.linalg.solve(gram, features.T @ (present - present.mean()))
        weights[roi] = solution / (features @ solution).std()
    return weights


def grow_voxels(preference, features, n_voxels, rng):
    """Draw the voxels of one subject: a mixture of the region's preference, the subject's taste and its own.

    Parameters
    ----------
    preference : dict of arrays (d,)
        From `prefer`.
    features : array (n, d)
        Standardised over scenes; voxels are scaled on them.
    n_voxels : int
        At least so many voxels a region; up to a third more are added.
    rng : numpy.random.Generator

    Returns
    -------
    brain.Voxels
    """
    parts = []
    for roi, common in preference.items():
        n = n_voxels + int(rng.integers(0, n_voxels // 3 + 1))
        taste = _unit(features, rng.standard_normal((1, features.shape[1])))
        own = _unit(features, rng.standard_normal((n, features.shape[1])))
        # 0.55 to 0.9 of a voxel is its region's preference; its subject's taste is 0.2
        share = rng.uniform(0.55, 0.9, (n, 1))
        unit = _unit(features, share * common + 0.2 * taste + np.sqrt(1 - share**2) * own)
        gain = rng.lognormal(np.log(1.5), 0.3, n)
        ncsnr = rng.uniform(0.2, 0.6, n)  # the range of NSD's regions
        parts.append((np.repeat(roi, n), gain[:, None] * unit, rng.normal(0.8, 0.4, n), gain, gain / ncsnr))
    return Voxels(*map(np.concatenate, zip(*parts, strict=True)))


def _unit(features, weights):
    """Scale weights so that the response has SD 1 over the scenes."""
    return weights / (features @ weights.T).std(axis=0)[:, None]
