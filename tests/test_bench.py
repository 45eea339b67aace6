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
