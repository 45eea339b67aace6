"""Tests of the simulated brain as an encoding model: it is in the units of the measurements."""

import numpy as np
import pandas as pd
import pytest
import torch
from planted_models import assert_readers

from codingaxes.encoding import from_brain, stored
from codingaxes.miniature import nsd_files, scenes
from codingaxes.miniature.brain import SimulatedBrain, evaluate
from codingaxes.names import GROUP
from codingaxes.tables import store
from codingaxes.tables.nsd import VOXELS
from codingaxes.tables.readouts import TARGETS


def random_images(n=3):
    """Draw images, float32 (n, 3, 64, 64)."""
    return torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def units(brain, tmp_path, rng):
    """The brain's file, and tables voxels and targets with planted units."""
    brain.save(tmp_path / "brain.npz")
    places = {name: [(0, 0, k) for k in range(len(of.roi))] for name, of in brain.subjects.items()}
    nsd_files.add_places(tmp_path / "brain.npz", {name: np.array(where) for name, where in places.items()})
    rows = [
        {"subject": subject, "voxel_id": i, "roi": roi, "mean": rng.normal(), "sd": rng.uniform(1, 3)}
        | {"i": 0, "j": 0, "k": i}
        for subject, voxels in brain.subjects.items()
        for i, roi in enumerate(voxels.roi)
    ]
    targets = [
        {"subject": subject, "roi": roi, "mean": rng.normal(), "sd": rng.uniform(0.5, 2)}
        for subject in [*brain.subjects, GROUP]
        for roi in scenes.PREFERRED
    ]
    return tmp_path / "brain.npz", pd.DataFrame(rows), pd.DataFrame(targets)


def test_the_brains_group_response_is_the_chain_of_averages_of_the_measurements(brain, units):
    file, voxels, targets = units
    model = from_brain.load(file, voxels, targets)
    rendered, _ = scenes.render_many(12, 4, 64)
    percent = evaluate(brain, rendered)
    z = (percent - voxels["mean"].to_numpy()) / voxels.sd.to_numpy()
    unit = targets.set_index(["subject", "roi"])
    images = torch.from_numpy(rendered).permute(0, 3, 1, 2).float() / 255
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


def test_a_stored_brain_is_loaded_from_its_file_and_the_tables_of_units(units, tmp_path):
    file, voxels, targets = units
    files = {"brain": file, "targets": tmp_path / "targets.parquet", "voxels": []}
    store.write(files["targets"], TARGETS, targets.assign(ceiling=0.9))
    others = {name: column for name, column in VOXELS.columns.items() if name not in voxels}
    blank = {name: "" if column.type == "string" else 0.0 for name, column in others.items()}
    for subject, rows in voxels.groupby("subject"):
        files["voxels"].append(tmp_path / f"{subject}.parquet")
        store.write(files["voxels"][-1], VOXELS, rows.assign(**blank))
    model, expected = stored.load(files, None, "cpu"), from_brain.load(*units)
    for roi in scenes.PREFERRED:
        assert torch.equal(model.group[roi](random_images()), expected.group[roi](random_images()))


def test_voxels_that_are_not_those_of_the_brain_are_refused(units):
    file, voxels, targets = units
    elsewhere = voxels.assign(k=voxels.k.where(voxels.index > 0, 999))
    with pytest.raises(ValueError, match=r"1 of .* voxels of the table are not in"):
        from_brain.load(file, elsewhere, targets)


def test_the_brain_has_responses_of_subjects_and_of_all_regions_together(brain, units):
    model = from_brain.load(*units)
    images = random_images(2)
    (joint,) = model.responses("joint").values()
    everything = torch.cat([respond(images) for respond in model.voxels.values()], dim=1)
    torch.testing.assert_close(joint(images), everything)
    means = model.subjects["FFA"](images)
    assert means.shape == (2, 4)
    targets = units[2].set_index(["subject", "roi"])
    group = (means.mean(dim=1) - targets["mean"]["group", "FFA"]) / targets.sd["group", "FFA"]
    torch.testing.assert_close(model.group["FFA"](images).squeeze(1), group.float(), rtol=1e-4, atol=1e-4)


def test_the_brain_is_driven_by_low_spatial_frequencies(units):
    model = from_brain.load(*units)
    rendered, _ = scenes.render_many(13, 8, 64)
    images = (torch.from_numpy(rendered).permute(0, 3, 1, 2).float() / 255).requires_grad_()
    cycles = torch.fft.fftfreq(64) * 64
    low = torch.hypot(cycles[:, None], cycles[None]) <= 8
    for roi in scenes.PREFERRED:
        (gradient,) = torch.autograd.grad(model.group[roi](images).sum(), images)
        power = torch.fft.fft2(gradient).abs().square().sum(dim=(0, 1))
        assert power[low].sum() / power.sum() > 0.8


def test_readers_of_the_brain_give_every_readout_from_one_pass(brain, units, monkeypatch):
    model = from_brain.load(*units)
    images = random_images()
    assert model.names == tuple(brain.subjects)
    with torch.no_grad():
        assert_readers(model, images, dict.fromkeys(model.group, model.names))
        calls, forward = [], SimulatedBrain.forward
        monkeypatch.setattr(SimulatedBrain, "forward", lambda *inputs: calls.append(1) or forward(*inputs))
        model.readers()[0](images)
    assert calls == [1]
