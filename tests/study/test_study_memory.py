"""Tests of what the jobs of the micro study asked for: memory that fits, and a GPU where one can be used."""

import csv
import json
import re

import studies
from studies import ROOT

from codingaxes import memory

ALIKE = 4  # times a peak, plus the imports of a job, that may be asked for


def test_jobs_ask_for_the_memory_that_they_take_and_not_for_many_times_as_much(study):
    """max_rss is looked at now and then, so it may be below the peak of a short job, never above."""
    checked = set()
    for record in (study / "logs").rglob("*.json"):
        job = json.loads(record.read_text())
        name = record.relative_to(study / "logs").with_suffix(".tsv")
        with (study / "results/benchmarks" / name).open() as file:
            peak = float(list(csv.DictReader(file, delimiter="\t"))[-1]["max_rss"])
        asked = job["resources"]["mem_mb"]
        # jobs that may run on a GPU ask for what CUDA takes beside it, though here is none
        spare = memory.NETWORKS + memory.CUDA * ("gpu" in job["resources"])
        assert peak < asked <= ALIKE * peak + spare, f"{name}: asked for {asked} MB and took {peak:.0f}"
        checked.add(job["rule"])
    assert {"attack_images", "compare_subspaces", "fit_readouts", "summarise_transfer"} <= checked


def test_exactly_the_rules_whose_scripts_choose_a_device_ask_for_a_gpu(study):
    scripts = (ROOT / "workflow/scripts").glob("*.py")
    choosing = {script.stem for script in scripts if "choose_device(" in script.read_text()}
    jobs = [json.loads(record.read_text()) for record in (study / "logs").rglob("*.json")]
    choosing.remove("score_stimuli")  # its jobs are there only where a folder of images is named
    assert {job["rule"] for job in jobs if job["resources"].get("gpu") == 1} == choosing
    # in a group, the GPUs of its jobs add up, although each needs one at a time
    assert not re.search(
        r"^ +group:", "".join(rule.read_text() for rule in (ROOT / "rules").glob("*.smk")), re.M
    )
    said = (study / "logs/attack_images" / f"{studies.ROBUST}.log").read_text()
    assert re.search(r"device (cuda|cpu) \(asked for auto(: [^)]+)?", said)
