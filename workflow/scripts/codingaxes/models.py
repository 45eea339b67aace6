"""A brain model by name: a network with its readouts, or the simulated brain itself.

Both answer the same questions for an image, differentiably: the response of each region, of the group in SD
over the training images, of each subject, of all voxels in z units. A network has features besides.
"""

from dataclasses import dataclass

import numpy as np
import torch

from codingaxes import job, networks, simulation, tables
from codingaxes.columns import GROUP

PARTS = ("weights", "readouts", "bases")  # the files of a network
KINDS = ("group", "subjects", "voxels", "joint", "features")  # of responses whose axes can be asked for


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
        self.network, self.layer, self.basis = network, layer, basis
        self.weight, self.offset = np.asarray(weight, np.float64), np.asarray(intercept, np.float64)
        # one matrix, or two where more responses than directions would make the one larger
        maps = [basis, weight] if len(weight) > len(basis) else [weight @ basis.astype(np.float64)]
        self.maps = torch.nn.ParameterList(
            torch.nn.Parameter(torch.tensor(matrix, dtype=torch.float32), requires_grad=False)
            for matrix in maps
        )
        self.register_buffer("intercept", torch.tensor(self.offset, dtype=torch.float32))

    def with_weight(self, weight):
        """Other readouts of the same layer, without intercept: for their derivatives."""
        device = self.intercept.device
        return LinearResponse(self.network, self.layer, weight, self.basis, np.zeros(len(weight))).to(device)

    def forward(self, images):
        return self.read(self.network.features(images, [self.layer]))

    def read(self, features):
        """Responses (n, v) from the features (n, d) of layers by name."""
        features = features[self.layer]
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
    subjects: dict  # region -> callable, images -> (n, subjects), SD over training images
    voxels: dict  # region -> callable, images -> (n, voxels of all subjects), z per voxel and session
    features: torch.nn.Module | None = None  # images -> (n, d), the layers that are read; none of the brain
    names: tuple = ()  # of the subjects, in the order of their responses

    def readers(self):
        """The group's and each subject's readout of every region from one pass through the model.

        Returns
        -------
        respond : callable, images -> (n, regions x (1 + subjects))
        names : list of tuples (region, group or subject)
            Of the responses, in order.
        """
        parts = [part for roi in self.group for part in (self.group[roi], self.subjects[roi])]
        return _Readers(parts), [(roi, name) for roi in self.group for name in (GROUP, *self.names)]

    def scalar(self, roi, subject=GROUP):
        """The response of a region, of the group or of one subject, as images -> (n,), for an attack."""
        respond = self.group[roi] if subject == GROUP else self.subjects[roi]
        place = 0 if subject == GROUP else self.names.index(subject)
        return lambda images: respond(images)[:, place]

    def responses(self, kind, weights=None):
        """The responses whose Jacobian is asked for, by region ("all": of all regions together).

        Parameters
        ----------
        kind : str
            One of `KINDS`. joint: the voxels of all regions. features: of the layers that are read.
        weights : dict, region -> array (voxels,), optional
            By which voxels are multiplied, for instance the square roots of their noise ceilings.

        Returns
        -------
        dict, region -> callable
            With the JᵀJ of what was asked for; voxels of a network come as fewer responses, if that can be.
            Empty for the features of the simulated brain.
        """
        if kind == "features":
            return {"all": self.features} if self.features is not None else {}
        if kind in ("group", "subjects"):
            return self.group if kind == "group" else self.subjects
        voxels = {
            roi: part.with_weight(part.weight * weights[roi][:, None]) if weights else part
            for roi, part in self.voxels.items()
        }
        parts = voxels if kind == "voxels" else {"all": _together(list(voxels.values()))}
        return {roi: _compressed(part) for roi, part in parts.items()}


def _compressed(respond):
    """As few responses as have the same JᵀJ; the brain's are few already."""
    if isinstance(respond, LinearResponse):
        return respond.with_weight(compress(torch.tensor(respond.weight)).numpy())
    return respond


