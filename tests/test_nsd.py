"""Reading NSD's layout, on a miniature of two subjects that is written here."""

import hashlib
import logging
import shutil
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import prepare_stimuli
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from codingaxes import job, miniature, nsd, scenes, simulation, tables, volumes

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
    return volumes.region_mask(mask, folder / f"nsddata/freesurfer/{subject}/label/{atlas}.mgz.ctab", names)


def test_the_miniature_has_the_types_and_conventions_of_nsd(folder):
    content = loadmat(folder / "nsddata/experiments/nsd/nsd_expdesign.mat")
    assert content["masterordering"].dtype == np.uint16 and content["masterordering"].min() == 1
    assert content["subjectim"].dtype == np.int32 and content["subjectim"].min() == 1
    assert (np.diff(content["sharedix"].ravel()) > 0).all()
    assert np.array_equal(content["subjectim"][0, :35], content["sharedix"].ravel())
    betas = nibabel.load(betas_file(folder, "subj01", 1))
    assert betas.get_data_dtype() == np.int16 and betas.shape == (*miniature.SHAPE, TRIALS)
    brain = volumes.read_volume(folder / f"nsddata/ppdata/subj01/{SPACE}/brainmask.nii.gz") > 0
    assert (np.asanyarray(betas.dataobj)[~brain] == 0).all()
    atlas = volumes.read_volume(folder / f"nsddata/ppdata/subj01/{SPACE}/roi/floc-faces.nii.gz")
    assert {-1, 0, 1, 2, 3} <= set(np.unique(atlas))
    left, right = (
        volumes.read_volume(folder / f"nsddata/ppdata/subj01/{SPACE}/roi/{side}.floc-faces.nii.gz")
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


def test_a_constant_or_nan_voxel_is_missing_and_others_are_standard(rng):
    betas = rng.normal(3, 2, (50, 4))
    betas[:, 1], betas[7, 2] = 1.5, np.nan
    z, mean, sd = nsd.standardise(betas)
    np.testing.assert_allclose(mean[[0, 3]], betas[:, [0, 3]].mean(axis=0))
    assert np.isnan(z[:, 1:3]).all() and np.isnan(sd[1:3]).all()
    np.testing.assert_allclose(z[:, [0, 3]].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z[:, [0, 3]].std(axis=0), 1)


def test_repeats_are_averaged_by_image_whatever_their_order(rng):
    shown = rng.permutation(np.repeat(np.arange(10), 3))
    shown = np.append(shown, 10)  # seen once: it says nothing of the noise
    z = shown[:, None] * np.array([[1.0, 10.0]])
    found = nsd.average_repeats(z, shown)
    assert np.array_equal(found.images, np.arange(11)) and list(found.counts) == [3] * 10 + [1]
    np.testing.assert_allclose(found.mean, np.arange(11)[:, None] * [1.0, 10.0])
    np.testing.assert_allclose(found.noise_sd, 0, atol=1e-12)
    assert np.array_equal(z, shown[:, None] * np.array([[1.0, 10.0]]))  # what was given is untouched
    assert np.isnan(nsd.average_repeats(z[:1], shown[:1]).noise_sd).all()


def test_noise_of_unequal_repetitions_weighs_each_image_by_its_degrees_of_freedom(rng):
    counts = rng.integers(1, 6, 4000)
    shown = np.repeat(np.arange(4000), counts)
    z = rng.normal(0, 1, (4000, 1))[shown] + rng.normal(0, 0.7, (len(shown), 1))
    found = nsd.average_repeats(z, shown)
    groups = [z[shown == image, 0] for image in range(4000) if counts[image] > 1]
    pooled = sum(np.var(group, ddof=1) * (len(group) - 1) for group in groups) / sum(
        len(group) - 1 for group in groups
    )
    assert found.noise_sd[0] == pytest.approx(np.sqrt(pooled)) and abs(found.noise_sd[0] - 0.7) < 0.02
    # the ceiling is the variance that the signal has among the means, images of one trial included
    total = np.sqrt(1 + 0.49)
    snr = nsd.ncsnr(found.noise_sd / total)
    expected = 1 / found.mean.var()
    np.testing.assert_allclose(nsd.noise_ceiling(snr, counts), expected, atol=0.03)


def test_a_noise_ceiling_is_0_without_signal_and_1_without_noise():
    np.testing.assert_allclose(nsd.noise_ceiling(nsd.ncsnr(np.array([1.2, 1.0, 0.0])), 3), [0, 0, 1])
    counts = np.array([1, 1, 2, 3])  # the manual's formula: (c1 / 1 + c2 / 2 + c3 / 3) / (c1 + c2 + c3)
    expected = 0.25 / (0.25 + (2 + 1 / 2 + 1 / 3) / 4)
    np.testing.assert_allclose(nsd.noise_ceiling(np.array([0.5]), counts), expected)


def test_the_noise_ceiling_of_planted_voxels_is_recovered(rng):
    planted = np.array([0.2, 0.4, 0.6])
    signal = rng.standard_normal((30000, 3))
    trials = signal[:, None] + rng.standard_normal((30000, 3, 3)) / planted
    z = trials / trials.reshape(-1, 3).std(axis=0)
    found = nsd.ncsnr(nsd.average_repeats(z.reshape(-1, 3), np.repeat(np.arange(30000), 3)).noise_sd)
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
        z, _, _ = nsd.standardise(simulation.trials(signal[shown], voxels, rng))
        found = nsd.ncsnr(nsd.average_repeats(z, shown).noise_sd)
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


def write_design(path, **changed):
    """A small design of 2 subjects, 5 shared images and 1 image of each, with some variables changed."""
    good = miniature.make_design(np.random.default_rng(1), n_subjects=2, n_shared=5, n_own=1)
    savemat(path, {name: value for name, value in (good | changed).items() if value is not None})
    return good


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda good: {"masterordering": good["masterordering"] + np.uint16(1)}, r"1\.\.6, found 2 to 7"),
        (
            lambda good: {"masterordering": good["masterordering"] * np.uint16(0)},
            r"1\.\.6, found 1 to 0|found 0",
        ),
        (lambda good: {"sharedix": None}, "lacks sharedix"),
        (lambda good: {"subjectim": good["subjectim"] - np.int32(20)}, "count from 1"),
        (lambda good: {"subjectim": good["subjectim"][:, 2:]}, r"1\.\.4"),
        (
            lambda good: {"sharedix": good["sharedix"] + np.int32(100)},
            "sharedix has 1.., which subjectim lacks",
        ),
        (lambda good: {"sharedix": good["sharedix"][:, ::-1]}, "ascend"),
        (lambda good: {"sharedix": np.zeros((2, 3), np.int32)}, r"sharedix must be one row.*\(2, 3\)"),
        (lambda good: {"subjectim": good["subjectim"] + 0.5}, "whole numbers"),
        (lambda good: {"subjectim": "text"}, "subjectim must"),
    ],
)
def test_a_design_that_is_not_nsds_is_refused_by_name(tmp_path, change, said):
    file = tmp_path / "nsd_expdesign.mat"
    good = write_design(file)
    nsd.read_design(file)
    write_design(file, **change(good))
    with pytest.raises(ValueError, match=said) as caught:
        nsd.read_design(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_no_design_at_all_is_refused_by_name(tmp_path):
    file = tmp_path / "nsd_expdesign.mat"
    write_design(file)
    for content in (b"", b"<html>Access denied</html>" * 20, file.read_bytes()[:200]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"nsd_expdesign\.mat"):
            nsd.read_design(file)
    with pytest.raises(FileNotFoundError, match=r"nsd\.folder"):
        nsd.read_design(tmp_path / "absent.mat")


def test_subjects_and_trials_that_the_design_lacks_are_refused_with_its_name(tmp_path):
    file = tmp_path / "nsd_expdesign.mat"
    write_design(file)
    design = nsd.read_design(file)
    assert len(design.shown(1, 18)) == 18
    with pytest.raises(ValueError, match=r"nsd_expdesign.mat: subject 3 .* has 2"):
        design.shown(2, 18)
    with pytest.raises(ValueError, match=r"nsd_expdesign.mat: 19 trials .* only 18"):
        nsd.images_seen_by_all(design, {0: 18, 1: 19}, 3)
    with pytest.raises(ValueError, match=r"nsd_expdesign.mat: no shared image was seen 4 times"):
        nsd.images_seen_by_all(design, {0: 18, 1: 18}, 4)


def full_design(path):
    """A design of NSD's sizes, made here: 8 subjects with 10000 of 73000 images, 30000 trials."""
    rng = np.random.default_rng(515)
    ids = rng.permutation(73000) + 1
    shared = np.sort(ids[:1000])
    own = ids[1000:].reshape(8, 9000)
    content = {
        "masterordering": rng.permutation(np.repeat(np.arange(1, 10001), 3))[None].astype(np.uint16),
        "subjectim": np.concatenate([np.tile(shared, (8, 1)), own], axis=1).astype(np.int32),
        "sharedix": shared[None].astype(np.int32),
    }
    savemat(path, content)
    return content


def test_images_of_a_design_of_the_real_size_are_those_of_an_independent_count(tmp_path):
    content = full_design(tmp_path / "nsd_expdesign.mat")
    design = nsd.read_design(tmp_path / "nsd_expdesign.mat")
    completed = [40, 40, 32, 30, 40, 32, 40, 30]
    found = nsd.images_seen_by_all(design, {i: 750 * n for i, n in enumerate(completed)}, 3)
    # the order of trials is common: what was shown three times in the shortest 30 sessions, among the shared
    times = Counter(content["masterordering"][0, : 750 * 30].tolist())
    expected = [int(content["sharedix"][0, i - 1]) for i in range(1, 1001) if times[i] == 3]
    assert list(found + 1) == expected and 350 < len(found) < 500  # 0.75 ** 3 of 1000
    text = "\n".join(map(str, expected)) + "\n"
    assert nsd.digest(found[::-1]) == hashlib.sha256(text.encode()).hexdigest()


def test_subjects_are_named_as_in_nsd():
    assert nsd.position("subj03") == 2
    with pytest.raises(ValueError, match="subj01"):
        nsd.position("sub-03")


@pytest.fixture
def behaviour(folder, tmp_path):
    """The rows of a subject's responses.tsv, and a function that checks other rows against the design."""
    rows = pd.read_csv(folder / "nsddata/ppdata/subj01/behav/responses.tsv", sep="\t")
    shown = rows["73KID"].to_numpy() - 1

    def compare(changed, path=tmp_path / "responses.tsv"):
        changed.to_csv(path, sep="\t", index=False)
        return nsd.compare_order(path, shown, TRIALS)

    return rows, compare


def test_the_behaviour_of_the_miniature_is_in_the_order_of_the_design(behaviour, design):
    rows, compare = behaviour
    assert len(rows.columns) == 19 and len(rows) == 4 * TRIALS
    assert list(rows["73KID"] - 1) == list(design.shown(0, 4 * TRIALS))
    assert list(rows["10KID"] - 1) == list(design.ordering[: 4 * TRIALS])
    assert list(rows.ISOLD) == rows["73KID"].duplicated().astype(int).to_list()
    assert compare(rows.sample(frac=1, random_state=1)) == 120  # in whatever order of rows
    assert compare(rows[rows.SESSION != 2].drop(index=[3, 70])) == 88  # without a session and two trials
    assert compare(pd.concat([rows, rows[rows.SESSION == 4].assign(SESSION=5)])) == 120  # not in use


def test_the_first_difference_of_behaviour_and_design_is_said_with_both_images(behaviour):
    rows, compare = behaviour
    wrong = rows.copy()
    wrong.loc[[100, 65], "73KID"] = [1, wrong["73KID"][65] % 40 + 1]
    row = rows.loc[65, ["SESSION", "RUN", "TRIAL", "73KID"]].astype(int)
    expected = (
        rf"responses\.tsv: session {row.SESSION}, run {row.RUN}, trial {row.TRIAL} showed image "
        rf"{wrong['73KID'][65]}, but {row['73KID']} by the design"
    )
    with pytest.raises(ValueError, match=expected):
        compare(wrong)
    with pytest.raises(ValueError, match=r"responses\.tsv lacks the columns 73KID"):
        compare(rows.drop(columns="73KID"))
    with pytest.raises(ValueError, match=r"responses\.tsv, line 5: .* must be whole numbers from 1"):
        compare(rows.assign(TRIAL=rows.TRIAL.astype(object).where(rows.index != 3, "x")))
    with pytest.raises(ValueError, match=r"responses\.tsv: runs have 31 trials, a session has 30"):
        compare(rows.assign(TRIAL=rows.TRIAL.where(rows.index != 29, rows.TRIAL[29] + 1)))
    with pytest.raises(ValueError, match=r"responses\.tsv: expected"):
        compare(pd.DataFrame())


@pytest.mark.parametrize("column", nsd.BEHAVIOUR)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1.5, 0, 1e300])
def test_a_number_of_behaviour_that_is_not_whole_or_not_finite_is_refused_with_its_line(
    behaviour, column, value
):
    rows, compare = behaviour
    with pytest.raises(ValueError, match=r"responses\.tsv, line 5: .* must be whole numbers from 1"):
        compare(rows.assign(**{column: rows[column].astype(float).where(rows.index != 3, value)}))


