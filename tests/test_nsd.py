"""Reading NSD's layout, on a miniature of two subjects that is written here."""

import nibabel
import numpy as np
import prepare_responses
import prepare_stimuli
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from codingaxes import job, miniature, nsd, pixels, scenes, simulation, tables

SESSIONS = {"subj01": 4, "subj02": 3}
TRIALS = 30
SPACE, VERSION = "func1pt8mm", "betas_fithrf_GLMdenoise_RR"


@pytest.fixture(scope="module")
def folder(brain, tmp_path_factory):
    """A miniature NSD: 40 shared and 0 own images, 120 trials planned, of which subj02 completed 90."""
    path = tmp_path_factory.mktemp("nsd")
    design = miniature.make_design(np.random.default_rng(1), n_subjects=2, n_shared=35, n_own=5)
    images = scenes.render_many(4, int(design["subjectim"].max()), 64)[0]
    small = type(brain)(
        brain.energies, brain.mean, brain.sd, {name: brain.subjects[name] for name in SESSIONS}
    )
    miniature.simulate(
        path, small, design, images, space=SPACE, version=VERSION, sessions=SESSIONS, n_trials=TRIALS, seed=7
    )
    return path


@pytest.fixture(scope="module")
def design(folder):
    return nsd.read_design(folder / "nsddata/experiments/nsd/nsd_expdesign.mat")


def betas_file(folder, subject, session):
    return folder / f"nsddata_betas/ppdata/{subject}/{SPACE}/{VERSION}/betas_session{session:02d}.nii.gz"


def region(folder, subject, atlas, names):
    mask = folder / f"nsddata/ppdata/{subject}/{SPACE}/roi/{atlas}.nii.gz"
    return nsd.region_mask(mask, folder / f"nsddata/freesurfer/{subject}/label/{atlas}.mgz.ctab", names)


def test_the_miniature_has_the_types_and_conventions_of_nsd(folder):
    content = loadmat(folder / "nsddata/experiments/nsd/nsd_expdesign.mat")
    assert content["masterordering"].dtype == np.uint16 and content["masterordering"].min() == 1
    assert content["subjectim"].dtype == np.int32 and content["subjectim"].min() == 1
    assert (np.diff(content["sharedix"].ravel()) > 0).all()
    assert np.array_equal(content["subjectim"][0, :35], content["sharedix"].ravel())
    betas = nibabel.load(betas_file(folder, "subj01", 1))
    assert betas.get_data_dtype() == np.int16 and betas.shape == (*miniature.SHAPE, TRIALS)
    brain = nsd.read_volume(folder / f"nsddata/ppdata/subj01/{SPACE}/brainmask.nii.gz") > 0
    assert (np.asanyarray(betas.dataobj)[~brain] == 0).all()
    atlas = nsd.read_volume(folder / f"nsddata/ppdata/subj01/{SPACE}/roi/floc-faces.nii.gz")
    assert {-1, 0, 1, 2, 3} <= set(np.unique(atlas))
    left, right = (
        nsd.read_volume(folder / f"nsddata/ppdata/subj01/{SPACE}/roi/{side}.floc-faces.nii.gz")
        for side in ("lh", "rh")
    )
    assert np.array_equal(np.maximum(left, right), atlas)
    assert (
        (folder / "nsddata/freesurfer/subj01/label/floc-faces.mgz.ctab").read_text().startswith("0 Unknown\n")
    )


def test_shared_images_carry_their_rank_and_their_one_based_id(folder, design):
    for rank, image in enumerate(design.shared, start=1):
        file = folder / f"nsddata/stimuli/nsd/shared1000/shared{rank:04d}_nsd{image + 1:05d}.png"
        assert nsd.stimulus_file(file.parent, rank, image) == file and file.is_file()
    with Image.open(file) as png:
        assert np.array_equal(np.asarray(png), scenes.render_many(4, int(image) + 1, 64)[0][-1])


def test_images_seen_by_all_are_those_that_counting_by_hand_finds(folder, design):
    content = loadmat(folder / "nsddata/experiments/nsd/nsd_expdesign.mat")
    expected = None
    for subject, sessions in enumerate(SESSIONS.values()):
        shown = [
            int(content["subjectim"][subject, int(i) - 1])
            for i in content["masterordering"][0, : TRIALS * sessions]
        ]
        often = {image for image in shown if shown.count(image) == 3}
        expected = often if expected is None else expected & often
    found = nsd.images_seen_by_all(design, {0: TRIALS * 4, 1: TRIALS * 3}, 3)
    assert list(found + 1) == sorted(expected)
    assert 0 < len(found) < len(design.shared)


def test_a_region_is_read_by_label_and_holds_the_planted_voxels(folder, brain):
    for roi, (atlas, names) in miniature.LABELS.items():
        assert region(folder, "subj01", atlas, names).sum() == (brain.subjects["subj01"].roi == roi).sum()


