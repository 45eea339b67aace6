"""The script that reads betas: against a short independent reading, and with voxels that are not usable."""

import logging
import shutil
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import small_nsd
from scipy.io import loadmat
from small_nsd import all_sessions, changed_copy

from codingaxes.images import read_images
from codingaxes.miniature.brain import evaluate
from codingaxes.nsd import sessions, volumes
from codingaxes.nsd.layout import LABELS
from codingaxes.tables import store

# Written down here once more: what the configuration of the tests asks for, by NSD's integers.
INTEGERS = {"FFA": ("floc-faces", (2, 3)), "EBA": ("floc-bodies", (1,)), "PPA": ("floc-places", (2,))}


def extract(layout, subject, folder):
    """Write the tables of a subject's sessions, as they are kept of a download; their paths."""
    where, files = volumes.labelled([layout.atlas(subject, atlas) for atlas in LABELS]), []
    for session, file in enumerate(all_sessions(layout, subject), start=1):
        files.append(folder / f"{session:02d}.parquet")
        sessions.write(files[-1], volumes.read_stored(file, where, small_nsd.TRIALS), where, subject, session)
    return files


def read_independently(layout, subject):
    """Voxels in order, z-scored trials and the images of trials, by nibabel, h5py and scipy alone."""
    voxels, series = [], []
    for roi, (atlas, numbers) in INTEGERS.items():
        both, left = (nibabel.load(layout.atlas(subject, atlas, side)).get_fdata() for side in ("", "lh"))
        voxels += [
            (roi, *place, "lh" if left[place] >= 0 else "rh")
            for place in np.ndindex(both.shape)
            if both[place] in numbers
        ]
    for file in all_sessions(layout, subject):
        if file.endswith("hdf5"):
            with h5py.File(file) as content:
                session = np.array([content["betas"][:, k, j, i] for _, i, j, k, _ in voxels]).T / 300
        else:
            volume = nibabel.load(file).get_fdata() / 300
            session = np.array([volume[i, j, k] for _, i, j, k, _ in voxels]).T
        series.append((session - session.mean(axis=0)) / session.std(axis=0))
    content = loadmat(layout.design)
    series, number = np.concatenate(series), int(subject[-1]) - 1
    order = content["masterordering"][0, : len(series)].astype(int)
    return voxels, series, content["subjectim"][number, order - 1] - 1


def places_of(layout, subject):
    """Where the voxels of the regions lie, int array (v, 3)."""
    return np.array([voxel[1:4] for voxel in read_independently(layout, subject)[0]])


@pytest.mark.parametrize("form", ["nii.gz", "hdf5", "parquet"])
def test_the_tables_equal_what_a_short_independent_reading_gives(world, prepare, tmp_path, form):
    layout = world.hdf5 if form == "hdf5" else world.nifti
    extracted = form == "parquet"
    files = extract(layout, "subj02", tmp_path) if extracted else all_sessions(layout, "subj02")
    expected, series, trial_images = read_independently(layout, "subj02")
    tables = prepare("subj02", files)
    voxels = tables["voxels"]
    columns = ["roi", "i", "j", "k", "hemisphere"]
    assert list(voxels[columns].itertuples(index=False, name=None)) == expected
    assert set(voxels.hemisphere) == {"lh", "rh"} and list(voxels.voxel_id) == list(range(len(voxels)))
    for row, image in zip(tables["responses"].itertuples(), tables["stimuli"].nsd_id, strict=True):
        assert (trial_images == image).sum() == row.repeats == 3
        np.testing.assert_allclose(row.response, series[trial_images == image].mean(axis=0), atol=1e-5)
    often = [image for image in np.unique(trial_images) if (trial_images == image).sum() == 3]
    noise = np.sqrt(np.mean([series[trial_images == image].var(axis=0, ddof=1) for image in often], axis=0))
    snr = np.sqrt(np.clip(1 - noise**2, 0, None)) / noise
    np.testing.assert_allclose(voxels.ncsnr, snr, atol=1e-4)
    np.testing.assert_allclose(voxels.noise_ceiling, snr**2 / (snr**2 + 1 / 3), atol=1e-4)
    stored = nibabel.load(layout.ncsnr("subj02")).get_fdata()
    np.testing.assert_allclose(voxels.ncsnr_file, [stored[i, j, k] for _, i, j, k, _ in expected])
    eba = (voxels.roi == "EBA").to_numpy()
    variances = [series[trial_images == image][:, eba].mean(axis=1).var(ddof=1) for image in often]
    regions = tables["regions"].set_index("roi")
    assert regions.noise_sd["EBA"] == pytest.approx(np.sqrt(np.mean(variances)), abs=1e-5)
    assert regions.n_voxels["EBA"] == eba.sum() and (regions.repeats == 3).all()


