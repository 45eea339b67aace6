"""Declare the tables of claims: their units, what they say and whether they hold, and numbers for texts.

A claim is defined in `config/claims.yaml`, before any result; the verdict is defined in `claims.verdicts`.
"""

from codingaxes.tables.columns import FAMILY, IMAGE, NETWORK, REASON, ROI, SD, WANTED, Column, Table

UNITS = Table(
    "units",
    "one row per measure, model or pair of models, region and image: the values that claims average",
    ("measure", "perturbation", "source", "target", "roi", "wanted", "step", "image_id"),
    {
        "measure": Column(
            "string",
            "",
            "share_of_attack: absolute change of a model by a control of its own attack, over the attack's; "
            "sensitivity; size_needed: harmonic mean; r_over_ceiling; transfer_of_target: change of another "
            "model by an attack over that by its own; effect_transfer: over the wanted change; "
            "brain_transfer_of_target, brain_cosine, brain_similarity: with the simulated brain; similarity, "
            "similarity_above_spectrum: of axes, the latter less that of unrelated axes of the same spatial "
            "frequencies; evidence: change of a judge's category evidence by a large perturbation. "
            "held_out_r (over its ceiling), held_out_sensitivity, held_out_transfer: of readouts that were "
            "fitted without a category, the latter two to first order",
        ),
        "perturbation": Column(
            "string", "", "what moved the model, as in the table that it is from; empty: nothing"
        ),
        "source": Column(
            "string", "", "the model, or the first of a pair: that was attacked, or made the image"
        ),
        "target": Column("string", "", "the second of a pair: that was shown it, or judged; empty: no pair"),
        "roi": ROI,
        "wanted": WANTED,
        "step": Column("int32", "", "place on the ladder of large perturbations, from 1; 0: none"),
        "image_id": Column(
            "string",
            "",
            "stimulus; of evidence the place among the start images of its region and direction, from 1",
        ),
        "family_source": FAMILY,
        "family_target": Column("string", "", "family of the target; empty: no pair"),
        "architectures": Column("string", "", "of the two: same or different; itself: no pair"),
        "top": Column(
            "float64", "unit", "numerator: the value of a model or pair is Σ top / Σ bottom over images"
        ),
        "bottom": Column("float64", "unit", "denominator; 1 where the value is a mean of top"),
    },
)

HELD_OUT_PREDICTIONS = Table(
    "held_out_predictions",
    "one row per network, region and image of a category that readouts were fitted without",
    ("network", "roi", "image_id"),
    {
        "network": NETWORK,
        "roi": ROI,
        "image_id": IMAGE,
        "measured": Column("float64", SD, "response of the group"),
        "predicted": Column("float64", SD, "by the readout that has seen no image of the category"),
    },
)

HELD_OUT_GRADIENTS = Table(
    "held_out_gradients",
    "one row per network, or pair of networks, region and image: gradients of readouts without a category",
    ("network_i", "network_j", "roi", "image_id"),
    {
        "network_i": NETWORK,
        "network_j": Column("string", "", "the second of a pair; empty: the network alone"),
        "roi": ROI,
        "image_id": IMAGE,
        "norm": Column("float64", SD + " per l2 norm", "of the gradient of network_i"),
        "cosine": Column(
            "float64",
            "-1 to 1",
            "of both gradients: to first order, what an attack on one does to the other, as a share of its "
            "own attack; missing for a network alone, and for gradients of 0",
            missing=True,
        ),
    },
)

