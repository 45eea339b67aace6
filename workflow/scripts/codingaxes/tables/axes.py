"""Declare the tables of local coding axes: leading eigenvectors of JᵀJ."""

from codingaxes.tables.columns import IMAGE, NETWORK, REGION, RESPONSE, Column, Table

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
)
