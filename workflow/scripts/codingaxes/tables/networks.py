"""Declare the tables of networks: what they are and how well they do their own task."""

from codingaxes.tables.columns import NETWORK, Column, Table

ACCURACIES = Table(
    "accuracies",
    "one row per fetched network: what its weights say",
    ("network",),
    {
        "network": NETWORK,
        "parameters": Column("int32", "", "trained numbers"),
        "accuracy": Column(
            "float64",
            "0 to 1; 0.5 by chance",
            "balanced, mean over categories, fresh scenes",
            missing=True,
        ),
        "adversarial_accuracy": Column(
            "float64", "0 to 1", "the same under an l2 attack on its loss", missing=True
        ),
        "attack_radius": Column("float64", "l2 norm, pixels in [0, 1]", "of that attack", missing=True),
        "n_images": Column("int32", "images", "fresh scenes that were classified"),
    },
)

NETWORKS = Table(
    "networks",
    "one row per network: how it was trained and how well it does its own task",
    ("network",),
    {
        "network": NETWORK,
        "display_name": Column("string", "", "name in figures"),
        "family": Column("string", "", "standard, robust, self_supervised, language_aligned or untrained"),
        "architecture": Column("string", "", "class of the network"),
        "source": Column("string", "", "whose code builds it; zoo: this workflow's, which trained it"),
        "training_radius": Column("float64", "l2 norm, pixels in [0, 1]", "of adversarial training; 0: none"),
        "parameters": Column("int32", "", "trained numbers"),
        "accuracy": Column("float64", "0 to 1", "on its own task, as accuracy_of says", missing=True),
        "accuracy_of": Column("string", "", "what accuracy is, and whence; empty where it is missing"),
        "adversarial_accuracy": Column(
            "float64", "0 to 1", "the same under an l2 attack on its loss", missing=True
        ),
        "attack_radius": Column("float64", "l2 norm, pixels in [0, 1]", "of that attack", missing=True),
        "n_images": Column("int32", "images", "fresh scenes that were classified; 0: none"),
        "licence": Column("string", "", "of the weights; empty for the zoo"),
        "citation": Column("string", "", "of the network; empty for the zoo"),
    },
)

NETWORK_CHECKS = Table(
    "network_checks",
    "one row per network: whether it builds, and what it costs on one image",
    ("network",),
    {
        "network": NETWORK,
        "problem": Column("string", "", "why it could not be built or did not answer; empty if it did"),
        "parameters": Column("float64", "", "trained numbers", missing=True),
        "layers": Column("string", "", "candidate layers, each with the length of its output"),
        "forward": Column("float64", "ms", "one image through the network", missing=True),
        "forward_backward": Column("float64", "ms", "and its gradient", missing=True),
        "jvp": Column("bool", "", "forward-mode derivative agrees with the reverse-mode one"),
        "vjp": Column("bool", "", "gradient agrees with finite differences"),
        "random_weights": Column("bool", "", "weights were drawn, not fetched"),
    },
)
