"""NSD's design, on a miniature and on designs of the real size or with planted faults."""

import hashlib
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat
from small_nsd import SESSIONS, TRIALS

from codingaxes.miniature.design import make_design
from codingaxes.nsd.design import BEHAVIOUR, compare_order, digest, images_seen_by_all, read_design


@pytest.fixture(scope="module")
def design(world):
    """120 trials are planned, of which subj02 completed 90."""
    return read_design(world.nifti.design)


def test_images_seen_by_all_are_those_that_counting_by_hand_finds(layout, design):
    content = loadmat(layout.design)
    expected = None
    for subject, sessions in enumerate(SESSIONS.values()):
        trial_images = [
            int(content["subjectim"][subject, int(i) - 1])
            for i in content["masterordering"][0, : TRIALS * sessions]
        ]
        often = {image for image in trial_images if trial_images.count(image) == 3}
        expected = often if expected is None else expected & often
    ids = images_seen_by_all(design, {0: TRIALS * 4, 1: TRIALS * 3}, 3)
    assert list(ids + 1) == sorted(expected)
    assert 0 < len(ids) < len(design.shared)


def write_design(path, **changed):
    """Write a design of 2 subjects, 5 shared images and 1 of each, some `changed`; the unchanged ones."""
    good = make_design(np.random.default_rng(1), n_subjects=2, n_shared=5, n_own=1)
    savemat(path, {name: value for name, value in (good | changed).items() if value is not None})
    return good


@pytest.mark.parametrize(
    ("change", "message"),
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
def test_a_design_that_is_not_nsds_is_refused_by_name(tmp_path, change, message):
    file = tmp_path / "nsd_expdesign.mat"
    good = write_design(file)
    read_design(file)
    write_design(file, **change(good))
    with pytest.raises(ValueError, match=message) as caught:
        read_design(file)
    assert str(file) in str(caught.value)


def test_a_file_that_is_no_design_at_all_is_refused_by_name(tmp_path):
    file = tmp_path / "nsd_expdesign.mat"
    write_design(file)
    for content in (b"", b"<html>Access denied</html>" * 20, file.read_bytes()[:200]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"nsd_expdesign\.mat"):
            read_design(file)
    with pytest.raises(FileNotFoundError, match=r"nsd\.folder"):
        read_design(tmp_path / "absent.mat")


def test_subjects_and_trials_that_the_design_lacks_are_refused_with_its_name(tmp_path):
    file = tmp_path / "nsd_expdesign.mat"
    write_design(file)
    design = read_design(file)
    assert len(design.images_of(1, 18)) == 18
    with pytest.raises(ValueError, match=r"nsd_expdesign.mat: subject 3 .* has 2"):
        design.images_of(2, 18)
    with pytest.raises(ValueError, match=r"nsd_expdesign.mat: 19 trials .* only 18"):
        images_seen_by_all(design, {0: 18, 1: 19}, 3)
    with pytest.raises(ValueError, match=r"nsd_expdesign.mat: no shared image was seen 4 times"):
        images_seen_by_all(design, {0: 18, 1: 18}, 4)


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
    design = read_design(tmp_path / "nsd_expdesign.mat")
    completed = [40, 40, 32, 30, 40, 32, 40, 30]
    ids = images_seen_by_all(design, {i: 750 * n for i, n in enumerate(completed)}, 3)
    # the order of trials is common: what was shown three times in the shortest 30 sessions, among the shared
    times = Counter(content["masterordering"][0, : 750 * 30].tolist())
    expected = [int(content["sharedix"][0, i - 1]) for i in range(1, 1001) if times[i] == 3]
    assert list(ids + 1) == expected and 350 < len(ids) < 500  # 0.75 ** 3 of 1000
    text = "\n".join(map(str, expected)) + "\n"
    assert digest(ids[::-1]) == hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def behaviour(layout, tmp_path):
    """The rows of a subject's responses.tsv, and a function that checks other rows against the design."""
    rows = pd.read_csv(layout.behaviour("subj01"), sep="\t")
    trial_images = rows["73KID"].to_numpy() - 1

    def compare(changed, path=tmp_path / "responses.tsv"):
        changed.to_csv(path, sep="\t", index=False)
        return compare_order(path, trial_images, TRIALS)

    return rows, compare


def test_the_behaviour_of_the_miniature_is_in_the_order_of_the_design(behaviour, design):
    rows, compare = behaviour
    assert list(rows["73KID"] - 1) == list(design.images_of(0, 4 * TRIALS))
    assert list(rows["10KID"] - 1) == list(design.ordering[: 4 * TRIALS])
    assert compare(rows.sample(frac=1, random_state=1)) == 120  # in whatever order of rows
    assert compare(rows[rows.SESSION != 2].drop(index=[3, 70])) == 88  # without a session and two trials
    assert compare(pd.concat([rows, rows[rows.SESSION == 4].assign(SESSION=5)])) == 120  # not in use


def test_the_first_difference_of_behaviour_and_design_is_reported_with_both_images(behaviour):
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


@pytest.mark.parametrize("column", BEHAVIOUR)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1.5, 0, 1e300])
def test_a_number_of_behaviour_that_is_not_whole_or_not_finite_is_refused_with_its_line(
    behaviour, column, value
):
    rows, compare = behaviour
    with pytest.raises(ValueError, match=r"responses\.tsv, line 5: .* must be whole numbers from 1"):
        compare(rows.assign(**{column: rows[column].astype(float).where(rows.index != 3, value)}))