CLAIMS = Table(
    "claims",
    "one row per claim: what it says, what was measured and tested, and its verdict",
    ("claim",),
    {
        "claim": Column("string", "", "name of the claim, as in config/claims.yaml"),
        "number": Column("int32", "", "place in config/claims.yaml, from 1"),
        "question": Column(
            "int32", "", "question of the study that it belongs to: 1 to 4, see docs/claims.md"
        ),
        "headline": Column("bool", "", "whether it answers its question, one of each question"),
        "confirmatory": Column("bool", "", "whether its p is adjusted with the others, by Holm"),
        "title": Column("string", "", "a few words"),
        "statement": Column("string", "", "the claim as a sentence, as it was stated before any result"),
        "found": Column("string", "", "the result as a sentence, with its number"),
        "measure": Column("string", "", "what is measured, in words"),
        "estimate": Column(
            "float64", "unit", "of the measure; of several parts the one that holds least", missing=True
        ),
        "low": Column("float64", "unit", "lower end of the interval", missing=True),
        "high": Column("float64", "unit", "upper end of the interval", missing=True),
        "confidence": Column(
            "float64", "0 to 1", "of the interval: 0.95, or 0.9 of equivalence, which is two tests of 5%"
        ),
        "unit": Column("string", "", "of estimate, low, high and margin"),
        "side": Column(
            "string",
            "",
            "where the claim wants the interval: above or below the margin, within ± margin, or outside 0",
        ),
        "margin": Column("float64", "unit", "that the interval is held to", missing=True),
        "negligible": Column(
            "float64",
            "unit",
            "a 90% interval within ± this contradicts a claim of a difference; missing: none is stated",
            missing=True,
        ),
        "part": Column(
            "string",
            "",
            "of a claim that must hold for several: the one that holds least, which the numbers are of",
        ),
        "n_parts": Column(
            "int32", "", "for how many the claim must hold: targets, controls, measures; 1: it is one"
        ),
        "test": Column("string", "", "the test that gives p, in words"),
        "p": Column(
            "float64", "", "one- or two-sided as `test` says; of several parts the largest", missing=True
        ),
        "p_adjusted": Column(
            "float64",
            "",
            "adjusted for the confirmatory claims, by Holm; missing: no test, or not confirmatory",
            missing=True,
        ),
        "smallest_p": Column(
            "float64",
            "",
            "smallest p that a test by permutation can give; missing: not by permutation",
            missing=True,
        ),
        "n": Column("int32", "", "units that the statement is about"),
        "n_of": Column("string", "", "what n counts: images, subjects, networks or pairs"),
        "resampled": Column("string", "", "units that the interval is over; empty: no interval"),
        "n_images": Column("int32", "images", "averaged; 0: none"),
        "n_networks": Column("int32", "networks", "that have a value; 0: none"),
        "n_pairs": Column("int32", "pairs", "of models, in the direction source to target; 0: no pairs"),
        "n_subjects": Column("int32", "subjects", "averaged in the responses that are predicted"),
        "verdict": Column("string", "", "supported, contradicted or undecided"),
        "reason": REASON,
        "table": Column("string", "", "file, relative to the folder of the workflow"),
        "columns": Column("string", "", "columns of it that were used, after commas"),
        "where": Column("string", "", "rows of it that were used, as pandas.DataFrame.query takes it"),
        "figure": Column(
            "string", "", "figure that shows it, a name in results/figures without suffix; empty: none"
        ),
    },
)

QUOTED = Table(
    "quoted_numbers",
    "one row per number that texts quote: value, interval, and the cell of a table that it stands in",
    ("macro",),
    {
        "macro": Column("string", "", "name in texts, letters only: \\\\name in LaTeX, {{name}} in Markdown"),
        "meaning": Column("string", "", "what it is, in words"),
        "value": Column(
            "float64", "unit", "of the number; missing where it is text, or undefined", missing=True
        ),
        "low": Column("float64", "unit", "lower end of its interval", missing=True),
        "high": Column("float64", "unit", "upper end of its interval", missing=True),
        "confidence": Column("float64", "0 to 1", "of the interval", missing=True),
        "unit": Column("string", "", "of value, low and high"),
        "text": Column("string", "", "as texts show it, rounded"),
        "table": Column("string", "", "file, relative to the folder of the workflow"),
        "key": Column("string", "", "the row, as pandas.DataFrame.query takes it"),
        "column": Column("string", "", "the column"),
        "sha256": Column("string", "", "digest of the file"),
        "reason": REASON,
    },
)
