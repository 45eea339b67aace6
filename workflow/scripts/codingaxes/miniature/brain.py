"""Compute the responses of a simulated FFA, EBA and PPA to images; they are differentiable in the image.

The miniature NSD is measured on this brain. Later steps ask how well a network's coding axes agree with the
brain's, since its gradient is known. `growth` makes a brain from a seed. Its features are template energies,
or a layer of a network: a world in which it is known which networks resemble the brain.

For template energies, an image becomes three opponent channels (light, red-green, blue-yellow). They are
blurred and sampled at a quarter of the resolution, so that only low spatial frequencies are left, and divided
by their local contrast. At every position they are matched to templates of the six categories in several
poses and sizes. Matches are rectified, squared, pooled over positions and divided by the mean over all
templates (the normalisation model: Carandini & Heeger, Nature Reviews Neuroscience 2012).

A voxel is a weighted sum of the features. Its weights are partly those that tell its region's
categories from all others, partly its subject's and its own.
"""

import json
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from codingaxes.miniature import arrays
from codingaxes.networks.network import Network

OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.5, -0.5, 0.0), (-0.25, -0.25, 0.5))
BLUR = 1.5  # pixels; with the sampling it leaves frequencies up to about 8 cycles an image
NOISE_CORRELATION = 0.2  # of trial noise between voxels of a region, so that averaging cannot remove it all


