"""Measure what one network is and can do, on one image (rule check_network)."""

import pandas as pd
import torch

from codingaxes import job
from codingaxes.networks import check
from codingaxes.networks.network import load_network
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORK_CHECKS

NOTHING = dict.fromkeys(("parameters", "forward", "forward_backward"), float("nan"))
NOTHING |= {"layers": "", "jvp": False, "vjp": False}


def main(run):
    """Write one row; if the network cannot be built or does not answer, the row says why."""
    row, drawn = run.params["network"], run.params["random_weights"]
    about = {"network": row["name"], "random_weights": drawn}
    size = run.params["image_size"]
    generator = torch.Generator().manual_seed(run.seed("image"))
    image = torch.rand(1, 3, size, size, generator=generator)
    try:
        weights = next(iter(run.input["weights"]), None)  # none where the settings ask for random ones
        network = load_network(row, weights, random_weights=weights is None, image_size=size)
        measured = check.measure(network, image) | {"problem": ""}
    except Exception as error:
        job.log.warning(f"{row['name']}: {type(error).__name__}: {error}")
        measured = NOTHING | {"problem": " ".join(str(error).split())}
    store.write(run.output["check"], NETWORK_CHECKS, pd.DataFrame([about | measured]))


if __name__ == "__main__":
    job.start(main, globals())