def test_voxels_are_read_in_the_order_in_which_the_brain_knows_them(layout, prepare, brain):
    tables = prepare("subj01", all_sessions(layout, "subj01"))
    images = read_images(tables["stimuli"], 64).permute(0, 2, 3, 1).mul(255).round().byte().numpy()
    planted = brain.subjects["subj01"]
    noiseless = evaluate(brain, images)[:, : len(planted.gain)]
    assert list(tables["voxels"].roi) == list(planted.roi)
    # a session's mean is the mean signal, and its SD that of signal and noise: both differ between voxels
    expected = np.hypot(planted.gain, planted.noise)
    assert np.corrcoef(tables["voxels"].sd, expected)[0, 1] > 0.95
    assert np.corrcoef(tables["voxels"]["mean"], planted.baseline)[0, 1] > 0.5
    measured = store.matrix(tables["responses"].response)
    agreement = [np.corrcoef(measured[:, v], noiseless[:, v])[0, 1] for v in range(len(planted.gain))]
    assert np.mean(agreement) > 0.4


def test_a_voxel_that_is_zero_in_a_session_is_dropped_with_a_count_and_a_place(
    layout, prepare, tmp_path, caplog
):
    betas = all_sessions(layout, "subj01")
    where = np.argwhere(volumes.read_mask(layout.atlas("subj01", "floc-bodies")) == 1)[0]
    whole = len(prepare("subj01", betas)["voxels"])

    def blank(values):
        values[tuple(where)] = 0

    betas[2] = changed_copy(betas[2], tmp_path / "betas_session03.nii.gz", blank)
    with caplog.at_level("WARNING", logger="codingaxes"):
        tables = prepare("subj01", betas)
    assert len(tables["voxels"]) == whole - 1 == len(tables["responses"].response[0])
    assert f"1 of {whole} voxels" in caplog.text and str(tuple(map(int, where))) in caplog.text
    assert not (tables["voxels"][["i", "j", "k"]] == where).all(axis=1).any()


def test_voxels_are_chosen_by_t_map_and_ncsnr_and_nan_is_above_neither(layout, prepare, tmp_path, caplog):
    betas, places = all_sessions(layout, "subj02"), places_of(layout, "subj02")

    def plant(values):
        values[tuple(places[:10].T)] = np.linspace(-1, 5, 10)
        values[tuple(places[0])] = np.nan

    def forget(values):
        values[tuple(places[5:8].T)] = np.nan

    inputs = small_nsd.inputs(layout, "subj02")
    changed = {
        name: changed_copy(file, tmp_path / f"{name}.nii.gz", plant)
        for name, file in inputs.items()
        if name.startswith("tmap.")
    }
    changed["ncsnr"] = changed_copy(inputs["ncsnr"], tmp_path / "ncsnr.nii.gz", forget)

    def chosen(**params):
        with caplog.at_level(logging.INFO, logger="codingaxes"):
            voxels = prepare("subj02", betas, changed, **params)["voxels"]
        return {tuple(place) for place in voxels[["i", "j", "k"]].to_numpy().tolist()}

    everything = set(map(tuple, places.tolist()))
    assert chosen() == everything  # NaN ncsnr counts where there is no threshold
    low = {tuple(place) for place in places[:10][np.linspace(-1, 5, 10) <= 2].tolist()}
    assert chosen(min_t=2) == everything - low
    assert "5 not above t = 2" in caplog.text
    reliable = chosen(min_ncsnr=1e-6)
    values = nibabel.load(changed["ncsnr"]).get_fdata()
    assert reliable == {place for place in everything if values[place] > 1e-6}
    assert len(everything - reliable) >= 3 and "3 of unknown ncsnr" in caplog.text


def test_voxels_above_several_thresholds_of_t_are_counted_beside_those_of_the_study(
    layout, prepare, tmp_path
):
    betas, places = all_sessions(layout, "subj02"), places_of(layout, "subj02")
    inputs = small_nsd.inputs(layout, "subj02")
    t = np.resize(np.arange(-1, 5) + 0.5, len(places))
    t[0] = np.nan  # is above nothing

    def plant(values):
        values[tuple(places.T)] = t

    changed = {
        name: changed_copy(file, tmp_path / f"{name}.nii.gz", plant)
        for name, file in inputs.items()
        if name.startswith("tmap.")
    }
    snr = nibabel.load(inputs["ncsnr"]).get_fdata()[tuple(places.T)]
    roi = np.array([voxel[0] for voxel in read_independently(layout, "subj02")[0]])
    table = prepare("subj02", betas, changed, min_t=1)["t_thresholds"]
    assert table[table.chosen].min_t.tolist() == [1.0] * len(set(roi)) and set(table.roi) == set(roi)
    for region, rows in table.groupby("roi"):
        assert rows.min_t.fillna(-9).tolist() == [-9, 0, 1, 2, 3]
        for row in rows.itertuples():
            above = (roi == region) & (np.isnan(row.min_t) | (t > row.min_t))
            assert row.n_voxels == above.sum() and row.ncsnr == pytest.approx(np.median(snr[above]))
    table = prepare("subj02", betas)["t_thresholds"]
    assert table.min_t.isna().all() and table.chosen.all() and table.n_voxels.sum() == len(places)


