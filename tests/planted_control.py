"""Planted images and reviews whose truth is known: how far every reviewer follows every maker."""

from itertools import product

import numpy as np
import pandas as pd
from planted import IMAGES, MODELS, REGIONS, plant_each, rows_of

from codingaxes.names import BRAIN, SIGNS
from codingaxes.tables import store
from codingaxes.tables.synthesis import PEER_REVIEW

ARMS, CONTROLS = ("pixels", "fourier"), ("none", "blend", "phase_scrambled")
STARTS = IMAGES[:4]
WANTED = np.linspace(-0.25, 1.5, 11)
RADII = (0.3, 0.9, 2.9)
LOW, WIDTH = -1.0, 2.0  # every model's quantile 0.01 of natural responses, and 0.99 less it, SD
MISSED = 0.05  # by the maker itself: predicted level less the wanted one
# Share of the maker's change that the control images make; and that the fourier arm makes of the pixel arm's.
OF_CONTROL = {"none": 1.0, "blend": 0.4, "phase_scrambled": 0.0}
OF_ARM = {"pixels": 1.0, "fourier": 0.8}
# By which images differ in how far they are followed; the mean over images is 0.
OF_IMAGE = dict(zip(STARTS, (-0.1, -0.05, 0.05, 0.1), strict=True))


def follows(maker, reviewer):
    """Say how far a reviewer follows a maker: itself wholly, the simulated brain half, others a fifth."""
    return 1.0 if maker == reviewer else 0.5 if reviewer == BRAIN else 0.2


def synthesised(models=MODELS, regions=REGIONS, images=STARTS, arms=ARMS, follows=follows):
    """Make up what every model made, and how every model answers to it.

    Parameters
    ----------
    models, regions, images, arms : lists of str
        Each model makes and reviews. `images` are some of `STARTS`.
    follows : callable, (maker, reviewer) -> float
        Slope of the reviewer's level on the level that the maker predicts, mean over all of `STARTS`. The
        control images and the arm fourier have that times `OF_CONTROL` and `OF_ARM`; a maker follows its own
        images alike in both arms.

    Returns
    -------
    made, reviews : DataFrames
        Rows of the tables synthesis and peer_review, without what no summary needs.
    """
    steps = [accentuation(image, step) for image, step in product(images, range(len(WANTED)))]
    cells = product(SIGNS, images, range(len(RADII)))
    steps += [perturbation(*cell) for cell in cells]
    where = pd.DataFrame(
        product(models, regions, arms, CONTROLS), columns=["network", "roi", "arm", "control"]
    )
    made = where.merge(pd.DataFrame(steps), how="cross")
    made["draw"] = (made.control == "phase_scrambled").astype("int32")
    made["converged"] = made.image_id != images[0]
    reviews = made.merge(pd.DataFrame({"reviewer": list(models)}), how="cross")
    pairs = {pair: follows(*pair) for pair in product(models, models)}
    share = pd.Series([pairs[pair] for pair in zip(reviews.network, reviews.reviewer, strict=True)])
    itself = reviews.network == reviews.reviewer
    share = share * (1 + reviews.image_id.map(OF_IMAGE)).where(~itself, 1.0)
    share = share * reviews.arm.map(OF_ARM).where(~itself, 1.0) * reviews.control.map(OF_CONTROL)
    reviews["level_before"] = reviews.start_level
    reviews["level"] = reviews.start_level + share * (reviews.predicted - reviews.start_level)
    reviews["before"], reviews["response"] = (LOW + WIDTH * reviews[n] for n in ("level_before", "level"))
    up = reviews.direction == "increase"
    reviews["super_stimulus"] = np.where(up, reviews.level > 1, reviews.level < 0)
    reviews["evidence_before"] = np.where(reviews.reviewer == BRAIN, 0.2, 0.1)
    reviews["evidence"] = reviews.evidence_before + 3 * (reviews.level - reviews.level_before)
    return made.drop(columns=["predicted", "start_level"]), reviews.drop(columns=["predicted", "start_level"])


def accentuation(image, step):
    """Make one image of a level; its maker misses the level by a little."""
    start, wanted = 0.2 * (1 + STARTS.index(image)), WANTED[step]
    row = {"kind": "accentuation", "direction": "increase" if wanted > start else "decrease"}
    row |= {"image_id": image, "step": step + 1, "wanted_level": wanted, "predicted": wanted + MISSED}
    return row | {"radius": np.nan, "l2": 4 * abs(wanted - start), "start_level": start}


def perturbation(direction, image, step):
    """Make one image of a size: it changes its maker's level by half of the size."""
    start = 0.2 * (1 + STARTS.index(image))
    row = {"kind": "perturbation", "direction": direction, "image_id": image, "step": step + 1}
    row |= {"radius": RADII[step], "l2": 0.99 * RADII[step], "wanted_level": np.nan, "start_level": start}
    return row | {"predicted": start + SIGNS[direction] * RADII[step] / 2}


def plant_synthesis(folder, made, reviews):
    """Write both tables, as the models' jobs and the review do; returns the inputs of summarise_control.

    A review shows all images to one reviewer after the other, and joins the rows of each.
    """
    files, path = (
        plant_each(folder, "synthesis", made, "network", "perturbations"),
        folder / "peer_review.parquet",
    )
    parts = []
    for name, rows in reviews.groupby("reviewer", sort=False):
        parts.append(folder / f"peer_review_{name}.arrow")
        store.write_part(parts[-1], PEER_REVIEW, rows_of("peer_review", rows))
    store.join(path, PEER_REVIEW, parts)
    return {"perturbations": files, "peer_review": str(path)}
