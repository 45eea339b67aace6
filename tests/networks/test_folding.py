"""Batch norms folded into convolutions: the same features, and none folded where that would change them."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from codingaxes.networks.folding import fold_batch_norms
from codingaxes.networks.network import load_network

ZOO = Path(__file__).parents[2] / "resources" / "zoo"


class Body(nn.Module):
    """A convolution, a batch norm with statistics of its own, and what a test puts around them."""

    def __init__(self, forward):
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3)
        nn.init.uniform_(self.norm.running_mean, 1, 2)
        nn.init.uniform_(self.norm.running_var, 2, 3)
        self.rule = forward

    def forward(self, x):
        return self.rule(self, x)


class Stand(nn.Module):
    """What `fold_batch_norms` needs of a network."""

    def __init__(self, body, layers=("last",)):
        super().__init__()
        self.body, self.layers, self.name, self.layout = body, layers, "made up", torch.contiguous_format
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.eval().requires_grad_(False)

    def features(self, images):
        kept, handles = {}, []
        for layer in self.layers:
            module = self.body.get_submodule(layer)
            keep = partial(self._keep, kept, layer)
            handles.append(module.register_forward_hook(keep))
        self.body(images)
        for handle in handles:
            handle.remove()
        return kept

    @staticmethod
    def _keep(kept, layer, module, inputs, output):
        kept[layer] = output


def norms(network):
    return [module for module in network.body.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize(
    ("name", "left"), [("vgg_robust_1", 0), ("resnet_standard_1", 0), ("densenet_robust_1", 20)]
)
def test_shipped_networks_keep_features_and_gradients(name, left):
    whole, folded = (load_network(name.partition("_")[0], ZOO / f"{name}.safetensors") for _ in range(2))
    n = fold_batch_norms(folded, 64)
    assert n > 0 and len(norms(whole)) - len(norms(folded)) == n
    assert len(norms(folded)) == left
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    for layer in whole.layers:
        values = []
        for network in (whole, folded):
            shown = images.clone().requires_grad_(True)
            features = network.features(shown, [layer])[layer]
            weight = torch.randn(features.shape[1], generator=torch.Generator().manual_seed(6))
            (gradient,) = torch.autograd.grad((features @ weight).sum(), shown)
            values.append((features.detach(), gradient))
        for a, b in zip(*values, strict=True):
            assert (a - b).norm() < 1e-4 * a.norm()
            assert not torch.equal(a, b), "nothing was folded"


def test_a_norm_after_a_convolution_is_folded():
    network = Stand(Body(lambda body, x: body.last(body.norm(body.conv(x)))))
    images = torch.rand(2, 3, 8, 8)
    before = network.features(images)["last"]
    assert fold_batch_norms(network, 8) == 1 and not norms(network)
    torch.testing.assert_close(network.features(images)["last"], before)


def again(body, x):
    y = body.conv(x)
    return body.last(body.norm(y) + y)


def twice(body, x):
    return body.last(body.norm(body.conv(x)) + body.norm(body.conv(x.flip(3))))


def apart(body, x):
    return body.last(body.norm(body.conv(x).relu()))


@pytest.mark.parametrize("rule", [again, twice, apart])
def test_a_norm_is_kept_where_folding_would_change_features(rule):
    network = Stand(Body(rule))
    images = torch.rand(2, 3, 8, 8)
    before = network.features(images)["last"]
    assert fold_batch_norms(network, 8) == 0 and len(norms(network)) == 1
    assert torch.equal(network.features(images)["last"], before)


def test_a_convolution_that_is_a_candidate_layer_keeps_its_output():
    network = Stand(Body(lambda body, x: body.last(body.norm(body.conv(x)))), ("conv", "last"))
    assert fold_batch_norms(network, 8) == 0


def test_a_norm_with_a_part_that_is_not_known_is_kept():
    class Odd(nn.BatchNorm2d):
        def forward(self, x):
            return super().forward(x).sin()

    body = Body(lambda body, x: body.last(body.norm(body.conv(x))))
    body.norm = Odd(4)
    assert fold_batch_norms(Stand(body), 8) == 0
