"""Read synthesised images for figures: their starts, the ladders of perturbations, and words about them."""

import pandas as pd

from codingaxes.figures import pictures, words
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.synthesis import CHOSEN_IMAGES, IDENTITY, PEER_REVIEW, SYNTHESIS

ARROWS = {"increase": "up", "decrease": "down"}
ARMS = {"pixels": "no prior", "fourier": "Fourier prior"}
LADDER = [("kind", "=", "perturbation"), ("control", "=", "none")]
SIZES = ["radius", "l2", "rms", "response_before", "response", "converged", "file", "sha256"]
LEVELS = ["level_before", "level"]
ABOUT_IMAGE = ["roi", "direction", "image_id"]


def read_starts(run, ranks):
    """List the natural images whose perturbations grow: roi, direction, image_id, rank up to `ranks`."""
    chosen = [("purpose", "=", "perturbation"), ("rank", "<=", ranks)]
    starts = store.read(run.input["chosen_images"], CHOSEN_IMAGES, filters=chosen)
    return starts[[*ABOUT_IMAGE, "rank"]].sort_values("rank", kind="stable")


def read_originals(run, names, size):
    """Read natural images by name, each (size, size, 3) in [0, 1]."""
    stimuli = store.read(run.input["stimuli"], STIMULI)
    stimuli = stimuli[stimuli.image_id.isin(set(names))]
    return {row.image_id: pictures.open_stimulus(row, size) for row in stimuli.itertuples()}


def read_ladder(run, makers, starts):
    """Read the perturbations of some makers of some starts, along all radii and of all arms.

    Returns
    -------
    DataFrame
        One row for each image: who made it, its rank among the starts, sizes, and response and natural
        level of its maker.
    """
    of_makers = [*LADDER, ("network", "in", makers)]
    columns = [*IDENTITY, *SIZES]
    made = store.read(run.input["synthesis"], SYNTHESIS, columns, of_makers)
    made = made.merge(starts, on=ABOUT_IMAGE)
    levels = read_levels(run, [*of_makers, ("reviewer", "in", makers)])
    levels = levels[levels.reviewer == levels.network].drop(columns="reviewer")
    return made.merge(levels, on=list(IDENTITY), validate="one_to_one")


def read_levels(run, chosen):
    """Read the natural levels of reviewers for some images: level_before and level, and whose."""
    return store.read(run.input["peer_review"], PEER_REVIEW, [*IDENTITY, "reviewer", *LEVELS], chosen)


def first_arm(rows):
    """Select the images that were made without a prior, or of the first arm if there are none."""
    arms = [name for name in ARMS if name in set(rows.arm)]
    return rows[rows.arm == arms[0]]


def level_text(level):
    """Write a natural level; it is missing where a model's natural responses do not differ."""
    return "unknown" if pd.isna(level) else words.decimal(level)


def before_and_after(row):
    """Write response and level of the maker, to the start image and to the one that was made of it."""
    before, after = words.number(row.response_before, 2), words.number(row.response, 3)
    low, high = level_text(row.level_before), level_text(row.level)
    return f"{before} → {after} SD\nlevel {low} → {high}"


def at_side(radius, size):
    """Write what a radius is for images of 224 x 224 pixels."""
    return f"{words.number(radius * pictures.SIDE / size)} at {pictures.SIDE} × {pictures.SIDE} pixels"


def radius_text(rows, size):
    """Write the one radius of some rows, and what it is for images of 224 x 224 pixels."""
    radius = rows.radius.iloc[0]
    text = f"l2 radius {words.number(radius)}, pixels in [0, 1]"
    if size != pictures.SIDE:
        text += f" ({at_side(radius, size)})"
    return text


def unconverged_text(rows):
    """State how many of the images that are drawn have not converged."""
    return f"not converged (kept): {(~rows.converged).sum()} of {len(rows)} pictures"