@pytest.fixture
def stimuli(folder, tmp_path, monkeypatch):
    """Runs prepare_stimuli with some parameters or inputs changed; the table."""
    monkeypatch.chdir(tmp_path)
    design = str(folder / "nsddata/experiments/nsd/nsd_expdesign.mat")
    params = {"sessions": SESSIONS, "trials_per_session": TRIALS, "repeats": 3, "images_sha256": ""}
    params |= {"seed": 1, "image_size": 64, "test_fraction": 0.2, "probes": 1}

    def run(images=folder / "nsddata/stimuli/nsd/shared1000", **changed):
        given = {"design": design, "stimuli": str(images)}
        output = {"stimuli": "stimuli.parquet", "images": "images"}
        prepare_stimuli.main(job.Run("prepare_stimuli", given, output, params | changed, {}, "log"))
        return tables.read("stimuli.parquet", "stimuli")

    return run


def test_other_images_than_those_of_the_digest_stop_the_study_with_what_was_found(stimuli, caplog):
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        ids = stimuli().nsd_id
    digest = next(r.getMessage() for r in caplog.records if "sha256" in r.getMessage()).split()[-1]
    stimuli(images_sha256=digest)
    found = rf"{len(ids)} images with {digest}, the first {ids[0] + 1}, {ids[1] + 1}, "
    with pytest.raises(ValueError, match=found + r".*subj01 4, subj02 3\. Correct nsd\.sessions"):
        stimuli(images_sha256="0" * 64)


def test_an_image_that_is_missing_or_broken_is_refused_by_name(stimuli, folder, tmp_path):
    image = stimuli().nsd_id[0] + 1
    shutil.copytree(folder / "nsddata/stimuli/nsd/shared1000", tmp_path / "shared1000")
    first = next((tmp_path / "shared1000").glob(f"*_nsd{image:05d}.png"))
    first.write_bytes(first.read_bytes()[:300])
    with pytest.raises(ValueError, match=rf"{first.name}: expected an image"):
        stimuli(tmp_path / "shared1000")
    first.unlink()
    with pytest.raises(FileNotFoundError, match=first.name):
        stimuli(tmp_path / "shared1000")


def test_the_place_of_a_file_in_the_bucket_is_what_follows_its_root():
    assert nsd.root_of("resources/nsd/nsddata/experiments/nsd/nsd_expdesign.mat") == Path("resources/nsd")
    assert nsd.root_of("/data/nsddata_betas/ppdata/subj01") == Path("/data")
    with pytest.raises(ValueError, match="neither nsddata nor nsddata_betas"):
        nsd.root_of("resources/nsd/design.mat")
