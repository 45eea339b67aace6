"""Schemas of the rooms attacks and transfer; see `schemas`."""

from codingaxes.columns import DIRECTION, IMAGE, NETWORK, ROI, SUBJECT, Column, Table

SD = "SD over training images"
ATTACK = Column(
    "string",
    "",
    "l2: the strongest of a size, which all that follows uses; linf: the same in another norm; l2_pgd, "
    "l2_apgd: by another algorithm; l2_large: ten times the size; l2_effect: the smallest with a wanted "
    "effect; random, random_linf, random_large: white noise of the sizes of l2, linf, l2_large; "
    "random_effect: of the size of each perturbation of l2_effect",
)
NORM = Column("string", "", "l2 or linf: of radius and size")
RADIUS = Column(
    "float64", "norm, pixels in [0, 1]", "largest size that was allowed; 0 where an effect was wanted"
)
WANTED = Column("float64", SD, "change that was wanted; 0 where the size was given")
DRAW = Column("int32", "", "number of a random draw, from 1; 0 where nothing is drawn")
SIZE = Column("float64", "norm, pixels in [0, 1]", "size of the perturbation as it is stored")
KIND = Column(
    "string",
    "",
    "attack: made for this image and region on this model; other_image: made for another image; "
    "other_region: for another region; phase_scrambled: its amplitude spectrum with random phases; "
    "random: white noise; transferred: made on another network. All of one size",
)
LOW = Column("float64", "as the estimate", "2.5th percentile of the bootstrap", missing=True)
HIGH = Column("float64", "as the estimate", "97.5th percentile of the bootstrap", missing=True)
IMAGES = Column("int32", "images", "that were resampled")

ATTACK_TABLES = {
    "perturbations": Table(
        "one row per attack and image; responses are those of the stored, rounded perturbation",
        ("attack", "network", "roi", "direction", "radius", "wanted", "draw", "image_id"),
        {
            "attack": ATTACK,
            "algorithm": Column("string", "", "ascent (ours), pgd or apgd; none: white noise"),
            "network": Column("string", "", "network attacked; none for random"),
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
                "what a linear response would do: size times dual norm of the gradient",
                missing=True,
            ),
            "bound_ratio": Column(
                "float64", "ratio", "change over bound; curvature can make it exceed 1", missing=True
            ),
            "evaluations": Column("int32", "gradients", "spent on this image"),
            "converged": Column(
                "bool", "", "a first-order step could add no more than the configured tolerance"
            ),
            "reached": Column(
                "bool",
                "",
                "the wanted change, to 1%; where the size was given: any change in the wanted direction",
            ),
            "delta": Column("list[float16]", "pixels in [0, 1]", "perturbation (3, h, w), flattened"),
        },
    ),
    "sensitivity": Table(
        "one row per perturbation shown to the model that it was made on, and per control",
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
    ),
    "transfer": Table(
        "one row per perturbation and target: what it does to the target's response of the region",
        ("attack", "source", "target", "roi", "direction", "radius", "wanted", "draw", "image_id"),
        {
            "attack": ATTACK,
            "source": Column("string", "", "network that the perturbation was made on; none for random"),
            "target": Column("string", "", "network, or simulated_brain, that it is shown to"),
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
    ),
    "sensitivities": Table(
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
            "median": Column("float64", SD, "median of the absolute change", missing=True),
            "ci_low": LOW,
            "ci_high": HIGH,
            "n_images": IMAGES,
            "n_subjects": Column("int32", "subjects", "that were resampled; 1: none were"),
            "n_changes": Column(
                "int32", "changes", "images, directions, draws, sources and subjects together"
            ),
            "unconverged": Column(
                "float64", "0 to 1", "share of attacks that have not converged; they are kept"
            ),
        },
    ),
    "transfers": Table(
        "one row per attack, source and target: means over images of what the source's perturbations do",
        ("attack", "roi", "radius", "wanted", "source", "target"),
        {
            "attack": ATTACK,
            "roi": Column("string", "", "region, or all"),
            "radius": RADIUS,
            "wanted": WANTED,
            "source": Column("string", "", "network that was attacked; none for random"),
            "target": Column("string", "", "network, or simulated_brain, that it is shown to"),
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
            "of_target": Column(
                "float64", "ratio", "change over that by the target's own attack", missing=True
            ),
            "of_target_low": LOW,
            "of_target_high": HIGH,
            "noise": Column(
                "float64", SD, "absolute change of the target under white noise of equal size", missing=True
            ),
            "size": Column(
                "float64", "norm, pixels in [0, 1]", "mean size of the perturbations", missing=True
            ),
            "reached": Column(
                "float64", "0 to 1", "share of the source's attacks that reached what was wanted"
            ),
            "n_images": Column("int32", "images", "with a row that counts"),
        },
    ),
    "algorithms": Table(
        "one row per algorithm and kind of pair: whether conclusions about transfer depend on the attacker",
        ("attack", "group"),
        {
            "attack": ATTACK,
            "group": Column("string", "", "networks or pairs of networks it is averaged over"),
            "measure": Column("string", "", "own effect, relative transfer, or rank agreement of all pairs"),
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
            "n": Column("int32", "", "networks or pairs averaged"),
            "n_images": IMAGES,
            "unit": Column("string", "", "of estimate and difference"),
        },
    ),
}
