"""Tests of encoding models: the responses that a step asks for have the Jacobian of what they stand for."""

import numpy as np
import pytest
import torch
from planted_models import assert_readers

from codingaxes.axes import eigenpairs
from codingaxes.encoding.from_network import LayerFeatures, LinearResponse
from codingaxes.encoding.model import EncodingModel, names_of
from codingaxes.networks.network import Network


def random_images(n=2):
    """Draw images, float32 (n, 3, 64, 64)."""
    return torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(3))


def densenet():
    """Make an untrained network of the zoo."""
    torch.manual_seed(0)
    return Network("densenet").eval().requires_grad_(False)


def random_basis(rng, network, layer, directions=4):
    """Draw few orthonormal directions of the features of a layer."""
    size = network.features(random_images(1), [layer])[layer].shape[1]
    return np.linalg.qr(rng.standard_normal((size, directions)))[0].T


def random_readout(rng, network, layer, basis, *, responses):
    """Draw readouts of one layer of a network along a basis."""
    weight, intercept = rng.standard_normal((responses, len(basis))), rng.standard_normal(responses)
    return LinearResponse(network, layer, weight, basis, intercept)


def gram(rows):
    """Compute JᵀJ at some pixels."""
    some = rows[:, :, ::997]
    return some.mT @ some


def assert_same_axes(respond, images, rows):
    """Hold JᵀJ of a response to that of the rows of a Jacobian."""
    torch.testing.assert_close(gram(eigenpairs.rows(respond, images)), gram(rows), rtol=1e-4, atol=1e-6)


@pytest.fixture
def network_model(rng):
    """A network with planted readouts of two regions: two subjects with three and four voxels."""
    network = densenet()
    layer = network.layers[-1]
    basis = random_basis(rng, network, layer)
    kinds = (
        {roi: random_readout(rng, network, layer, basis, responses=n) for roi in ("FFA", "PPA")}
        for n in (1, 2, 7)
    )
    return EncodingModel(*kinds, LayerFeatures(network, [layer]))


def test_responses_that_are_asked_for_have_the_jacobian_of_what_they_stand_for(network_model):
    images = random_images()
    weights = {roi: np.linspace(0, 1, 7) for roi in ("FFA", "PPA")}
    rows = {roi: eigenpairs.rows(respond, images) for roi, respond in network_model.voxels.items()}
    scaled = {roi: torch.from_numpy(weights[roi]).float()[:, None] * rows[roi] for roi in rows}
    for scale, expected in ((None, rows), (weights, scaled)):
        voxels = network_model.responses("voxels", scale)
        assert list(voxels) == ["FFA", "PPA"]
        for roi, respond in voxels.items():
            # seven voxels of a layer that is read along four directions
            assert respond(images).shape == (2, 4)
            assert_same_axes(respond, images, expected[roi])
        (joint,) = network_model.responses("joint", scale).values()
        assert_same_axes(joint, images, torch.cat(list(expected.values()), dim=1))
    assert network_model.responses("group") is network_model.group
    assert list(network_model.responses("features")) == ["all"]


@pytest.mark.parametrize("place", [0, -1])
def test_readouts_of_different_layers_or_bases_are_joined_too(network_model, rng, place):
    one = network_model.voxels["FFA"]
    network, layer = one.network, one.network.layers[place]
    other = random_readout(rng, network, layer, random_basis(rng, network, layer), responses=3)
    model = EncodingModel({}, {}, {"FFA": one, "PPA": other})
    images = random_images(1)
    (joint,) = model.responses("joint").values()
    both = torch.cat([eigenpairs.rows(part, images) for part in (one, other)], dim=1)
    assert_same_axes(joint, images, both)
    assert model.responses("features") == {}


def test_readers_of_a_network_give_every_readout_whatever_its_layer_from_one_pass(rng, monkeypatch):
    network = densenet()
    # regions of three layers, not in the order of the network, some of them in two factors
    late, early, middle = network.layers[-1], network.layers[0], network.layers[1]
    layers = {"FFA": late, "EBA": early, "PPA": middle, "OPA": early}
    bases = {layer: random_basis(rng, network, layer) for layer in network.layers}
    group, subjects = (
        {roi: random_readout(rng, network, layer, bases[layer], responses=n) for roi, layer in layers.items()}
        for n in (1, 6)
    )
    names = tuple(f"subj{number:02d}" for number in range(1, 7))
    model, images = EncodingModel(group, subjects, {}, names=names), random_images(3)
    with torch.no_grad():
        assert_readers(model, images, dict.fromkeys(layers, names))
        calls, features = [], Network.features
        monkeypatch.setattr(Network, "features", lambda *inputs: calls.append(inputs[2]) or features(*inputs))
        model.readers()[0](images)
    assert calls == [[late, early, middle]]


def test_a_region_that_a_subject_lacks_has_no_readout_of_it_and_the_others_keep_theirs(rng):
    network = densenet()
    layer = network.layers[-1]
    basis = random_basis(rng, network, layer)
    owners = {"FFA": ("bob",), "EBA": ("ann", "bob", "cat"), "PPA": ("ann", "cat")}
    group, subjects = {}, {}
    for roi, names in owners.items():
        group[roi] = random_readout(rng, network, layer, basis, responses=1)
        subjects[roi] = random_readout(rng, network, layer, basis, responses=len(names))
    model = EncodingModel(group, subjects, {}, names=names_of(owners), owners=owners)
    assert model.names == ("bob", "ann", "cat") and model.subjects_of("PPA") == ("ann", "cat")
    with torch.no_grad():
        assert_readers(model, random_images(3), owners)
