"""Sessions as they are kept of a download: the voxels of the atlases, in a table."""

import nibabel
import numpy as np
import pytest

from codingaxes.nsd import sessions, volumes

SHAPE, TRIALS = (5, 7, 4), 6


@pytest.fixture
def session(rng, tmp_path):
    """The table of a session of some voxels, their places, and the whole volume (x, y, z, trials)."""
    stored = rng.integers(-32768, 32768, (*SHAPE, TRIALS)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4)), tmp_path / "betas_session03.nii.gz")
    where = np.argwhere(rng.random(SHAPE) < 0.5)
    betas = volumes.read_stored(tmp_path / "betas_session03.nii.gz", where, TRIALS)
    sessions.write(tmp_path / "03.parquet", betas, where, "subj01", 3)
    return tmp_path / "03.parquet", where, stored


def test_an_extracted_session_gives_the_same_numbers_as_the_volume(session, rng):
    path, where, stored = session
    some = rng.permutation(where)[:30]
    betas = sessions.read(path, some, TRIALS, "subj01", 3)
    assert betas.dtype == np.int16 and np.array_equal(betas, stored[tuple(some.T)].T)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"subject": "subj02"}, r"03\.parquet: expected subj02, session 3 alone.*subj01"),
        ({"session": 2}, r"03\.parquet: expected subj01, session 2"),
        ({"n_trials": 7}, r"03\.parquet: expected 7 trials a voxel, found \[6\]"),
        ({"where": [(9, 9, 9)]}, r"03\.parquet lacks 1 of 1 voxels, the first \(9, 9, 9\)"),
    ],
)
def test_a_table_of_something_else_is_refused_by_name(session, asked, message):
    path, where, _ = session
    arguments = {"where": where, "n_trials": TRIALS, "subject": "subj01", "session": 3}
    with pytest.raises(ValueError, match=message):
        sessions.read(path, **arguments | asked)