def test_an_unknown_label_is_refused_with_the_labels_that_exist(folder):
    with pytest.raises(ValueError, match=r"FFA-9.*FFA-1"):
        region(folder, "subj01", "floc-faces", ["FFA-9"])


def test_betas_are_percent_signal_change_in_the_order_of_the_voxels(folder):
    where = np.argwhere(region(folder, "subj01", "floc-bodies", ["EBA"]))[::-1]
    betas = nsd.read_betas(betas_file(folder, "subj01", 2), where, TRIALS)
    volume = nibabel.load(betas_file(folder, "subj01", 2)).get_fdata()
    expected = np.array([[volume[i, j, k, t] / 300 for i, j, k in where] for t in range(TRIALS)])
    np.testing.assert_allclose(betas, expected, rtol=1e-6)


def test_a_session_of_another_length_or_type_is_refused(folder, tmp_path):
    where = np.zeros((1, 3), int)
    with pytest.raises(ValueError, match="31 trials"):
        nsd.read_betas(betas_file(folder, "subj01", 1), where, 31)
    file = tmp_path / "betas_session01.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2, 4), np.float32), np.eye(4)), file)
    with pytest.raises(ValueError, match="int16"):
        nsd.read_betas(file, where, 4)
    with pytest.raises(FileNotFoundError, match="betas_session99"):
        nsd.read_betas(betas_file(folder, "subj01", 99), where, TRIALS)


def test_a_constant_or_nan_voxel_is_missing_and_others_are_standard(rng):
    betas = rng.normal(3, 2, (50, 4))
    betas[:, 1], betas[7, 2] = 1.5, np.nan
    z, sd = nsd.standardise(betas)
    assert np.isnan(z[:, 1:3]).all() and np.isnan(sd[1:3]).all()
    np.testing.assert_allclose(z[:, [0, 3]].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z[:, [0, 3]].std(axis=0), 1)


def test_repeats_are_grouped_by_image_whatever_their_order(rng):
    shown = rng.permutation(np.repeat(np.arange(10), 3))
    shown = np.append(shown, 10)  # seen once: left out
    z = shown[:, None] * np.array([[1.0, 10.0]])
    repeated, ids = nsd.group_repeats(z, shown, 3)
    assert np.array_equal(ids, np.arange(10)) and repeated.shape == (10, 3, 2)
    assert np.array_equal(repeated[:, :, 0], np.repeat(np.arange(10)[:, None], 3, axis=1))


def test_the_noise_ceiling_of_planted_voxels_is_recovered(rng):
    planted = np.array([0.2, 0.4, 0.6])
    signal = rng.standard_normal((30000, 3))
    trials = signal[:, None] + rng.standard_normal((30000, 3, 3)) / planted
    z = trials / trials.reshape(-1, 3).std(axis=0)
    found = nsd.ncsnr(nsd.noise_sd(z))
    # the noise variance has a relative error of sqrt(2 / 60000), which at 0.2 is 0.015 in the ratio
    np.testing.assert_allclose(found, planted, atol=0.045)
    # and the ceiling is what an ideal model reaches: squared correlation of signal and mean of three trials
    ideal = [np.corrcoef(signal[:, v], z.mean(axis=1)[:, v])[0, 1] ** 2 for v in range(3)]
    np.testing.assert_allclose(nsd.noise_ceiling(found, 3), ideal, atol=0.03)


def test_noise_ceilings_of_the_simulated_brain_are_recovered_within_their_sampling_error(brain):
    n, rng, errors = 400, np.random.default_rng(4), []
    responses = simulation.evaluate(brain, scenes.render_many(21, n, 64)[0])
    start = 0
    for voxels in brain.subjects.values():
        signal = responses[:, start : start + len(voxels.noise)]
        start += len(voxels.noise)
        shown = np.repeat(np.arange(n), 3)
        z, _ = nsd.standardise(simulation.trials(signal[shown], voxels, rng))
        found = nsd.ncsnr(nsd.noise_sd(nsd.group_repeats(z, shown, 3)[0]))
        true = signal.std(axis=0) / voxels.noise
        # the noise variance has a relative error of sqrt(2 / 2n); total over noise variance is ncsnr^2 + 1
        errors.append((found - true) / ((1 + true**2) / (2 * true) / np.sqrt(n)))
    errors = np.concatenate(errors)
    assert np.abs(errors).max() < 5 and 0.5 < np.sqrt(np.mean(errors**2)) < 1.2
    # noise is shared within the 12 regions, so that their errors are not independent
    assert abs(errors.mean()) < 3 / np.sqrt(12)


def test_a_split_is_fixed_and_keeps_its_order_in_a_longer_list():
    test, rank = nsd.split(np.arange(100), 1, 0.2)
    assert test.sum() == 20 and np.array_equal(np.sort(rank), np.arange(100))
    _, longer = nsd.split(np.arange(150), 1, 0.2)
    assert np.array_equal(np.argsort(longer[:100]), np.argsort(rank))
    with pytest.raises(ValueError, match="test_fraction"):
        nsd.split(np.arange(10), 1, 1.0)


