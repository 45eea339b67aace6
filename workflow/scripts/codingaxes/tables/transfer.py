"""Declare the table of changes of a model under perturbations that were made on another."""

from codingaxes.tables.columns import (
    ATTACK,
    DIRECTION,
    DRAW,
    IMAGE,
    RADIUS,
    ROI,
    SD,
    SIZE,
    WANTED,
    Column,
    Table,
)

TRANSFER = Table(
    "transfer",
    "one row per perturbation and target: how it changes the target's response of the region",
    ("attack", "source", "target", "roi", "direction", "radius", "wanted", "draw", "image_id"),
    {
        "attack": ATTACK,
        "source": Column("string", "", "model that was attacked; none for random"),
        "target": Column("string", "", "model that the perturbation is shown to"),
        "roi": ROI,
        "direction": DIRECTION,
        "radius": RADIUS,
        "wanted": WANTED,
        "draw": DRAW,
        "image_id": IMAGE,
        "size": SIZE,
        "reached": Column("bool", "", "as in perturbations"),
        "change_source": Column("float64", SD, "change in the source", missing=True),
        "change_target": Column("float64", SD, "change in the target"),
        "change_subjects": Column(
            "list[float64]", SD, "change in the target's readout of each subject, in the configured order"
        ),
    },
)
