"""Tests of stamps: what a user replaces is noticed whatever its time, and what does not matter is not."""

import os

import pytest

from codingaxes import stamps


def age(path, seconds=1e6):
    """Give a file an old time."""
    os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def test_a_replaced_file_is_noticed_although_it_is_older_and_as_large(tmp_path):
    path = tmp_path / "responses.csv"
    path.write_text("a,1\n")
    before = stamps.stamp_of(path)
    path.write_text("a,2\n")
    age(path)
    assert stamps.stamp_of(path) != before


def test_a_new_time_alone_changes_nothing_of_a_small_file_and_counts_for_a_large_one(tmp_path, monkeypatch):
    path = tmp_path / "betas.nii.gz"
    path.write_bytes(bytes(100))
    small = stamps.stamp_of(path)
    age(path)
    assert stamps.stamp_of(path) == small
    monkeypatch.setattr(stamps, "SMALL", 50)
    large = stamps.stamp_of(path)
    age(path)
    assert len({small, large, stamps.stamp_of(path)}) == 3


def test_what_is_not_there_has_an_empty_stamp(tmp_path):
    assert stamps.stamp_of(tmp_path / "absent") == ""


@pytest.fixture
def folder(tmp_path):
    """A folder of two images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("cat.png", "dog.jpg"):
        (folder / name).write_bytes(name.encode())
    return folder


def test_what_is_no_image_changes_nothing_of_a_folder(folder):
    before = stamps.stamp_of(folder)
    for name in (".DS_Store", "._cat.png", "Thumbs.db", "notes.txt"):
        (folder / name).touch()
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "more.png").mkdir()
    assert stamps.stamp_of(folder) == before


def test_an_image_that_is_replaced_added_renamed_or_removed_is_noticed(folder, tmp_path):
    cat, seen = folder / "cat.png", {stamps.stamp_of(folder)}
    cat.write_bytes(b"tac.png")
    age(cat)
    seen.add(stamps.stamp_of(folder))
    (folder / "new.tif").touch()
    seen.add(stamps.stamp_of(folder))
    cat.rename(folder / "kitten.png")
    seen.add(stamps.stamp_of(folder))
    (folder / "dog.jpg").unlink()
    seen.add(stamps.stamp_of(folder))
    assert len(seen) == 5


def test_a_folder_that_is_moved_with_its_times_keeps_its_stamp(folder, tmp_path):
    before = stamps.stamp_of(folder)
    assert stamps.stamp_of(folder.rename(tmp_path / "moved")) == before
