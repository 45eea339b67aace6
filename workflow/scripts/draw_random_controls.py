"""White noise of the same sizes as the attacks, several draws an image (rule draw_random_controls)."""

import itertools

import numpy as np
import pandas as pd
import torch

from codingaxes import budgets, controls, job, pixels, tables


def main(run):
    """The same noise is shown to every model; it is stretched to ball and box as attacks are."""
    stimuli = tables.read(run.input["stimuli"], "stimuli")
    probes = stimuli[stimuli.probe]
    images = pixels.read(probes.file, run.params["image_size"])
    kinds = {
        "random": ("l2", "radii"),
        "random_linf": ("linf", "linf_radii"),
        "random_large": ("l2", "large_radii"),
    }
    parts = []
    for attack, (norm, radii) in kinds.items():
        for radius, draw in itertools.product(run.params[radii], range(1, run.params["draws"] + 1)):
            seeds = [run.seed(attack, radius, draw, image_id) for image_id in probes.image_id]
            noise = torch.stack(list(map(controls.random_direction, seeds, images)))
            delta = budgets.round_towards_zero(budgets.stretch(noise, images, radius, norm))
            about = {"attack": attack, "norm": norm, "radius": radius, "draw": draw}
            parts.append(rows(about, probes.image_id, delta))
    tables.write(run.output["perturbations"], "perturbations", pd.concat(parts, ignore_index=True))


def rows(about, image_ids, delta):
    """Rows of the table perturbations that belong to no model."""
    nothing = dict.fromkeys(("response_before", "response_after", "bound", "bound_ratio"), np.nan)
    nothing |= dict.fromkeys(("algorithm", "network", "roi", "direction"), "none")
    frame = pd.DataFrame({"image_id": image_ids.to_numpy(), "size": budgets.size(delta, about["norm"])})
    frame = frame.assign(**about, **nothing, wanted=0.0, evaluations=0, converged=True, reached=True)
    frame["delta"] = list(delta.flatten(1).numpy())
    return frame


if __name__ == "__main__":
    job.start(main, globals())
