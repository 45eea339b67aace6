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
    REASON,
    ROI,
    SD,
    WANTED,
    Column,
    Table,
)

OWN_SD = "SD of the model's predictions over all stimuli"

SENSITIVITIES = Table(
    "sensitivities",
    "one row per network, readout and kind of perturbation: how far it moves the prediction",
    ("network", "subject", "roi", "norm", "radius", "kind", "direction"),
    {
        "network": NETWORK,
        "subject": Column(
            "string",
            "",
            "a subject (own attacks only), group (the mean over subjects), or subjects: each one's own, "
            "resampled too",
        ),
        "roi": Column("string", "", "region, or all"),
        "norm": NORM,
        "radius": RADIUS,
        "kind": KIND,
        "direction": Column(
            "string",
            "",
            "of own attacks: largest (of each image the one, up or down, that changes it more: the "
            "sensitivity s), increase, decrease; of other perturbations, which were made in both directions: "
            "both; of white noise: none",
        ),
        "main_radius": MAIN_RADIUS,
        "median": Column(
            "float64",
            SD,
            "median change: largest, both and none by its size; increase and decrease in the attacked "
            "direction; see `measures.sensitivity`",
            missing=True,
        ),
        "ci_low": LOW,
        "ci_high": HIGH,
        "median_own": Column(
            "float64",
            OWN_SD,
            "the same in units of the model's own predictions; see `measures.in_own_units`",
            missing=True,
        ),
        "own_low": LOW,
        "own_high": HIGH,
        "decreases": Column(
            "float64",
            "0 to 1",
            "share of the largest changes that are decreases (s > 0); missing but for largest",
            missing=True,
        ),
        "n_images": IMAGES,
        "n_subjects": Column("int32", "subjects", "that were resampled; 1: none were"),
        "n_changes": Column("int32", "changes", "images, directions, draws, sources and subjects together"),
        "unconverged": Column("float64", "0 to 1", "share of attacks that have not converged; they are kept"),
        "reason": REASON,
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
        "of_target": Column("float64", "ratio", "change over that by the target's own attack", missing=True),
        "of_target_low": LOW,
        "of_target_high": HIGH,
        "cosine": Column(
            "float64",
            "-1 to 1",
            "of the gradients of source and target at the images; missing for white noise, and for a model "
            "with itself",
            missing=True,
        ),
        "cosine_low": LOW,
        "cosine_high": HIGH,
        "own_source": Column(
            "float64", SD, "change of the source by the same attacks, its own", missing=True
        ),
        "own_target": Column("float64", SD, "change of the target by its own attacks", missing=True),
        "sensitivity_ratio": Column(
            "float64",
            "ratio",
            "own_target over own_source, where both count; see `asymmetry.sensitivity_ratio`",
            missing=True,
        ),
        "sensitivity_ratio_low": LOW,
        "sensitivity_ratio_high": HIGH,
        "of_source": Column(
            "float64",
            "ratio",
            "change over that of the source itself: of_target times sensitivity_ratio; read it beside that",
            missing=True,
        ),
        "of_source_low": LOW,
        "of_source_high": HIGH,
        "noise": Column(
            "float64", SD, "absolute change of the target under white noise of equal size", missing=True
        ),
        "size": Column("float64", "norm, pixels in [0, 1]", "mean size of the perturbations", missing=True),
        "reached": Column("float64", "0 to 1", "share of the source's attacks that reached what was wanted"),
        "n_images": Column("int32", "images", "with a row that counts"),
        "reason": REASON,
    },
)

TRANSFER_ASYMMETRY = Table(
    "transfer_asymmetry",
    "one row per region: how much of the asymmetry of transfer between networks is a ratio of sensitivities",
    ("roi",),
    {
        "roi": Column("string", "", "region, or all: the pairs of all regions"),
        "slope": Column(
            "float64",
            "ratio",
            "of log(of_source i to j / of_source j to i) on 2 log(own change of j / of i); 1 if transfer is "
            "symmetric as a share of the target's own attack; see `asymmetry.transfer_asymmetry`",
            missing=True,
        ),
        "r_squared": Column("float64", "at most 1", "of that line through 0", missing=True),
        "n_pairs": Column("int32", "pairs", "of networks, with positive transfer both ways"),
        "n_left_out": Column("int32", "pairs", "of networks, with transfer that is not positive one way"),
        "radius": RADIUS,
        "reason": REASON,
    },
)

