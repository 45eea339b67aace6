"""Load an encoding model of either kind from the files that make it up."""

from codingaxes.encoding import from_brain, from_network
from codingaxes.tables import store
from codingaxes.tables.nsd import VOXELS
from codingaxes.tables.readouts import TARGETS


def load(files, row, device):
    """Load the simulated brain, if the files have one, or else a network with its readouts.

    Parameters
    ----------
    files : dict, part -> path
        Of a network: weights, readouts, bases. Of the simulated brain: brain, targets, and voxels, which is a
        list with one path a subject.
    row : dict or None
        Of the table of networks; None for the simulated brain.
    device : torch.device

    Returns
    -------
    model.EncodingModel
    """
    if "brain" in files:
        voxels, targets = store.read(files["voxels"], VOXELS), store.read(files["targets"], TARGETS)
        return from_brain.load(files["brain"], voxels, targets, device)
    return from_network.load(row, files["weights"], files["readouts"], files["bases"], device)
