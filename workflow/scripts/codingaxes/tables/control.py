"""Declare the summaries of synthesised images: who controls whom, how far, and whether it is meaningful.

The measures themselves are defined in `estimates.control`.
"""

from codingaxes.tables.columns import (
    ARCHITECTURES,
    ARM,
    FAMILY,
    GOAL,
    HIGH,
    IMAGES,
    LADDER_RADIUS,
    LEVEL,
    LOW,
    MAKER,
    REASON,
    SAME_SIZE,
    SD,
    STEP,
    Column,
    Table,
)

REVIEWER = Column("string", "", "model that the images were shown to, or simulated_brain")
ROI = Column("string", "", "region of interest, or all: the mean over regions")
TWIN = Column(
    "bool",
    "",
    "both have the same architecture and training, and differ in their seed alone; of networks of the zoo, "
    "whose training is known",
)
SUPER = Column(
    "float64",
    "0 to 1",
    "share of images that were to lie above level 1 or below level 0, and do, in the reviewer; of those "
    "whose start image does not lie there already; missing where there are none",
    missing=True,
)

CONTROL_SLOPES = Table(
    "control_slopes",
    "one row per maker, reviewer and region: how far levels that the maker predicts arrive in the reviewer",
    ("network", "reviewer", "roi", "arm", "control"),
    {
        "network": MAKER,
        "reviewer": REVIEWER,
        "roi": ROI,
        "arm": ARM,
        "control": SAME_SIZE,
        "family": FAMILY,
        "family_reviewer": FAMILY,
        "architectures": ARCHITECTURES,
        "twin": TWIN,
        "slope": Column(
            "float64",
            "levels of the reviewer per level of the maker",
            "see `control.control_slope`: with 1 the reviewer follows as predicted; of the simulated brain "
            "it is the control slope. Mean over images",
            missing=True,
        ),
        "ci_low": LOW,
        "ci_high": HIGH,
        "lowest": Column(
            "float64", LEVEL, "of the reviewer, where the lowest level was wanted; mean", missing=True
        ),
        "highest": Column(
            "float64", LEVEL, "of the reviewer, where the highest level was wanted; mean", missing=True
        ),
        "level_error": Column(
            "float64", LEVEL, "mean absolute difference of the reviewer's level from the wanted", missing=True
        ),
        "super_rate": SUPER,
        "n_images": IMAGES,
        "reason": REASON,
    },
)

LADDER_CHANGES = Table(
    "ladder_changes",
    "one row per maker, reviewer, region, direction and radius: the reviewer's change under perturbations",
    ("network", "reviewer", "roi", "direction", "arm", "control", "step"),
    {
        "network": MAKER,
        "reviewer": REVIEWER,
        "roi": ROI,
        "direction": GOAL,
        "arm": ARM,
        "control": SAME_SIZE,
        "step": STEP,
        "radius": LADDER_RADIUS,
        "l2": Column("float64", "l2 norm, pixels in [0, 1]", "of the saved files, mean"),
        "family": FAMILY,
        "family_reviewer": FAMILY,
        "architectures": ARCHITECTURES,
        "twin": TWIN,
        "change": Column(
            "float64", SD, "in the wanted direction, see `measures.attacked_change`; mean", missing=True
        ),
        "ci_low": LOW,
        "ci_high": HIGH,
        "level": Column("float64", LEVEL, "of the reviewer, mean", missing=True),
        "super_rate": Column(
            "float64", "0 to 1", "share above level 1 (increase) or below level 0 (decrease)", missing=True
        ),
        "unconverged": Column(
            "float64", "0 to 1", "share of the maker's images; kept. Missing for controls", missing=True
        ),
        "n_images": IMAGES,
        "reason": REASON,
    },
)

EVIDENCE = Table(
    "category_evidence",
    "one row per family of makers, region, direction, radius and family of judges: is a change meaningful?",
    ("family", "judges", "roi", "direction", "arm", "control", "step"),
    {
        "family": FAMILY,
        "judges": Column(
            "string",
            "",
            "family of the networks that judge, which have another architecture than the maker, so that they "
            "are neither it nor its twin; or simulated_brain, by its own category units",
        ),
        "roi": ROI,
        "direction": GOAL,
        "arm": ARM,
        "control": SAME_SIZE,
        "step": STEP,
        "radius": LADDER_RADIUS,
        "evidence_before": Column(
            "float64",
            "SD over natural images",
            "for the categories of the region, start image; mean over judges, makers and images",
            missing=True,
        ),
        "evidence": Column("float64", "SD over natural images", "the same, saved file", missing=True),
        "change": Column(
            "float64",
            "SD over natural images",
            "evidence less evidence_before, positive in the wanted direction",
            missing=True,
        ),
        "ci_low": LOW,
        "ci_high": HIGH,
        "n_makers": Column("int32", "networks", "that made the images"),
        "n_judges": Column("int32", "networks", "that judged them"),
        "n_images": IMAGES,
        "reason": REASON,
    },
)
