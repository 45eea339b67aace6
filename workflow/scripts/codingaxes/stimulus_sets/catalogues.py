"""Describe the images of a set in three tables: that of BIDS, that of Brain-Score, and that of PsychoPy.

`stimuli.tsv` and `stimuli.json` follow BEP044 (Stim-BIDS, draft of 2025-04-24), which is not yet part of
BIDS. The other two hold no more than their readers need; all three name the same files.
"""

import re

from codingaxes.names import NOISE
from codingaxes.tables.stimulus_sets import SET_RANKING, SET_STIMULI

LABEL = re.compile(r"stim-[a-zA-Z0-9]+")  # a stimulus_id, as BEP044 wants it
UPSCALED = "upscaled"  # folder of the larger copies
DIGITS = "%.9g"
MISSING = "n/a"  # as BIDS writes it
FROM_STIMULI = ("role", "maker", "maker_role", "control", "roi", "direction", "image_id", "draw", "step")
SIZES = ("l2", "linf", "rms")
SEARCH = ("matched", "radius", "effect", "wanted_level", *SIZES, "evaluations", "converged", "reached")
RANKED = ("rank", "gain")  # of the table set_ranking
SHARED = ("original", *FROM_STIMULI, "l2")  # that all three tables have
LEVELS = {
    "type": {"image": "a still image"},
    "role": {
        "original": "a natural image",
        "perturbed": "a natural image that was changed for a model",
        "control": "a natural image that was changed otherwise, see control",
    },
    "direction": {
        "increase": "the response was to grow",
        "decrease": "the response was to shrink",
        "none": "neither was wanted",
    },
}
# Columns of stimuli.tsv that are not in the tables of the workflow: meaning, and unit.
DECLARED = {
    "stimulus_id": ("Identifier of the stimulus: stim- and letters and digits; its files begin with it.", ""),
    "type": ("Kind of the stimulus file.", ""),
    "filename": ("The 8-bit RGB PNG file, relative to this table. All sizes and predictions are of it.", ""),
    "license": ("Licence of the natural image that the stimulus is, or was made of; see README.md.", ""),
    "copyright": ("Who has the rights in that natural image.", ""),
    "description": ("What the stimulus is, in words.", ""),
    "original": ("stimulus_id of the natural image that the stimulus is, or was made of.", ""),
    "pixels": ("Side of the square image file.", "pixels"),
    "sha256": ("Digest of the image file.", ""),
    UPSCALED: (
        "Larger copy of the file, to be shown in its place. Sizes and predictions are of the original size, "
        "not of the copy.",
        "",
    ),
}


def name_of(stimulus_id):
    """Name the file of a stimulus, as BEP044 wants it."""
    return f"{stimulus_id}_image.png"


def originals_of(stimuli):
    """Give for each row of the table set_stimuli the stimulus_id of its natural image.

    Raises
    ------
    ValueError
        If a natural image is no stimulus of the set, or twice; names it.
    """
    originals = stimuli[stimuli.role == "original"]
    if (twice := originals.image_id[originals.image_id.duplicated()]).any():
        raise ValueError(f"two stimuli are the original of {twice.iloc[0]}; run make_stimuli again")
    if lacking := sorted(set(stimuli.image_id) - set(originals.image_id)):
        raise ValueError(f"no stimulus is the original of {', '.join(lacking)}; run make_stimuli again")
    return stimuli.image_id.map(originals.set_index("image_id").stimulus_id)


