"""Declare the tables of linear readouts, their predictions and their scores."""

from codingaxes.tables.columns import (
    IMAGE,
    LAYER,
    NETWORK,
    REASON,
    ROI,
    SCORE,
    SUBJECT,
    TARGET,
    Column,
    Table,
)

TARGETS = Table(
    "targets",
    "one row per region mean to be predicted, of each subject and of the group",
    ("subject", "roi"),
    {
        "subject": SUBJECT,
        "roi": ROI,
        "mean": Column("float64", "z, per voxel and session", "subtracted: mean over training images"),
        "sd": Column("float64", "z, per voxel and session", "divided by: SD over training images"),
        "ceiling": Column(
            "float64",
            "Pearson r",
            "largest r with the measured mean that noise allows; missing without repetitions",
            missing=True,
        ),
    },
)

MEASUREMENTS = Table(
    "measurements",
    "one row per region mean and image, in SD of the training images",
    ("subject", "roi", "image_id"),
    {
        "subject": SUBJECT,
        "roi": ROI,
        "image_id": IMAGE,
        "value": Column("float64", "SD over training images", "measured response of the region"),
    },
)

BASES = Table(
    "bases",
    "one row per direction of feature space that the stimuli span, of each layer that is read out",
    ("network", "layer", "component"),
    {
        "network": NETWORK,
        "layer": LAYER,
        "component": Column("int32", "", "from 0, in the order of the entries of a readout's weight"),
        "vector": Column("list[float32]", "", "unit vector over the features; all are orthogonal"),
    },
)

COMPONENTS = Table(
    "components",
    "one row per principal component of the training images' features, of each layer that is read out",
    ("network", "layer", "component"),
    {
        "network": NETWORK,
        "layer": LAYER,
        "component": Column("int32", "", "from 0, the largest variance first"),
        "variance": Column("float64", "squared feature unit", "over training images, about their mean"),
        "vector": Column("list[float32]", "", "unit vector along the rows of the table bases"),
        "n_images": Column("int32", "images", "training images"),
    },
)

READOUTS = Table(
    "readouts",
    "one row per target: response = (weight @ basis of the layer) . feature + intercept",
    ("network", "subject", "roi", "target"),
    {
        "network": NETWORK,
        "subject": SUBJECT,
        "roi": ROI,
        "target": TARGET,
        "layer": Column("string", "", "layer that predicts the group mean of the region best in training"),
        "alpha": Column(
            "float64",
            "",
            "ridge penalty; the Gram matrix of the features has a mean diagonal of 1",
            missing=True,
        ),
        "alpha_at_edge": Column("bool", "", "alpha is the smallest or the largest of the grid"),
        "intercept": Column("float64", "target's unit", "prediction for a feature of zeros"),
        "norm": Column("float64", "target's unit per feature unit", "length of the readout in feature space"),
        "weight": Column(
            "list[float64]", "target's unit per feature unit", "along each row of the table bases"
        ),
    },
)

LAYER_SCORES = Table(
    "layer_scores",
    "one row per region mean and candidate layer; the group's error chooses the layer of a region",
    ("network", "subject", "roi", "layer"),
    {
        "network": NETWORK,
        "subject": SUBJECT,
        "roi": ROI,
        "layer": LAYER,
        "error": Column("float64", "variance of the target", "cross-validated inside the training images"),
        "r": Column("float64", "Pearson r", "on test images; chooses nothing", missing=True),
        "reason": REASON,
        "alpha": Column("float64", "", "ridge penalty of that layer", missing=True),
        "alpha_at_edge": Column("bool", "", "alpha is the smallest or the largest of the grid"),
        "chosen": Column("bool", "", "layer of the region: smallest error of the group mean"),
    },
)

SCORES = Table(
    "scores",
    "one row per target: how well it is predicted on held-out images",
    ("network", "subject", "roi", "target"),
    {
        "network": NETWORK,
        "subject": SUBJECT,
        "roi": ROI,
        "target": TARGET,
        **SCORE,
        "r2": Column("float64", "explained variance", "1 - squared error / variance, test", missing=True),
        "r_k_fold": Column(
            "float64",
            "Pearson r",
            "mean over folds of all images, everything chosen anew in each",
            missing=True,
        ),
        "n_train": Column("int32", "images", "images that the readout was fitted on"),
        "reason": REASON,
    },
)

SPLIT_SCORES = Table(
    "split_scores",
    "one row per region mean and random split: r on other held-out images, as many as in scores",
    ("network", "subject", "roi", "split"),
    {
        "network": NETWORK,
        "subject": SUBJECT,
        "roi": ROI,
        "split": Column("int32", "", "number of the split, from 1; the same images for all networks"),
        "r": Column(
            "float64", "Pearson r", "on the images held out; all else is of the others", missing=True
        ),
        "n_train": Column("int32", "images", "that the readout was fitted on"),
        "n_test": Column("int32", "images", "held out"),
        "reason": REASON,
    },
)

CROSS_SUBJECT = Table(
    "cross_subject",
    "one row per pair of subjects: the readout of one subject's region mean tested on another's",
    ("network", "roi", "subject", "tested_on"),
    {
        "network": NETWORK,
        "roi": ROI,
        "subject": Column("string", "", "subject whose responses to training images were fitted"),
        "tested_on": Column("string", "", "subject whose responses to test images are predicted"),
        **SCORE,
        "reason": REASON,
    },
)

PREDICTIONS = Table(
    "predictions",
    "one row per region mean and test image: predicted and measured",
    ("network", "subject", "roi", "image_id"),
    {
        "network": NETWORK,
        "subject": SUBJECT,
        "roi": ROI,
        "image_id": IMAGE,
        "measured": Column("float64", "SD over training images", "from the measurements table"),
        "predicted": Column("float64", "SD over training images", "by the readout"),
    },
)

REPRESENTATIONS = Table(
    "representations",
    "one row per candidate layer: numbers that describe its features of all stimuli",
    ("network", "layer"),
    {
        "network": NETWORK,
        "layer": LAYER,
        "n_features": Column("int32", "units", "length of the feature vector"),
        "sparseness": Column("float64", "0 to 1", "population sparseness, mean over images", missing=True),
        "normalised_variance": Column(
            "float64", "0 to 1", "variance over images relative to the mean squared length", missing=True
        ),
        "effective_dimensionality": Column(
            "float64", "dimensions", "participation ratio of the covariance over images", missing=True
        ),
        "spread": Column("float64", "feature units", "root mean squared distance from the mean feature"),
        "n_images": Column("int32", "images", "stimuli, training and test"),
    },
)
