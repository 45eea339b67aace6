"""The miniature's zoo: its architectures are as they always were."""

import hashlib

import pytest
import torch

from codingaxes.miniature import scenes, zoo
from codingaxes.networks.network import Network

# of the networks as they were before rows named them: names, shapes and order of the weights
BEFORE = {"resnet": "2d46984f546bc726", "densenet": "8fec2073841286cf", "vgg": "cddc3d80fa92b426"}


def digest_of(network):
    """A digest of the names, shapes and order of a network's weights."""
    shapes = [(name, tuple(value.shape)) for name, value in network.body.state_dict().items()]
    return hashlib.sha256(repr(shapes).encode()).hexdigest()[:16]


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_weights_of_earlier_versions_still_fit(architecture):
    assert digest_of(Network(architecture)) == BEFORE[architecture]


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_a_network_is_its_body_at_normalised_pixels_bit_for_bit(architecture):
    torch.manual_seed(0)
    network = Network(architecture).eval()
    torch.manual_seed(0)
    body = zoo.ARCHITECTURES[architecture].build().to(memory_format=torch.channels_last).eval()
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    pixels = ((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)
    assert torch.equal(network(images), body(pixels))
    assert network(images).shape == (3, len(scenes.CATEGORIES))


def test_a_row_may_choose_other_layers_but_no_other_architecture():
    row = zoo.row("vgg") | {"layers": ["features.3"]}
    assert Network(row).layers == ("features.3",)
    with pytest.raises(ValueError, match="resnet, densenet, vgg"):
        zoo.row("resnett")
