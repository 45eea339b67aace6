"""The finished micro study: made once for all workers of pytest-xdist, and never changed."""

import pytest
import studies
from filelock import FileLock


@pytest.fixture(scope="session")
def study(shared):
    """A finished micro study to read: a test that changes a file, or runs Snakemake, takes `study_copy`."""
    folder, said = shared / "study", shared / "study.log"
    with FileLock(shared / "study.lock"):
        if not said.exists():
            done = studies.run(studies.copy_to(folder), "--cores", "2")
            said.write_text(done.stdout + ("" if done.returncode else studies.COMPLETE))
    assert said.read_text().endswith(studies.COMPLETE), said.read_text()
    before = studies.times_of(folder)
    yield folder
    assert studies.times_of(folder) == before, "a test changed the study that all tests share"


@pytest.fixture
def study_copy(study, tmp_path):
    """A copy of the finished micro study, with the times of its files, to change."""
    return studies.copy_of(study, tmp_path / "study")
