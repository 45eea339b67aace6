"""Tests of jobs: seeds belong to names, parts survive a stop, and a failure says how to repeat it."""

import dataclasses
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

from codingaxes import job
from codingaxes.tables import store
from codingaxes.tables.readouts import MEASUREMENTS

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"


def run(tmp_path, *, rule="r", params=(("seed", 1),), wildcards=(("network", "a"),), files=(), threads=1):
    """Make a job that reads `files`, by name, and logs into a folder."""
    log = str(tmp_path / f"{rule}.log")
    return job.Run(rule, dict(files), {}, dict(params), dict(wildcards), log, threads)


def frame(roi, values):
    """Make rows of the table measurements."""
    return pd.DataFrame(
        {
            "subject": "subj01",
            "roi": roi,
            "image_id": [f"nsd_{i}" for i in range(len(values))],
            "value": values,
        }
    )


def test_a_seed_belongs_to_study_rule_wildcards_and_item_alone(tmp_path):
    seed = run(tmp_path).seed("image", 3)
    assert seed == run(tmp_path, threads=4).seed("image", 3)
    others = [
        run(tmp_path).seed("image", 4),
        run(tmp_path, rule="s").seed("image", 3),
        run(tmp_path, params={"seed": 2}).seed("image", 3),
        run(tmp_path, wildcards={"network": "b"}).seed("image", 3),
    ]
    assert len({seed, *others}) == 5
    assert run(tmp_path, rule="s").seed("image", 3, rule="r") == seed, "a job can repeat another rule's draws"
    assert job.seed_of("a", 1) == 2057769193037142695


