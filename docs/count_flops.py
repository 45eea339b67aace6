"""Count the operations of one image's passes through each network of the full study, without any weights."""

import csv
import sys
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "workflow" / "scripts"))

from codingaxes import configuration  # noqa: E402
from codingaxes.networks.network import Network  # noqa: E402

COLUMNS = ("network", "forward", "backward", "parameters", "features")


def write(file):
    """Write the counts of all networks."""
    with open(file, "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows().values():
            writer.writerow(count(row))
            stream.flush()


def rows():
    """Read the table of networks of the full study."""
    schema = configuration.read_schema(ROOT / "config/schemas", "networks")
    return configuration.read_networks("config/networks.tsv", schema, here=ROOT, code=ROOT)


def count(row):
    """Count for one network what `COLUMNS` names.

    Operations are those of multiplications and additions in matrix products and convolutions, up to the last
    candidate layer. Backward is the gradient of the image alone, as weights are frozen. Shapes are enough for
    that: tensors are on torch's meta device and hold no numbers.
    """
    with torch.device("meta"):
        network = Network(row).eval().requires_grad_(False)
        image = torch.empty(1, 3, 224, 224, requires_grad=True)
        network.features(image.detach())  # counts once how often modules run
        with FlopCounterMode(display=False) as forward:
            features = network.features(image)
        with FlopCounterMode(display=False) as backward:
            torch.autograd.grad(sum(values.sum() for values in features.values()), image)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    numbers = sum(values.shape[1] for values in features.values())
    return row["name"], forward.get_total_flops(), backward.get_total_flops(), parameters, numbers