FIXED_EFFECT = Table(
    "fixed_effect",
    "one row per wanted change, region and kind of pair: what perturbations of a fixed effect do to others",
    ("wanted", "roi", "family_source", "family_target", "architectures"),
    {
        "wanted": WANTED,
        "roi": Column("string", "", "region, or all: pairs of all regions"),
        "family_source": Column("string", "", "family of the networks that were attacked"),
        "family_target": Column(
            "string", "", "family of the targets, or simulated_brain; all: every model but the source"
        ),
        "architectures": ARCHITECTURES,
        "change": Column(
            "float64",
            SD,
            "change of the target in the attacked direction, over attacks that reached; mean over pairs",
            missing=True,
        ),
        "change_low": LOW,
        "change_high": HIGH,
        "of_target": Column(
            "float64", "ratio", "change over that by the target's own attack; mean over pairs", missing=True
        ),
        "of_target_low": LOW,
        "of_target_high": HIGH,
        "noise": Column(
            "float64", SD, "absolute change under white noise of those sizes; mean over pairs", missing=True
        ),
        "least_change": Column("float64", SD, "change of the pair where it is smallest", missing=True),
        "least_low": LOW,
        "least_high": HIGH,
        "least_source": Column("string", "", "source of that pair; empty: nothing was reached"),
        "least_target": Column("string", "", "target of that pair, the model that is moved least"),
        "least_of_target": Column("float64", "ratio", "smallest of_target of a pair", missing=True),
        "moved": Column(
            "float64",
            "0 to 1",
            "share of pairs whose interval of the change lies above what white noise does to the target",
            missing=True,
        ),
        "reached": Column("float64", "0 to 1", "share of attacks that reached the wanted change"),
        "n_pairs": Column("int32", "pairs", "of source and target; of all regions: with region"),
        "n_left_out": Column("int32", "pairs", "in which no attack reached the wanted change"),
        "n_images": IMAGES,
        "reason": REASON,
    },
)

SUMMARY_CONTROL = Column(
    "string",
    "",
    "attack: no control, for comparison; phase_scrambled, other_image, other_region: as in "
    "transfer_control_changes; random: white noise, which has no source",
)

TRANSFER_CONTROLS_SUMMARY = Table(
    "transfer_controls",
    "one row per control, region, source and target: what attacks of the main radius, and their controls, do",
    ("control", "roi", "source", "target"),
    {
        "control": SUMMARY_CONTROL,
        "roi": Column("string", "", "region that is read, or all"),
        "source": Column(
            "string",
            "",
            "model that was attacked; all: every network but the target; none: of white noise",
        ),
        "target": Column("string", "", "model that it is shown to; all: every model but the source"),
        "family_source": Column("string", "", "family of the source, simulated_brain, all, or none"),
        "family_target": Column("string", "", "family of the target, simulated_brain, or all"),
        "radius": RADIUS,
        "signed": Column(
            "float64",
            SD,
            "mean change in the direction of the source's attack; missing for white noise",
            missing=True,
        ),
        "signed_low": LOW,
        "signed_high": HIGH,
        "absolute": Column("float64", SD, "mean of the absolute change", missing=True),
        "absolute_low": LOW,
        "absolute_high": HIGH,
        "signed_of_target": Column(
            "float64", "ratio", "signed over the change by the target's own attack", missing=True
        ),
        "signed_of_target_low": LOW,
        "signed_of_target_high": HIGH,
        "absolute_of_target": Column(
            "float64", "ratio", "absolute over the change by the target's own attack", missing=True
        ),
        "absolute_of_target_low": LOW,
        "absolute_of_target_high": HIGH,
        "n_images": IMAGES,
        "reason": REASON,
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
        "reason": REASON,
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
        "largest": Column(
            "float64",
            SD,
            "largest change by any of the model's l2 attacks, with a wanted effect or large: median over "
            "images and directions, whether or not it was wanted",
        ),
        "largest_low": Column("float64", SD, "lower quartile of the largest change"),
        "largest_high": Column("float64", SD, "upper quartile of the largest change"),
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
        "reason": REASON,
    },
)
