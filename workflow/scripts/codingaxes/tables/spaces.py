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
    REGION,
    RESPONSE,
    ROI,
    Column,
    Table,
)

AXES = Table(
    "axes",
    "one row per model, region and measure of its voxels' axes: median and quartiles over images",
    ("network", "roi", "measure"),
    {
        "network": NETWORK,
        "roi": ROI,
        "measure": Column(
            "string",
            "",
            "participation_ratio: number of axes that share the power; attack_share: share of the squared "
            "size of the model's own attack within its k leading axes",
        ),
        "k": AXES_K,
        "radius": ATTACK_RADIUS,
        "value": Column("float64", "axes, or 0 to 1", "median over images; directions are averaged first"),
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
