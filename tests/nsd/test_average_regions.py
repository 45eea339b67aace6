"""The script that averages voxels: regions that a subject lacks, and the brain in the same units."""

import numpy as np
import pandas as pd
import pytest
import small_nsd
import torch
from planted_models import assert_readers
from small_nsd import SESSIONS, all_sessions, changed_copy

from codingaxes.encoding import from_brain
from codingaxes.images import read_images
from codingaxes.miniature.brain import SimulatedBrain
from codingaxes.nsd import volumes
from codingaxes.tables import store
from codingaxes.tables.nsd import VOXELS


def without(layout, subject, folder, labels):
    """Inputs of a subject whose atlas of faces lacks labels."""

    def erase(values):
        values[np.isin(values, labels)] = 0

    faces = changed_copy(layout.atlas(subject, "floc-faces"), folder / subject / "faces.nii.gz", erase)
    return {"atlas.floc-faces": faces}


def test_the_brain_finds_its_voxels_again_after_a_threshold_and_drops(
    world, layout, prepare, average, tmp_path
):
    bodies = volumes.read_mask(layout.atlas("subj01", "floc-bodies")) == 1

    def blank(values):
        values[tuple(np.argwhere(bodies)[3])] = 0

    betas = {subject: all_sessions(layout, subject) for subject in SESSIONS}
    whole = [prepare(subject, betas[subject])["voxels"] for subject in SESSIONS]
    betas["subj01"][1] = changed_copy(betas["subj01"][1], tmp_path / "betas_session02.nii.gz", blank)
    tables = [prepare(subject, betas[subject], min_ncsnr=0.4) for subject in SESSIONS]
    some = [table["voxels"] for table in tables]
    for every, part in zip(whole, some, strict=True):
        assert 0.2 < len(part) / len(every) < 0.8 and (part.ncsnr_file > 0.4).all()
        assert list(part.voxel_id) == list(range(len(part)))
    voxels, (targets, _) = pd.concat(some, ignore_index=True), average()
    model = from_brain.load(world.brain, voxels, targets)
    pixels = read_images(tables[0]["stimuli"].iloc[:5], 64)
    with torch.no_grad():
        percent = SimulatedBrain.load(world.brain)(pixels).double().numpy()
    # all labelled voxels, in the brain's order
    order = pd.concat(whole, ignore_index=True).set_index(["subject", "roi", "i", "j", "k"])
    units = pd.Series(range(len(order)), order.index)
    target = targets.set_index(["subject", "roi"])
    for roi, rows in voxels.groupby("roi"):
        columns = units[pd.MultiIndex.from_frame(rows[["subject", "roi", "i", "j", "k"]])]
        z = (percent[:, columns] - rows["mean"].to_numpy()) / rows.sd.to_numpy()
        np.testing.assert_allclose(model.voxels[roi](pixels), z, atol=1e-3)
        for place, subject in enumerate(SESSIONS):
            mean = z[:, (rows.subject == subject).to_numpy()].mean(axis=1)
            expected = (mean - target["mean"][subject, roi]) / target.sd[subject, roi]
            np.testing.assert_allclose(model.subjects[roi](pixels)[:, place], expected, atol=1e-3)
    wrong = voxels.assign(i=voxels.i.where(voxels.index < len(voxels) - 1, 0))
    with pytest.raises(ValueError, match=r"1 of \d+ voxels of the table are not in .*brain\.npz.*'subj02'"):
        from_brain.load(world.brain, wrong, targets)


def test_a_region_that_a_subject_lacks_is_reported_and_the_group_is_the_mean_of_the_others(
    world, layout, prepare, average, tmp_path, caplog
):
    prepare("subj01", all_sessions(layout, "subj01"))
    with caplog.at_level("WARNING", logger="codingaxes"):
        absent = without(layout, "subj02", tmp_path, [2, 3])
        tables = prepare("subj02", all_sessions(layout, "subj02"), absent)
    assert "subj02 has no usable voxel in FFA" in caplog.text
    assert set(tables["voxels"].roi) == {"EBA", "PPA"}
    regions = tables["regions"].set_index("roi")
    assert regions.n_voxels["FFA"] == 0 and np.isnan(regions.noise_sd["FFA"]) and len(regions) == 3
    targets, measurements = average()
    assert set(targets.subject[targets.roi == "FFA"]) == {"subj01", "group"}
    assert set(targets.subject[targets.roi == "EBA"]) == {"subj01", "subj02", "group"}
    one, group = (
        measurements[(measurements.roi == "FFA") & (measurements.subject == s)].value
        for s in ("subj01", "group")
    )
    np.testing.assert_allclose(one, group, atol=1e-12)
    voxels = store.read([f"voxels/{subject}.parquet" for subject in SESSIONS], VOXELS)
    model = from_brain.load(world.brain, voxels, targets)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert model.subjects["FFA"](images).shape == (2, 1) and model.subjects["EBA"](images).shape == (2, 2)
    torch.testing.assert_close(model.subjects["FFA"](images), model.group["FFA"](images), atol=1e-4, rtol=0)
    both = ("subj01", "subj02")
    with torch.no_grad():
        assert_readers(model, images, {"FFA": ("subj01",), "EBA": both, "PPA": both})


def test_a_region_that_no_subject_has_or_a_subject_without_any_is_an_error(
    layout, prepare, average, tmp_path
):
    absent = {subject: without(layout, subject, tmp_path, [2, 3]) for subject in SESSIONS}
    for subject in SESSIONS:
        prepare(subject, all_sessions(layout, subject), absent[subject])
    with pytest.raises(ValueError, match="no subject has a usable voxel in FFA"):
        average()
    regions = {"FFA": small_nsd.REGIONS["FFA"]}
    with pytest.raises(ValueError, match="subj01 has no usable voxel in FFA"):
        prepare("subj01", all_sessions(layout, "subj01"), absent["subj01"], regions=regions)
