"""Files appear whole or not at all, with the rights of the user's umask, and what hinders them is named."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from faults import limited_size, umask_of, without_rights

from codingaxes import writing
from codingaxes.figures import movies, style
from codingaxes.miniature import arrays, nsd_files
from codingaxes.networks import weights
from codingaxes.synthesis import pictures
from codingaxes.tables import store
from codingaxes.tables.columns import Column, Table

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
NOISE = np.random.default_rng(0).standard_normal(2000)
TABLE = Table("t", "rows", ("i",), {"i": Column("int32", "", ""), "x": Column("float64", "", "")})
FRAME = pd.DataFrame({"i": np.arange(2000, dtype=np.int32), "x": NOISE})
INSIDE, WHERE = np.ones(nsd_files.SHAPE, bool), np.array([[1, 1, 1], [2, 2, 2], [3, 3, 3]])
FRAMES = np.random.default_rng(0).integers(0, 256, (6, 80, 80, 3), dtype=np.uint8)


def save_figure(path):
    """Save a figure of noise, as PDF, PNG and CSV."""
    figure, axis = plt.subplots()
    axis.imshow(NOISE.reshape(40, 50))
    output = {kind: path.with_suffix(f".{kind}") for kind in ("pdf", "png", "csv")}
    try:
        style.save(SimpleNamespace(output=output), figure, FRAME)
    finally:
        plt.close(figure)


# Each writes a file of more than 8 kB under a name that is given.
WRITERS = {
    "table.parquet": lambda path: store.write(path, TABLE, FRAME),
    "part.arrow": lambda path: store.write_part(path, TABLE, FRAME),
    "arrays.npz": lambda path: arrays.write(path, {"a": NOISE}),
    "weights.safetensors": lambda path: weights.write(torch.nn.Linear(60, 60), path),
    "volume.nii.gz": lambda path: nsd_files._save(path, NOISE.reshape(20, 10, 10)),
    "session.hdf5": lambda path: nsd_files.write_session(
        path, np.random.default_rng(0), NOISE[:30].reshape(10, 3), WHERE, INSIDE
    ),
    "numbers.csv": lambda path: writing.write_csv(path, FRAME, digits=8),
    "text.txt": lambda path: writing.write_text(path, "text " * 2000),
    "picture.png": lambda path: pictures.save(torch.from_numpy(FRAMES[0].transpose(2, 0, 1).copy()), path),
    "movie.webp": lambda path: movies.save_webp(path, SimpleNamespace(radii=[1, 2]), FRAMES),
    "figure.pdf": save_figure,
}
OLD = b"of an earlier run"


def write_all(folder, fault):
    """Let every writer write into a folder under a fault, a context: what each that failed says."""
    failed = {}
    for name, write in WRITERS.items():
        try:
            with fault():
                write(Path(folder) / name)
        except OSError as error:
            failed[name] = str(error)
    return failed


@pytest.fixture
def folder():
    """A folder that everybody may read, with a file of each name from an earlier run."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name in WRITERS:
            (folder / name).write_bytes(OLD)
        yield folder


def is_untouched(folder):
    """Tell whether a folder holds the files of the earlier run, and no other."""
    return {file.name: file.read_bytes() for file in folder.iterdir()} == dict.fromkeys(WRITERS, OLD)


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077], ids=oct)
def test_every_kind_of_file_has_the_rights_that_the_umask_gives(tmp_path, umask):
    assert not write_all(tmp_path / "new", lambda: umask_of(umask))
    rights = {file.name: oct(stat.S_IMODE(file.stat().st_mode)) for file in (tmp_path / "new").iterdir()}
    assert len(rights) == len(WRITERS) + 2 and set(rights.values()) == {oct(0o666 & ~umask)}, rights


def test_a_limit_of_the_size_of_files_is_named_and_leaves_what_was_there(folder):
    failed = write_all(folder, lambda: limited_size(1000))
    assert set(failed) == set(WRITERS)
    for said in failed.values():
        assert f"cannot be written: File too large; make room on the disk of {folder}" in said
        assert "ulimit -f" in said and "run the same command again" in said
    assert is_untouched(folder)


