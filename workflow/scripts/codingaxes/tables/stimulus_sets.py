"""Declare the tables of stimulus sets: their images, predictions, ranks and power, and scores of others."""

from codingaxes.tables.columns import DRAW, HIGH, IMAGE, LEVEL, LOW, REASON, ROI, SD, Column, Table

STIMULUS = Column("string", "", "id of the stimulus within its set: stim- and letters and digits")
MODEL = Column("string", "", "network whose response it is, or simulated_brain")
PIXELS = "pixels in [0, 1]"

SET_STIMULI = Table(
    "set_stimuli",
    "one row per image of a stimulus set; sizes are those of the saved 8-bit file, less the natural image",
    ("stimulus_id",),
    {
        "stimulus_id": STIMULUS,
        "role": Column("string", "", "original: a natural image; perturbed: made for a model; control"),
        "maker": Column(
            "string",
            "",
            "model that the image was made for, or whose perturbation the control is of; "
            "principal_distortions; none: no model",
        ),
        "maker_role": Column(
            "string", "", "as the design names the maker: standard, robust, twin, or its own name; none"
        ),
        "control": Column(
            "string",
            "",
            "none; blend: a step towards the natural image of the largest (decrease: least) measured "
            "response; phase_scrambled: the maker's perturbation with random phases; random: white noise; "
            "other_image: the maker's perturbation of another image",
        ),
        "roi": Column("string", "", "region whose response was to change; all of originals"),
        "direction": Column(
            "string", "", "increase or decrease; none: originals, white noise and principal distortions"
        ),
        "image_id": IMAGE,
        "draw": DRAW,
        "step": Column(
            "int32", "", "place among the sizes, effects or levels of the design, from 1; 0: original"
        ),
        "matched": Column(
            "string", "", "what is equal at a step: norm (l2 size), effect (change of the maker's response)"
        ),
        "radius": Column("float64", f"l2 norm, {PIXELS}", "wanted size; missing: not given", missing=True),
        "effect": Column("float64", SD, "wanted change of the maker's response; missing: none", missing=True),
        "wanted_level": Column("float64", LEVEL, "wanted, of the maker; missing: none", missing=True),
        "l2": Column(
            "float64", f"l2 norm, {PIXELS}", "of the saved file less the natural image; 0: original"
        ),
        "linf": Column("float64", f"l∞ norm, {PIXELS}", "of the same"),
        "rms": Column("float64", "grey levels, 0 to 255", "root mean square of the same, over colours too"),
        "evaluations": Column("int32", "gradients", "spent on this image; 0 where it was not searched for"),
        "converged": Column("bool", "", "as in perturbations; true where nothing was searched for"),
        "reached": Column(
            "bool",
            "",
            "the wanted effect or level; for a given size any change the right way; true for others",
        ),
        "file": Column("string", "", "PNG file, relative to the folder of the workflow"),
        "sha256": Column("string", "", "digest of that file; compared whenever it is read"),
    },
)

SET_PREDICTIONS = Table(
    "set_predictions",
    "one row per stimulus, model, region and reader: the response to the saved 8-bit file",
    ("stimulus_id", "network", "roi", "subject"),
    {
        "stimulus_id": STIMULUS,
        "network": MODEL,
        "roi": ROI,
        "subject": Column("string", "", "group, or the subject whose own readout predicts"),
        "response": Column("float64", SD, "to the saved file"),
        "response_low": Column(
            "float64",
            SD,
            "2.5% of the group's readouts fitted again on bootstrapped training images; missing of subjects "
            "and of the simulated brain",
            missing=True,
        ),
        "response_high": Column("float64", SD, "97.5% of the same", missing=True),
        "before": Column("float64", SD, "response to the natural image that the stimulus was made of"),
        "change": Column("float64", SD, "response less before; 0 for originals"),
        "change_low": Column("float64", SD, "2.5% of readouts fitted again, of the change", missing=True),
        "change_high": Column("float64", SD, "97.5% of the same", missing=True),
        "level": Column("float64", LEVEL, "of the group's readout; missing of subjects", missing=True),
        "super_stimulus": Column(
            "bool",
            "",
            "level above 1 (increase) or below 0 (decrease) where that was wanted of the region; else false",
        ),
        "distance": Column(
            "float64",
            "z, per voxel and session",
            "root mean square change over all voxels of the region; missing of subjects",
            missing=True,
        ),
    },
)

SET_REFITS = Table(
    "set_refits",
    "one row per stimulus, network and region: changes by readouts that were fitted again",
    ("stimulus_id", "network", "roi"),
    {
        "stimulus_id": STIMULUS,
        "network": MODEL,
        "roi": ROI,
        "change": Column(
            "list[float32]",
            SD,
            "by the group's readout of each bootstrap of training images, the same for all rows",
        ),
    },
)

