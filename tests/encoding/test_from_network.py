"""Tests of networks with readouts as encoding models: readouts in factors, and compressed ones."""

import numpy as np
import pandas as pd
import pytest
import torch
from planted_jacobians import angle, small_images, start
from planted_models import assert_readers

from codingaxes.attacks import strongest
from codingaxes.axes import eigenpairs
from codingaxes.encoding import evidence, stored
from codingaxes.encoding.from_network import LinearResponse, compress
from codingaxes.miniature import zoo
from codingaxes.names import GROUP
from codingaxes.networks.network import Network, save_network
from codingaxes.tables import store
from codingaxes.tables.readouts import BASES, READOUTS


def normal(*shape, seed=3):
    """Draw normal numbers, float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def files(tmp_path, rng):
    """The files of a network with readouts of two regions: of the group, two subjects and three voxels."""
    torch.manual_seed(0)
    network = Network("resnet").eval()
    save_network(network, tmp_path / "weights.safetensors")
    layers = {"PPA": network.layers[1], "FFA": network.layers[-1]}
    features = network.features(torch.rand(1, 3, 64, 64))
    means = [(GROUP, "mean"), ("subj02", "mean"), ("subj01", "mean")]
    bases, readouts = [], []
    for roi, layer in layers.items():
        basis = np.linalg.qr(rng.standard_normal((features[layer].shape[1], 4)))[0].T.astype(np.float32)
        bases += [{"layer": layer, "component": i, "vector": row} for i, row in enumerate(basis)]
        for subject, target in [*means, *(("subj01", str(number)) for number in range(3))]:
            about = {"subject": subject, "roi": roi, "target": target, "layer": layer}
            readouts.append(about | {"intercept": rng.normal(), "weight": rng.standard_normal(4)})
    readouts = pd.DataFrame(readouts).assign(network="a", alpha=1.0, alpha_at_edge=False, norm=1.0)
    bases = pd.DataFrame(bases).assign(network="a")
    paths = {"readouts": tmp_path / "readouts.parquet", "bases": tmp_path / "bases.parquet"}
    store.write(paths["readouts"], READOUTS, readouts)
    store.write(paths["bases"], BASES, bases.iloc[::-1])  # rows may come in any order
    return paths | {"weights": tmp_path / "weights.safetensors"}


def test_responses_and_category_evidence_come_side_by_side_from_one_pass(files):
    row = zoo.row("resnet")
    model = stored.load(files, row, torch.device("cpu"))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    respond, network = model.readers(subjects=False)[0], model.features.network
    passes = []
    network.body.register_forward_pre_hook(lambda *_: passes.append(1))
    expected = torch.cat([respond(images), evidence.judge_of(model, row)(images)], dim=1)
    assert len(passes) == 2
    passes.clear()
    assert torch.equal(evidence.beside_responses(model, row)(images), expected) and len(passes) == 1
    assert torch.equal(evidence.beside_responses(model, {"source": "timm"})(images), respond(images))


def test_a_stored_network_predicts_by_the_weights_and_the_bases_of_its_tables(files):
    model = stored.load(files, zoo.row("resnet"), torch.device("cpu"))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    readouts, bases = store.read(files["readouts"], READOUTS), store.read(files["bases"], BASES)
    features = model.features.network.features(images)
    assert list(model.group) == ["PPA", "FFA"] and model.names == ("subj02", "subj01")
    for roi, rows in readouts.groupby("roi"):
        layer = rows.layer.iloc[0]
        basis = store.matrix(bases[bases.layer == layer].sort_values("component").vector)
        weight = store.matrix(rows.weight) @ basis
        expected = features[layer].numpy() @ weight.T + rows.intercept.to_numpy()
        kinds = (model.group, model.subjects, model.voxels)
        predicted = torch.cat([responses[roi](images) for responses in kinds], dim=1)
        np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-4)
    assert model.features.layers == ["layer3", "layer4"]  # in the order of the network


def test_a_stored_network_reads_each_region_by_the_subjects_that_have_it(files):
    readouts = store.read(files["readouts"], READOUTS)
    lacks = (readouts.roi == "PPA") & (readouts.subject == "subj02")
    store.write(files["readouts"], READOUTS, readouts[~lacks])
    model = stored.load(files, zoo.row("resnet"), torch.device("cpu"))
    owners = {"PPA": ("subj01",), "FFA": ("subj02", "subj01")}
    assert model.owners == owners and model.names == ("subj01", "subj02")
    with torch.no_grad():
        assert_readers(model, torch.rand(2, 3, 64, 64), owners)


def test_nothing_runs_behind_the_deepest_layer_that_is_read_in_forward_passes_and_gradients(files):
    model = stored.load(files, zoo.row("resnet"), torch.device("cpu"))
    network, runs = model.features.network, []
    for name, module in network.body.named_modules():
        module.register_forward_hook(lambda *_, name=name: runs.append(name))
    deepest = {"PPA": network.layers[1], "FFA": network.layers[-1]}
    assert deepest == {"PPA": "layer3", "FFA": "layer4"}
    images = torch.rand(1, 3, 64, 64)
    for roi, last in deepest.items():
        runs.clear()
        strongest.value_and_gradient(model.scalar(roi), images)
        assert runs[-1] == last and ("layer4" in runs) == (last == "layer4")


def test_a_readout_of_more_responses_than_directions_stays_in_two_factors(rng):
    torch.manual_seed(0)
    network = Network("densenet").eval().requires_grad_(False)
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    layer = network.layers[-1]
    features = network.features(images, [layer])[layer].numpy().astype(float)
    basis = np.linalg.qr(rng.standard_normal((features.shape[1], 5)))[0].T.astype(np.float32)
    weight, intercept = rng.standard_normal((9, 5)), rng.standard_normal(9)
    expected = features @ basis.T @ weight.T + intercept
    for rows, factors in ((slice(0, 9), 2), (slice(0, 4), 1)):
        respond = LinearResponse(network, layer, weight[rows], basis, intercept[rows])
        assert len(respond.maps) == factors
        np.testing.assert_allclose(respond(images), expected[:, rows], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="the readout was fitted on 4"):
        LinearResponse(network, layer, weight, basis[:, :4], intercept)(images)


@pytest.mark.parametrize("shape", [(200, 30), (30, 200), (30, 30)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_compressed_readout_has_the_same_square_and_its_rank(shape, kind):
    weight = (normal(shape[0], 11) @ normal(11, shape[1], seed=4)).to(kind)
    short = compress(weight)
    assert short.shape == (11, shape[1]) and short.dtype == kind
    wide = weight.double()
    off = (short.double().T @ short.double() - wide.T @ wide).norm() / (wide.T @ wide).norm()
    assert off < (1e-6 if kind == torch.float32 else 1e-13)


def test_a_ridge_readout_compresses_to_less_than_its_images_and_keeps_the_axes():
    x, y = normal(12, 40, seed=4), normal(12, 90, seed=5)
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    weight = torch.linalg.solve(x @ x.T + torch.eye(12), y).T @ x
    short = compress(weight)
    assert len(short) == 11

    def axes(weight):
        def respond(images):
            return torch.tanh(images.flatten(1)[:, :40]) @ weight.T

        return eigenpairs.top_axes(respond, small_images(), 3, start=start(), route="exact").spectrum

    torch.testing.assert_close(axes(weight).values, axes(short).values)
    for i in range(3):
        assert angle(axes(weight).vectors[i], axes(short).vectors[i]) < 1e-5


def test_a_readout_in_factors_needs_only_its_left_one_compressed():
    left, right = normal(60, 8, seed=5), torch.linalg.qr(normal(50, 8, seed=6)).Q.T
    short = compress(left) @ right
    weight = left @ right
    assert short.shape == (8, 50)
    torch.testing.assert_close(short.T @ short, weight.T @ weight)


def test_a_readout_of_zeros_stays_a_response():
    assert compress(torch.zeros(5, 7)).shape == (1, 7)
