"""Declare the summaries of networks and families, of their agreement with the brain, and the numbers.

The measures themselves are defined in `estimates.measures`.
"""

from codingaxes.tables.columns import (
    ARCHITECTURES,
    ATTACK_RADIUS,
    AXES_K,
    CHANCE,
    FAMILY,
    HIGH,
    IMAGES,
    LAYER,
    LOW,
    NETWORK,
    RADIUS,
    REASON,
    ROI,
    SD,
    WANTED,
    Column,
    Table,
)

RESAMPLED = Column(
    "string",
    "",
    "units that the interval is over: networks and images; images, where a family has fewer than three "
    "networks; networks; empty: no interval",
)
P = Column("float64", "", "two-sided, by permutation; missing where nothing can be permuted", missing=True)
SMALLEST_P = Column(
    "float64", "", "smallest p that the test can give, however strong an effect", missing=True
)
P_ADJUSTED = Column(
    "float64", "", "p adjusted for the tests of the table, by Benjamini and Hochberg", missing=True
)

NETWORK_MEASURES = Table(
    "network_measures",
    "one row per network and region: how well the group's response is predicted, and what goes with it",
    ("network", "roi"),
    {
        "network": NETWORK,
        "roi": ROI,
        "r": Column("float64", "Pearson r", "predicted against measured, held-out images", missing=True),
        "r_low": Column("float64", "Pearson r", "lower end of the 95% interval over images", missing=True),
        "r_high": Column("float64", "Pearson r", "upper end of the 95% interval over images", missing=True),
        "ceiling": Column("float64", "Pearson r", "largest r that noise allows", missing=True),
        "r_over_ceiling": Column("float64", "ratio", "r relative to the ceiling", missing=True),
        "r_over_ceiling_low": Column("float64", "ratio", "r_low relative to the ceiling", missing=True),
        "r_over_ceiling_high": Column("float64", "ratio", "r_high relative to the ceiling", missing=True),
        "r_k_fold": Column("float64", "Pearson r", "mean over folds of all images", missing=True),
        "r_k_fold_over_ceiling": Column("float64", "ratio", "r_k_fold relative to the ceiling", missing=True),
        "r_splits": Column(
            "float64", "Pearson r", "median over random splits, see split_scores", missing=True
        ),
        "r_splits_low": Column("float64", "Pearson r", "smallest of those splits", missing=True),
        "r_splits_high": Column("float64", "Pearson r", "largest of those splits", missing=True),
        "n_splits": Column("int32", "splits", "that have an r"),
        "n_train": Column("int32", "images", "that the readout was fitted on"),
        "n_test": Column("int32", "images", "held out, that r is computed on"),
        "accuracy": Column("float64", "0 to 1", "of the network on its own task", missing=True),
        "accuracy_of": Column("string", "", "what accuracy is, and whence; empty where it is missing"),
        "layer": LAYER,
        "sparseness": Column("float64", "0 to 1", "of the layer that is read", missing=True),
        "normalised_variance": Column("float64", "0 to 1", "of the layer that is read", missing=True),
        "effective_dimensionality": Column(
            "float64", "dimensions", "of the layer that is read", missing=True
        ),
        "relative_norm": Column("float64", SD, "length of the readout times the spread of what it reads"),
        "n_stimuli": Column("int32", "images", "that the layer is described with"),
        "sensitivity": Column("float64", SD, "see `measures.sensitivity`; at the main radius", missing=True),
        "radius": RADIUS,
        "unconverged": Column("float64", "0 to 1", "share of those attacks that have not converged; kept"),
        "n_probes": Column("int32", "images", "attacked"),
        "reason": REASON,
    },
)

NETWORK_CORRELATIONS = Table(
    "network_correlations",
    "one row per region and two measures: Spearman's rank correlation over networks, descriptive",
    ("roi", "x", "y"),
    {
        "roi": ROI,
        "x": Column("string", "", "column of network_measures"),
        "y": Column("string", "", "column of network_measures"),
        "rank_correlation": Column(
            "float64",
            "Spearman r",
            "missing where fewer than three networks have both, or one measure is the same for all",
            missing=True,
        ),
        "p": P,
        "smallest_p": SMALLEST_P,
        "p_adjusted": P_ADJUSTED,
        "n_networks": Column("int32", "networks", "that have both measures"),
        "reason": REASON,
    },
)

AGREEMENT = Table(
    "agreement",
    "one row per network, region and measure: agreement with the simulated brain",
    ("network", "roi", "measure"),
    {
        "network": NETWORK,
        "roi": ROI,
        "measure": Column(
            "string",
            "",
            "cosine: of the gradients; similarity: of the k leading axes of voxels; transfer_of_brain: what "
            "the network's attack does to the brain, over what the brain's own attack does",
        ),
        "k": AXES_K,
        "radius": ATTACK_RADIUS,
        "value": Column(
            "float64", "cosine, 0 to 1, or ratio", "mean over images; ratio of means", missing=True
        ),
        "ci_low": LOW,
        "ci_high": HIGH,
        "chance": CHANCE,
        "n_images": IMAGES,
        "reason": REASON,
    },
)

