"""Images of a folder: their names, and a stamp that changes when one of them is replaced and never else."""

import os
import subprocess
import sys
from pathlib import Path
from unicodedata import normalize

import pytest

from codingaxes.nsd import pictures


@pytest.fixture
def folder(tmp_path):
    """A folder with images of each kind that counts, one of them in a folder below."""
    for name in ("one.png", "two.JPG", "three.jpeg", "four.tif", "faces/five.tiff", "caf\u00e9.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_images_are_found_by_their_path_without_suffix(folder):
    assert set(pictures.find(folder)) == {"one", "two", "three", "four", "faces/five", "caf\u00e9"}
    assert pictures.find(folder)["faces/five"] == [folder / "faces/five.tiff"]


def test_a_name_is_the_same_in_both_forms_of_unicode_and_two_such_files_have_one_name(folder):
    other = folder / normalize("NFD", "caf\u00e9.png")
    assert other.name != "caf\u00e9.png"
    (folder / "caf\u00e9.png").rename(other)
    assert pictures.find(folder)["caf\u00e9"] == [other]
    (folder / "caf\u00e9.png").write_bytes(b"another")
    assert len(pictures.find(folder)["caf\u00e9"]) == 2


def test_files_that_systems_leave_behind_and_broken_links_change_nothing(folder):
    before = pictures.find(folder), pictures.stamp(folder)
    for name in (".DS_Store", "._one.png", ".hidden.png", "Thumbs.db", "notes.txt", "faces/.DS_Store"):
        (folder / name).write_bytes(b"x")
    for name in ("__MACOSX/one.png", ".thumbnails/one.png", "empty/desktop.ini"):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(b"x")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "gone").symlink_to(folder / "nowhere")
    (folder / "circle").symlink_to(folder)
    assert (pictures.find(folder), pictures.stamp(folder)) == before


def test_the_stamp_changes_with_an_image_that_is_added_renamed_or_replaced_even_by_an_older_one(folder):
    stamps = [pictures.stamp(folder)]
    (folder / "six.png").write_bytes(b"six")
    stamps.append(pictures.stamp(folder))
    (folder / "six.png").rename(folder / "faces/six.png")
    stamps.append(pictures.stamp(folder))
    os.utime(folder / "faces/five.tiff", (1, 1))
    stamps.append(pictures.stamp(folder))
    (folder / "faces/five.tiff").write_bytes(b"longer than before")
    os.utime(folder / "faces/five.tiff", (1, 1))
    stamps.append(pictures.stamp(folder))
    assert len(set(stamps)) == 5


def test_only_the_standard_library_is_needed_as_snakemake_plans_with_it():
    code = "import sys; from codingaxes.nsd import pictures; print(*sys.modules)"
    scripts = Path(pictures.__file__).parents[2]
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=scripts).stdout
    assert "codingaxes.nsd.pictures" in loaded and not {"numpy", "pandas", "PIL"} & set(loaded.split())


@pytest.mark.parametrize(
    ("one", "other"),
    [("IT", "it"), ("1", "01"), ("1", "1.0"), ("a b", "a\u00a0b"), ("Ⅳ", "iv"), ("STRASSE", "straße")],
)
def test_names_that_nobody_means_as_two_are_plainly_the_same(one, other):
    assert pictures.alike(["x", one, "y", other]) == (one, other)


@pytest.mark.parametrize(
    "names", [["IT", "ITa"], ["1", "10"], ["1.5", "1"], ["v1", "v01"], ["-1", "1"], ["é", "e"]]
)
def test_names_that_may_be_meant_as_two_are_not(names):
    assert pictures.alike(names) is None
