"""Read the tables and files of synthesised images for figures: their starts, ladders, levels."""

from codingaxes.figures import pictures
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.synthesis import CHOSEN_IMAGES, IDENTITY, PEER_REVIEW, SYNTHESIS

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
