"""Declare the tables of attacks on the group and on single subjects."""

from codingaxes.tables.columns import (
    ATTACK,
    DIRECTION,
    DRAW,
    IMAGE,
    NETWORK,
    NORM,
    RADIUS,
    ROI,
    SD,
    SIZE,
    SUBJECT,
    WANTED,
    Column,
    Table,
)

CONVERGED = Column(
    "bool",
    "",
    "going on, with as many gradients as before, added at most the configured tolerance; it was measured",
)

PERTURBATIONS = Table(
    "perturbations",
    "one row per attack and image; responses are those of the stored, rounded perturbation",
    ("attack", "network", "roi", "direction", "radius", "wanted", "draw", "image_id"),
    {
        "attack": ATTACK,
        "algorithm": Column("string", "", "ascent (ours), pgd or apgd; none: white noise"),
        "network": Column("string", "", "model that is attacked; none for random"),
        "roi": Column("string", "", "region whose group response is attacked; none for random"),
        "direction": DIRECTION,
        "image_id": IMAGE,
        "norm": NORM,
        "radius": RADIUS,
        "wanted": WANTED,
        "draw": DRAW,
        "size": SIZE,
        "response_before": Column("float64", SD, "predicted, image", missing=True),
        "response_after": Column("float64", SD, "predicted, perturbed", missing=True),
        "bound": Column(
            "float64",
            SD,
            "change of a linear response: size times dual norm of the gradient",
            missing=True,
        ),
        "bound_ratio": Column(
            "float64", "ratio", "change over bound; curvature can make it exceed 1", missing=True
        ),
        "evaluations": Column("int32", "gradients", "spent on this image"),
        "converged": CONVERGED,
        "reached": Column(
            "bool",
            "",
            "the wanted change, to 1%; where the size was given: any change in the wanted direction",
        ),
        "delta": Column("list[float16]", "pixels in [0, 1]", "perturbation (3, h, w), flattened"),
    },
)

SUBJECT_ATTACKS = Table(
    "subject_attacks",
    "one row per attack on the readout of one subject and image; these perturbations are not stored",
    ("network", "subject", "roi", "direction", "radius", "image_id"),
    {
        "network": NETWORK,
        "subject": SUBJECT,
        "roi": ROI,
        "direction": DIRECTION,
        "image_id": IMAGE,
        "norm": NORM,
        "radius": RADIUS,
        "size": SIZE,
        "response_before": Column("float64", SD, "predicted by the subject's readout, image"),
        "response_after": Column("float64", SD, "predicted by the subject's readout, perturbed"),
        "evaluations": Column("int32", "gradients", "spent on this image"),
        "converged": CONVERGED,
    },
)
