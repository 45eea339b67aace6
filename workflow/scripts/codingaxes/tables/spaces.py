"""Declare the summaries of local coding axes and of their similarity.

The measures themselves are defined in `estimates.measures`.
"""

from codingaxes.tables.columns import (
    ARCHITECTURES,
    ATTACK_RADIUS,
    AXES_K,
    CHANCE,
    FAMILY,
    NETWORK,
    REASON,
    REGION,
    RESPONSE,
    ROI,
    Column,
    Table,
)

AXES = Table(
    "axes",
    "one row per model, region and measure of its axes and gradient: median and quartiles over images",
    ("network", "roi", "measure"),
    {
        "network": NETWORK,
        "roi": ROI,
        "measure": Column(
            "string",
            "",
            "participation_ratio: number of axes that share the sensitivity of voxels; attack_share: share "
            "of the squared size of the model's own attack within its k leading axes of voxels; "
            "spectral_participation_ratio: number of annuli that share the power of the group's gradient; "
            "inherited_sensitivity: see the table inherited, networks only",
        ),
        "k": AXES_K,
        "radius": ATTACK_RADIUS,
        "value": Column("float64", "of the measure", "median over images; directions are averaged first"),
        "low": Column("float64", "as value", "lower quartile over images"),
        "high": Column("float64", "as value", "upper quartile over images"),
        "chance": CHANCE,
        "n_images": Column("int32", "images", "with a value"),
    },
)

SPECTRA = Table(
    "spectra",
    "one row per model and spatial frequency: share of the power of voxels' axes, mean over regions",
    ("network", "frequency"),
    {
        "network": NETWORK,
        "frequency": Column("float64", "cycles per image", "centre of an annulus that is 1 wide"),
        "share": Column("float64", "0 to 1", "of the power; mean over leading axes, images and regions"),
        "n_images": Column("int32", "images", "fewest of the regions"),
    },
)

SIMILARITY_LEVELS = Table(
    "similarity_levels",
    "one row per kind of pair and level (mean over pairs), and per pair on the same image",
    ("response", "roi", "k", "level", "family_i", "family_j", "architectures", "network_i", "network_j"),
    {
        "response": RESPONSE,
        "roi": REGION,
        "k": AXES_K,
        "level": Column(
            "string",
            "",
            "same_image; different_images: one model's axes on an image and the other's on others; "
            "matched_random: unrelated axes with the spatial frequencies of the two models",
        ),
        "family_i": FAMILY,
        "family_j": FAMILY,
        "architectures": ARCHITECTURES,
        "network_i": Column("string", "", "network, or simulated_brain; mean: over all pairs of the kind"),
        "network_j": Column("string", "", "network, or simulated_brain; mean: over all pairs of the kind"),
        "similarity": Column("float64", "0 to 1", "mean squared cosine of the principal angles"),
        "chance": CHANCE,
        "n_pairs": Column("int32", "pairs", "averaged"),
        "n_images": Column("int32", "images", "fewest of these pairs"),
    },
)

SIMILARITY_CLUSTERS = Table(
    "similarity_clusters",
    "one row per merger: models clustered by the similarity of their voxels' axes (average linkage)",
    ("roi", "step"),
    {
        "roi": ROI,
        "k": AXES_K,
        "step": Column("int32", "", "from 0, the most similar first; of n models it makes cluster n + step"),
        "left": Column("int32", "", "below n: the place of a model, from 0; else a cluster"),
        "right": Column("int32", "", "as left"),
        "distance": Column("float64", "0 to 1", "1 - similarity, mean over pairs between the two"),
        "size": Column("int32", "models", "in the new cluster"),
        "left_network": Column("string", "", "name of the model at left; empty: left is a cluster"),
        "right_network": Column("string", "", "name of the model at right; empty: right is a cluster"),
    },
)

PREDICTOR = Column(
    "string",
    "",
    "r, r_over_ceiling, sensitivity, effective_dimensionality: as in network_measures; accuracy, "
    "adversarial_accuracy, training_radius: as in networks; noise: absolute change under white noise of the "
    "size of its attacks; spectral_participation_ratio, inherited_sensitivity, participation_ratio: as in "
    "axes; axis_similarity: mean similarity of its voxels' axes to those of the other networks",
)

OUTCOME = Column(
    "string",
    "",
    "transfer: change of the simulated brain under the network's main attacks; control_pixels, "
    "control_fourier: control slope of the simulated brain, see control_slopes",
)

RACE_VALUES = Table(
    "race_values",
    "one row per outcome, region, predictor and network: what it is, and how far it drives the brain",
    ("outcome", "roi", "predictor", "network"),
    {
        "outcome": OUTCOME,
        "roi": Column("string", "", "region, or all: the mean over regions"),
        "predictor": PREDICTOR,
        "network": NETWORK,
        "value": Column(
            "float64", "of the predictor", "its logarithm to base 10 where logarithm says so", missing=True
        ),
        "logarithm": Column("bool", "", "whether value is a logarithm"),
        "change": Column(
            "float64",
            "SD over training images; levels per level",
            "the outcome, of the simulated brain; of transfer, a constant of the region apart, the same as a "
            "share of the brain's own attack",
            missing=True,
        ),
        "n_images": Column("int32", "images", "that the outcome is the mean of; 0 where it is missing"),
        "reason": REASON,
    },
)

PREDICTORS = Table(
    "predictors",
    "one row per outcome, region, predictor and set of networks: does it tell how far they drive the brain?",
    ("outcome", "roi", "predictor", "among"),
    {
        "outcome": OUTCOME,
        "roi": Column("string", "", "region, or all: means over regions"),
        "predictor": PREDICTOR,
        "among": Column("string", "", "all networks, or those of one family"),
        "rank_correlation": Column("float64", "Spearman r", "of predictor and outcome", missing=True),
        "p": Column("float64", "", "of rank_correlation, two-sided, networks permuted", missing=True),
        "p_adjusted": Column("float64", "", "p adjusted for all rows (Benjamini and Hochberg)", missing=True),
        "smallest_p": Column("float64", "", "smallest p that the test could give", missing=True),
        "slope": Column(
            "float64", "outcome per unit", "of the outcome over the predictor, or its logarithm", missing=True
        ),
        "r": Column("float64", "Pearson r", "of outcome and predictor, or its logarithm", missing=True),
        "r2_left_out": Column(
            "float64",
            "explained variance",
            "of networks left out one at a time; 0: no better than the mean of the others",
            missing=True,
        ),
        "r2_recipe_left_out": Column(
            "float64",
            "explained variance",
            "the same, all networks of one architecture and training radius left out together",
            missing=True,
        ),
        "n_networks": Column("int32", "networks", "that have both"),
        "n_images": Column("int32", "images", "fewest that an outcome is the mean of"),
        "reason": REASON,
    },
)
