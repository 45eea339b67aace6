"""Load a network with its linear readouts as an encoding model."""

import numpy as np
import torch

from codingaxes.encoding.model import EncodingModel, names_of
from codingaxes.names import GROUP
from codingaxes.networks.folding import fold_batch_norms
from codingaxes.networks.network import load_network
from codingaxes.tables import store
from codingaxes.tables.readouts import BASES, READOUTS


class LinearResponse(torch.nn.Module):
    """Map images (n, 3, h, w) to responses (n, v): one layer of a network, then one linear map.

    It is a response module, see `model`.

    Parameters
    ----------
    network : networks.network.Network
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
        """Give other readouts of the same layer, without intercept: for their derivatives."""
        device = self.intercept.device
        return LinearResponse(self.network, self.layer, weight, self.basis, np.zeros(len(weight))).to(device)

    def forward(self, images):
        return self.read(self.network.features(images, [self.layer]))

    def observe(self, images, parts):
        """Compute the features, by layer, that these readouts of the same network read."""
        return self.network.features(images, list(dict.fromkeys(part.layer for part in parts)))

    def read(self, features):
        """Read responses (n, v) from the features (n, d) of layers by name."""
        features = features[self.layer]
        if features.shape[1] != self.maps[0].shape[1]:
            raise ValueError(
                f"layer {self.layer} gives {features.shape[1]} numbers, the readout was fitted on "
                f"{self.maps[0].shape[1]}; fit the readouts of this network again"
            )
        for matrix in self.maps:
            features = features @ matrix.T
        return features + self.intercept

    def compressed(self):
        """Give as few responses as have the same JᵀJ; see `compress`."""
        return self.with_weight(compress(torch.tensor(self.weight)).numpy())

    def merged(self, parts):
        """Give several readouts along one basis as one, which share the pass; None if they differ in that."""
        if any(part.layer != self.layer or part.basis is not self.basis for part in parts):
            return None
        return self.with_weight(np.concatenate([part.weight for part in parts]))


def compress(weight):
    """Find the shortest A with AᵀA = WᵀW: fewer responses with the same JᵀJ.

    Responses that are a linear map W of features have JᵀJ = J_fᵀ WᵀW J_f, so that A can replace W. A readout
    fitted on n images has a rank below n, however many voxels it has. Of a readout in factors, W = C B, only
    the left one is compressed: A = compress(C) @ B.

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
    large = squares > eps * squares.sum()
    large[-1] = True
    squares, vectors = squares[large].flip(0), vectors[:, large].flip(1)
    short = vectors.T @ wide if len(wide) <= wide.shape[1] else squares.sqrt()[:, None] * vectors.T
    return short.to(weight.dtype)


class LayerFeatures(torch.nn.Module):
    """Map images (n, 3, h, w) to features of some layers of a network, flattened side by side, (n, d)."""

    def __init__(self, network, layers):
        super().__init__()
        self.network, self.layers = network, list(layers)

    def forward(self, images):
        return torch.cat(list(self.network.features(images, self.layers).values()), dim=1)


def load(row, weights, readouts_file, bases_file, device="cpu"):
    """Load a network with its readouts as an encoding model.

    Parameters
    ----------
    row : dict or str
        Of the table of networks; see `networks.network.load_network`.
    weights, readouts_file, bases_file : path-like
        From train_network or fetch_weights, and from fit_readouts.
    device : str or torch.device

    Returns
    -------
    model.EncodingModel
    """
    network = load_network(row, weights, device)
    fold_batch_norms(network, network.input_size or 64)
    readouts = store.read(readouts_file, READOUTS)
    bases = store.read(bases_file, BASES).groupby("layer", sort=False)
    bases = {layer: store.matrix(rows.sort_values("component").vector) for layer, rows in bases}
    group, subjects, voxels, owners = {}, {}, {}, {}
    for roi, rows in readouts.groupby("roi", sort=False):
        layer, mean, of_group = rows.layer.iloc[0], rows.target == "mean", rows.subject == GROUP
        owners[roi] = tuple(rows.subject[mean & ~of_group])
        group[roi], subjects[roi], voxels[roi] = (
            LinearResponse(network, layer, store.matrix(part.weight), bases[layer], part.intercept)
            .to(device)
            .eval()
            for part in (rows[mean & of_group], rows[mean & ~of_group], rows[~mean])
        )
    # in the network's own order, early to late
    layers = [layer for layer in network.layers if layer in set(readouts.layer)]
    features = LayerFeatures(network, layers)
    if torch.device(device).type == "cuda":  # the layout that convolutions are fastest in
        features.to(memory_format=torch.channels_last)
    return EncodingModel(group, subjects, voxels, features, names_of(owners), owners)
