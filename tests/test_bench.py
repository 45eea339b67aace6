"""Tests of the table of goals: what holds, what fails, and what was not measured, on planted numbers."""

import csv
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

HERE = Path(__file__).parents[1] / "benchmarks"
# Modules that benchmarks share; all others are benchmarks.
SHARED = {"attack_peers", "synthesis_peers", "bench", "measures"}


@pytest.fixture(scope="module")
def bench():
    """The modules of `make bench`, which lie outside of the package."""
    sys.path.insert(0, str(HERE))
    yield importlib.import_module("measures"), importlib.import_module("bench")
    sys.path.remove(str(HERE))


def goal(**changes):
    """A table of one goal."""
    row = {"goal": "g", "benchmark": "b", "measure": "m", "at_least": 2.0, "at_most": float("nan")}
    return pd.DataFrame([row | {"share": 1.0, "source": "s"} | changes])


@pytest.mark.parametrize(
    ("changes", "cells", "holds", "worst"),
    [
        ({}, {"a": 2.0, "b": 3.0}, "yes", 2.0),
        ({}, {"a": 1.99, "b": 9.0}, "FAILS", 1.99),
        ({"at_least": float("nan"), "at_most": 0.5}, {"a": 0.5}, "yes", 0.5),
        ({"at_least": float("nan"), "at_most": 0.5}, {"a": 0.1, "b": 0.51}, "FAILS", 0.51),
        ({"share": 0.8}, {"a": 3.0, "b": 3.0, "c": 3.0, "d": 3.0, "e": 1.0}, "yes", 1.0),
        ({"share": 0.8}, {"a": 3.0, "b": 3.0, "c": 1.0}, "FAILS", 1.0),
    ],
)
def test_a_goal_holds_where_enough_cells_meet_it_and_fails_plainly_elsewhere(
    bench, changes, cells, holds, worst
):
    (row,) = bench[0].judge(goal(**changes), {"b": {"m": cells}}).itertuples()
    assert row.holds == holds and row.worst == worst and row.cells == len(cells)


@pytest.mark.parametrize("values", [{}, {"b": {}}, {"b": {"m": {}}}, {"b": {"m": {"a": float("nan")}}}])
def test_a_goal_without_a_number_is_not_measured_and_does_not_hold(bench, values):
    (row,) = bench[0].judge(goal(), values).itertuples()
    assert row.holds == "not measured" and row.cells == 0


def test_a_peer_of_lower_accuracy_does_not_count_however_fast_it_is(bench):
    rows = [("codingaxes, 5 folds", 1.0, 1e-7), ("himalaya float32", 0.1, 0.3), ("himalaya", 3.0, 0.0)]
    table = pd.DataFrame(rows, columns=["method", "seconds", "error"]).assign(
        features=2048, targets=24, kind="5 folds"
    )
    assert bench[0].of_readouts(table) == {"speed": {"2048 x 24 x 5 folds": 3.0}}
    rows = [("ours auto: exact", 1.0, True), ("scipy eigsh 1e-03 our product", 0.5, True)]
    rows += [("scipy eigsh 1e-03", 0.2, False), ("jacrev + SVD", 2.5, True)]
    table = pd.DataFrame(rows, columns=["method", "seconds", "accurate"]).assign(targets=10)
    assert bench[0].of_eigenvectors(table) == {"speed": {"V = 10": 2.5}}


def test_a_download_of_a_wrong_byte_has_to_end_in_an_error(bench):
    rows = [("no fault", "ours", "right file"), ("one wrong byte", "ours", "WRONG FILE")]
    rows += [("no fault", "huggingface_hub", "error")]
    table = pd.DataFrame(rows, columns=["case", "contender", "outcome"])
    assert bench[0].of_hub_downloads(table) == {"right": {"no fault": 1.0, "one wrong byte": 0.0}}


def test_every_benchmark_has_a_quick_form_a_csv_and_goals_with_a_source(bench):
    names = {file.stem for file in HERE.glob("*.py")} - SHARED
    measures, runner = bench
    with (HERE / "goals.tsv").open(newline="") as file:
        goals = list(csv.DictReader(file, delimiter="\t"))
    names -= {"gpu", "precision"}  # which measure a GPU
    assert names == set(runner.QUICK) == set(measures.MEASURES) == {row["benchmark"] for row in goals}
    for name in names:
        text = (HERE / f"{name}.py").read_text()
        assert '"--csv"' in text and '"--quick"' in text, name
    for row in goals:
        assert (row["at_least"] == "") != (row["at_most"] == ""), row["goal"]
        assert 0 < float(row["share"]) <= 1
        file = HERE.parent / row["source"]
        assert row["source"].startswith("issue ") or file.is_file(), row["source"]