def compress(weight):
    """The shortest A with AᵀA = WᵀW: fewer responses with the same JᵀJ.

    Responses that are a linear map W of features have JᵀJ = J_fᵀ WᵀW J_f, so A serves for W. A readout fitted
    on n images has a rank below n, however many voxels it has. A readout in factors, W = C B, needs only its
    left one compressed: A = compress(C) @ B.

    Parameters
    ----------
    weight : tensor (v, d)
        Scale its rows first to weight responses (by their noise ceiling, say).

    Returns
    -------
    tensor (r, d)
        In the type of `weight`, r <= min(v, d), at least 1. Directions below the rounding of the weights are
        left out: WᵀW changes by less than 1e-13 of its trace.
    """
    wide = weight.double()
    gram = wide @ wide.T if len(wide) <= wide.shape[1] else wide.T @ wide
    squares, vectors = torch.linalg.eigh(gram)
    eps = max(torch.finfo(weight.dtype).eps ** 2, 10 * torch.finfo(torch.float64).eps)
    kept = squares > eps * squares.sum()
    kept[-1] = True
    squares, vectors = squares[kept].flip(0), vectors[:, kept].flip(1)
    short = vectors.T @ wide if len(wide) <= wide.shape[1] else squares.sqrt()[:, None] * vectors.T
    return short.to(weight.dtype)


def _together(parts):
    """Several responses as one: readouts of one layer share the passes through the network."""
    if all(isinstance(part, LinearResponse) and part.layer == parts[0].layer for part in parts):
        return parts[0].with_weight(np.concatenate([part.weight for part in parts]))
    return _Together([_compressed(part) for part in parts])


class _Together(torch.nn.Module):
    """Responses side by side, (n, v) of each -> (n, sum of v)."""

    def __init__(self, parts):
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)

    def forward(self, images):
        return torch.cat([part(images) for part in self.parts], dim=1)


class _Readers(torch.nn.Module):
    """Responses of one model side by side, whatever layers they read: one pass gives all."""

    def __init__(self, parts):
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)

    def forward(self, images):
        first = self.parts[0]
        if isinstance(first, LinearResponse):
            given = first.network.features(images, list(dict.fromkeys(part.layer for part in self.parts)))
        else:
            given = first.brain(images)
        return torch.cat([part.read(given) for part in self.parts], dim=1)


class LayerFeatures(torch.nn.Module):
    """Images (n, 3, h, w) -> features of some layers of a network, flattened side by side, (n, d)."""

    def __init__(self, network, layers):
        super().__init__()
        self.network, self.layers = network, list(layers)

    def forward(self, images):
        return torch.cat(list(self.network.features(images, self.layers).values()), dim=1)


def load_network(row, weights, readouts_file, bases_file, device="cpu"):
    """The model of a network.

    Parameters
    ----------
    row : dict or str
        Of the table of networks; see `networks.load`.
    weights, readouts_file, bases_file : path-like
        From train_network or fetch_weights, fit_readouts and fit_readouts.
    """
    network = networks.load(row, weights, device)
    fitted = tables.read(readouts_file, "readouts")
    bases = tables.read(bases_file, "bases").groupby("layer", sort=False)
    bases = {layer: tables.matrix(rows.sort_values("component").vector) for layer, rows in bases}
    group, subjects, voxels = {}, {}, {}
    for roi, rows in fitted.groupby("roi", sort=False):
        layer, mean, all_ = rows.layer.iloc[0], rows.target == "mean", rows.subject == GROUP
        group[roi], subjects[roi], voxels[roi] = (
            LinearResponse(network, layer, tables.matrix(part.weight), bases[layer], part.intercept)
            .to(device)
            .eval()
            for part in (rows[mean & all_], rows[mean & ~all_], rows[~mean])
        )
    # in the network's own order, early to late
    layers = [layer for layer in network.layers if layer in set(fitted.layer)]
    names = tuple(dict.fromkeys(fitted.subject[(fitted.target == "mean") & (fitted.subject != GROUP)]))
    return Model(group, subjects, voxels, LayerFeatures(network, layers), names)