def test_a_stopped_job_resumes_at_the_part_it_had_reached(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    parts = ["FFA", "EBA", "PPA"]
    first = run(tmp_path).shards(MEASUREMENTS)
    first.save("EBA", frame("EBA", [1.0, 2.0]))
    again = run(tmp_path).shards(MEASUREMENTS)
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        assert again.missing(parts) == ["FFA", "PPA"]
    assert "1 of 3 parts are already there" in caplog.text
    for roi in ("PPA", "FFA"):
        again.save(roi, frame(roi, [0.0]))
    again.write("whole.parquet", parts)
    assert list(store.read("whole.parquet", MEASUREMENTS).roi) == ["FFA", "EBA", "EBA", "PPA"]
    other = again.folder.with_name("another_table_of_the_job")
    other.mkdir()
    again.remove()
    assert run(tmp_path).shards(MEASUREMENTS).missing(parts) == parts
    assert list(again.folder.parent.iterdir()) == [other]
    other.rmdir()
    again.remove()
    assert not again.folder.parent.exists()


def test_a_damaged_part_is_made_anew_and_the_log_names_it(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    shards = run(tmp_path).shards(MEASUREMENTS)
    for roi in ("FFA", "EBA"):
        shards.save(roi, frame(roi, [1.0]))
    file = shards._file("EBA")
    file.write_bytes(file.read_bytes()[:-40])
    assert run(tmp_path).shards(MEASUREMENTS).missing(["FFA", "EBA", "PPA"]) == ["EBA", "PPA"]
    assert f"{file} is damaged" in caplog.text and not file.exists()


def test_a_part_is_finished_once_all_tables_that_are_made_with_it_have_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = run(tmp_path).shards(MEASUREMENTS, "one"), run(tmp_path).shards(MEASUREMENTS, "other")
    for shards, names in ((one, "abc"), (other, "ac")):
        for name in names:
            shards.save(name, frame(name, [1.0]))
    assert job.unfinished((one, list("abcd")), (other, list("abcd"))) == ["b", "d"]
    assert job.unfinished((one, list("abc")), (other, ["a"])) == []


def test_parts_made_with_other_parameters_or_inputs_are_not_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("1")
    files = {"file": "in.txt"}
    run(tmp_path, files=files).shards(MEASUREMENTS).save("EBA", frame("EBA", [1.0]))
    assert run(tmp_path, files=files).shards(MEASUREMENTS).missing(["EBA"]) == []
    changed = run(tmp_path, params={"seed": 2}, files=files)
    assert changed.shards(MEASUREMENTS).missing(["EBA"]) == ["EBA"]
    os.utime("in.txt", ns=(1, 1))
    assert run(tmp_path, files=files).shards(MEASUREMENTS).missing(["EBA"]) == ["EBA"]


def test_a_job_knows_how_many_gpus_it_asked_for_also_when_it_is_replayed(tmp_path):
    asked = dataclasses.replace(run(tmp_path), resources={"gpu": 1, "mem_mb": 2000})
    assert asked.gpus == 1 and run(tmp_path).gpus == 0
    replayed = job.Run(**json.loads(json.dumps(dataclasses.asdict(asked))))
    assert replayed.gpus == 1


def test_inputs_of_one_name_are_collected_by_the_rest_of_their_names(tmp_path):
    files = {"model.weights": "a", "model.voxels": ["b", "c"], "models": "d", "stimuli": "e"}
    assert run(tmp_path, files=files).files("model") == {"weights": "a", "voxels": ["b", "c"]}


FAILING = """
import sys
sys.path.insert(0, {scripts!r})
from threadpoolctl import threadpool_info
import numpy
from codingaxes import job

def main(run):
    threads = {{pool["num_threads"] for pool in threadpool_info()}}
    job.log.info(f"at work with {{threads}} threads")
    raise FloatingPointError("matvec returned a value that is not finite at step 0")

job.start(main, globals())
"""


def test_a_job_that_fails_says_why_where_and_how_to_run_it_alone(tmp_path):
    (tmp_path / "compute.py").write_text(FAILING.format(scripts=str(SCRIPTS)))
    record = tmp_path / "logs/compute.json"
    record.parent.mkdir()
    spec = {"rule": "compute", "input": {}, "output": {}, "params": {}, "wildcards": {"network": "a"}}
    record.write_text(json.dumps(spec | {"log": str(record.with_suffix(".log")), "threads": 1}))
    command = [sys.executable, "compute.py", str(record)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    log = record.with_suffix(".log").read_text()
    assert done.returncode == 1
    for said in (done.stderr, log):
        assert f"run it again alone with: python workflow/scripts/compute.py {record}" in said
        assert "FloatingPointError: matvec returned a value that is not finite at step 0" in said
        assert "at work with {1} threads" in said
    assert "Traceback" in log and "Traceback" not in done.stderr
    alone = subprocess.run(command[:2], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert alone.returncode == 1 and "usage: python compute.py FILE.json" in alone.stderr


def test_progress_says_how_far_and_how_long(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        assert list(run(tmp_path).track([1, 2, 3], unit="image", every=0)) == [1, 2, 3]
    assert "image 1 of 3" in caplog.text and "image 3 of 3" in caplog.text and "s left" in caplog.text


# A stand-in for what Snakemake gives a script; it gives the run time in minutes.
HANGING = """
import ctypes, sys, time
from types import SimpleNamespace
sys.path.insert(0, {scripts!r})
from codingaxes import job

job.GRACE = {grace}

def wait_for_ever(run):
    {wait}

snakemake = SimpleNamespace(
    rule="compute", input={{}}, output={{}}, params={{}}, wildcards={{"network": "a"}},
    log=["logs/a.log"], threads=1, resources={{"runtime": {minutes}}},
)
job.start(wait_for_ever, globals())
"""


def hang(folder, wait, minutes=0.5 / 60, grace=30):
    """Run a job that waits: its exit status, what it printed, and its log."""
    script = HANGING.format(scripts=str(SCRIPTS), wait=wait, minutes=minutes, grace=grace)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stderr, (folder / "logs/a.log").read_text()


def test_a_job_that_hangs_ends_at_its_run_time_and_says_where_it_was_and_what_to_do(tmp_path):
    status, said, log = hang(tmp_path, "time.sleep(1000)")
    assert status == 1 and "in wait_for_ever" in log
    for text in (said, log):
        assert "ended: it still ran after 0.00833333 minutes, the run time of its rule" in text
        assert "--set-resources compute:runtime=0.0333333, and run again: finished parts are kept" in text


def test_a_job_that_hangs_in_code_which_lets_no_thread_run_ends_too(tmp_path):
    status, said, _ = hang(tmp_path, "ctypes.PyDLL(None).sleep(1000)", grace=1)
    assert status == 1 and "Timeout" in said and "in wait_for_ever" in said


def test_a_job_within_its_run_time_or_without_one_is_not_ended(tmp_path):
    for minutes in (1, 0):
        status, said, log = hang(tmp_path, "time.sleep(0.1)", minutes)
        assert status == 0 and "ended" not in said and "done in" in log