def describe(row):
    """Say what a stimulus is, a row of the table set_stimuli."""
    if row.role == "original":
        return f"Natural image {row.image_id}"
    size = {
        "norm": f"l2 size {row.radius:.3g}",
        "effect": f"effect {row.effect:.3g} SD"
        if row.effect == row.effect
        else f"natural level {row.wanted_level:.3g}",
    }[row.matched]
    aim = f"to {row.direction} {row.roi}" if row.direction != "none" else f"for {row.roi}"
    maker = f"{row.maker} ({row.maker_role})" if row.maker_role != row.maker else row.maker
    draw = f", draw {row.draw}" if row.draw else ""
    same_size = f", as large as that of {maker}" if row.maker != NOISE else ""
    what = {
        "none": f"Image {row.image_id} changed {aim} of {maker}",
        "blend": f"Control: image {row.image_id} blended with another natural image {aim}{same_size}",
        "phase_scrambled": f"Control: image {row.image_id} with the perturbation {aim} of {maker}, with "
        "random phases",
        "random": f"Control: image {row.image_id} with white noise{same_size}",
        "other_image": f"Control: image {row.image_id} with the perturbation {aim} of {maker} of "
        "another image",
    }[row.control]
    return f"{what}; step {row.step}, {size}{draw}"


def complete(stimuli, ranking, licence, pixels, copies):
    """Put together what is known of each stimulus: the columns of stimuli.tsv, in their order.

    Parameters
    ----------
    stimuli : DataFrame
        The table set_stimuli.
    ranking : DataFrame
        The table set_ranking; stimuli that it does not rank get missing values.
    licence : licences.Licence
    pixels : int
        Side of the image files.
    copies : bool
        Whether there are upscaled copies.

    Returns
    -------
    DataFrame
    """
    rank = ranking.set_index("stimulus_id")[list(RANKED)].reindex(stimuli.stimulus_id)
    files = stimuli.stimulus_id.map(name_of)
    about = {
        "stimulus_id": stimuli.stimulus_id,
        "type": "image",
        "filename": files,
        "license": licence.license,
        "copyright": licence.copyright,
        "description": [describe(row) for row in stimuli.itertuples()],
    }
    about |= {UPSCALED: f"{UPSCALED}/" + files} if copies else {}
    about |= {"original": originals_of(stimuli)} | {name: stimuli[name] for name in (*FROM_STIMULI, *SEARCH)}
    about |= {"rank": rank["rank"].to_numpy(), "gain": rank.gain.to_numpy()}
    return stimuli[[]].assign(**about, pixels=pixels, sha256=stimuli.sha256)


def bids(table):
    """Write cells as BIDS wants them: n/a where a value is missing, true and false in small letters."""
    return table.apply(lambda column: column.map(_cell))


def _cell(value):
    if value is None or value != value:
        return MISSING
    if isinstance(value, str):
        return value
    return (
        str(bool(value)).lower()
        if value in (True, False) and "bool" in type(value).__name__
        else _number(value)
    )


def _number(value):
    return DIGITS % value


def declaration(table):
    """Declare every column of stimuli.tsv: what stimuli.json holds."""
    columns = SET_STIMULI.columns | {name: SET_RANKING.columns[name] for name in RANKED}
    about = {}
    for name in table:
        meaning, unit = DECLARED.get(name) or (columns[name].meaning, columns[name].unit)
        about[name] = {"Description": meaning, "Units": unit or MISSING}
        if name in LEVELS:
            about[name]["Levels"] = LEVELS[name]
    return about


def declaration_of(table):
    """Declare every column of a table of the workflow, as `declaration`."""
    columns = table.columns.items()
    return {name: {"Description": spec.meaning, "Units": spec.unit or MISSING} for name, spec in columns}


def brain_score(table, digests):
    """Select what Brain-Score needs: stimulus_id, files and their sha1, and what an analysis asks for.

    Brain-Score's packaging adds a column filename of its own, and refuses a table that has one.
    """
    columns = table[["stimulus_id"]].assign(image_filename=table.filename, sha1=digests)
    return columns.join(table[[*SHARED, *_copies(table)]])


def psychopy(table):
    """Select what an experiment in PsychoPy needs; every header is a name that Python allows."""
    files = table.set_index("stimulus_id").filename
    columns = table[["stimulus_id"]].assign(
        image_file=table.filename, original_file=table.original.map(files)
    )
    copies = {f"{name}_file": table[name] for name in _copies(table)}
    return columns.assign(**copies).join(table[list(SHARED)])


def _copies(table):
    return [UPSCALED] if UPSCALED in table else []
