"""Name the architectures of the miniature's zoo, and give the rows that tables of networks have for them."""

from dataclasses import dataclass

from codingaxes.miniature import architectures, scenes

N_CLASSES = len(scenes.CATEGORIES)


@dataclass(frozen=True)
class Architecture:
    """Say how to build a network, and which layers may predict the brain, early to late."""

    kind: type
    layers: tuple

    def build(self):
        """Build the network with random weights, from torch's global generator."""
        return self.kind(N_CLASSES)


ARCHITECTURES = {
    "resnet": Architecture(architectures.ResNet, ("layer2", "layer3", "layer4")),
    "densenet": Architecture(
        architectures.DenseNet, ("features.denseblock2", "features.denseblock3", "features.denseblock4")
    ),
    "vgg": Architecture(architectures.VGG, ("features.7", "features.14", "features.21")),
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
