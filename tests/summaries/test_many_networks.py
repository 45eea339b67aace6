"""Summaries of studies of 10, 20 and 40 networks: memory and time grow with the pairs, and no faster."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import planted_steps
import pytest
from planted_summaries import networks_of

from codingaxes.names import BRAIN
from codingaxes.tables import compact

TESTS = Path(__file__).parents[1]
SIZES = (10, 20, 40)
IMAGES = planted_steps.IMAGES[:3]
HELD = 2000  # rows that are read together, so that even these small studies are read in blocks
BYTES = 1200  # of memory for each further row of pairs, at most; see docs/many_networks.md
MORE_TIME = 1.5  # times as much as rows of pairs, at most
# Summaries of pairs, beside what each reads of a study.
OF_PAIRS = (
    "compare_subspaces summarise_sensitivity summarise_transfer summarise_transfer_controls "
    "compare_algorithms summarise_agreement summarise_families summarise_predictivity summarise_numbers"
).split()
CHILD = """
import importlib, json, resource, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from codingaxes.job import Run
from codingaxes.tables import store
store.ROWS = int(sys.argv[3])
store.blocks.__defaults__ = (store.ROWS,)
run = Run(**json.loads(sys.argv[2]))
script = importlib.import_module(run.rule)
begin, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
script.main(run)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": time.process_time() - begin, "bytes": 1024 * (peak - before)}))
"""


def measured(folder, paths, script):
    """Run one script in a process of its own: its processor time, and the memory that it adds."""
    inputs, outputs = planted_steps.SUMMARIES[script]
    read = {name.split(":")[0]: paths[name.split(":")[-1]] for name in inputs.split()}
    output = {name: str(folder / f"{name}.parquet") for name in outputs.split()}
    first = outputs.split()[0]
    output |= {"csv": str(folder / f"{first}.csv"), "text": str(folder / f"{first}.txt")}
    params = {"seed": 5, "splits": 10} | planted_steps.SETTINGS | {"null_draws": 0}
    run = {"rule": script, "input": read, "output": output, "params": params, "wildcards": {}, "log": ""}
    paths |= {name: output[name] for name in outputs.split()}
    places = [str(TESTS.parent / "workflow/scripts"), str(TESTS)]
    said = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(places), json.dumps(run), str(HELD)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
    )
    return json.loads(said.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    """What every summary of pairs costs in studies of three sizes: seconds, bytes and rows."""
    rows = []
    for number in SIZES:
        folder = tmp_path_factory.mktemp(f"networks_{number}")
        zoo = pd.DataFrame(
            networks_of(number), columns=["network", "family", "architecture", "training_radius"]
        )
        paths = planted_steps.plant_steps(
            folder, list(zoo.network), True, ["FFA"], ["subj01"], IMAGES, zoo=zoo
        )
        for script in OF_PAIRS:
            rows.append({"script": script, "networks": number, **measured(folder, paths, script)})
    costs = pd.DataFrame(rows)
    costs["pairs"] = (costs.networks + 1) ** 2
    print(costs.to_string())
    return costs.set_index(["script", "networks"]).sort_index()


def rows_of_pairs(models):
    """Count the rows of the tables transfer and of controls in such a study."""
    of_pair = len(IMAGES) * (2 * len(planted_steps.ATTACKS) + 1 + 2 * len(planted_steps.CONTROLS))
    return models**2 * of_pair


@pytest.mark.long
@pytest.mark.parametrize("script", OF_PAIRS)
def test_memory_grows_with_the_rows_of_pairs_and_by_no_more_bytes_a_row_than_stated(costs, script):
    added = costs.loc[script].bytes
    more = rows_of_pairs(SIZES[2] + 1) - rows_of_pairs(SIZES[0] + 1)
    assert added[SIZES[2]] - added[SIZES[0]] <= BYTES * more


@pytest.mark.long
@pytest.mark.parametrize("script", OF_PAIRS)
def test_time_grows_with_the_number_of_pairs_and_no_faster(costs, script):
    seconds = costs.loc[script].seconds
    fixed = 0.5  # reading what does not grow, and noise of a busy machine
    ratio = (SIZES[2] + 1) ** 2 / (SIZES[1] + 1) ** 2
    assert seconds[SIZES[2]] <= MORE_TIME * ratio * (seconds[SIZES[1]] + fixed)


def test_packed_rows_of_several_files_are_grouped_in_the_order_of_words():
    parts = [pd.DataFrame({"one": ["c", "a"], "other": ["a", "b"], "value": [1.0, 2.0]})]
    parts.append(pd.DataFrame({"one": ["b", "a"], "other": ["b", "a"], "value": [3.0, 4.0]}))
    rows = compact.join([compact.pack(part) for part in parts], ("one", "other"))
    whole = pd.concat(parts, ignore_index=True)
    assert rows.value.to_list() == [1.0, 2.0, 3.0, 4.0]
    assert (rows.one == rows.other).to_list() == (whole.one == whole.other).to_list()
    grouped = rows.groupby("one", observed=True).value.sum()
    assert grouped.to_dict() == whole.groupby("one").value.sum().to_dict()
    assert list(grouped.index) == ["a", "b", "c"]
    index = compact.unpack(rows.groupby(["one", "other"], observed=True).value.sum().index)
    assert index.equals(whole.groupby(["one", "other"]).value.sum().index)


@pytest.mark.slow
def test_a_study_that_is_read_in_blocks_has_the_summaries_of_one_that_is_read_at_once(tmp_path, monkeypatch):
    tables = []
    for held, axes in ((2**19, 2**30), (1, 1)):
        monkeypatch.setattr("codingaxes.tables.store.blocks.__defaults__", (held,))
        monkeypatch.setattr("codingaxes.tables.store.ROWS", held)
        monkeypatch.setattr("compare_subspaces.HELD", axes)
        folder = tmp_path / str(held)
        folder.mkdir()
        names = ["a_plain", "b_tough", "c_tough"]
        paths = planted_steps.plant_steps(folder, names, True, ["FFA", "PPA"], ["subj01", "subj02"])
        tables.append(planted_steps.summaries(folder, paths, True))
    for name, table in tables[0].items():
        pd.testing.assert_frame_equal(table, tables[1][name], check_exact=True, obj=name)
    assert BRAIN in set(tables[0]["transfers"].source)
