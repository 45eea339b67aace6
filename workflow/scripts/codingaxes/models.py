"""A brain model by name: a network with its readouts, or the simulated brain itself.

Both answer the same two questions for an image, differentiably: the group response of each region, in SD
over the training images, and the responses of all voxels of a region, in z units.
"""

from dataclasses import dataclass

import numpy as np
import torch

from codingaxes import job, networks, simulation, tables


class LinearResponse(torch.nn.Module):
    """Images (n, 3, h, w) -> responses (n, v): one layer of a network, then one linear map.

    Parameters
    ----------
    network : networks.Network
    layer : str
    weight : array (v, r)
        Along the rows of the basis.
    basis : array (r, d)
        Orthonormal rows in feature space.
    intercept : array (v,)
    """

    def __init__(self, network, layer, weight, basis, intercept):
        super().__init__()
        self.network, self.layer = network, layer
        # one matrix, or two where more responses than directions would make the one larger
        maps = [basis, weight] if len(weight) > len(basis) else [weight @ basis.astype(np.float64)]
        self.maps = torch.nn.ParameterList(
            torch.nn.Parameter(torch.tensor(matrix, dtype=torch.float32), requires_grad=False)
            for matrix in maps
        )
        self.register_buffer("intercept", torch.tensor(np.asarray(intercept), dtype=torch.float32))

    def forward(self, images):
        features = self.network.features(images, [self.layer])[self.layer]
        if features.shape[1] != self.maps[0].shape[1]:
            raise ValueError(
                f"layer {self.layer} gives {features.shape[1]} numbers, the readout was fitted on "
                f"{self.maps[0].shape[1]}; fit the readouts of this network again"
            )
        for matrix in self.maps:
            features = features @ matrix.T
        return features + self.intercept


@dataclass(frozen=True)
class Model:
    """Responses of one model; each maps images (n, 3, h, w) in [0, 1] to (n, v)."""

    group: dict  # region -> callable, images -> (n, 1), SD over training images
    voxels: dict  # region -> callable, images -> (n, voxels of all subjects), z per voxel and session

    def scalar(self, roi, sign=1.0):
        """The group response of a region as images -> (n,), for an attack; `sign` -1 turns it around."""
        respond = self.group[roi]
        return lambda images: sign * respond(images).squeeze(1)


def load_network(architecture, weights, readouts_file, bases_file, device="cpu"):
    """The model of a network.

    Parameters
    ----------
    architecture : str
        A key of `networks.ARCHITECTURES`.
    weights, readouts_file, bases_file : path-like
        From train_network, fit_readouts and fit_readouts.
    """
    network = networks.load(architecture, weights, device)
    fitted = tables.read(readouts_file, "readouts")
    bases = tables.read(bases_file, "bases").groupby("layer", sort=False)
    bases = {layer: tables.matrix(rows.sort_values("component").vector) for layer, rows in bases}
    group, voxels = {}, {}
    for roi, rows in fitted.groupby("roi", sort=False):
        means = rows[(rows.subject == tables.GROUP) & (rows.target == "mean")]
        single, layer = rows[rows.target != "mean"], rows.layer.iloc[0]
        group[roi], voxels[roi] = (
            LinearResponse(network, layer, tables.matrix(part.weight), bases[layer], part.intercept)
            .to(device)
            .eval()
            for part in (means, single)
        )
    return Model(group, voxels)


def load_brain(brain_file, voxels, targets, device="cpu"):
    """The model that is the simulated brain, in the units of the measurements.

    Parameters
    ----------
    brain_file : path-like
        From simulate_nsd.
    voxels, targets : DataFrames
        The tables voxels and targets: the SDs that turn % signal change into z, and z into SD.
    """
    brain = simulation.SimulatedBrain.load(brain_file).to(device)
    position = {name: i for i, name in enumerate(brain.subjects)}
    voxels = voxels.sort_values(
        ["subject", "voxel_id"], key=lambda c: c.map(position) if c.name == "subject" else c
    )
    grown = np.concatenate([part.roi for part in brain.subjects.values()])
    if list(grown) != list(voxels.roi):
        raise ValueError(
            f"the voxels table does not list the voxels of {brain_file} in order; run both again"
        )
    group, single = {}, {}
    for roi in dict.fromkeys(voxels.roi):
        rows = np.flatnonzero(voxels.roi == roi)
        part = voxels.iloc[rows]
        sd, mean = part.sd.to_numpy(), part["mean"].to_numpy()
        single[roi] = _Mixture(brain, rows, np.diag(1 / sd), -mean / sd)
        weight, offset = _group_weights(part, targets[targets.roi == roi])
        group[roi] = _Mixture(brain, rows, weight, offset - weight @ mean)
    return Model(
        {roi: part.to(device).eval() for roi, part in group.items()},
        {roi: part.to(device).eval() for roi, part in single.items()},
    )


def _group_weights(voxels, targets):
    """The chain of averages from voxels in % signal change to the group response, as one row of weights."""
    targets = targets.set_index("subject")
    group, subjects = targets.loc[tables.GROUP], voxels.subject.unique()
    weights, offset = np.zeros(len(voxels)), -group["mean"]
    for subject in subjects:
        mine = (voxels.subject == subject).to_numpy()
        target = targets.loc[subject]
        weights[mine] = 1 / voxels.sd[mine] / mine.sum() / target["sd"] / len(subjects)
        offset -= target["mean"] / target["sd"] / len(subjects)
    return weights[None] / group["sd"], np.array([offset / group["sd"]])


class _Mixture(torch.nn.Module):
    """Some voxels of the brain, mixed linearly."""

    def __init__(self, brain, rows, weight, offset):
        super().__init__()
        self.brain = brain
        self.register_buffer("rows", torch.tensor(rows))
        self.register_buffer("weight", torch.tensor(weight, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32))

    def forward(self, images):
        return self.brain(images)[:, self.rows] @ self.weight.T + self.offset


def load(run, name):
    """The model `name` from a job's inputs: networks, weights and readouts, or brain, voxels and targets."""
    device = job.choose_device(run.params["device"])
    if name == tables.BRAIN:
        voxels, targets = (
            tables.read(run.input["voxels"], "voxels"),
            tables.read(run.input["targets"], "targets"),
        )
        return load_brain(run.input["brain"], voxels, targets, device)
    architecture = run.params["network"]["architecture"]
    files = (run.input[name] for name in ("weights", "readouts", "bases"))
    return load_network(architecture, *files, device)
