"""Tests of the album: pictures and rows of a job that is stopped and resumed."""

import pandas as pd
import pytest
import torch

from codingaxes.job import Run
from codingaxes.synthesis import pictures
from codingaxes.synthesis.album import Album, name_of
from codingaxes.tables import store
from codingaxes.tables.columns import Column, Table

ROW = {"kind": "exciting", "arm": "pixels", "control": "none", "roi": "FFA", "direction": "increase"}
ROW |= {"start": "noise", "image_id": "none", "draw": 1, "limited": False, "step": 1}
TABLE = Table(
    "tiny",
    "rows of a test",
    ("step",),
    {"step": Column("int32", "", "number"), "file": Column("string", "", "PNG")}
    | {"sha256": Column("string", "", "digest")},
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A job whose parts and outputs lie in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    output = {"pictures": "results/pictures", "table": "results/table.parquet"}
    return Run("synthesise_images", {}, output, {}, {}, "logs/job.log")


def part(step):
    """Make the row and the picture of one part."""
    return pd.DataFrame([ROW | {"step": step}]), torch.full((1, 3, 4, 4), step, dtype=torch.uint8)


def finish(album, run, parts):
    """Write the table and the pictures, and read them back."""
    album.write(run.output["table"], run.output["pictures"], parts)
    table = store.read(run.output["table"], TABLE)
    return table, pictures.read(table.file, table.sha256)


def test_a_stopped_job_resumes_with_the_pictures_that_it_had_made(run, tmp_path):
    Album(run, TABLE).save("one", *part(1))
    (tmp_path / "results/pictures").mkdir()  # what Snakemake may have left of the output
    album = Album(run, TABLE)
    assert album.missing(["one", "two"]) == ["two"]
    album.save("two", *part(2))
    table, saved = finish(album, run, ["one", "two"])
    assert table.step.to_list() == [1, 2] and (saved[1] == 2).all() and (saved[0] == 1).all()
    assert not album.kept.parent.exists(), "nothing is left of a job that is done"
    assert not list((tmp_path / "results/.parts").rglob("*.png"))


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b""), lambda file: file.unlink()])
def test_a_part_whose_pictures_were_damaged_is_made_anew(run, damage):
    album = Album(run, TABLE)
    for step, name in ((1, "one"), (2, "two")):
        album.save(name, *part(step))
    damage(album.kept / name_of(next(part(2)[0].itertuples())))
    assert Album(run, TABLE).missing(["one", "two"]) == ["two"]


def test_pictures_of_an_earlier_run_do_not_stay_among_new_ones(run, tmp_path):
    old = tmp_path / "results/pictures/old.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    album = Album(run, TABLE)
    album.save("one", *part(1))
    finish(album, run, ["one"])
    assert len(list(old.parent.iterdir())) == 1 and not old.exists()


def test_names_of_files_say_what_the_picture_is_and_have_no_folder():
    row = next(pd.DataFrame([ROW | {"image_id": "animals/cat 1", "step": 7}]).itertuples())
    assert name_of(row) == "exciting-pixels-none-FFA-increase-noise-animals%2Fcat%201-1-free-07.png"
