"""Load the simulated brain as an encoding model, in the units of the measurements."""

import numpy as np
import torch

from codingaxes.encoding.model import EncodingModel, names_of
from codingaxes.miniature import arrays
from codingaxes.miniature.brain import SimulatedBrain
from codingaxes.names import GROUP


def load(brain_file, voxels, targets, device="cpu"):
    """Load the simulated brain as an encoding model, in the units of the measurements.

    Parameters
    ----------
    brain_file : path-like
        From simulate_nsd.
    voxels, targets : DataFrames
        The tables voxels and targets: the SDs that turn % signal change into z, and z into SD. Voxels that
        were not measured, or dropped, are not part of the model.
    device : str or torch.device

    Returns
    -------
    model.EncodingModel
        Without features.

    Raises
    ------
    ValueError
        If a voxel is none of the brain's.
    """
    brain = SimulatedBrain.load(brain_file).to(device)
    position = {name: i for i, name in enumerate(brain.subjects)}
    voxels = voxels.sort_values(
        ["subject", "voxel_id"], key=lambda c: c.map(position) if c.name == "subject" else c
    )
    units = _units(brain_file, brain, voxels)
    group, subjects, single, owners = {}, {}, {}, {}
    for roi in dict.fromkeys(voxels.roi):
        chosen = (voxels.roi == roi).to_numpy()
        rows, part = units[chosen], voxels[chosen]
        owners[roi] = tuple(part.subject.unique())
        sd, mean = part.sd.to_numpy(), part["mean"].to_numpy()
        single[roi] = _Mixture(brain, rows, np.diag(1 / sd), -mean / sd)
        of_subjects, of_group = _region_means(part, targets[targets.roi == roi].set_index("subject"))
        for responses, (weight, offset) in ((subjects, of_subjects), (group, of_group)):
            responses[roi] = _Mixture(brain, rows, weight, offset - weight @ mean)
    parts = ({roi: part.to(device).eval() for roi, part in of.items()} for of in (group, subjects, single))
    return EncodingModel(*parts, names=names_of(owners), owners=owners)


def _units(brain_file, brain, voxels):
    """Find the brain's unit of each row of the table voxels, by its subject, region and place."""
    places = []
    content = arrays.read(brain_file)
    for name, of in brain.subjects.items():
        if f"{name}/where" not in content:
            raise ValueError(f"{brain_file} does not say where voxels of {name} lie; simulate it again")
        where = content[f"{name}/where"].tolist()
        places += [(name, roi, *place) for roi, place in zip(of.roi, where, strict=True)]
    unit = {place: i for i, place in enumerate(places)}
    wanted = list(voxels[["subject", "roi", "i", "j", "k"]].itertuples(index=False, name=None))
    unknown = [voxel for voxel in wanted if voxel not in unit]
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {len(wanted)} voxels of the table are not in {brain_file}, for instance "
            f"{unknown[0]}; run both again, with the regions of the simulation"
        )
    return np.array([unit[voxel] for voxel in wanted])


def _region_means(voxels, targets):
    """Compute weights of voxels in % signal change, and offsets, of the subjects' means and the group's."""
    names = list(voxels.subject.unique())
    weights = np.zeros((len(names), len(voxels)))
    for row, name in zip(weights, names, strict=True):
        own = (voxels.subject == name).to_numpy()
        row[own] = 1 / voxels.sd[own] / own.sum() / targets.sd[name]
    offset = -(targets["mean"][names] / targets.sd[names]).to_numpy()
    mean, sd = targets["mean"][GROUP], targets.sd[GROUP]
    together = weights.mean(axis=0, keepdims=True) / sd, (offset.mean(keepdims=True) - mean) / sd
    return (weights, offset), together


class _Mixture(torch.nn.Module):
    """Mix some voxels of the simulated brain linearly: a response module, see `model`."""

    def __init__(self, brain, rows, weight, offset):
        super().__init__()
        self.brain, self.weight = brain, weight
        self.register_buffer("rows", torch.tensor(rows))
        self.register_buffer("mixing", torch.tensor(weight, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32))

    def with_weight(self, weight):
        """Mix the same voxels otherwise, without offset: for their derivatives."""
        rows = self.rows.cpu().numpy()
        return _Mixture(self.brain, rows, weight, np.zeros(len(weight))).to(self.offset.device)

    def forward(self, images):
        return self.read(self.brain(images))

    def observe(self, images, parts):
        """Compute all voxels of the brain (n, voxels), whichever `parts` ask for."""
        return self.brain(images)

    def read(self, voxels):
        """Mix all voxels of the brain (n, voxels) to responses (n, v)."""
        return voxels[:, self.rows] @ self.mixing.T + self.offset

    def compressed(self):
        """Give these responses as they are, because the brain's are few already."""
        return self

    def merged(self, parts):
        """Give None: mixtures of the brain are not merged."""
        return None
