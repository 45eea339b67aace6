"""Build the miniature's zoo: narrow versions of timm's own classes, for images of 64 x 64 pixels."""

from dataclasses import dataclass

from timm.models.densenet import DenseNet
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vgg import VGG
from torch import nn

from codingaxes.miniature import scenes

N_CLASSES = len(scenes.CATEGORIES)


def _resnet():
    # stems of 3 x 3 convolutions: at this width a stem of 7 x 7 would cost most of an input gradient
    return ResNet(
        BasicBlock, (1, 1, 1, 1), N_CLASSES, stem_type="deep", stem_width=8, channels=(16, 32, 64, 128)
    )


def _densenet():
    return DenseNet(16, (2, 4, 6, 4), N_CLASSES, bn_size=2, stem_type="deep")


def _vgg():
    cfg = [8, "M", 24, "M", 48, 48, "M", 64, 64, "M"]
    return VGG(cfg, N_CLASSES, mlp_ratio=0.04, norm_layer=nn.BatchNorm2d)


@dataclass(frozen=True)
class Architecture:
    """Say how to build a network, and which layers may predict the brain, early to late."""

    build: callable
    layers: tuple


ARCHITECTURES = {
    "resnet": Architecture(_resnet, ("layer2", "layer3", "layer4")),
    "densenet": Architecture(
        _densenet, ("features.denseblock2", "features.denseblock3", "features.denseblock4")
    ),
    "vgg": Architecture(_vgg, ("features.7", "features.14", "features.21")),
}


def row(architecture):
    """Give the row that the table of networks would have for an architecture of the zoo.

    Its images may have any size and are never resized.

    Raises
    ------
    ValueError
        If the architecture is not known.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"unknown architecture {architecture!r}; there are {', '.join(ARCHITECTURES)}")
    return {
        "name": architecture,
        "source": "zoo",
        "identifier": architecture,
        "architecture": architecture,
        "input_size": None,
        "mean": [0.5] * 3,
        "std": [0.25] * 3,
        "interpolation": "bilinear",
        "layers": list(ARCHITECTURES[architecture].layers),
    }


# Settings of the section zoo by which all networks are trained: of `training.Settings`, but for the epochs.
TRAINING = ("batch_size", "learning_rate", "weight_decay", "gradients", "growth")
# Further settings that decide what comes out: the scenes, and the attack under which accuracy is measured.
MEASURED = ("train_images", "test_images", "attack_radius", "attack_steps")


@dataclass(frozen=True)
class Record:
    """Say how a network of the zoo came about; it lies as JSON beside the weights."""

    network: str
    recipe: dict  # of `recipe`
    accuracies: dict  # a row of the table accuracies, without the network
    sha256: str  # of the weights
    commit: str  # of the code that trained it; empty where it was in no repository
    versions: dict  # package -> version
    processor_seconds: float  # of the training


def recipe(row, settings, image_size):
    """Collect all that decides what a network of the zoo is, but for the code.

    Parameters
    ----------
    row : dict
        Of the table of networks, with architecture, training_radius and seed.
    settings : dict
        The configuration's section zoo.
    image_size : int
        Pixels a side of the scenes.
    """
    of_row = {key: row[key] for key in ("architecture", "training_radius", "seed")}
    of_all = {key: settings[key] for key in (*MEASURED, *TRAINING)}
    of_all |= {"scenes_seed": settings["seed"], "epochs": settings["epochs"][row["architecture"]]}
    return of_row | {"image_size": image_size} | of_all
