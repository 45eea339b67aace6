"""Declare the tables of a model's own responses: to natural images, to its attacks and to their controls."""

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

NATURAL_RESPONSES = Table(
    "natural_responses",
    "one row per model and readout: how its predicted responses to all stimuli, natural images, are spread",
    ("network", "roi", "subject"),
    {
        "network": NETWORK,
        "roi": ROI,
        "subject": SUBJECT,
        "mean": Column("float64", SD, "of the predicted responses"),
        "sd": Column("float64", SD, "of the predicted responses, over images; 0 where all are equal"),
        "q01": Column("float64", SD, "quantile 0.01 of the predicted responses"),
        "q50": Column("float64", SD, "quantile 0.50, their median"),
        "q99": Column("float64", SD, "quantile 0.99: only 1 natural image in 100 lies above"),
        "n_images": Column("int32", "images", "all stimuli: training and test images"),
    },
)
