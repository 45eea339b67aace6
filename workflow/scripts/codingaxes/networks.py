"""A network's name -> a differentiable function from images in [0, 1] to named layers.

The miniature's zoo: narrow versions of timm's own classes for images of 64 x 64 pixels. The common
normalisation happens inside, so that perturbations of different networks live in the same pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from timm.models.densenet import DenseNet
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vgg import VGG
from torch import nn

from codingaxes import scenes

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
    """How to build a network, and the layers that may predict the brain, early to late."""

    build: callable
    layers: tuple


ARCHITECTURES = {
    "resnet": Architecture(_resnet, ("layer2", "layer3", "layer4")),
    "densenet": Architecture(
        _densenet, ("features.denseblock2", "features.denseblock3", "features.denseblock4")
    ),
    "vgg": Architecture(_vgg, ("features.7", "features.11", "features.15")),
}


class _Reached(Exception):
    """Raised by a hook once the last wanted layer has answered."""


class Network(nn.Module):
    """A network with its normalisation inside.

    Parameters
    ----------
    architecture : str
        A key of `ARCHITECTURES`.

    Raises
    ------
    ValueError
        If the architecture is not known.
    """

    def __init__(self, architecture):
        super().__init__()
        if architecture not in ARCHITECTURES:
            raise ValueError(f"unknown architecture {architecture!r}; there are {', '.join(ARCHITECTURES)}")
        self.layers = ARCHITECTURES[architecture].layers
        self.body = ARCHITECTURES[architecture].build().to(memory_format=torch.channels_last)

    def forward(self, images):
        """Images (n, 3, h, w) in [0, 1] -> logits (n, 6) of the categories."""
        return self.body(self._normalise(images))

    def features(self, images, layers=None):
        """Outputs of named layers, flattened: dict of tensors (n, d); nothing later is computed.

        Parameters
        ----------
        images : tensor (n, 3, h, w)
            In [0, 1].
        layers : sequence of str, optional
            The candidate layers of the architecture if not given.

        Raises
        ------
        ValueError
            If the network has no such layer.
        """
        layers = self.layers if layers is None else tuple(layers)
        modules = dict(self.body.named_modules())
        unknown = [layer for layer in layers if layer not in modules]
        if unknown:
            raise ValueError(f"no layer {', '.join(unknown)}; candidates are {', '.join(self.layers)}")
        found, handles = {}, []

        def keep(layer):
            def hook(module, inputs, output):
                # contiguous and cloned: a later in-place activation must not change what was stored
                found[layer] = output.flatten(1).clone()
                if len(found) == len(layers):
                    raise _Reached

            return hook

        try:
            handles = [modules[layer].register_forward_hook(keep(layer)) for layer in layers]
            self.forward(images)
        except _Reached:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return {layer: found[layer] for layer in layers}

    @staticmethod
    def _normalise(images):
        return ((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)


def save(network, path):
    """Write the weights as safetensors, whole or not at all."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}")
    save_file({name: value.contiguous() for name, value in network.body.state_dict().items()}, temporary)
    temporary.replace(path)


def load(architecture, weights, device="cpu"):
    """A trained network in evaluation mode with frozen parameters.

    Parameters
    ----------
    architecture : str
        A key of `ARCHITECTURES`.
    weights : path-like
        From `save`. Nothing in the file is executed.
    device : torch.device or str

    Raises
    ------
    FileNotFoundError
        If the weights are not there.
    RuntimeError
        If a weight is missing or not expected: a network is never loaded in part.
    """
    if not Path(weights).is_file():
        raise FileNotFoundError(f"{weights} is not there; the rule train_network makes it")
    network = Network(architecture)
    network.body.load_state_dict(load_file(weights), strict=True)
    return network.to(device).eval().requires_grad_(False)
