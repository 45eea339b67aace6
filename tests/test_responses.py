"""From files in NSD's layout to tables: the scripts that prepare stimuli, responses and region means."""

import logging
from pathlib import Path

import average_regions
import h5py
import nibabel
import numpy as np
import pandas as pd
import prepare_responses
import prepare_stimuli
import pytest
import torch
from scipy.io import loadmat

from codingaxes import job, miniature, models, pixels, scenes, simulation, tables, volumes

SESSIONS = {"subj01": 4, "subj02": 3}
TRIALS = 30
SPACE, VERSION = "func1pt8mm", "betas_fithrf_GLMdenoise_RR"


@pytest.fixture(scope="module")
def folders(brain, tmp_path_factory):
    """A miniature NSD of two subjects, once with NIfTI and once with HDF5 betas, and its brain's file."""
    design = miniature.make_design(np.random.default_rng(1), n_subjects=2, n_shared=35, n_own=5)
    images = scenes.render_many(4, int(design["subjectim"].max()), 64)[0]
    small = type(brain)(
        brain.energies, brain.mean, brain.sd, {name: brain.subjects[name] for name in SESSIONS}
    )
    made = {"brain": tmp_path_factory.mktemp("brain") / "brain.npz"}
    options = {"space": SPACE, "version": VERSION, "sessions": SESSIONS, "n_trials": TRIALS, "seed": 7}
    for suffix in ("nii.gz", "hdf5"):
        made[suffix] = tmp_path_factory.mktemp("nsd")
        places = miniature.simulate(made[suffix], small, design, images, suffix=suffix, **options)
    small.save(made["brain"])
    miniature.add_places(made["brain"], places)
    return made


@pytest.fixture
def folder(folders):
    return folders["nii.gz"]


def betas_file(folder, subject, session, suffix="nii.gz"):
    name = f"betas_session{session:02d}.{suffix}"
    return folder / f"nsddata_betas/ppdata/{subject}/{SPACE}/{VERSION}/{name}"


def all_betas(folder, subject, suffix="nii.gz"):
    return [betas_file(folder, subject, session + 1, suffix) for session in range(SESSIONS[subject])]


def inputs(folder, subject, betas):
    """Inputs of the rule prepare_responses, as the rules give them."""
    anatomy = folder / f"nsddata/ppdata/{subject}/{SPACE}"
    labels = folder / f"nsddata/freesurfer/{subject}/label"
    given = {
        "atlases": [anatomy / f"roi/{atlas}.nii.gz" for atlas in miniature.ATLASES],
        "left": [anatomy / f"roi/lh.{atlas}.nii.gz" for atlas in miniature.ATLASES],
        "labels": [labels / f"{atlas}.mgz.ctab" for atlas in miniature.ATLASES],
        "tmaps": [anatomy / f"floc_{contrast}tval.nii.gz" for contrast in miniature.CONTRASTS.values()],
        "behaviour": [folder / f"nsddata/ppdata/{subject}/behav/responses.tsv"],
        "betas": betas,
    }
    one = {
        "design": folder / "nsddata/experiments/nsd/nsd_expdesign.mat",
        "stimuli": "stimuli.parquet",
        "brainmask": anatomy / "brainmask.nii.gz",
        "ncsnr": betas_file(folder, subject, 1).parent / "ncsnr.nii.gz",
    }
    given = {name: list(map(str, files)) for name, files in given.items()}
    return given | {name: str(file) for name, file in one.items()}


REGIONS = {
    roi: {"atlas": atlas, "labels": list(names), "contrast": miniature.CONTRASTS[atlas]}
    for roi, (atlas, names) in miniature.LABELS.items()
}
COMMON = {"trials_per_session": TRIALS, "repeats": 3}


