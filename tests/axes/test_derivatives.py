"""Tests of derivatives: the products with a Jacobian are those of the whole Jacobian, whatever the layers."""

import pytest
import torch
from planted_jacobians import bumpy, small_images, start, whole_jacobian

from codingaxes.axes import derivatives, krylov
from codingaxes.miniature import zoo
from codingaxes.networks.network import Network


@pytest.mark.parametrize("responses", [1, 7])
def test_the_jacobian_product_is_that_of_the_whole_jacobian(responses):
    respond, images, v = bumpy(responses), small_images(), start()
    product = derivatives.gauss_newton(respond, images)(v)
    whole = whole_jacobian(respond, images)
    expected = torch.einsum("nvi,nvj,nj->ni", whole, whole, v)
    torch.testing.assert_close(product, expected)


class Mixed(torch.nn.Module):
    """Every kind of layer that is recorded in a way of its own: convolutions, batch norm and attention."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.norm = torch.nn.BatchNorm2d(6)
        self.grouped = torch.nn.Conv2d(6, 6, (3, 2), stride=(2, 3), padding=(0, 1), dilation=(1, 2), groups=3)
        self.same = torch.nn.Conv2d(6, 6, 3, padding="same")
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, images):
        x = torch.tanh(self.norm(self.first(images)))
        x = torch.tanh(self.same(torch.tanh(self.grouped(x))))
        tokens = x.flatten(2).mT
        return torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).sum(dim=1)


@pytest.mark.parametrize("frozen", [True, False])
def test_layers_recorded_as_linear_have_the_jacobian_of_the_network(frozen):
    torch.manual_seed(0)
    network = Mixed().double().eval().requires_grad_(not frozen)
    images = torch.rand(2, 3, 11, 12, dtype=torch.float64)
    push, pull = derivatives.jacobian(network, images)
    v, u = start(2, images[0].numel()), start(2, 6, seed=5)
    whole = whole_jacobian(network, images)
    torch.testing.assert_close(push(v), torch.einsum("nvi,ni->nv", whole, v))
    torch.testing.assert_close(pull(u), torch.einsum("nvi,nv->ni", whole, u))


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_a_small_step_along_an_axis_changes_the_response_by_the_root_of_its_eigenvalue(architecture):
    torch.manual_seed(0)
    network = Network(architecture).double().eval().requires_grad_(False)
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    push, pull = derivatives.jacobian(network, images)
    spectrum = krylov.top_singular_pairs(push, pull, start(2, images[0].numel()), 3, tolerance=1e-8)
    t = 1e-7
    for j in range(3):
        moved = network(images + t * spectrum.vectors[:, j].view_as(images))
        slope = (moved - network(images)).norm(dim=1) / t
        torch.testing.assert_close(slope, spectrum.values[:, j].sqrt(), rtol=1e-3, atol=0)


def test_a_response_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(2, v\)"):
        derivatives.jacobian(lambda x: x.sum(dim=(1, 2, 3)), torch.rand(2, 3, 4, 4))
