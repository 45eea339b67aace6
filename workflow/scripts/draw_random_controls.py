"""Draw white noise of the same sizes as the attacks, several times an image (rule draw_random_controls)."""

import itertools

import numpy as np
import pandas as pd
import torch

from codingaxes import job
from codingaxes.attacks import budgets
from codingaxes.attacks.noise import random_direction
from codingaxes.images import read_images
from codingaxes.names import NOISE
from codingaxes.tables import store
from codingaxes.tables.attacks import PERTURBATIONS
from codingaxes.tables.nsd import STIMULI

# Name in the table perturbations, norm, and the parameter that holds the radii.
KINDS = (
    ("random", "l2", "radii"),
    ("random_linf", "linf", "linf_radii"),
    ("random_large", "l2", "large_radii"),
)


def main(run):
    """Draw noise that all models share, and stretch it to ball and box as attacks are."""
    stimuli = store.read(run.input["stimuli"], STIMULI)
    probes = stimuli[stimuli.probe]
    images = read_images(probes, run.params["image_size"])
    draws, parts = range(1, run.params["draws"] + 1), []
    for attack, norm, radii in KINDS:
        for radius, draw in itertools.product(run.params[radii], draws):
            seeds = [run.seed(attack, radius, draw, image_id) for image_id in probes.image_id]
            white = torch.stack(list(map(random_direction, seeds, images)))
            delta = budgets.round_towards_zero(budgets.stretch(white, images, radius, norm))
            about = {"attack": attack, "norm": norm, "radius": radius, "draw": draw}
            parts.append(as_rows(about, probes.image_id, delta))
    store.write(run.output["noise"], PERTURBATIONS, pd.concat(parts, ignore_index=True))


def as_rows(about, image_ids, delta):
    """Turn noise into rows of the table perturbations that belong to no model."""
    missing = dict.fromkeys(("response_before", "response_after", "bound", "bound_ratio"), np.nan)
    names = dict.fromkeys(("algorithm", "network", "roi", "direction"), NOISE)
    frame = pd.DataFrame({"image_id": image_ids.to_numpy(), "size": budgets.size(delta, about["norm"])})
    frame = frame.assign(**about, **missing, **names, wanted=0.0, evaluations=0, converged=True, reached=True)
    frame["delta"] = list(delta.flatten(1).numpy())
    return frame


if __name__ == "__main__":
    job.start(main, globals())