def test_a_design_with_an_index_out_of_range_or_a_missing_variable_is_refused(tmp_path):
    file = tmp_path / "nsd_expdesign.mat"
    good = miniature.make_design(np.random.default_rng(1), n_subjects=2, n_shared=5, n_own=1)
    savemat(file, good | {"masterordering": good["masterordering"] + np.uint16(1)})
    with pytest.raises(ValueError, match=r"1\.\.6"):
        nsd.read_design(file)
    savemat(file, {name: good[name] for name in ("masterordering", "subjectim")})
    with pytest.raises(ValueError, match="sharedix"):
        nsd.read_design(file)
    with pytest.raises(FileNotFoundError, match=r"nsd\.folder"):
        nsd.read_design(tmp_path / "absent.mat")


def test_subjects_are_named_as_in_nsd():
    assert nsd.position("subj03") == 2
    with pytest.raises(ValueError, match="subj01"):
        nsd.position("sub-03")


@pytest.fixture
def prepare(folder, tmp_path, monkeypatch):
    """Runs the two reading scripts on the miniature, as the rules would."""
    monkeypatch.chdir(tmp_path)
    design = str(folder / "nsddata/experiments/nsd/nsd_expdesign.mat")
    common = {"sessions": SESSIONS, "trials_per_session": TRIALS, "repeats": 3, "seed": 1, "image_size": 64}
    regions = {
        roi: {"atlas": atlas, "labels": list(names)} for roi, (atlas, names) in miniature.LABELS.items()
    }

    def run(subject, betas):
        prepare_stimuli.main(
            job.Run(
                rule="prepare_stimuli",
                input={"design": design, "stimuli": str(folder / "nsddata/stimuli/nsd/shared1000")},
                output={"stimuli": "stimuli.parquet", "images": "images"},
                params=common | {"test_fraction": 0.2, "probes": 1},
                wildcards={},
                log="log",
            )
        )
        anatomy = folder / f"nsddata/ppdata/{subject}/{SPACE}"
        prepare_responses.main(
            job.Run(
                rule="prepare_responses",
                input={
                    "design": design,
                    "stimuli": "stimuli.parquet",
                    "atlases": [str(anatomy / f"roi/{atlas}.nii.gz") for atlas in miniature.ATLASES],
                    "labels": [
                        str(folder / f"nsddata/freesurfer/{subject}/label/{atlas}.mgz.ctab")
                        for atlas in miniature.ATLASES
                    ],
                    "betas": [str(file) for file in betas],
                    "ncsnr": str(betas_file(folder, subject, 1).parent / "ncsnr.nii.gz"),
                },
                output={name: f"{name}.parquet" for name in ("voxels", "responses", "regions")},
                params=common | {"regions": regions},
                wildcards={"subject": subject},
                log="log",
            )
        )
        return {
            name: tables.read(f"{name}.parquet", name)
            for name in ("stimuli", "voxels", "responses", "regions")
        }

    return run


def all_betas(folder, subject):
    return [betas_file(folder, subject, session + 1) for session in range(SESSIONS[subject])]


def test_the_tables_equal_what_a_short_independent_reading_gives(folder, prepare):
    found = prepare("subj02", all_betas(folder, "subj02"))
    content = loadmat(folder / "nsddata/experiments/nsd/nsd_expdesign.mat")
    shown = content["subjectim"][1, content["masterordering"][0, :90].astype(int) - 1] - 1
    voxels = found["voxels"]
    series = []
    for file in all_betas(folder, "subj02"):
        volume = nibabel.load(file).get_fdata() / 300
        session = np.array([volume[row.i, row.j, row.k] for row in voxels.itertuples()]).T
        series.append((session - session.mean(axis=0)) / session.std(axis=0))
    series = np.concatenate(series)
    for row, image in zip(found["responses"].itertuples(), found["stimuli"].nsd_id, strict=True):
        assert (shown == image).sum() == row.repeats == 3
        np.testing.assert_allclose(row.response, series[shown == image].mean(axis=0), atol=1e-5)
    often = [image for image in np.unique(shown) if (shown == image).sum() == 3]
    noise = np.sqrt(np.mean([series[shown == image].var(axis=0, ddof=1) for image in often], axis=0))
    np.testing.assert_allclose(voxels.ncsnr, np.sqrt(np.clip(1 - noise**2, 0, None)) / noise, atol=1e-4)
    mine = (voxels.roi == "EBA").to_numpy()
    means = [series[shown == image][:, mine].mean(axis=1).var(ddof=1) for image in often]
    regions = found["regions"].set_index("roi")
    assert regions.noise_sd["EBA"] == pytest.approx(np.sqrt(np.mean(means)), abs=1e-5)
    assert regions.n_voxels["EBA"] == mine.sum()


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
    where = np.argwhere(region(folder, "subj01", "floc-bodies", ["EBA"]))[0]
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
