"""Declare the table of features of candidate layers."""

from codingaxes.tables.columns import IMAGE, LAYER, NETWORK, Column, Table

FEATURES = Table(
    "features",
    "one row per layer and image",
    ("network", "layer", "image_id"),
    {
        "network": NETWORK,
        "layer": LAYER,
        "image_id": IMAGE,
        "feature": Column("list[float32]", "", "output of the layer, flattened"),
    },
)
