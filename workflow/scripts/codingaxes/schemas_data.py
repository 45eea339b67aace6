"""The schemas of the tables of data, networks, features and readouts; `schemas` has all."""

from codingaxes.columns import (
    IMAGE,
    LAYER,
    NETWORK,
    ROI,
    SCORE,
    SUBJECT,
    TARGET,
    Column,
    Table,
)

DATA_TABLES = {
    "stimuli": Table(
        "one row per image that every subject saw (in NSD three times)",
        ("image_id",),
        {
            "image_id": IMAGE,
            "nsd_id": Column("int32", "", "0-based id among the images of NSD; own data: the row"),
            "file": Column("string", "", "PNG file, relative to the folder of the workflow"),
            "sha256": Column("string", "", "digest of that file"),
            "split": Column("string", "", "train or test; readouts never see test"),
            "probe": Column("bool", "", "test image that is attacked and differentiated"),
        },
    ),
    "sessions": Table(
        "one row per voxel of the atlases in one session: what is kept of a file of betas",
        ("subject", "session", "i", "j", "k"),
        {
            "subject": SUBJECT,
            "session": Column("int32", "", "from 1, as in NSD"),
            "i": Column("int32", "voxel", "first axis of the NIfTI volume, from 0"),
            "j": Column("int32", "voxel", "second axis, from 0"),
            "k": Column("int32", "voxel", "third axis, from 0"),
            "beta": Column("list[int16]", "% signal change x 300", "as stored by NSD, one number per trial"),
        },
    ),
    "voxels": Table(
        "one row per voxel of the regions of interest",
        ("subject", "voxel_id"),
        {
            "subject": SUBJECT,
            "voxel_id": Column("int32", "", "position in the response vector of the subject, from 0"),
            "roi": ROI,
            "name": Column("string", "", "own data: as it is called there; NSD: empty"),
            "hemisphere": Column("string", "", "lh or rh; own data: empty"),
            "i": Column("int32", "voxel", "first axis of the NIfTI volume, from 0; own data: -1"),
            "j": Column("int32", "voxel", "second axis, from 0; own data: -1"),
            "k": Column("int32", "voxel", "third axis, from 0; own data: -1"),
            "mean": Column(
                "float64", "% signal change or own", "over trials of a session, mean over sessions"
            ),
            "sd": Column("float64", "% signal change or own", "SD over those trials, mean over sessions"),
            "ncsnr": Column(
                "float64",
                "",
                "noise ceiling signal-to-noise ratio, recomputed from repetitions; missing without any",
                missing=True,
            ),
            "ncsnr_file": Column("float64", "", "the same as NSD's own file gives it", missing=True),
            "noise_ceiling": Column(
                "float64", "explained variance, 0 to 1", "of the responses table, by ncsnr", missing=True
            ),
        },
    ),
    "responses": Table(
        "one row per subject and image: the mean over its repetitions",
        ("subject", "image_id"),
        {
            "subject": SUBJECT,
            "image_id": IMAGE,
            "repeats": Column("int32", "trials", "trials averaged"),
            "response": Column("list[float64]", "z, per voxel and session", "one number per voxel_id"),
        },
    ),
    "regions": Table(
        "one row per subject and region: trial noise of the mean over its voxels",
        ("subject", "roi"),
        {
            "subject": SUBJECT,
            "roi": ROI,
            "n_voxels": Column("int32", "voxels", "voxels averaged; 0: the subject lacks the region"),
            "noise_sd": Column(
                "float64",
                "z, per voxel and session",
                "SD of one trial about its image's mean; missing without repetitions",
                missing=True,
            ),
            "repeats": Column(
                "float64", "trials", "that the responses table averages, harmonic mean over its images"
            ),
        },
    ),
    "targets": Table(
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
    ),
    "measurements": Table(
        "one row per region mean and image, in SD of the training images",
        ("subject", "roi", "image_id"),
        {
            "subject": SUBJECT,
            "roi": ROI,
            "image_id": IMAGE,
            "value": Column("float64", "SD over training images", "measured response of the region"),
        },
    ),
    "accuracies": Table(
        "one row per network: what was measured when it was trained or fetched",
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
    ),
    "networks": Table(
        "one row per network: how it was trained and how well it does its own task",
        ("network",),
        {
            "network": NETWORK,
            "display_name": Column("string", "", "name in figures"),
            "family": Column("string", "", "standard, robust, self_supervised or language_aligned"),
            "architecture": Column("string", "", "class of the network"),
            "source": Column("string", "", "whose code builds it; zoo: trained by this workflow"),
            "training_radius": Column(
                "float64", "l2 norm, pixels in [0, 1]", "of adversarial training; 0: none"
            ),
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
    ),
    "network_checks": Table(
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
    ),
    "features": Table(
        "one row per layer and image",
        ("network", "layer", "image_id"),
        {
            "network": NETWORK,
            "layer": LAYER,
            "image_id": IMAGE,
            "feature": Column("list[float32]", "", "output of the layer, flattened"),
        },
    ),
    "representations": Table(
        "one row per candidate layer: what its features of the stimuli are like, whatever is read out",
        ("network", "layer"),
        {
            "network": NETWORK,
            "layer": LAYER,
            "n_features": Column("int32", "units", "length of the feature vector"),
            "sparseness": Column(
                "float64", "0 to 1", "population sparseness, mean over images", missing=True
            ),
            "normalised_variance": Column(
                "float64", "0 to 1", "variance over images relative to the mean squared length", missing=True
            ),
            "effective_dimensionality": Column(
                "float64", "dimensions", "participation ratio of the covariance over images", missing=True
            ),
            "spread": Column("float64", "feature units", "root mean squared distance from the mean feature"),
            "n_images": Column("int32", "images", "stimuli, training and test"),
        },
    ),
    "bases": Table(
        "one row per direction of feature space that the stimuli span, of each layer that is read out",
        ("network", "layer", "component"),
        {
            "network": NETWORK,
            "layer": LAYER,
            "component": Column("int32", "", "from 0, in the order of the entries of a readout's weight"),
            "vector": Column("list[float32]", "", "unit vector over the features; all are orthogonal"),
        },
    ),
    "readouts": Table(
        "one row per target: response = (weight @ basis of the layer) . feature + intercept",
        ("network", "subject", "roi", "target"),
        {
            "network": NETWORK,
            "subject": SUBJECT,
            "roi": ROI,
            "target": TARGET,
            "layer": Column(
                "string", "", "layer that predicts the group mean of the region best in training"
            ),
            "alpha": Column(
                "float64",
                "",
                "ridge penalty; the Gram matrix of the features has a mean diagonal of 1",
                missing=True,
            ),
            "alpha_at_edge": Column("bool", "", "alpha is the smallest or the largest of the grid"),
            "intercept": Column("float64", "target's unit", "prediction for a feature of zeros"),
            "norm": Column(
                "float64", "target's unit per feature unit", "length of the readout in feature space"
            ),
            "weight": Column(
                "list[float64]", "target's unit per feature unit", "along each row of the table bases"
            ),
        },
    ),
    "layer_scores": Table(
        "one row per region mean and candidate layer; the group's error chooses the layer of a region",
        ("network", "subject", "roi", "layer"),
        {
            "network": NETWORK,
            "subject": SUBJECT,
            "roi": ROI,
            "layer": LAYER,
            "error": Column(
                "float64", "variance of the target", "cross-validated inside the training images"
            ),
            "r": Column("float64", "Pearson r", "on test images; chooses nothing", missing=True),
            "alpha": Column("float64", "", "ridge penalty of that layer", missing=True),
            "alpha_at_edge": Column("bool", "", "alpha is the smallest or the largest of the grid"),
            "chosen": Column("bool", "", "layer of the region: smallest error of the group mean"),
        },
    ),
    "scores": Table(
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
        },
    ),
    "cross_subject": Table(
        "one row per pair of subjects: the readout of one subject's region mean tested on another's",
        ("network", "roi", "subject", "tested_on"),
        {
            "network": NETWORK,
            "roi": ROI,
            "subject": Column("string", "", "subject whose responses to training images were fitted"),
            "tested_on": Column("string", "", "subject whose responses to test images are predicted"),
            **SCORE,
        },
    ),
    "predictions": Table(
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
    ),
}
