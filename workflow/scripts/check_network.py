"""What one network is and can do, measured on one image (rule check_network)."""

import pandas as pd
import torch

from codingaxes import job, networks, networks_report, tables

NOTHING = dict.fromkeys(("parameters", "forward", "forward_backward"), float("nan"))
NOTHING |= {"layers": "", "jvp": False, "vjp": False}


def main(run):
    """A network that cannot be built, or does not answer, is a row that says why: the others are seen too."""
    row, drawn = run.params["network"], run.params["random_weights"]
    about = {"network": row["name"], "random_weights": drawn}
    size = run.params["image_size"]
    generator = torch.Generator().manual_seed(run.seed("image"))
    image = torch.rand(1, 3, size, size, generator=generator)
    try:
        weights = None if drawn else run.input["weights"][0]
        network = networks.load(row, weights, random_weights=drawn, image_size=size)
        found = networks_report.measure(network, image) | {"problem": ""}
    except Exception as error:
        job.log.warning(f"{row['name']}: {type(error).__name__}: {error}")
        found = NOTHING | {"problem": " ".join(str(error).split())}
    tables.write(run.output["check"], "network_checks", pd.DataFrame([about | found]))


if __name__ == "__main__":
    job.start(main, globals())
