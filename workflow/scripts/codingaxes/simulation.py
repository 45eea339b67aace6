"""The simulated brain: FFA, EBA and PPA responses that are differentiable in the image.

The brain is defined here and nowhere else. The miniature NSD is measured on it, and later rooms ask
how well a network's coding axes agree with its own, because its gradient is known.

An image becomes three opponent channels (light, red-green, blue-yellow), blurred and sampled at a quarter of
the resolution, so that only low spatial frequencies are left. They are divided by their local contrast and
matched, at every position, to templates of the six categories in several poses and sizes. Matches are
rectified, squared, pooled over positions and divided by the mean over all templates (the normalisation
model: Carandini & Heeger, Nature Reviews Neuroscience 2012). A voxel is a weighted sum of these
template energies: partly the weights that tell its region's category from all others, partly weights of
its subject and its own.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from codingaxes import scenes

OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.5, -0.5, 0.0), (-0.25, -0.25, 0.5))
BLUR = 1.5  # pixels; with the sampling it leaves frequencies up to about 8 cycles an image
SCALES = (0.4, 0.5, 0.62, 0.76)  # of half the width: spans the sizes at which scenes show objects
POSES = 12  # templates of a category and size; one mean template would miss bodies, whose poses vary
EXAMPLES = 100  # objects of a category and size that its templates are made of
SHRINKAGE = 0.5  # of the templates' covariance towards a multiple of the identity
CALIBRATION = 1500  # scenes on which energies are standardised and regions learn their preference
NOISE_CORRELATION = 0.2  # of trial noise between voxels of a region, so that averaging cannot remove it all


class TemplateEnergies(nn.Module):
    """Images (n, 3, h, w) in [0, 1] -> normalised template energies (n, templates).

    Parameters
    ----------
    size : int
        Pixels on a side of the images; a multiple of 16.
    kernels : list of tensors (categories * poses, 3, t, t)
        Templates, one tensor for each size of object.
    """

    def __init__(self, size, kernels):
        super().__init__()
        self.size = size
        for i, kernel in enumerate(kernels):
            self.register_buffer(f"kernel_{i}", kernel)
        self.n_kernels = len(kernels)

    def forward(self, images):
        """Raises ValueError for images of another shape than (n, 3, size, size)."""
        if images.shape[1:] != (3, self.size, self.size):
            raise ValueError(
                f"the simulated brain sees (n, 3, {self.size}, {self.size}), not {tuple(images.shape)}"
            )
        seen = early_vision(images)
        energies = []
        for i in range(self.n_kernels):
            kernel = getattr(self, f"kernel_{i}")
            match = F.relu(F.conv2d(seen, kernel, padding=kernel.shape[-1] // 2)).square()
            # the fourth-power mean of squared matches: a soft maximum over positions
            energies.append(match.square().square().mean(dim=(2, 3)).add(1e-8).pow(0.25))
        energies = torch.cat(energies, dim=1)
        return energies / (0.1 + energies.mean(dim=1, keepdim=True))


def early_vision(images):
    """Opponent channels over local contrast, coarse: (n, 3, h, w) -> (n, 3, h/4, w/4)."""
    opponent = torch.einsum("oc,nchw->nohw", torch.tensor(OPPONENT).to(images), images)
    maps = F.avg_pool2d(_blur(opponent, BLUR), 4)
    neighbourhood = maps.shape[-1] / 8
    deviation = maps - _blur(maps, neighbourhood)
    contrast = _blur(deviation.square(), neighbourhood).sum(dim=1, keepdim=True)
    return deviation / torch.sqrt(contrast + 0.05**2)


def _blur(maps, sigma):
    """Gaussian blur with a standard deviation of `sigma` pixels, edges repeated."""
    reach = int(2.5 * sigma)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1).to(maps) ** 2) / (2 * sigma**2))
    rows = (kernel / kernel.sum()).view(1, 1, 1, -1).expand(maps.shape[1], 1, 1, -1)
    maps = F.pad(maps, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(maps, rows, groups=maps.shape[1]), rows.transpose(2, 3), groups=maps.shape[1])


def make_templates(size, seed):
    """Kernels (categories * poses, 3, t, t) for each of `SCALES`, of unit norm.

    Objects are drawn alone and seen through `early_vision`. A pose is the mean of objects that look
    alike (k-means); whitening by the objects' covariance within categories leaves in a template what
    sets it apart from the others.
    """
    from sklearn.cluster import KMeans  # here, because most jobs that see the brain never grow it

    kernels = []
    for number, scale in enumerate(SCALES):
        width = int(0.75 * scale * size / 4) // 2 * 2 + 1
        start = (size // 4 - width) // 2
        crops = []
        for i, category in enumerate(scenes.CATEGORIES):
            rng = np.random.default_rng([seed, number, i])
            images = np.stack([scenes.render_object(rng, category, size, scale) for _ in range(EXAMPLES)])
            seen = early_vision(torch.from_numpy(images))
            crops.append(seen[:, :, start : start + width, start : start + width].flatten(1).double())
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


def prefer(energies, labels, ridge=30.0):
    """Weights on standardised energies that tell a region's categories from all others, for each region.

    Parameters
    ----------
    energies : array (n, templates)
        Standardised over scenes.
    labels : bool array (n, 6)
        Categories in each scene.
    ridge : float
        Penalty, in scenes.

    Returns
    -------
    dict of arrays (templates,)
        For each region of `scenes.PREFERRED`, scaled so that the response has SD 1 over the scenes.

    Source
    ------
    The regularised linear discriminant: Hastie, Tibshirani & Friedman, The Elements of Statistical
    Learning (2009), section 4.3.
    """
    gram = energies.T @ energies + ridge * np.eye(energies.shape[1])
    weights = {}
    for roi, own in scenes.PREFERRED.items():
        shown = labels[:, [scenes.CATEGORIES.index(category) for category in own]].any(axis=1)
        solution = np.linalg.solve(gram, energies.T @ (shown - shown.mean()))
        weights[roi] = solution / (energies @ solution).std()
    return weights


@dataclass(frozen=True)
class Voxels:
    """The voxels of one subject: what each of them computes, and how noisy its trials are."""

    roi: np.ndarray  # (v,) region names
    weights: np.ndarray  # (v, templates) on standardised energies, % signal change
    baseline: np.ndarray  # (v,) % signal change
    gain: np.ndarray  # (v,) SD of the noiseless response over scenes, % signal change
    noise: np.ndarray  # (v,) SD of a single trial about its image's mean, % signal change

    @property
    def ncsnr(self):
        """(v,) The planted noise ceiling signal-to-noise ratio."""
        return self.gain / self.noise


def grow_voxels(preference, energies, n_voxels, rng):
    """Voxels of one subject: region's preference, the subject's own taste, the voxel's own.

    Parameters
    ----------
    preference : dict of arrays (templates,)
        From `prefer`.
    energies : array (n, templates)
        Standardised over scenes; voxels are scaled on them.
    n_voxels : int
        At least so many voxels a region; up to a third more are added.
    rng : numpy.random.Generator

    Returns
    -------
    Voxels
    """
    parts = []
    for roi, common in preference.items():
        n = n_voxels + int(rng.integers(0, n_voxels // 3 + 1))
        taste = _unit(energies, rng.standard_normal((1, energies.shape[1])))
        own = _unit(energies, rng.standard_normal((n, energies.shape[1])))
        # 0.55 to 0.9 of a voxel is its region's preference; its subject's taste is 0.2
        share = rng.uniform(0.55, 0.9, (n, 1))
        unit = _unit(energies, share * common + 0.2 * taste + np.sqrt(1 - share**2) * own)
        gain = rng.lognormal(np.log(1.5), 0.3, n)
        ncsnr = rng.uniform(0.2, 0.6, n)  # the range of NSD's regions
        parts.append((np.repeat(roi, n), gain[:, None] * unit, rng.normal(0.8, 0.4, n), gain, gain / ncsnr))
    return Voxels(*map(np.concatenate, zip(*parts, strict=True)))


def _unit(energies, weights):
    return weights / (energies @ weights.T).std(axis=0)[:, None]


class SimulatedBrain(nn.Module):
    """Images (n, 3, h, w) in [0, 1] -> noiseless responses of one subject's voxels, % signal change.

    Parameters
    ----------
    energies : TemplateEnergies
    mean, sd : arrays (templates,)
        By which energies are standardised.
    subjects : dict of Voxels
        By name of the subject.
    """

    def __init__(self, energies, mean, sd, subjects):
        super().__init__()
        self.energies, self.subjects = energies, subjects
        for name, value in {"mean": mean, "sd": sd}.items():
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32))
        for name, voxels in subjects.items():
            self.register_buffer(f"weights_{name}", torch.as_tensor(voxels.weights, dtype=torch.float32))
            self.register_buffer(f"baseline_{name}", torch.as_tensor(voxels.baseline, dtype=torch.float32))
        self.eval().requires_grad_(False)

    @classmethod
    def grow(cls, size, seed, subjects, n_voxels):
        """Make a brain from a seed: its templates, what its regions prefer, and voxels of each subject."""
        energies = TemplateEnergies(size, make_templates(size, seed))
        images, labels = scenes.render_many(seed, CALIBRATION, size)
        seen = evaluate(energies, images)
        mean, sd = seen.mean(axis=0), seen.std(axis=0)
        standard = (seen - mean) / sd
        preference = prefer(standard, labels)
        return cls(energies, mean, sd, {
            subject: grow_voxels(preference, standard, n_voxels, np.random.default_rng([seed, 1, i]))
            for i, subject in enumerate(subjects)
        })  # fmt: skip

    def forward(self, images):
        """Responses (n, v) of all voxels, subjects in order."""
        standard = (self.energies(images) - self.mean) / self.sd
        return torch.cat(
            [
                standard @ getattr(self, f"weights_{name}").T + getattr(self, f"baseline_{name}")
                for name in self.subjects
            ],
            dim=1,
        )

    def save(self, path):
        """Write everything that defines the brain to one npz file."""
        content = {"size": self.energies.size, "mean": self.mean.numpy(), "sd": self.sd.numpy()}
        for i in range(self.energies.n_kernels):
            content[f"kernel/{i}"] = getattr(self.energies, f"kernel_{i}").numpy()
        for name, voxels in self.subjects.items():
            content |= {f"{name}/{part.name}": getattr(voxels, part.name) for part in fields(Voxels)}
        np.savez(path, **content)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote. No code is executed: the file holds arrays only."""
        with np.load(path, allow_pickle=False) as content:
            kernels = [
                torch.from_numpy(content[name]) for name in content.files if name.startswith("kernel/")
            ]
            names = [name.split("/")[0] for name in content.files if name.endswith("/roi")]
            subjects = {
                name: Voxels(*(content[f"{name}/{part.name}"] for part in fields(Voxels))) for name in names
            }
            energies = TemplateEnergies(int(content["size"]), kernels)
            return cls(energies, content["mean"], content["sd"], subjects)


@torch.no_grad()
def evaluate(respond, images, batch=50):
    """Responses to uint8 images (n, h, w, 3), in batches: float64 array (n, ...)."""
    parts = []
    for start in range(0, len(images), batch):
        pixels = torch.from_numpy(images[start : start + batch]).permute(0, 3, 1, 2).float() / 255
        parts.append(respond(pixels).double().numpy())
    return np.concatenate(parts)


def trials(signal, voxels, rng):
    """One trial for each row of `signal`: the noiseless response plus noise, % signal change.

    Parameters
    ----------
    signal : array (n, v)
        From `SimulatedBrain`, one row per trial.
    voxels : Voxels
    rng : numpy.random.Generator

    Returns
    -------
    array (n, v)
        Noise is Gaussian; a part of it is common to the voxels of a region.
    """
    noise = np.sqrt(1 - NOISE_CORRELATION) * rng.standard_normal(signal.shape)
    for roi in np.unique(voxels.roi):
        noise[:, voxels.roi == roi] += np.sqrt(NOISE_CORRELATION) * rng.standard_normal((len(signal), 1))
    return signal + noise * voxels.noise