def test_a_failed_goal_is_said_and_leaves_the_exit_code_at_0(tmp_path):
    rows = "case,contender,outcome,MB_sent\nno fault,ours,error,0\n503,ours,right file,40\n"
    (tmp_path / "hub_downloads.csv").write_text(rows)
    words = [sys.executable, HERE / "bench.py", tmp_path, "--only", "hub_downloads", "readouts", "--read"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^downloads: .*50% of 2 +FAILS$", done.stdout, re.M)
    assert re.search(r"^ridge: .*not measured$", done.stdout, re.M)
    assert "worst: no fault; goal of docs/networks.md" in done.stdout
    assert "0 of 1 goals hold; 1 were not measured" in done.stdout
    assert set(pd.read_csv(tmp_path / "goals.csv").holds) == {"FAILS", "not measured"}


def test_the_faster_layout_of_torchvision_counts_for_features(bench):
    names = ["ours", "create_feature_extractor", "create_feature_extractor, channels_last", "thingsvision"]
    numbers = {"ratio": [1.0, 1.5, 1.3, 0.2], "ratio_to_files": [1.0, 1.1, 1.4, 0.1]}
    table = pd.DataFrame({"contender": names, "case": "c", **numbers})
    assert bench[0].of_features(table) == {"speed": {"c": 1.3}, "speed_to_files": {"c": 1.1}}


def test_each_network_is_a_cell_for_attacks_and_a_frozen_one_for_their_cost(bench):
    rows = [("a", "standard", 0.86, 0.97), ("b", "robust", 0.86, 0.99), ("b", "robust", 8.6, 0.96)]
    table = pd.DataFrame(rows, columns=["network", "family", "radius", "share"])
    shares = {"share_standard": {"a, 0.86": 0.97}, "share_robust": {"b, 0.86": 0.99}}
    shares["share_large"] = {"b, 8.6": 0.96}
    assert bench[0].of_zoo_attacks(table) == shares
    rows = [("frozen", "ours", 1.04), ("weights not frozen", "ours", 2.0), ("frozen", "foolbox FMN", 1.5)]
    table = pd.DataFrame(rows, columns=["case", "method", "share"]).assign(part="cost")
    assert bench[0].of_attacks(table) == {"cost": {"frozen": 1.04}}


def test_made_images_are_held_to_the_quickest_and_to_the_highest_peer(bench):
    levels = [
        ("ours", 10, 0.005),
        ("ours", 10, 0.02),
        ("ours, 5", 4, 0.0),
        ("PGD", 80, 0.0),
        ("Adam", 20, 0.0),
    ]
    levels = pd.DataFrame(levels, columns=["method", "gradients", "error"]).assign(part="levels")
    highest = [("ours", 2.0), ("Adam, rate 0.1", 1.9), ("Adam, rate 0.2", 0.5), ("lucent, rate 0.4", 1.0)]
    highest = pd.DataFrame(highest, columns=["method", "level"]).assign(part="exciting", direction="increase")
    table = pd.concat([levels, highest]).assign(network="n", region="face")
    measured = bench[0].of_synthesis(table)
    assert measured["gradients"] == {"n": 0.5} and measured["gradients_of_5"] == {"n": 0.2}
    assert measured["met"] == {"n": 0.5} and measured["higher"] == {"n, face, increase": 1.0}
    lower = table.assign(level=table.level.where(table.method != "ours", 1.8))
    assert bench[0].of_synthesis(lower)["higher"] == {"n, face, increase": 0.0}


def test_volumes_are_compared_in_the_same_format(bench):
    seconds = {"codingaxes nii.gz": 1.0, "nibabel dataobj, then index": 2.0, "codingaxes hdf5": 4.0}
    table = pd.DataFrame((seconds | {"h5py whole, then index": 2.0}).items(), columns=["method", "seconds"])
    assert bench[0].of_extraction(table) == {"speed": {"nii.gz": 2.0, "hdf5": 0.5}}