def load_brain(brain_file, voxels, targets, device="cpu"):
    """The model that is the simulated brain, in the units of the measurements.

    Parameters
    ----------
    brain_file : path-like
        From simulate_nsd.
    voxels, targets : DataFrames
        The tables voxels and targets: the SDs that turn % signal change into z, and z into SD. Voxels that
        were not measured, or dropped, are not part of the model.

    Raises
    ------
    ValueError
        If a voxel is none of the brain's.
    """
    brain = simulation.SimulatedBrain.load(brain_file).to(device)
    position = {name: i for i, name in enumerate(brain.subjects)}
    voxels = voxels.sort_values(
        ["subject", "voxel_id"], key=lambda c: c.map(position) if c.name == "subject" else c
    )
    units = _units(brain_file, brain, voxels)
    group, subjects, single = {}, {}, {}
    for roi in dict.fromkeys(voxels.roi):
        mine = (voxels.roi == roi).to_numpy()
        rows, part = units[mine], voxels[mine]
        sd, mean = part.sd.to_numpy(), part["mean"].to_numpy()
        single[roi] = _Mixture(brain, rows, np.diag(1 / sd), -mean / sd)
        of_each, of_group = _region_means(part, targets[targets.roi == roi].set_index("subject"))
        for found, (weight, offset) in ((subjects, of_each), (group, of_group)):
            found[roi] = _Mixture(brain, rows, weight, offset - weight @ mean)
    parts = ({roi: part.to(device).eval() for roi, part in of.items()} for of in (group, subjects, single))
    return Model(*parts, names=tuple(voxels.subject.unique()))


def _units(brain_file, brain, voxels):
    """The brain's output of each row of the table voxels, which is found by its subject, region and place."""
    places = []
    with np.load(brain_file, allow_pickle=False) as content:
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
    """From voxels in % signal change to the mean of each subject and of the group: weights and offsets."""
    names = list(voxels.subject.unique())
    weights = np.zeros((len(names), len(voxels)))
    for row, name in zip(weights, names, strict=True):
        mine = (voxels.subject == name).to_numpy()
        row[mine] = 1 / voxels.sd[mine] / mine.sum() / targets.sd[name]
    offset = -(targets["mean"][names] / targets.sd[names]).to_numpy()
    mean, sd = targets["mean"][GROUP], targets.sd[GROUP]
    together = weights.mean(axis=0, keepdims=True) / sd, (offset.mean(keepdims=True) - mean) / sd
    return (weights, offset), together


class _Mixture(torch.nn.Module):
    """Some voxels of the brain, mixed linearly."""

    def __init__(self, brain, rows, weight, offset):
        super().__init__()
        self.brain, self.weight = brain, weight
        self.register_buffer("rows", torch.tensor(rows))
        self.register_buffer("mixing", torch.tensor(weight, dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32))

    def with_weight(self, weight):
        """The same voxels mixed otherwise, without offset: for their derivatives."""
        rows = self.rows.cpu().numpy()
        return _Mixture(self.brain, rows, weight, np.zeros(len(weight))).to(self.offset.device)

    def forward(self, images):
        return self.read(self.brain(images))

    def read(self, voxels):
        """Mixtures (n, v) of all voxels of the brain (n, voxels)."""
        return voxels[:, self.rows] @ self.mixing.T + self.offset


def load(run, name):
    """The model `name` from a job's inputs: a network, weights and readouts; or brain, voxels and targets.

    A job about several networks has them by name in params["networks"], their files in the same order.
    """
    device = job.choose_device(run.params["device"])
    if name == tables.BRAIN:
        voxels, targets = (
            tables.read(run.input["voxels"], "voxels"),
            tables.read(run.input["targets"], "targets"),
        )
        return load_brain(run.input["brain"], voxels, targets, device)
    rows = run.params["networks"]
    files = ([run.input[part]] if isinstance(run.input[part], str) else run.input[part] for part in PARTS)
    place = list(rows).index(name)
    model = load_network(rows[name], *(of[place] for of in files), device)
    if device.type == "cuda":  # the layout that convolutions are fastest in
        model.features.to(memory_format=torch.channels_last)
    return model
