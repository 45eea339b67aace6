"""Models: the simulated brain in the units of the measurements."""

import numpy as np
import pandas as pd
import pytest
import torch

from codingaxes import jacobians, miniature, models, networks, scenes, simulation, tables


@pytest.fixture
def units(brain, tmp_path, rng):
    """The brain's file, and tables voxels and targets with units that are planted here."""
    brain.save(tmp_path / "brain.npz")
    places = {name: [(0, 0, k) for k in range(len(of.roi))] for name, of in brain.subjects.items()}
    miniature.add_places(tmp_path / "brain.npz", {name: np.array(where) for name, where in places.items()})
    rows = [
        {"subject": subject, "voxel_id": i, "roi": roi, "mean": rng.normal(), "sd": rng.uniform(1, 3)}
        | {"i": 0, "j": 0, "k": i}
        for subject, voxels in brain.subjects.items()
        for i, roi in enumerate(voxels.roi)
    ]
    targets = [
        {"subject": subject, "roi": roi, "mean": rng.normal(), "sd": rng.uniform(0.5, 2)}
        for subject in [*brain.subjects, tables.GROUP]
        for roi in scenes.PREFERRED
    ]
    return tmp_path / "brain.npz", pd.DataFrame(rows), pd.DataFrame(targets)


def test_the_brains_group_response_is_the_chain_of_averages_of_the_measurements(brain, units):
    file, voxels, targets = units
    model = models.load_brain(file, voxels, targets)
    shown, _ = scenes.render_many(12, 4, 64)
    percent = simulation.evaluate(brain, shown)
    z = (percent - voxels["mean"].to_numpy()) / voxels.sd.to_numpy()
    unit = targets.set_index(["subject", "roi"])
    images = torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255
    for roi in scenes.PREFERRED:
        of_subjects = []
        for subject in brain.subjects:
            mean = z[:, ((voxels.subject == subject) & (voxels.roi == roi)).to_numpy()].mean(axis=1)
            of_subjects.append((mean - unit["mean"][subject, roi]) / unit.sd[subject, roi])
        expected = (np.mean(of_subjects, axis=0) - unit["mean"]["group", roi]) / unit.sd["group", roi]
        np.testing.assert_allclose(model.group[roi](images).squeeze(1), expected, rtol=1e-3, atol=1e-3)
        rows = (voxels.roi == roi).to_numpy()
        np.testing.assert_allclose(model.voxels[roi](images), z[:, rows], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(model.scalar(roi)(images), model.group[roi](images).squeeze(1))


def test_voxels_that_are_not_those_of_the_brain_are_refused(units):
    file, voxels, targets = units
    elsewhere = voxels.assign(k=voxels.k.where(voxels.index > 0, 999))
    with pytest.raises(ValueError, match=r"1 of .* voxels of the table are not in"):
        models.load_brain(file, elsewhere, targets)


def test_a_readout_of_more_responses_than_directions_stays_in_two_factors(rng):
    network = networks.Network("densenet").eval().requires_grad_(False)
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    layer = network.layers[-1]
    features = network.features(images, [layer])[layer].numpy().astype(float)
    basis = np.linalg.qr(rng.standard_normal((features.shape[1], 5)))[0].T.astype(np.float32)
    weight, intercept = rng.standard_normal((9, 5)), rng.standard_normal(9)
    expected = features @ basis.T @ weight.T + intercept
    for rows, factors in ((slice(0, 9), 2), (slice(0, 4), 1)):
        respond = models.LinearResponse(network, layer, weight[rows], basis, intercept[rows])
        assert len(respond.maps) == factors
        np.testing.assert_allclose(respond(images), expected[:, rows], rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="the readout was fitted on 4"):
        models.LinearResponse(network, layer, weight, basis[:, :4], intercept)(images)


@pytest.fixture
def network_model(rng):
    """A network with planted readouts of two regions: two subjects with three and four voxels."""
    network = networks.Network("densenet").eval().requires_grad_(False)
    layer = network.layers[-1]
    size = network.features(torch.rand(1, 3, 64, 64), [layer])[layer].shape[1]
    basis = np.linalg.qr(rng.standard_normal((size, 4)))[0].T

    def readouts(rows):
        weight = rng.standard_normal((rows, len(basis)))
        return models.LinearResponse(network, layer, weight, basis, rng.standard_normal(rows))

    kinds = ({roi: readouts(rows) for roi in ("FFA", "PPA")} for rows in (1, 2, 7))
    return models.Model(*kinds, models.LayerFeatures(network, [layer]))


def test_responses_that_are_asked_for_have_the_jacobian_of_what_they_stand_for(network_model):
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    weights = {roi: np.linspace(0, 1, 7) for roi in ("FFA", "PPA")}
    rows = {roi: jacobians.rows(respond, images) for roi, respond in network_model.voxels.items()}
    scaled = {roi: torch.from_numpy(weights[roi]).float()[:, None] * rows[roi] for roi in rows}
    for scale, expected in ((None, rows), (weights, scaled)):
        asked = network_model.responses("voxels", scale)
        assert list(asked) == ["FFA", "PPA"]
        for roi, respond in asked.items():
            found = jacobians.rows(respond, images)
            assert found.shape[1] == 4  # seven voxels of a layer that is read along four directions
            torch.testing.assert_close(gram(found), gram(expected[roi]), rtol=1e-4, atol=1e-6)
        (joint,) = network_model.responses("joint", scale).values()
        both = torch.cat(list(expected.values()), dim=1)
        torch.testing.assert_close(gram(jacobians.rows(joint, images)), gram(both), rtol=1e-4, atol=1e-6)
    assert network_model.responses("group") is network_model.group
    assert list(network_model.responses("features")) == ["all"]


def gram(rows):
    """JᵀJ at some pixels."""
    some = rows[:, :, ::997]
    return some.mT @ some


def test_readouts_of_different_layers_are_joined_too(network_model):
    one = network_model.voxels["FFA"]
    early = one.network.layers[0]
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    size = one.network.features(images, [early])[early].shape[1]
    basis = np.eye(3, size)
    other = models.LinearResponse(one.network, early, np.eye(3), basis, np.zeros(3))
    model = models.Model({}, {}, {"FFA": one, "PPA": other})
    (joint,) = model.responses("joint").values()
    both = torch.cat([jacobians.rows(part, images) for part in (one, other)], dim=1)
    torch.testing.assert_close(gram(jacobians.rows(joint, images)), gram(both), rtol=1e-4, atol=1e-6)
    assert model.responses("features") == {}


def test_the_brain_has_responses_of_subjects_and_of_all_regions_together(brain, units):
    model = models.load_brain(*units)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    (joint,) = model.responses("joint").values()
    everything = torch.cat([respond(images) for respond in model.voxels.values()], dim=1)
    torch.testing.assert_close(joint(images), everything)
    means = model.subjects["FFA"](images)
    assert means.shape == (2, 4)
    targets = units[2].set_index(["subject", "roi"])
    group = (means.mean(dim=1) - targets["mean"]["group", "FFA"]) / targets.sd["group", "FFA"]
    torch.testing.assert_close(model.group["FFA"](images).squeeze(1), group.float(), rtol=1e-4, atol=1e-4)


def test_the_brain_is_driven_by_low_spatial_frequencies(units):
    model = models.load_brain(*units)
    shown, _ = scenes.render_many(13, 8, 64)
    images = (torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255).requires_grad_()
    cycles = torch.fft.fftfreq(64) * 64
    low = torch.hypot(cycles[:, None], cycles[None]) <= 8
    for roi in scenes.PREFERRED:
        (gradient,) = torch.autograd.grad(model.group[roi](images).sum(), images)
        power = torch.fft.fft2(gradient).abs().square().sum(dim=(0, 1))
        assert power[low].sum() / power.sum() > 0.8


def check_readers(model, images, subjects):
    """All readouts of a model from one pass, by name, against those that each region has."""
    respond, names = model.readers()
    assert names == [(roi, who) for roi in model.group for who in (tables.GROUP, *subjects)]
    found = respond(images)
    assert found.shape == (len(images), len(names))
    for place, (roi, who) in enumerate(names):
        of_group = who == tables.GROUP
        expected = (
            model.group[roi](images)[:, 0]
            if of_group
            else model.subjects[roi](images)[:, subjects.index(who)]
        )
        assert torch.equal(found[:, place], expected)
        assert torch.equal(model.scalar(roi, who)(images), expected)
    with pytest.raises(ValueError, match="not in tuple"):
        model.scalar(names[0][0], "subj99")


def test_readers_of_a_network_give_every_readout_whatever_its_layer_from_one_pass(rng, monkeypatch):
    network = networks.Network("densenet").eval().requires_grad_(False)
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    sizes = {layer: found.shape[1] for layer, found in network.features(images, network.layers).items()}

    def readout(layer, rows):
        basis = np.linalg.qr(rng.standard_normal((sizes[layer], 4)))[0].T
        return models.LinearResponse(
            network, layer, rng.standard_normal((rows, 4)), basis, rng.standard_normal(rows)
        )

    # regions of three layers, not in the order of the network, one of them in two factors
    late, early, middle = network.layers[-1], network.layers[0], network.layers[1]
    group = {
        roi: readout(layer, 1)
        for roi, layer in {"FFA": late, "EBA": early, "PPA": middle, "OPA": early}.items()
    }
    subjects = {roi: readout(part.layer, 6) for roi, part in group.items()}
    names = tuple(f"subj{number:02d}" for number in range(1, 7))
    model = models.Model(group, subjects, {}, names=names)
    with torch.no_grad():
        check_readers(model, images, names)
        calls, usual = [], networks.Network.features
        monkeypatch.setattr(
            networks.Network, "features", lambda *given: calls.append(given[2]) or usual(*given)
        )
        model.readers()[0](images)
    assert calls == [[late, early, middle]]


def test_readers_of_the_brain_give_every_readout_from_one_pass(brain, units, monkeypatch):
    model = models.load_brain(*units)
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    assert model.names == tuple(brain.subjects)
    with torch.no_grad():
        check_readers(model, images, model.names)
        calls, usual = [], simulation.SimulatedBrain.forward
        monkeypatch.setattr(
            simulation.SimulatedBrain, "forward", lambda *given: calls.append(1) or usual(*given)
        )
        model.readers()[0](images)
    assert calls == [1]
