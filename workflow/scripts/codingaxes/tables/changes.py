"""Declare the summaries of perturbations: how far they move models, and which size does it.

The measures themselves are defined in `estimates.measures`.
"""

from codingaxes.tables.columns import (
    ARCHITECTURES,
    ATTACK,
    FAMILY,
    HIGH,
    IMAGES,
    KIND,
    LOW,
    MAIN_RADIUS,
    NETWORK,
    NORM,
    RADIUS,
    ROI,
    SD,
    WANTED,
    Column,
    Table,
)

SENSITIVITIES = Table(
    "sensitivities",
    "one row per network, readout and kind of perturbation: how far it moves the prediction",
    ("network", "subject", "roi", "norm", "radius", "kind"),
    {
        "network": NETWORK,
        "subject": Column(
            "string",
            "",
            "a subject, group (the mean over subjects), or subjects: each one's own, resampled too",
        ),
        "roi": Column("string", "", "region, or all"),
        "norm": NORM,
        "radius": RADIUS,
        "kind": KIND,
        "main_radius": MAIN_RADIUS,
        "median": Column(
            "float64",
            SD,
            "median change: of own attacks in the attacked direction, of all else by its size; see "
            "`measures.sensitivity`",
            missing=True,
        ),
        "ci_low": LOW,
        "ci_high": HIGH,
        "n_images": IMAGES,
        "n_subjects": Column("int32", "subjects", "that were resampled; 1: none were"),
        "n_changes": Column("int32", "changes", "images, directions, draws, sources and subjects together"),
        "unconverged": Column("float64", "0 to 1", "share of attacks that have not converged; they are kept"),
    },
)

TRANSFERS = Table(
    "transfers",
    "one row per attack, source and target: means over images of what the source's perturbations do",
    ("attack", "roi", "radius", "wanted", "source", "target"),
    {
        "attack": ATTACK,
        "roi": Column("string", "", "region, or all"),
        "radius": RADIUS,
        "wanted": WANTED,
        "source": Column("string", "", "network that was attacked; none for random"),
        "target": Column("string", "", "network, or simulated_brain, that it is shown to"),
        "family_source": Column("string", "", "family of the source, simulated_brain, or none for random"),
        "family_target": Column("string", "", "family of the target, or simulated_brain"),
        "architectures": ARCHITECTURES,
        "main_radius": MAIN_RADIUS,
        "change": Column(
            "float64",
            SD,
            "change of the target, positive in the attacked direction; of noise: absolute. Over "
            "the attacks that reached what was wanted, as are noise and size",
            missing=True,
        ),
        "change_low": LOW,
        "change_high": HIGH,
        "of_source": Column("float64", "ratio", "change over that of the source itself", missing=True),
        "of_source_low": LOW,
        "of_source_high": HIGH,
        "of_target": Column("float64", "ratio", "change over that by the target's own attack", missing=True),
        "of_target_low": LOW,
        "of_target_high": HIGH,
        "noise": Column(
            "float64", SD, "absolute change of the target under white noise of equal size", missing=True
        ),
        "size": Column("float64", "norm, pixels in [0, 1]", "mean size of the perturbations", missing=True),
        "reached": Column("float64", "0 to 1", "share of the source's attacks that reached what was wanted"),
        "n_images": Column("int32", "images", "with a row that counts"),
    },
)

CHANGES = Table(
    "changes",
    "one row per network, region, radius and perturbation: mean change over images, directions and targets",
    ("network", "roi", "radius", "perturbation"),
    {
        "network": Column("string", "", "network attacked; of noise: network that it is shown to"),
        "roi": ROI,
        "radius": RADIUS,
        "perturbation": Column(
            "string",
            "",
            "own: the attack shown to the network itself; transferred: shown to the other networks, their "
            "mean; noise: white noise of the same size, mean |change|",
        ),
        "change": Column("float64", SD, "mean, positive in the attacked direction", missing=True),
        "ci_low": LOW,
        "ci_high": HIGH,
        "n_images": IMAGES,
    },
)

SIZES = Table(
    "sizes",
    "one row per model, region and wanted change: size of the smallest perturbation that has it",
    ("network", "roi", "wanted"),
    {
        "network": NETWORK,
        "roi": ROI,
        "wanted": WANTED,
        "size": Column(
            "float64",
            "l2 norm, pixels in [0, 1]",
            "median over images and directions; inf: larger than any tried, for at least half of them",
        ),
        "size_low": Column("float64", "l2 norm, pixels in [0, 1]", "lower quartile; inf as for size"),
        "size_high": Column("float64", "l2 norm, pixels in [0, 1]", "upper quartile; inf as for size"),
        "reached": Column("float64", "0 to 1", "share of attacks that reached the wanted change"),
        "noise_of_wanted": Column(
            "float64",
            "ratio",
            "absolute change under white noise of the sizes that the sources needed, over the wanted change; "
            "mean over sources",
            missing=True,
        ),
        "n_images": Column("int32", "images", "attacked"),
    },
)

ALGORITHMS = Table(
    "algorithms",
    "one row per algorithm and kind of pair: whether conclusions about transfer depend on the attacker",
    ("attack", "measure", "family_source", "family_target", "architectures"),
    {
        "attack": ATTACK,
        "measure": Column("string", "", "own change, relative transfer, or rank agreement (over all pairs)"),
        "family_source": FAMILY,
        "family_target": FAMILY,
        "architectures": ARCHITECTURES,
        "radius": RADIUS,
        "estimate": Column("float64", "unit", "mean over pairs, regions and images", missing=True),
        "ci_low": LOW,
        "ci_high": HIGH,
        "difference": Column(
            "float64",
            "unit",
            "from the attack l2 of the same radius and images; not of ranks",
            missing=True,
        ),
        "difference_low": LOW,
        "difference_high": HIGH,
        "n": Column("int32", "models or pairs", "averaged"),
        "n_images": IMAGES,
        "unit": Column("string", "", "of estimate and difference"),
    },
)
