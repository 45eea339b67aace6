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
    return DenseNet(12, (2, 2, 2, 2), N_CLASSES, bn_size=4, stem_type="deep")


def _vgg():
    cfg = [8, "M", 24, "M", 48, "M", 64, "M"]
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
    "vgg": Architecture(_vgg, ("features.7", "features.11", "features.15")),
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
