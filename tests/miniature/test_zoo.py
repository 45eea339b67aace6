"""The miniature's zoo: its architectures are timm's own, in plain torch."""

import pytest
import torch
from timm.models import densenet, resnet, vgg

from codingaxes.miniature import scenes, zoo
from codingaxes.networks.network import Network

N = len(scenes.CATEGORIES)
TIMM = {
    "resnet": lambda: resnet.ResNet(
        resnet.BasicBlock, (1, 1, 1, 1), N, stem_type="deep", stem_width=8, channels=(16, 32, 64, 128)
    ),
    "densenet": lambda: densenet.DenseNet(16, (2, 4, 6, 4), N, bn_size=2, stem_type="deep"),
    "vgg": lambda: vgg.VGG(
        [8, "M", 24, "M", 48, 48, "M", 64, 64, "M"], N, mlp_ratio=0.04, norm_layer=torch.nn.BatchNorm2d
    ),
}


def seeded(build):
    """Build a network from one state of torch's generator, and show it one batch in training."""
    torch.manual_seed(0)
    body = build()
    body.train()(torch.rand(8, 3, 64, 64))
    return body


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_a_network_of_the_zoo_is_timms_with_the_same_names_first_weights_and_answers(architecture):
    ours, theirs = seeded(zoo.ARCHITECTURES[architecture].build), seeded(TIMM[architecture])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
    images = torch.rand(3, 3, 64, 64)
    for training in (True, False):
        assert torch.equal(ours.train(training)(images), theirs.train(training)(images))
    assert set(zoo.ARCHITECTURES[architecture].layers) <= set(dict(theirs.named_modules()))


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_a_network_is_its_body_at_normalised_pixels_bit_for_bit(architecture):
    torch.manual_seed(0)
    network = Network(architecture).eval()
    torch.manual_seed(0)
    body = zoo.ARCHITECTURES[architecture].build().to(memory_format=torch.channels_last).eval()
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    pixels = ((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)
    assert torch.equal(network(images), body(pixels))
    assert network(images).shape == (3, N)


def test_a_row_may_choose_other_layers_but_no_other_architecture():
    row = zoo.row("vgg") | {"layers": ["features.3"]}
    assert Network(row).layers == ("features.3",)
    with pytest.raises(ValueError, match="resnet, densenet, vgg"):
        zoo.row("resnett")
