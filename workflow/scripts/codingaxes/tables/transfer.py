"""Declare the tables of changes of a model under perturbations that were made on another."""

from codingaxes.tables.columns import (
    ATTACK,
    CONTROL,
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
        "reached": Column(
            "bool", "", "as in perturbations; of random_effect: whether an attack of either direction reached"
        ),
        "change_source": Column("float64", SD, "change in the source", missing=True),
        "change_target": Column("float64", SD, "change in the target"),
        "change_subjects": Column(
            "list[float64]",
            SD,
            "change in the target's readout of each subject that has the region, in the order of the table "
            "sensitivity",
        ),
    },
)

TRANSFER_CONTROLS = Table(
    "transfer_control_changes",
    "one row per control of a main attack and target: how it changes the target's response of the region",
    ("control", "source", "target", "roi", "made_for", "direction", "draw", "image_id"),
    {
        "control": CONTROL,
        "source": Column("string", "", "model whose attack the control was made of"),
        "target": Column("string", "", "model that the control is shown to"),
        "roi": ROI,
        "made_for": Column("string", "", "region whose group response the source's attack was made for"),
        "direction": Column("string", "", "increase or decrease: of the source's attack"),
        "radius": RADIUS,
        "draw": DRAW,
        "image_id": IMAGE,
        "size": SIZE,
        "change": Column("float64", SD, "change in the target's response of the group"),
    },
)