SET_RANKING = Table(
    "set_ranking",
    "one row per stimulus of a set that was made for a model, in the order in which it teaches most",
    ("stimulus_id",),
    {
        "stimulus_id": STIMULUS,
        "rank": Column(
            "int32", "", "place in the greedy order, from 1; in the order of the set where unknown"
        ),
        "gain": Column(
            "float64", "bits", "information about the family that it adds to those before it", missing=True
        ),
        "total": Column("float64", "bits", "information of all up to this one", missing=True),
        "alone": Column("float64", "bits", "information of this one alone", missing=True),
        "difference": Column(
            "float64",
            SD,
            "|A - B| of the mean predictions of the families whose makers are compared, in its own region",
            missing=True,
        ),
        "chosen": Column("bool", "", "whether the set keeps it"),
        "reason": REASON,
    },
)

SELECTION_CURVES = Table(
    "selection_curves",
    "one row per truth, strategy and number of stimuli: how often the right family is told",
    ("truth", "strategy", "n_stimuli"),
    {
        "truth": Column(
            "string",
            "",
            "model that answers as the brain; it and its twins (other seeds) are not compared",
        ),
        "truth_family": Column(
            "string",
            "",
            "family whose answers are counted: that of the truth. A simulated brain of templates is of no "
            "family: that of the maker `with`, so that right is how often it is taken for one of these",
        ),
        "strategy": Column(
            "string",
            "",
            "how stimuli are chosen: information (greedy, without redundancy), list (each by its own "
            "information), difference (|A - B|), random",
        ),
        "n_stimuli": Column("int32", "stimuli", "shown"),
        "right": Column(
            "float64", "0 to 1", "share of simulated experiments that tell truth_family", missing=True
        ),
        "low": LOW,
        "high": HIGH,
        "needed": Column(
            "float64",
            "stimuli",
            "of this truth and strategy: smallest number that was tried from which on right is 0.95 or more; "
            "missing: none",
            missing=True,
        ),
        "n_experiments": Column("int32", "experiments", "that were simulated"),
        "reason": REASON,
    },
)

SET_POWER = Table(
    "set_power",
    "one row per contrast, region, predicting family and size of the experiment: how often it is found",
    ("contrast", "roi", "predicted_by", "n_subjects", "n_repetitions"),
    {
        "contrast": Column("string", "", "the difference that is tested, for instance robust - standard"),
        "roi": ROI,
        "predicted_by": Column(
            "string",
            "",
            "family whose models, of other architectures than the makers, predict it; "
            "simulated_brain: the truth",
        ),
        "n_subjects": Column("int32", "subjects", "of the experiment"),
        "n_repetitions": Column("int32", "trials", "of each stimulus in each subject"),
        "n_pairs": Column("int32", "pairs", "of stimuli that differ in the maker alone"),
        "n_images": Column("int32", "images", "that the pairs were made of; they are what is tested over"),
        "effect": Column(
            "float64",
            SD,
            "predicted difference, mean over images (of their pairs) and subjects",
            missing=True,
        ),
        "effect_size": Column(
            "float64", "ratio", "that mean over the SD of an image's difference, noise included", missing=True
        ),
        "power": Column(
            "float64",
            "0 to 1",
            "share of simulated experiments with p < 0.05 the predicted way",
            missing=True,
        ),
        "low": LOW,
        "high": HIGH,
        "false_alarms": Column(
            "float64", "0 to 1", "share with p < 0.05 either way, if makers do not matter", missing=True
        ),
        "enough": Column("bool", "", "whether power is at least the wanted one"),
        "reason": REASON,
    },
)

SET_EXPERIMENTS = Table(
    "set_experiments",
    "one row per contrast and region: one experiment of the planned size on the simulated brain, with noise",
    ("contrast", "roi", "predicted_by"),
    {
        "contrast": SET_POWER.columns["contrast"],
        "roi": ROI,
        "predicted_by": Column("string", "", "family whose prediction the size was planned with"),
        "n_subjects": SET_POWER.columns["n_subjects"],
        "n_repetitions": SET_POWER.columns["n_repetitions"],
        "predicted": Column("float64", SD, "difference by that family", missing=True),
        "true": Column("float64", SD, "difference of the simulated brain, without noise", missing=True),
        "measured": Column("float64", SD, "difference in the experiment", missing=True),
        "low": LOW,
        "high": HIGH,
        "p": Column("float64", "", "two-sided, over images", missing=True),
        "found": Column("bool", "", "p < 0.05 and the sign that was predicted"),
        "planned_power": Column("float64", "0 to 1", "at this size, by the prediction", missing=True),
        "true_power": Column("float64", "0 to 1", "at this size, of the simulated brain", missing=True),
        "reason": REASON,
    },
)
