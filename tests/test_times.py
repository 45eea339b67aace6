"""Files from the future are named, with a command that mends them and keeps their order."""

import os
import shlex
import subprocess

import pytest

from codingaxes import times

NOW = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a table, a link, a folder of pictures and data of one's own, an hour apart."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("data/it's mine.csv", "results/a.parquet", "results/é b/{x}.parquet")):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(name)
        os.utime(name, (NOW + 3600 * number,) * 2)
    (tmp_path / "resources").mkdir()
    return tmp_path


FILES = ["results/a.parquet", "results/é b/{x}.parquet", "results/missing"]


def test_files_of_the_past_and_files_that_are_not_there_are_no_fault(folder):
    assert times.what_is_ahead(FILES, NOW + 7200) == ""
    assert times.what_is_ahead([], NOW) == ""
    assert times.what_is_ahead(["results/missing"], NOW) == ""


def test_the_command_for_files_of_the_workflow_keeps_their_order_and_leaves_none_ahead(folder):
    said = times.what_is_ahead(FILES, NOW)
    assert said.startswith("results/é b/{x}.parquet has the time ") and "which is 7200 seconds after" in said
    subprocess.run(said.splitlines()[-1], shell=True, cwd=folder, check=True)
    assert times.what_is_ahead(FILES, NOW) == ""
    assert [os.stat(file).st_mtime - NOW for file in FILES[:2]] == [-3600, 0]


def test_a_file_of_ones_own_gets_the_present_time_by_its_command(folder):
    said = times.what_is_ahead(["data/it's mine.csv", "results/a.parquet"], NOW - 86400)
    assert said.startswith("results/a.parquet has")
    said = times.what_is_ahead(["data/it's mine.csv"], NOW - 86400)
    assert said.splitlines()[-1] == f"touch {shlex.quote(chr(39).join(['data/it', 's mine.csv']))}"


def test_the_time_of_a_folder_is_the_one_that_snakemake_notes_in_it(folder):
    (folder / "results/.snakemake_timestamp").write_text("")
    os.utime("results/.snakemake_timestamp", (NOW - 5,) * 2)
    os.utime("results", (NOW + 500,) * 2)
    assert times.what_is_ahead(["results"], NOW) == ""
