"""The schema of every Parquet table: columns with type, unit and meaning, and the key of a row."""

from codingaxes.columns import (
    DIRECTION,
    IMAGE,
    NETWORK,
    RADIUS,
    REGION,
    RESPONSE,
    ROI,
    Column,
    K,
    Table,
)
from codingaxes.schemas_attacks import ATTACK_TABLES
from codingaxes.schemas_data import DATA_TABLES

TABLES = (
    DATA_TABLES
    | ATTACK_TABLES
    | {
        "eigenvectors": Table(
            "one row per axis: leading eigenvectors of J'J, J: the derivative of some responses by pixels",
            ("network", "response", "roi", "image_id", "rank"),
            {
                "network": NETWORK,
                "response": RESPONSE,
                "roi": REGION,
                "image_id": IMAGE,
                "rank": Column(
                    "int32", "", "1: the largest eigenvalue; at most as many as there are responses"
                ),
                "eigenvalue": Column(
                    "float64", "squared response unit per squared pixel unit", "squared gain"
                ),
                "residual": Column("float64", "as the eigenvalue", "||J'J v - eigenvalue v||"),
                "converged": Column("bool", "", "residual below tolerance times the largest eigenvalue"),
                "vector": Column(
                    "list[float16]",
                    "",
                    "unit vector over pixels (3, h, w), flattened, as float16; its sign is arbitrary, "
                    "but that of the group is the gradient and points to where the response rises",
                ),
            },
        ),
        "jacobians": Table(
            "one row per Jacobian: its size and shape, and how its axes were found",
            ("network", "response", "roi", "image_id"),
            {
                "network": NETWORK,
                "response": RESPONSE,
                "roi": REGION,
                "image_id": IMAGE,
                "n_responses": Column(
                    "int32", "rows", "of J; voxels of a network are compressed to their rank"
                ),
                "route": Column("string", "", "exact (all rows of J), lanczos or bidiagonal"),
                "products": Column("int32", "products", "with J and its transpose; exact: rows"),
                "trace": Column(
                    "float64",
                    "squared response unit per squared pixel unit",
                    "sum of all eigenvalues, estimated",
                ),
                "first_share": Column("float64", "0 to 1", "largest eigenvalue over the trace", missing=True),
                "participation_ratio": Column(
                    "float64",
                    "axes",
                    "squared trace over the sum of squared eigenvalues, estimated",
                    missing=True,
                ),
            },
        ),
        "similarity": Table(
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
                "cosine": Column(
                    "float64", "-1 to 1", "for k = 1, of the group: of the gradients", missing=True
                ),
                "chance": Column("float64", "0 to 1", "its expectation for random subspaces: k / pixels"),
            },
        ),
        "similarity_means": Table(
            "one row per pair of models: mean similarity over images, and what chance would give",
            ("network_i", "network_j", "response", "roi", "k"),
            {
                "network_i": NETWORK,
                "network_j": NETWORK,
                "response": RESPONSE,
                "roi": REGION,
                "k": K,
                "similarity": Column(
                    "float64", "0 to 1", "on the same image, mean over images", missing=True
                ),
                "similarity_low": Column("float64", "0 to 1", "95% interval, over images", missing=True),
                "similarity_high": Column("float64", "0 to 1", "95% interval, over images", missing=True),
                "across": Column("float64", "0 to 1", "on different images, mean over images", missing=True),
                "across_low": Column("float64", "0 to 1", "95% interval, over images", missing=True),
                "across_high": Column("float64", "0 to 1", "95% interval, over images", missing=True),
                "chance": Column("float64", "0 to 1", "of random subspaces: k / pixels"),
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
            },
        ),
        "profiles": Table(
            "one row per spatial frequency: what a model's leading axes are made of",
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
        ),
        "alignment": Table(
            "one row per attack and k: how much of it lies in the span of the model's own k leading axes",
            ("attack", "network", "roi", "direction", "radius", "image_id", "response", "k"),
            {
                "attack": Column("string", "", "l2"),
                "network": NETWORK,
                "roi": ROI,
                "direction": DIRECTION,
                "radius": RADIUS,
                "image_id": IMAGE,
                "response": RESPONSE,
                "k": K,
                "share": Column("float64", "0 to 1", "of the squared size of the perturbation", missing=True),
                "chance": Column("float64", "0 to 1", "of a random perturbation: k / pixels"),
            },
        ),
        "reliability": Table(
            "one row per kind of similarity: whether pairs of networks keep their order on other images",
            ("response", "roi", "k"),
            {
                "response": RESPONSE,
                "roi": REGION,
                "k": K,
                "reliability": Column(
                    "float64", "r", "between halves of the images, corrected", missing=True
                ),
                "low": Column("float64", "r", "2.5th percentile over random halves", missing=True),
                "high": Column("float64", "r", "97.5th percentile over random halves", missing=True),
                "n_pairs": Column("int32", "pairs", "of networks"),
                "n_images": Column("int32", "images", "with axes of all networks"),
            },
        ),
        "controls": Table(
            "one row per predictor: regression of similarity over pairs of networks, networks permuted",
            ("response", "roi", "k", "predictor"),
            {
                "response": RESPONSE,
                "roi": REGION,
                "k": K,
                "predictor": Column("string", "", "over pairs: different architecture, ..."),
                "coefficient": Column("float64", "similarity per unit", "the other predictors held fixed"),
                "standardised": Column("float64", "SD over pairs", "the same in SD of both"),
                "p": Column("float64", "", "two-sided"),
                "r_squared": Column("float64", "0 to 1", "of the whole regression"),
                "n_pairs": Column("int32", "pairs", "of networks"),
                "n_networks": Column("int32", "networks", "permuted"),
                "permutations": Column("int32", "", "that p counts, the observed one included"),
            },
        ),
        "effects": Table(
            "one row per number of the summary",
            ("effect", "group", "roi", "radius"),
            {
                "effect": Column("string", "", "what is measured"),
                "group": Column("string", "", "networks or pairs of networks it is averaged over"),
                "roi": Column("string", "", "region, or all"),
                "radius": Column(
                    "float64", "l2 norm, pixels in [0, 1]", "of the attack; 0 where there is none"
                ),
                "estimate": Column("float64", "unit", "mean", missing=True),
                "ci_low": Column("float64", "unit", "95% interval, bootstrap over images", missing=True),
                "ci_high": Column("float64", "unit", "95% interval, bootstrap over images", missing=True),
                "n": Column("int32", "", "networks or pairs averaged"),
                "n_images": Column("int32", "images", "images averaged and resampled"),
                "unit": Column("string", "", "unit of estimate, ci_low and ci_high"),
            },
        ),
    }
)