def flipped(source, destination, affine_too):
    """Copy a volume counted from the other end of its first axis, and say so or do not."""
    image = nibabel.load(source)
    affine = image.affine @ np.diag([-1, 1, 1, 1]) if affine_too else image.affine
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj)[::-1], affine), destination)
    return str(destination)


@pytest.mark.parametrize("name", ["atlas.floc-faces", "left.floc-bodies", "tmap.places", "ncsnr", "betas"])
def test_a_file_with_other_axes_than_the_brain_mask_is_refused_with_both(layout, prepare, tmp_path, name):
    betas, inputs = all_sessions(layout, "subj02"), small_nsd.inputs(layout, "subj02")
    source = betas[1] if name == "betas" else inputs[name]
    other = flipped(source, tmp_path / Path(source).name, affine_too=True)
    if name == "betas":
        betas[1], changed = other, {}
    else:
        changed = {name: other}
    with pytest.raises(ValueError, match=r"has axes that go to LAS .*brainmask\.nii\.gz has .* RAS"):
        prepare("subj02", betas, changed)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_hdf5_betas_that_count_an_axis_from_its_other_end_are_refused_though_nothing_in_them_says_so(
    world, prepare, tmp_path, axis
):
    files = []
    for file in all_sessions(world.hdf5, "subj01"):
        files.append(str(tmp_path / Path(file).name))
        with h5py.File(file) as source, h5py.File(files[-1], "w") as copy:
            copy["betas"] = np.flip(source["betas"][:], axis)
    with pytest.raises(ValueError, match=r"ncsnr\.nii\.gz and the noise ceilings of .*session01\.hdf5 .*"):
        prepare("subj01", files)


def test_voxels_outside_the_brain_mask_are_dropped_with_a_count(layout, prepare, tmp_path, caplog):
    betas, place = all_sessions(layout, "subj02"), tuple(places_of(layout, "subj02")[0])

    def blank(values):
        values[place] = 0

    mask = changed_copy(layout.brainmask("subj02"), tmp_path / "brainmask.nii.gz", blank)
    whole = len(prepare("subj02", betas)["voxels"])
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        assert len(prepare("subj02", betas, {"brainmask": mask})["voxels"]) == whole - 1
    assert "1 outside the brain mask" in caplog.text


def test_sessions_that_are_missing_in_the_middle_or_of_other_masks_are_refused_by_name(
    layout, prepare, tmp_path
):
    betas = all_sessions(layout, "subj01")
    with pytest.raises(ValueError, match=r"betas_session03\.nii\.gz: expected betas_session02 in place 2"):
        prepare("subj01", [betas[0], *betas[2:]])
    extracted = extract(layout, "subj01", tmp_path)
    with pytest.raises(ValueError, match=r"03\.parquet: expected subj01, session 2 alone"):
        prepare("subj01", [extracted[0], *extracted[2:]])
    with pytest.raises(FileNotFoundError, match=r"betas_session02\.hdf5"):
        prepare("subj01", [betas[0], tmp_path / "betas_session02.hdf5", *betas[2:]])
    cut = tmp_path / "betas_session02.nii.gz"
    with open(betas[1], "rb") as file:
        cut.write_bytes(file.read()[:-2000])
    with pytest.raises(ValueError, match=r"betas_session02\.nii\.gz: expected 30 whole trials, read \d+"):
        prepare("subj01", [betas[0], cut, *betas[2:]])
    small = nibabel.Nifti1Image(np.ones((3, 3, 3), np.int16), np.eye(4))
    nibabel.save(small, tmp_path / "brainmask.nii.gz")
    with pytest.raises(ValueError, match=r"expected a volume of shape \(3, 3, 3\), found \(14, 16, 12\)"):
        prepare("subj01", betas, {"brainmask": str(tmp_path / "brainmask.nii.gz")})
    with pytest.raises(ValueError, match=r"subj01 did not see every image of stimuli\.parquet 3 times"):
        prepare("subj01", betas[:2])


def test_a_session_that_is_a_copy_of_another_is_refused_with_both_files(layout, prepare, tmp_path):
    betas = all_sessions(layout, "subj01")
    copied = shutil.copy(betas[0], tmp_path / "betas_session02.nii.gz")
    with pytest.raises(ValueError, match=r"betas_session02\.nii\.gz and .*01\.nii\.gz hold the same betas"):
        prepare("subj01", [betas[0], copied, *betas[2:]])