def test_a_folder_that_may_not_be_written_is_named(folder):
    folder.chmod(0o555)
    failed = write_all(folder, without_rights)
    folder.chmod(0o755)
    assert set(failed) == set(WRITERS)
    for said in failed.values():
        assert f"cannot be written: Permission denied; give yourself the right to write in {folder}" in said
    assert is_untouched(folder)


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    command = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only an administrator can make a small disk; a limit of the size of files is tested")
    try:
        failed = write_all(tmp_path, lambda: umask_of(0o022))
        assert set(failed) == set(WRITERS)
        for said in failed.values():
            assert f"cannot be written: No space left on device; make room on the disk of {tmp_path}" in said
        assert not list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


KILLED = f"""
import os, signal, sys
sys.path.insert(0, {str(SCRIPTS)!r})
from codingaxes import writing
with writing.whole("table.csv") as temporary:
    temporary.write_text("half of")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_leaves_has_another_name_and_is_swept(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/table.csv").write_text("whole")
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path / "deep", check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "deep/table.csv").read_text() == "whole"
    assert len(list((tmp_path / "deep").iterdir())) == 2
    removed = writing.sweep(tmp_path, tmp_path / "not there")
    assert [file.read_text() for file in (tmp_path / "deep").iterdir()] == ["whole"]
    assert len(removed) == 1 and removed[0].name.startswith(writing.MARK)


def test_an_error_that_is_not_about_the_disk_passes_as_it_is_and_leaves_no_file(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(ValueError, match=r"^permission denied by a number$"), writing.whole(path):
        raise ValueError("permission denied by a number")
    with pytest.raises(FileNotFoundError), writing.whole(path):
        (tmp_path / "missing").read_text()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["ü" * 127, "a" * 251 + ".csv"])
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path, name):
    writing.write_text(tmp_path / name, "text")
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_name_that_is_too_long_is_named(tmp_path):
    with pytest.raises(OSError, match=r"cannot be written: File name too long; shorten the name"):
        writing.write_text(tmp_path / ("a" * 256), "text")


def test_numbers_of_a_csv_have_the_digits_that_are_asked_for(tmp_path):
    writing.write_csv(tmp_path / "t.csv", pd.DataFrame({"a": [1 / 3], "b": ["é"]}), digits=4)
    assert (tmp_path / "t.csv").read_bytes() == "a,b\n0.3333,é\n".encode()


KILLED_FOLDER = KILLED.replace(
    'whole("table.csv") as temporary:\n    temporary.write',
    'whole_folder("set") as temporary:\n    (temporary / "a").write',
)


def test_a_folder_appears_whole_and_takes_the_place_of_what_was_there(tmp_path):
    (tmp_path / "set/below").mkdir(parents=True)
    (tmp_path / "set/below/old").write_text("old")
    with writing.whole_folder(tmp_path / "set") as folder:
        writing.write_text(folder / "a/new", "new")
        assert (tmp_path / "set/below/old").exists() and not (tmp_path / "set/a").exists()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files == [tmp_path / "set/a/new"] and [file.name for file in tmp_path.iterdir()] == ["set"]


def write_folder(path, size, error=None):
    """Write a folder of two files, the second of a size, and perhaps fail then."""
    with writing.whole_folder(path) as folder:
        writing.write_text(folder / "small", "small")
        writing.write_text(folder / "large", "l" * size)
        if error:
            raise error


def test_a_folder_that_fails_leaves_what_was_there_and_passes_the_error(tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(ValueError, match="of another kind"):
        write_folder(tmp_path / "set", 10, ValueError("of another kind"))
    said = r"set cannot be written: File too large; make room on the disk of"
    with limited_size(1000), pytest.raises(OSError, match=said):
        write_folder(tmp_path / "set", 5000)
    assert [file.name for file in tmp_path.rglob("*")] == ["set"]


def test_a_folder_has_the_rights_that_the_umask_gives(tmp_path):
    with umask_of(0o027), writing.whole_folder(tmp_path / "set"):
        pass
    assert oct(stat.S_IMODE((tmp_path / "set").stat().st_mode)) == "0o750"


def test_a_folder_that_a_killed_writer_leaves_is_swept(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED_FOLDER], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(writing.MARK) and (left / "a").read_text() == "half of"
    assert writing.sweep(tmp_path) == [left] and not list(tmp_path.iterdir())
