"""Declare the tables of synthesised images: what was made, and what every model answers to it."""

from codingaxes.tables.columns import (
    ARM,
    DRAW,
    FILE,
    GOAL,
    IMAGE,
    LADDER_RADIUS,
    LEVEL,
    MADE,
    MAKER,
    ROI,
    SAME_SIZE,
    SD,
    START,
    START_IMAGE,
    STEP,
    WANTED_LEVEL,
    Column,
    Table,
)

IDENTITY = ("network", "kind", "arm", "control", "roi", "direction", "start", "image_id", "draw", "limited")
IDENTITY = (*IDENTITY, "step")

# Columns that say which image a row is about, of both tables.
ABOUT = {
    "network": MAKER,
    "kind": MADE,
    "arm": ARM,
    "control": SAME_SIZE,
    "roi": ROI,
    "direction": GOAL,
    "start": START,
    "image_id": START_IMAGE,
    "draw": DRAW,
    "limited": Column("bool", "", "whether radius limits the image: all perturbations, some exciting images"),
    "step": STEP,
    "radius": LADDER_RADIUS,
    "wanted_level": WANTED_LEVEL,
}

SYNTHESIS = Table(
    "synthesis",
    "one row per synthesised image; sizes are those of the saved 8-bit file, less the start image",
    IDENTITY,
    {
        **ABOUT,
        "l2": Column(
            "float64", "l2 norm, pixels in [0, 1]", "of the change; of exciting images: from mid grey"
        ),
        "linf": Column("float64", "l∞ norm, pixels in [0, 1]", "of the same"),
        "rms": Column("float64", "grey levels, 0 to 255", "root mean square of the same, over colours too"),
        "response_before": Column("float64", SD, "of the maker, to the start image"),
        "response_after": Column(
            "float64", SD, "of the maker, before rounding to 8 bits; missing for controls", missing=True
        ),
        "response": Column("float64", SD, "of the maker, to the saved file"),
        "evaluations": Column("int32", "gradients", "spent on this image"),
        "converged": Column("bool", "", "going on added, or spared, at most the configured tolerance"),
        "reached": Column(
            "bool", "", "accentuation: the wanted level, to the accuracy; others: any change the right way"
        ),
        "restarted": Column(
            "bool", "", "the start had a gradient of zero, and noise was added to it before it was followed"
        ),
        "file": FILE,
        "sha256": Column("string", "", "digest of that file; compared whenever it is read"),
    },
)

PEER_REVIEW = Table(
    "peer_review",
    "one row per synthesised image and model: the response of every model to the saved 8-bit file",
    (*IDENTITY, "reviewer"),
    {
        **ABOUT,
        "l2": SYNTHESIS.columns["l2"],
        "file": FILE,
        "reviewer": Column("string", "", "model that the image is shown to, or simulated_brain"),
        "before": Column("float64", SD, "response of the reviewer to the start image", missing=True),
        "response": Column("float64", SD, "response of the reviewer to the saved file", missing=True),
        "level_before": Column("float64", LEVEL, "of the reviewer, start image", missing=True),
        "level": Column("float64", LEVEL, "of the reviewer, saved file", missing=True),
        "super_stimulus": Column(
            "bool", "", "the response lies above level 1 (increase) or below level 0 (decrease)"
        ),
        "evidence_before": Column(
            "float64",
            "SD over natural images",
            "the reviewer's evidence for the categories of the region, start image; missing if it has none",
            missing=True,
        ),
        "evidence": Column("float64", "SD over natural images", "the same, saved file", missing=True),
    },
)

CHOSEN_IMAGES = Table(
    "chosen_images",
    "one row per use of a natural image in synthesis: as a start, or as what others are blended with",
    ("purpose", "roi", "direction", "image_id"),
    {
        "purpose": Column(
            "string",
            "",
            "perturbation, accentuation or exciting: it is a start; best: images are blended towards it",
        ),
        "roi": ROI,
        "direction": Column("string", "", "increase or decrease; both: of accentuation"),
        "image_id": IMAGE,
        "rank": Column("int32", "", "place among the images of this use, from 1"),
        "measured": Column("float64", SD, "response of the group"),
    },
)
