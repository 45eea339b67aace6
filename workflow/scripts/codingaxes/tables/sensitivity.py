"""Declare the table of changes of a model under its own attacks and under controls of their size."""

from codingaxes.tables.columns import (
    DIRECTION,
    DRAW,
    IMAGE,
    KIND,
    NETWORK,
    NORM,
    RADIUS,
    ROI,
    SD,
    SIZE,
    SUBJECT,
    Column,
    Table,
)

SENSITIVITY = Table(
    "sensitivity",
    "one row per perturbation and readout: attacks on a model, and controls, and how they change it",
    ("network", "subject", "roi", "kind", "made_for", "norm", "radius", "direction", "draw", "image_id"),
    {
        "network": NETWORK,
        "subject": SUBJECT,
        "roi": ROI,
        "kind": KIND,
        "made_for": Column("string", "", "region whose group response was attacked; none for random"),
        "norm": NORM,
        "radius": RADIUS,
        "direction": DIRECTION,
        "draw": DRAW,
        "image_id": IMAGE,
        "size": SIZE,
        "change": Column(
            "float64", SD, "response of the subject's or the group's readout, after minus before"
        ),
        "converged": Column("bool", "", "of attacks as in perturbations; true for controls"),
    },
)
