"""Jobs: seeds that belong to names, and parts that survive a stop."""

import logging

import pandas as pd
import pytest

from codingaxes import job, tables


def run(tmp_path, **changes):
    given = {"rule": "r", "input": {}, "output": {}, "params": {"seed": 1}, "wildcards": {"network": "a"}}
    return job.Run(**(given | {"log": str(tmp_path / "r.log")} | changes))


def frame(roi, values):
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
    assert job.seed_of("a", 1) == 2057769193037142695


def test_a_stopped_job_resumes_at_the_part_it_had_reached(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    parts = ["FFA", "EBA", "PPA"]
    first = run(tmp_path).shards("measurements")
    first.save("EBA", frame("EBA", [1.0, 2.0]))
    again = run(tmp_path).shards("measurements")
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        assert again.missing(parts) == ["FFA", "PPA"]
    assert "1 of 3 parts are already there" in caplog.text
    for roi in ("PPA", "FFA"):
        again.save(roi, frame(roi, [0.0]))
    again.write("whole.parquet", parts)
    assert list(tables.read("whole.parquet", "measurements").roi) == ["FFA", "EBA", "EBA", "PPA"]
    again.remove()
    assert run(tmp_path).shards("measurements").missing(parts) == parts


def test_parts_made_with_other_parameters_or_inputs_are_not_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("1")
    given = {"input": {"file": "in.txt"}}
    run(tmp_path, **given).shards("measurements").save("EBA", frame("EBA", [1.0]))
    assert run(tmp_path, **given).shards("measurements").missing(["EBA"]) == []
    changed = run(tmp_path, params={"seed": 2}, **given)
    assert changed.shards("measurements").missing(["EBA"]) == ["EBA"]
    import os

    os.utime("in.txt", ns=(1, 1))
    assert run(tmp_path, **given).shards("measurements").missing(["EBA"]) == ["EBA"]


def test_progress_says_how_far_and_how_long(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="codingaxes"):
        assert list(run(tmp_path).track([1, 2, 3], unit="image", every=0)) == [1, 2, 3]
    assert "image 1 of 3" in caplog.text and "image 3 of 3" in caplog.text and "s left" in caplog.text


def test_a_gpu_that_is_not_there_is_an_error_not_a_cpu():
    import torch

    assert job.choose_device("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        assert job.choose_device("auto") == torch.device("cpu")
        with pytest.raises(RuntimeError, match="device: cuda"):
            job.choose_device("cuda")