NUMBERS = Table(
    "numbers",
    "one row per number of the study",
    (
        "measure",
        "perturbation",
        "family_source",
        "family_target",
        "architectures",
        "k",
        "wanted",
        "radius",
        "roi",
    ),
    {
        "measure": Column(
            "string",
            "",
            "mean_change: of a model's own response; transfer: change of another model; "
            "transfer_of_target: the same over that by the other model's own attack; relative_transfer: over "
            "that of the attacked model; sensitivity_ratio: change of the other model by its own attack over "
            "that of the attacked model by its own; similarity: of axes on the same image; "
            "similarity_across_images; similarity_by_spectrum: of unrelated axes with the same spatial "
            "frequencies; chance: of random axes; gradient_cosine: with the simulated brain; unconverged: "
            "share of own attacks that have not converged; reached: share of own attacks that reached the "
            "wanted change",
        ),
        "perturbation": Column(
            "string",
            "",
            "attack, other_image, other_region, phase_scrambled, random: see sensitivity; empty: none",
        ),
        "family_source": FAMILY,
        "family_target": FAMILY,
        "architectures": ARCHITECTURES,
        "k": AXES_K,
        "wanted": WANTED,
        "radius": ATTACK_RADIUS,
        "roi": Column("string", "", "region, or all"),
        "estimate": Column("float64", "unit", "mean", missing=True),
        "ci_low": LOW,
        "ci_high": HIGH,
        "resampled": RESAMPLED,
        "n": Column("int32", "models or pairs", "averaged"),
        "n_images": Column("int32", "images", "averaged and resampled"),
        "unit": Column("string", "", "unit of estimate, ci_low and ci_high"),
        "reason": REASON,
    },
)

FAMILIES = Table(
    "families",
    "one row per measure and region: standard against robust networks",
    ("measure", "wanted", "roi"),
    {
        "measure": Column(
            "string",
            "",
            "sensitivity: larger change of the two attacks of an image; sensitivity_own: the same in SD of "
            "the model's own predictions; noise: change by white noise of that size, absolute; size_needed: "
            "harmonic mean of the sizes of the smallest perturbations with a wanted change; r_over_ceiling; "
            "transfer, transfer_of_target: change of networks of other architectures by the family's "
            "attacks, and as a share of that by their own; similarity: of axes within the family, different "
            "architectures; brain_transfer, brain_transfer_of_target, brain_cosine, brain_similarity: with "
            "the simulated brain",
        ),
        "wanted": WANTED,
        "roi": Column("string", "", "region, or all"),
        "standard": Column("float64", "unit", "mean of standard networks, or of their pairs", missing=True),
        "robust": Column("float64", "unit", "mean of robust networks, or of their pairs", missing=True),
        "difference": Column("float64", "unit", "robust - standard", missing=True),
        "ci_low": LOW,
        "ci_high": HIGH,
        "resampled": RESAMPLED,
        "relative": Column(
            "float64",
            "ratio",
            "difference over the mean size of both, so that measures can be drawn together; between -2 and 2",
            missing=True,
        ),
        "relative_low": Column("float64", "ratio", "ci_low over the same", missing=True),
        "relative_high": Column("float64", "ratio", "ci_high over the same", missing=True),
        "p": P,
        "smallest_p": SMALLEST_P,
        "p_adjusted": P_ADJUSTED,
        "verdict": Column(
            "string",
            "",
            "robust higher, standard higher, or undecided: interval and p_adjusted, see `families.verdict`",
        ),
        "n_standard": Column("int32", "networks", "standard"),
        "n_robust": Column("int32", "networks", "robust"),
        "n_images": IMAGES,
        "unit": Column("string", "", "of standard, robust, difference and its interval"),
        "reason": REASON,
    },
)

PREDICTIVITY = Table(
    "predictivity",
    "one row per comparison and region: is r equal, and is sensitivity different at equal r?",
    ("comparison", "roi", "one", "other"),
    {
        "comparison": Column(
            "string",
            "",
            "networks: r of two networks, on the same images; families: mean r of robust and of standard "
            "networks; sensitivity_at_equal_r: log sensitivity of networks of one architecture and equal r",
        ),
        "roi": Column("string", "", "region, or all: the mean over regions"),
        "one": Column("string", "", "network or family"),
        "other": Column("string", "", "network or family"),
        "difference": Column("float64", "unit", "one - other", missing=True),
        "ci_low": LOW,
        "ci_high": HIGH,
        "ci90_low": Column("float64", "unit", "lower end of the 90% interval", missing=True),
        "ci90_high": Column("float64", "unit", "upper end of the 90% interval", missing=True),
        "resampled": RESAMPLED,
        "margin": Column(
            "float64", "unit", "that counts as equal; missing where none is stated", missing=True
        ),
        "verdict": Column(
            "string",
            "",
            "equal: the 90% interval lies within the margin; different: the 95% interval excludes 0; both; "
            "undecided; see `predictivity.verdict`",
        ),
        "p": P,
        "smallest_p": SMALLEST_P,
        "p_adjusted": P_ADJUSTED,
        "n_networks": Column("int32", "networks", "compared"),
        "n_images": IMAGES,
        "unit": Column("string", "", "of difference, intervals and margin"),
        "reason": REASON,
    },
)
