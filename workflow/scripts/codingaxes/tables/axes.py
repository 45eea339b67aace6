"""Declare the tables of local coding axes: leading eigenvectors of JᵀJ."""

from codingaxes.tables.columns import DRAW, IMAGE, LAYER, NETWORK, REGION, RESPONSE, ROI, Column, Table

EIGENVECTORS = Table(
    "eigenvectors",
    "one row per axis: leading eigenvectors of J'J, J: the derivative of some responses by pixels",
    ("network", "response", "roi", "image_id", "rank"),
    {
        "network": NETWORK,
        "response": RESPONSE,
        "roi": REGION,
        "image_id": IMAGE,
        "rank": Column("int32", "", "1: the largest eigenvalue; at most as many as there are responses"),
        "eigenvalue": Column("float64", "squared response unit per squared pixel unit", "squared gain"),
        "residual": Column("float64", "as the eigenvalue", "||J'J v - eigenvalue v||"),
        "converged": Column("bool", "", "residual below tolerance times the largest eigenvalue"),
        "vector": Column(
            "list[float16]",
            "",
            "unit vector over pixels (3, h, w), flattened, as float16; its sign is arbitrary, "
            "but that of the group is the gradient and points to where the response rises",
        ),
    },
)

JACOBIANS = Table(
    "jacobians",
    "one row per Jacobian: its size and shape, and how its axes were computed",
    ("network", "response", "roi", "image_id"),
    {
        "network": NETWORK,
        "response": RESPONSE,
        "roi": REGION,
        "image_id": IMAGE,
        "n_responses": Column("int32", "rows", "of J; voxels of a network are compressed to their rank"),
        "route": Column("string", "", "exact (all rows of J), lanczos or bidiagonal"),
        "products": Column("int32", "products", "with J and its transpose, for the axes; exact: rows"),
        "trace": Column("float64", "squared response unit per squared pixel unit", "sum of all eigenvalues"),
        "leading_share": Column(
            "float64", "0 to 1", "sum of the stored eigenvalues over the trace", missing=True
        ),
        "first_share": Column("float64", "0 to 1", "largest eigenvalue over the trace", missing=True),
        "participation_ratio": Column(
            "float64", "axes", "squared trace over the sum of squared eigenvalues", missing=True
        ),
        "spectral_participation_ratio": Column(
            "float64",
            "annuli of 1 cycle per image",
            "of the radial power spectrum of the first axis; of the group: of the gradient",
            missing=True,
        ),
        "error": Column(
            "float64",
            "ratio",
            "standard error of participation_ratio over its value, about twice that of the trace; 0: exact",
        ),
        "draws": Column("int32", "draws", "random directions that the sums of eigenvalues rest on; 0: exact"),
    },
)

REMAINDERS = Table(
    "remainders",
    "one row per sketch of what the stored axes of a Jacobian leave: random combinations of its rows",
    ("network", "response", "roi", "image_id", "draw"),
    {
        "network": NETWORK,
        "response": RESPONSE,
        "roi": REGION,
        "image_id": IMAGE,
        "draw": DRAW,
        "length": Column(
            "float64",
            "response unit per pixel unit",
            "of the sketch; the squared lengths of an image sum, in the mean, to the trace that axes leave",
        ),
        "vector": Column(
            "list[float16]", "", "the sketch, of length 1, orthogonal to the axes; zero if length is 0"
        ),
    },
)

INHERITED = Table(
    "inherited",
    "one row per network, region and image: sensitivity that a readout inherits from its features",
    ("network", "roi", "image_id"),
    {
        "network": NETWORK,
        "roi": ROI,
        "image_id": IMAGE,
        "layer": LAYER,
        "penalty": Column(
            "float64", "variance of the features", "ridge penalty of the group's readout over n"
        ),
        "inherited_sensitivity": Column(
            "float64",
            "per squared pixel unit",
            "T = sum of s / (s + penalty)^2 |J'v|^2 over components v of variance s, estimated; T / n is the "
            "expected squared gradient of a readout of white noise",
        ),
        "error": Column("float64", "as inherited_sensitivity", "its standard error, over random draws"),
    },
)
