"""Declare the tables that compare the axes of models."""

from codingaxes.tables.columns import (
    DIRECTION,
    IMAGE,
    L2_RADIUS,
    NETWORK,
    REASON,
    REGION,
    RESPONSE,
    ROI,
    Column,
    K,
    Table,
)

SIMILARITY = Table(
    "similarity",
    "one row per pair of models and image: similarity of their leading axes",
    ("network_i", "network_j", "response", "roi", "image_id", "k"),
    {
        "network_i": NETWORK,
        "network_j": NETWORK,
        "response": RESPONSE,
        "roi": REGION,
        "image_id": IMAGE,
        "k": K,
        "similarity": Column(
            "float64", "0 to 1", "mean squared cosine of the principal angles", missing=True
        ),
        "across_images": Column(
            "float64", "0 to 1", "the same with the other model's axes on other images", missing=True
        ),
        "projection_distance": Column("float64", "0 to 1", "root mean squared sine", missing=True),
        "largest_angle": Column("float64", "degrees", "largest principal angle", missing=True),
        "cosine": Column("float64", "-1 to 1", "for k = 1, of the group: of the gradients", missing=True),
        "captured_ij": Column(
            "float64",
            "0 to 1",
            "share of model j's sensitivity, trace(P J'J) / trace(J'J), in model i's k axes (P). Exact for "
            "the part in j's stored axes, estimated without bias by sketches for the rest",
            missing=True,
        ),
        "captured_ji": Column("float64", "0 to 1", "the same of model i in model j's axes", missing=True),
        "own_i": Column("float64", "0 to 1", "the same of model i in its own axes: the most", missing=True),
        "own_j": Column("float64", "0 to 1", "the same of model j in its own axes: the most", missing=True),
        "chance": Column(
            "float64", "0 to 1", "of similarity and captured, for random subspaces: k / (pixels x colours)"
        ),
        "reason": REASON,
    },
)

SIMILARITY_MEANS = Table(
    "similarity_means",
    "one row per pair of models: mean similarity over images, and what chance would give",
    ("network_i", "network_j", "response", "roi", "k"),
    {
        "network_i": NETWORK,
        "network_j": NETWORK,
        "response": RESPONSE,
        "roi": REGION,
        "k": K,
        "similarity": Column("float64", "0 to 1", "on the same image, mean over images", missing=True),
        "similarity_low": Column("float64", "0 to 1", "95% interval, over images", missing=True),
        "similarity_high": Column("float64", "0 to 1", "95% interval, over images", missing=True),
        "across": Column("float64", "0 to 1", "on different images, mean over images", missing=True),
        "across_low": Column("float64", "0 to 1", "95% interval, over images", missing=True),
        "across_high": Column("float64", "0 to 1", "95% interval, over images", missing=True),
        "captured_ij": Column(
            "float64",
            "0 to 1",
            "share of model j's sensitivity in model i's axes, mean over images",
            missing=True,
        ),
        "captured_ij_low": Column("float64", "0 to 1", "95% interval, over images", missing=True),
        "captured_ij_high": Column("float64", "0 to 1", "95% interval, over images", missing=True),
        "captured_ji": Column(
            "float64",
            "0 to 1",
            "share of model i's sensitivity in model j's axes, mean over images",
            missing=True,
        ),
        "captured_ji_low": Column("float64", "0 to 1", "95% interval, over images", missing=True),
        "captured_ji_high": Column("float64", "0 to 1", "95% interval, over images", missing=True),
        "own_i": Column(
            "float64", "0 to 1", "share of model i's in its own axes, mean over images", missing=True
        ),
        "own_j": Column(
            "float64", "0 to 1", "share of model j's in its own axes, mean over images", missing=True
        ),
        "chance": Column("float64", "0 to 1", "of random subspaces: k / (pixels x colours)"),
        "matched_chance": Column(
            "float64",
            "0 to 1",
            "of random subspaces with the spectra of the two models",
            missing=True,
        ),
        "p_matched": Column(
            "float64",
            "",
            "one-sided, by draws of such subspaces; images as independent",
            missing=True,
        ),
        "n_images": Column("int32", "images", "with axes of both models"),
        "reason": REASON,
    },
)

PROFILES = Table(
    "profiles",
    "one row per spatial frequency: the power of a model's leading axes",
    ("network", "response", "roi", "frequency"),
    {
        "network": NETWORK,
        "response": RESPONSE,
        "roi": REGION,
        "frequency": Column("float64", "cycles per image", "centre of an annulus that is 1 wide"),
        "share": Column("float64", "0 to 1", "of the power; mean over leading axes and images"),
        "sd": Column("float64", "0 to 1", "over images", missing=True),
        "n_images": Column("int32", "images", "averaged"),
    },
)

ALIGNMENT = Table(
    "alignment",
    "one row per attack and k: how much of it lies in the span of the model's own k leading axes",
    ("attack", "network", "roi", "direction", "radius", "image_id", "response", "k"),
    {
        "attack": Column("string", "", "l2"),
        "network": NETWORK,
        "roi": ROI,
        "direction": DIRECTION,
        "radius": L2_RADIUS,
        "image_id": IMAGE,
        "response": RESPONSE,
        "k": K,
        "share": Column("float64", "0 to 1", "of the squared size of the perturbation", missing=True),
        "chance": Column("float64", "0 to 1", "of a random perturbation: k / (pixels x colours)"),
    },
)

RELIABILITY = Table(
    "reliability",
    "one row per kind of similarity: whether pairs of networks keep their order on other images",
    ("response", "roi", "k"),
    {
        "response": RESPONSE,
        "roi": REGION,
        "k": K,
        "reliability": Column("float64", "r", "between halves of the images, corrected", missing=True),
        "low": Column("float64", "r", "2.5th percentile over random halves", missing=True),
        "high": Column("float64", "r", "97.5th percentile over random halves", missing=True),
        "n_pairs": Column("int32", "pairs", "of networks"),
        "n_images": Column("int32", "images", "with axes of all networks"),
        "reason": REASON,
    },
)

SIMILARITY_REGRESSION = Table(
    "similarity_regression",
    "one row per predictor: regression of log similarity over pairs of networks, networks permuted",
    ("response", "roi", "k", "predictor"),
    {
        "response": RESPONSE,
        "roi": REGION,
        "k": K,
        "predictor": Column(
            "string",
            "",
            "different architecture, different training, both robust, or difference of log sensitivity",
        ),
        "coefficient": Column(
            "float64", "log similarity per unit", "the other predictors held fixed", missing=True
        ),
        "standardised": Column("float64", "SD over pairs", "the same in SD of both", missing=True),
        "p": Column("float64", "", "two-sided", missing=True),
        "smallest_p": Column(
            "float64", "", "smallest p that the test can give, however strong an effect", missing=True
        ),
        "p_adjusted": Column(
            "float64", "", "p adjusted for the table, by Benjamini and Hochberg", missing=True
        ),
        "r_squared": Column("float64", "0 to 1", "of the whole regression", missing=True),
        "n_pairs": Column("int32", "pairs", "of networks"),
        "n_networks": Column("int32", "networks", "permuted"),
        "permutations": Column("int32", "", "that p counts, the observed one included; 0: no test"),
        "reason": Column(
            "string",
            "",
            "why there is no regression, or why this predictor is left out of it; empty: it is in it",
        ),
    },
)