class TemplateEnergies(nn.Module):
    """Turn images (n, 3, h, w) in [0, 1] into normalised template energies (n, templates).

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
        """Compute the energies; raises ValueError for images of another shape than (n, 3, size, size)."""
        _hold_to_size(images, self.size)
        maps = early_vision(images)
        energies = []
        for i in range(self.n_kernels):
            kernel = getattr(self, f"kernel_{i}")
            match = F.relu(F.conv2d(maps, kernel, padding=kernel.shape[-1] // 2)).square()
            # the fourth-power mean of squared matches: a soft maximum over positions
            energies.append(match.square().square().mean(dim=(2, 3)).add(1e-8).pow(0.25))
        energies = torch.cat(energies, dim=1)
        return energies / (0.1 + energies.mean(dim=1, keepdim=True))

    def arrays(self):
        """Give everything that defines the energies, as arrays by name."""
        kernels = {f"kernel/{i}": getattr(self, f"kernel_{i}").numpy() for i in range(self.n_kernels)}
        return {"size": self.size} | kernels

    @classmethod
    def from_arrays(cls, content):
        """Make the energies from what `arrays` gave."""
        kernels = [torch.from_numpy(content[f"kernel/{i}"]) for i in range(len(_inside(content, "kernel/")))]
        return cls(int(content["size"]), kernels)


class NetworkFeatures(nn.Module):
    """Turn images (n, 3, h, w) in [0, 1] into the last candidate layer of a network of the zoo (n, d).

    Parameters
    ----------
    size : int
        Pixels on a side of the images.
    network : networks.network.Network
        In evaluation mode, parameters frozen.
    row : dict
        Of the table of networks: what makes the network's function.
    """

    def __init__(self, size, network, row):
        super().__init__()
        self.size, self.network, self.row = size, network, row

    def forward(self, images):
        """Compute the features; raises ValueError for images of another shape than (n, 3, size, size)."""
        _hold_to_size(images, self.size)
        layer = self.network.layers[-1]
        return self.network.features(images, [layer])[layer]

    def arrays(self):
        """Give the row, as JSON, and the weights of the network, as arrays by name."""
        weights = {f"weight/{name}": value.numpy() for name, value in self.network.body.state_dict().items()}
        return {"size": self.size, "row": json.dumps(self.row)} | weights

    @classmethod
    def from_arrays(cls, content):
        """Make the features from what `arrays` gave."""
        row = json.loads(str(content["row"]))
        network = Network(row)
        weights = {name: torch.from_numpy(value) for name, value in _inside(content, "weight/").items()}
        network.body.load_state_dict(weights)
        return cls(int(content["size"]), network.eval().requires_grad_(False), row)


def _inside(content, prefix):
    """Select the entries whose names begin with a prefix, by the rest of the name."""
    return {name.removeprefix(prefix): content[name] for name in content if name.startswith(prefix)}


def _hold_to_size(images, size):
    if images.shape[1:] != (3, size, size):
        raise ValueError(f"the simulated brain sees (n, 3, {size}, {size}), not {tuple(images.shape)}")


def early_vision(images):
    """Divide coarse opponent channels by their local contrast: (n, 3, h, w) -> (n, 3, h/4, w/4)."""
    opponent = torch.einsum("oc,nchw->nohw", torch.tensor(OPPONENT).to(images), images)
    maps = F.avg_pool2d(_blur(opponent, BLUR), 4)
    neighbourhood = maps.shape[-1] / 8
    deviation = maps - _blur(maps, neighbourhood)
    contrast = _blur(deviation.square(), neighbourhood).sum(dim=1, keepdim=True)
    return deviation / torch.sqrt(contrast + 0.05**2)


def _blur(maps, sigma):
    """Blur by a Gaussian with a standard deviation of `sigma` pixels; edges are repeated."""
    reach = int(2.5 * sigma)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1).to(maps) ** 2) / (2 * sigma**2))
    rows = (kernel / kernel.sum()).view(1, 1, 1, -1).expand(maps.shape[1], 1, 1, -1)
    maps = F.pad(maps, (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(maps, rows, groups=maps.shape[1]), rows.transpose(2, 3), groups=maps.shape[1])


@dataclass(frozen=True)
class Voxels:
    """Hold what each voxel of one subject computes, and how noisy its trials are."""

    roi: np.ndarray  # (v,) region names
    weights: np.ndarray  # (v, d) on standardised features, % signal change
    baseline: np.ndarray  # (v,) % signal change
    gain: np.ndarray  # (v,) SD of the noiseless response over scenes, % signal change
    noise: np.ndarray  # (v,) SD of a single trial about its image's mean, % signal change

    @property
    def ncsnr(self):
        """Give the planted noise ceiling signal-to-noise ratio, (v,)."""
        return self.gain / self.noise


class SimulatedBrain(nn.Module):
    """Turn images (n, 3, h, w) in [0, 1] into noiseless responses of all voxels, % signal change.

    Parameters
    ----------
    features : TemplateEnergies or NetworkFeatures
    mean, sd : arrays (d,)
        By which features are standardised.
    subjects : dict, name -> Voxels
    """

    def __init__(self, features, mean, sd, subjects):
        super().__init__()
        self.features, self.subjects = features, subjects
        for name, value in {"mean": mean, "sd": sd}.items():
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32))
        for name, voxels in subjects.items():
            self.register_buffer(f"weights_{name}", torch.as_tensor(voxels.weights, dtype=torch.float32))
            self.register_buffer(f"baseline_{name}", torch.as_tensor(voxels.baseline, dtype=torch.float32))
        self.eval().requires_grad_(False)

    def forward(self, images):
        """Compute the responses (n, v) of all voxels, subjects in order."""
        standard = (self.features(images) - self.mean) / self.sd
        return torch.cat(
            [
                standard @ getattr(self, f"weights_{name}").T + getattr(self, f"baseline_{name}")
                for name in self.subjects
            ],
            dim=1,
        )

    def save(self, path):
        """Write everything that defines the brain to one npz file."""
        content = {"mean": self.mean.numpy(), "sd": self.sd.numpy()}
        content |= {f"features/{name}": value for name, value in self.features.arrays().items()}
        content["kind"] = next(name for name, kind in FEATURES.items() if isinstance(self.features, kind))
        for name, voxels in self.subjects.items():
            content |= {f"{name}/{part.name}": getattr(voxels, part.name) for part in fields(Voxels)}
        arrays.write(path, content)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote. No code is executed: the file holds arrays only. See `arrays.read`."""
        content = arrays.read(path)
        features = FEATURES[str(content["kind"])].from_arrays(_inside(content, "features/"))
        names = [name.split("/")[0] for name in content if name.endswith("/roi")]
        subjects = {
            name: Voxels(*(content[f"{name}/{part.name}"] for part in fields(Voxels))) for name in names
        }
        return cls(features, content["mean"], content["sd"], subjects)


FEATURES = {"templates": TemplateEnergies, "network": NetworkFeatures}  # as the configuration names them


@torch.no_grad()
def evaluate(respond, images, batch=50):
    """Compute responses to uint8 images (n, h, w, 3), in batches: float64 array (n, ...)."""
    parts = []
    for start in range(0, len(images), batch):
        pixels = torch.from_numpy(images[start : start + batch]).permute(0, 3, 1, 2).float() / 255
        parts.append(respond(pixels).double().numpy())
    return np.concatenate(parts)


def trials(signal, voxels, rng):
    """Draw one trial for each row of `signal`: the noiseless response plus noise, % signal change.

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
