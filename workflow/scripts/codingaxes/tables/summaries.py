"""Declare the summaries of networks, of their agreement with the simulated brain, and the numbers.

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
    ROI,
    SD,
    WANTED,
    Column,
    Table,
)

NETWORK_MEASURES = Table(
    "network_measures",
    "one row per network and region: how well the group's response is predicted, and what goes with it",
    ("network", "roi"),
    {
        "network": NETWORK,
        "roi": ROI,
        "r": Column("float64", "Pearson r", "predicted against measured, held-out images", missing=True),
        "r_low": Column("float64", "Pearson r", "2.5th percentile, bootstrap over images", missing=True),
        "r_high": Column("float64", "Pearson r", "97.5th percentile, bootstrap over images", missing=True),
        "ceiling": Column("float64", "Pearson r", "largest r that noise allows", missing=True),
        "r_over_ceiling": Column("float64", "ratio", "r relative to the ceiling", missing=True),
        "r_over_ceiling_low": Column("float64", "ratio", "r_low relative to the ceiling", missing=True),
        "r_over_ceiling_high": Column("float64", "ratio", "r_high relative to the ceiling", missing=True),
        "r_k_fold": Column("float64", "Pearson r", "mean over folds of all images", missing=True),
        "r_k_fold_over_ceiling": Column("float64", "ratio", "r_k_fold relative to the ceiling", missing=True),
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
        "n_networks": Column("int32", "networks", "that have both measures"),
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
            "cosine: of the gradients; similarity: of the k leading axes of voxels; relative_change: what "
            "the network's attack does to the brain, over what it does to the network",
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
            "mean_change: of a model's own response; relative_transfer: change of another model over that of "
            "the attacked one; similarity: of axes on the same image; similarity_across_images; "
            "similarity_by_spectrum: of unrelated axes with the same spatial frequencies; chance: of random "
            "axes; gradient_cosine: with the simulated brain; unconverged: share of own attacks that have "
            "not converged; reached: share of own attacks that reached the wanted change",
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
        "ci_low": Column("float64", "as the estimate", "2.5th percentile; missing for shares", missing=True),
        "ci_high": Column(
            "float64", "as the estimate", "97.5th percentile; missing for shares", missing=True
        ),
        "n": Column("int32", "models or pairs", "averaged"),
        "n_images": Column("int32", "images", "averaged and resampled"),
        "unit": Column("string", "", "unit of estimate, ci_low and ci_high"),
    },
)