@pytest.fixture
def prepare(folder, tmp_path, monkeypatch):
    """Runs the two reading scripts on the miniature, as the rules would, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    given = inputs(folder, "subj01", []) | {"stimuli": str(folder / "nsddata/stimuli/nsd/shared1000")}
    params = {"sessions": SESSIONS, "seed": 1, "image_size": 64, "test_fraction": 0.2, "probes": 1}
    output = {"stimuli": "stimuli.parquet", "images": "images"}
    params |= COMMON | {"images_sha256": ""}
    prepare_stimuli.main(job.Run("prepare_stimuli", given, output, params, {}, "log"))

    def run(subject, betas, given=None, **changed):
        names = ("voxels", "responses", "regions")
        prepare_responses.main(
            job.Run(
                rule="prepare_responses",
                input=inputs(folder, subject, betas) | (given or {}),
                output={name: f"{name}/{subject}.parquet" for name in names},
                params=COMMON | {"regions": REGIONS, "min_t": None, "min_ncsnr": 0} | changed,
                wildcards={"subject": subject},
                log="log",
            )
        )
        made = {name: tables.read(f"{name}/{subject}.parquet", name) for name in names}
        return made | {"stimuli": tables.read("stimuli.parquet", "stimuli")}

    return run


def extracted(folder, subject, path):
    """Tables of the sessions, as they are kept of a download."""
    masks = [folder / f"nsddata/ppdata/{subject}/{SPACE}/roi/{atlas}.nii.gz" for atlas in miniature.ATLASES]
    where, files = volumes.labelled(masks), []
    for session, file in enumerate(all_betas(folder, subject), start=1):
        rows = pd.DataFrame(where, columns=["i", "j", "k"]).assign(subject=subject, session=session)
        rows["beta"] = list(volumes.read_stored(file, where, TRIALS).T)
        files.append(path / f"{session:02d}.parquet")
        tables.write(files[-1], "sessions", rows)
    return files


def read_independently(folder, subject, form):
    """Voxels in order, z-scored trials and shown images, by nibabel, h5py and scipy alone."""
    anatomy, wanted, series = folder / f"nsddata/ppdata/{subject}/{SPACE}", [], []
    given = {"FFA": ("floc-faces", (2, 3)), "EBA": ("floc-bodies", (1,)), "PPA": ("floc-places", (2,))}
    for roi, (atlas, numbers) in given.items():
        both, left = (
            nibabel.load(anatomy / f"roi/{name}.nii.gz").get_fdata() for name in (atlas, f"lh.{atlas}")
        )
        wanted += [
            (roi, *place, "lh" if left[place] >= 0 else "rh")
            for place in np.ndindex(both.shape)
            if both[place] in numbers
        ]
    for file in all_betas(folder, subject, form):
        if form == "hdf5":
            with h5py.File(file) as content:
                session = np.array([content["betas"][:, k, j, i] for _, i, j, k, _ in wanted]).T / 300
        else:
            volume = nibabel.load(file).get_fdata() / 300
            session = np.array([volume[i, j, k] for _, i, j, k, _ in wanted]).T
        series.append((session - session.mean(axis=0)) / session.std(axis=0))
    content = loadmat(folder / "nsddata/experiments/nsd/nsd_expdesign.mat")
    series, number = np.concatenate(series), int(subject[-1]) - 1
    order = content["masterordering"][0, : len(series)].astype(int)
    return wanted, series, content["subjectim"][number, order - 1] - 1


@pytest.mark.parametrize("form", ["nii.gz", "hdf5", "parquet"])
def test_the_tables_equal_what_a_short_independent_reading_gives(folders, prepare, tmp_path, form):
    folder = folders["hdf5" if form == "hdf5" else "nii.gz"]
    if form == "parquet":
        given = extracted(folder, "subj02", tmp_path)
        wanted, series, shown = read_independently(folder, "subj02", "nii.gz")
    else:
        given = all_betas(folder, "subj02", form)
        wanted, series, shown = read_independently(folder, "subj02", form)
    found = prepare("subj02", given)
    voxels = found["voxels"]
    columns = ["roi", "i", "j", "k", "hemisphere"]
    assert list(voxels[columns].itertuples(index=False, name=None)) == wanted
    assert set(voxels.hemisphere) == {"lh", "rh"} and list(voxels.voxel_id) == list(range(len(voxels)))
    for row, image in zip(found["responses"].itertuples(), found["stimuli"].nsd_id, strict=True):
        assert (shown == image).sum() == row.repeats == 3
        np.testing.assert_allclose(row.response, series[shown == image].mean(axis=0), atol=1e-5)
    often = [image for image in np.unique(shown) if (shown == image).sum() == 3]
    noise = np.sqrt(np.mean([series[shown == image].var(axis=0, ddof=1) for image in often], axis=0))
    snr = np.sqrt(np.clip(1 - noise**2, 0, None)) / noise
    np.testing.assert_allclose(voxels.ncsnr, snr, atol=1e-4)
    np.testing.assert_allclose(voxels.noise_ceiling, snr**2 / (snr**2 + 1 / 3), atol=1e-4)
    kept = nibabel.load(betas_file(folder, "subj02", 1).parent / "ncsnr.nii.gz").get_fdata()
    np.testing.assert_allclose(voxels.ncsnr_file, [kept[i, j, k] for _, i, j, k, _ in wanted])
    mine = (voxels.roi == "EBA").to_numpy()
    means = [series[shown == image][:, mine].mean(axis=1).var(ddof=1) for image in often]
    regions = found["regions"].set_index("roi")
    assert regions.noise_sd["EBA"] == pytest.approx(np.sqrt(np.mean(means)), abs=1e-5)
    assert regions.n_voxels["EBA"] == mine.sum() and (regions.repeats == 3).all()


def test_voxels_are_read_in_the_order_in_which_the_brain_knows_them(folder, prepare, brain):
    found = prepare("subj01", all_betas(folder, "subj01"))
    images = pixels.read(found["stimuli"].file, 64).permute(0, 2, 3, 1).mul(255).round().byte().numpy()
    mine = brain.subjects["subj01"]
    noiseless = simulation.evaluate(brain, images)[:, : len(mine.gain)]
    assert list(found["voxels"].roi) == list(mine.roi)
    # a session's mean is the mean signal, and its SD that of signal and noise: both differ between voxels
    expected = np.hypot(mine.gain, mine.noise)
    assert np.corrcoef(found["voxels"].sd, expected)[0, 1] > 0.95
    assert np.corrcoef(found["voxels"]["mean"], mine.baseline)[0, 1] > 0.5
    measured = tables.matrix(found["responses"].response)
    agreement = [np.corrcoef(measured[:, v], noiseless[:, v])[0, 1] for v in range(len(mine.gain))]
    assert np.mean(agreement) > 0.4


def test_a_voxel_that_is_zero_in_a_session_is_dropped_with_a_count_and_a_place(
    folder, prepare, tmp_path, caplog
):
    betas = all_betas(folder, "subj01")
    atlas = nibabel.load(folder / f"nsddata/ppdata/subj01/{SPACE}/roi/floc-bodies.nii.gz")
    where = np.argwhere(np.asanyarray(atlas.dataobj) == 1)[0]
    image = nibabel.load(betas[2])
    stored = np.asanyarray(image.dataobj).copy()
    stored[tuple(where)] = 0
    nibabel.save(nibabel.Nifti1Image(stored, image.affine), tmp_path / "betas_session03.nii.gz")
    whole = len(prepare("subj01", betas)["voxels"])
    betas[2] = tmp_path / "betas_session03.nii.gz"
    with caplog.at_level("WARNING", logger="codingaxes"):
        found = prepare("subj01", betas)
    assert len(found["voxels"]) == whole - 1 == len(found["responses"].response[0])
    assert f"1 of {whole} voxels" in caplog.text and str(tuple(map(int, where))) in caplog.text
    assert not (found["voxels"][["i", "j", "k"]] == where).all(axis=1).any()


def changed_copy(folder, source, destination, change):
    """A copy of a volume with some numbers changed; its path."""
    image = nibabel.load(source)
    values = np.asanyarray(image.dataobj).copy()
    change(values)
    destination.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, image.affine), destination)
    return str(destination)


def average(subjects):
    """Runs average_regions on what was prepared here; the tables targets and measurements."""
    given = {name: [f"{name}/{subject}.parquet" for subject in subjects] for name in
             ("voxels", "responses", "regions")}  # fmt: skip
    average_regions.main(
        job.Run(
            rule="average_regions",
            input=given | {"stimuli": "stimuli.parquet"},
            output={name: f"{name}.parquet" for name in ("targets", "measurements")},
            params={},
            wildcards={},
            log="log",
        )
    )
    return [tables.read(f"{name}.parquet", name) for name in ("targets", "measurements")]


def test_the_brain_finds_its_voxels_again_after_a_threshold_and_drops(folders, folder, prepare, tmp_path):
    def blank(values):
        values[tuple(np.argwhere(mask)[3])] = 0

    atlas = nibabel.load(folder / f"nsddata/ppdata/subj01/{SPACE}/roi/floc-bodies.nii.gz")
    mask = np.asanyarray(atlas.dataobj) == 1
    betas = all_betas(folder, "subj01")
    betas[1] = changed_copy(folder, betas[1], tmp_path / "betas_session02.nii.gz", blank)
    whole = [prepare(subject, all_betas(folder, subject))["voxels"] for subject in SESSIONS]
    found = [
        prepare(subject, given, min_ncsnr=0.4)
        for subject, given in zip(SESSIONS, [betas, all_betas(folder, "subj02")], strict=True)
    ]
    for every, some in zip(whole, found, strict=True):
        assert 0.2 < len(some["voxels"]) / len(every) < 0.8 and (some["voxels"].ncsnr_file > 0.4).all()
        assert list(some["voxels"].voxel_id) == list(range(len(some["voxels"])))
    voxels = pd.concat([part["voxels"] for part in found], ignore_index=True)
    targets, _ = average(SESSIONS)
    model = models.load_brain(folders["brain"], voxels, targets)
    pixel = pixels.read(found[0]["stimuli"].file[:5], 64)
    brain = simulation.SimulatedBrain.load(folders["brain"])
    with torch.no_grad():
        percent = brain(pixel).double().numpy()
    begin, unit = 0, {}
    for subject, every in zip(SESSIONS, whole, strict=True):  # all labelled voxels, in the brain's order
        for n, row in enumerate(every.itertuples()):
            unit[subject, row.roi, row.i, row.j, row.k] = begin + n
        begin += len(every)
    target = targets.set_index(["subject", "roi"])
    for roi in REGIONS:
        mine = voxels[voxels.roi == roi]
        columns = [unit[row.subject, roi, row.i, row.j, row.k] for row in mine.itertuples()]
        z = (percent[:, columns] - mine["mean"].to_numpy()) / mine.sd.to_numpy()
        np.testing.assert_allclose(model.voxels[roi](pixel), z, atol=1e-3)
        means = [z[:, (mine.subject == subject).to_numpy()].mean(axis=1) for subject in SESSIONS]
        for place, (subject, mean) in enumerate(zip(SESSIONS, means, strict=True)):
            expected = (mean - target["mean"][subject, roi]) / target.sd[subject, roi]
            np.testing.assert_allclose(model.subjects[roi](pixel)[:, place], expected, atol=1e-3)
    wrong = voxels.assign(i=voxels.i.where(voxels.index < len(voxels) - 1, 0))
    with pytest.raises(ValueError, match=r"1 of \d+ voxels of the table are not in .*brain\.npz.*'subj02'"):
        models.load_brain(folders["brain"], wrong, targets)


def test_voxels_are_chosen_by_t_map_and_ncsnr_and_nan_is_above_neither(folder, prepare, tmp_path, caplog):
    given = inputs(folder, "subj02", [])
    places = np.array(read_independently(folder, "subj02", "nii.gz")[0], dtype=object)[:, 1:4].astype(int)

    def plant(values):
        values[tuple(places[:10].T)] = np.linspace(-1, 5, 10)
        values[tuple(places[0])] = np.nan

    def forget(values):
        values[tuple(places[5:8].T)] = np.nan

    tmaps = [changed_copy(folder, file, tmp_path / "t" / Path(file).name, plant) for file in given["tmaps"]]
    snr = changed_copy(folder, given["ncsnr"], tmp_path / "ncsnr.nii.gz", forget)
    betas = all_betas(folder, "subj02")

    def kept(**params):
        with caplog.at_level(logging.INFO, logger="codingaxes"):
            voxels = prepare("subj02", betas, {"tmaps": tmaps, "ncsnr": snr}, **params)["voxels"]
        return {tuple(place) for place in voxels[["i", "j", "k"]].to_numpy().tolist()}

    everything = set(map(tuple, places.tolist()))
    assert kept() == everything  # NaN ncsnr is kept where there is no threshold
    low = {tuple(place) for place in places[:10][np.linspace(-1, 5, 10) <= 2].tolist()}
    assert kept(min_t=2) == everything - low
    assert "5 not above t = 2" in caplog.text
    found = kept(min_ncsnr=1e-6)
    values = nibabel.load(snr).get_fdata()
    assert found == {place for place in everything if values[place] > 1e-6} and len(everything - found) >= 3
    assert "3 of unknown ncsnr" in caplog.text


def test_voxels_outside_the_brain_mask_are_dropped_with_a_count(folder, prepare, tmp_path, caplog):
    given = inputs(folder, "subj02", [])
    place = read_independently(folder, "subj02", "nii.gz")[0][0][1:4]
    mask = changed_copy(
        folder, given["brainmask"], tmp_path / "brainmask.nii.gz", lambda values: values.__setitem__(place, 0)
    )
    betas = all_betas(folder, "subj02")
    whole = len(prepare("subj02", betas)["voxels"])
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        assert len(prepare("subj02", betas, {"brainmask": mask})["voxels"]) == whole - 1
    assert "1 outside the brain mask" in caplog.text


def without(folder, subject, tmp_path, label):
    """Inputs of a subject whose atlas of faces lacks labels."""
    given = inputs(folder, subject, all_betas(folder, subject))
    faces = next(file for file in given["atlases"] if "floc-faces" in file)

    def erase(values):
        values[np.isin(values, label)] = 0

    copy = changed_copy(folder, faces, tmp_path / subject / "floc-faces.nii.gz", erase)
    return {"atlases": [copy if file == faces else file for file in given["atlases"]]}


def test_a_region_that_a_subject_lacks_is_said_and_the_group_is_the_mean_of_the_others(
    folders, folder, prepare, tmp_path, caplog
):
    prepare("subj01", all_betas(folder, "subj01"))
    with caplog.at_level("WARNING", logger="codingaxes"):
        lacking = without(folder, "subj02", tmp_path, [2, 3])
        found = prepare("subj02", all_betas(folder, "subj02"), lacking)
    assert "subj02 has no usable voxel in FFA" in caplog.text
    assert set(found["voxels"].roi) == {"EBA", "PPA"}
    regions = found["regions"].set_index("roi")
    assert regions.n_voxels["FFA"] == 0 and np.isnan(regions.noise_sd["FFA"]) and len(regions) == 3
    targets, measured = average(SESSIONS)
    assert set(targets.subject[targets.roi == "FFA"]) == {"subj01", "group"}
    assert set(targets.subject[targets.roi == "EBA"]) == {"subj01", "subj02", "group"}
    one, group = (
        measured[(measured.roi == "FFA") & (measured.subject == s)].value for s in ("subj01", "group")
    )
    np.testing.assert_allclose(one, group, atol=1e-12)
    voxels = tables.read([f"voxels/{subject}.parquet" for subject in SESSIONS], "voxels")
    model = models.load_brain(folders["brain"], voxels, targets)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    assert model.subjects["FFA"](images).shape == (2, 1) and model.subjects["EBA"](images).shape == (2, 2)
    torch.testing.assert_close(model.subjects["FFA"](images), model.group["FFA"](images), atol=1e-4, rtol=0)


def test_a_region_that_no_subject_has_or_a_subject_without_any_is_an_error(folder, prepare, tmp_path):
    lacking = {s: without(folder, s, tmp_path, [2, 3]) for s in SESSIONS}
    for subject in SESSIONS:
        prepare(subject, all_betas(folder, subject), lacking[subject])
    with pytest.raises(ValueError, match="no subject has a usable voxel in FFA"):
        average(SESSIONS)
    with pytest.raises(ValueError, match="subj01 has no usable voxel in FFA"):
        prepare("subj01", all_betas(folder, "subj01"), lacking["subj01"], regions={"FFA": REGIONS["FFA"]})


def test_sessions_that_are_missing_in_the_middle_or_of_other_masks_are_refused_by_name(
    folders, folder, prepare, tmp_path
):
    betas = all_betas(folder, "subj01")
    with pytest.raises(ValueError, match=r"betas_session03\.nii\.gz: expected betas_session02 in place 2"):
        prepare("subj01", [betas[0], *betas[2:]])
    kept = extracted(folder, "subj01", tmp_path)
    with pytest.raises(ValueError, match=r"03\.parquet: expected subj01, session 2 alone"):
        prepare("subj01", [kept[0], *kept[2:]])
    with pytest.raises(FileNotFoundError, match=r"betas_session02\.hdf5"):
        prepare("subj01", [betas[0], tmp_path / "betas_session02.hdf5", *betas[2:]])
    cut = tmp_path / "betas_session02.nii.gz"
    cut.write_bytes(betas[1].read_bytes()[:-2000])
    with pytest.raises(ValueError, match=r"betas_session02\.nii\.gz: expected 30 whole trials, read \d+"):
        prepare("subj01", [betas[0], cut, *betas[2:]])
    small = nibabel.Nifti1Image(np.ones((3, 3, 3), np.int16), np.eye(4))
    nibabel.save(small, tmp_path / "brainmask.nii.gz")
    with pytest.raises(ValueError, match=r"expected a volume of shape \(3, 3, 3\), found \(14, 16, 12\)"):
        prepare("subj01", betas, {"brainmask": str(tmp_path / "brainmask.nii.gz")})
    with pytest.raises(ValueError, match=r"subj01 did not see every image of stimuli\.parquet 3 times"):
        prepare("subj01", betas[:2])
