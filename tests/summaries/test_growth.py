"""Summaries of studies of 10, 20 and 40 networks: memory and time grow with pairs of models, and no faster.

    python -m pytest -m long -s tests/summaries/test_growth.py

prints the table of docs/many_networks.md. The networks are made up, of three images, one region and one arm
of synthesis, so that a pair of models has some 27 rows of transfer, 12 of its controls, and 200 reviews.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import planted_steps
import pytest
from planted_summaries import networks_of

TESTS = Path(__file__).parents[1]
SIZES = (10, 20, 40)
HELD = 2000  # rows that are read together, so that even these small studies are read in blocks
# Bytes of memory that a further pair of models takes, at most: mostly the rows that a summary writes of it.
OF_PAIR = {
    "compare_subspaces": 20_000,
    "summarise_sensitivity": 8_000,
    "summarise_transfer": 35_000,
    "summarise_transfer_controls": 20_000,
    "summarise_sizes": 12_000,
    "compare_algorithms": 12_000,
    "summarise_networks": 8_000,
    "summarise_axes": 8_000,
    "summarise_similarity": 10_000,
    "explain_similarity": 25_000,
    "summarise_agreement": 8_000,
    "summarise_control": 50_000,
    "race_predictors": 20_000,
    "summarise_families": 25_000,
    "summarise_predictivity": 10_000,
    "summarise_numbers": 15_000,
    "collect_units": 40_000,
}
NOISE = 4e6  # bytes by which the memory of one script differs from run to run
SLOWER = 1.3  # times the time by which more pairs take longer, on a busy machine
# Its memory is the largest that the process has had since it began; ru_maxrss would count its parent's.
CHILD = """
import importlib, json, re, sys, time
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from codingaxes.job import Run
from codingaxes.tables import compact
import pyarrow.dataset
compact.ROWS = int(sys.argv[3])
compact.blocks.__defaults__ = (compact.ROWS,)
run = Run(**json.loads(sys.argv[2]))
script = importlib.import_module(run.rule)
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
begin, before = time.process_time(), peak()
script.main(run)
print(json.dumps({"seconds": time.process_time() - begin, "bytes": peak() - before}))
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the largest memory"),
]


def measured(folder, paths, script, held):
    """Run one script in a process of its own: its processor time, and the memory that it adds to imports."""
    inputs, outputs = planted_steps.SUMMARIES[script]
    read = {name.split(":")[0]: paths[name.split(":")[-1]] for name in inputs.split()}
    output = {name: str(folder / f"{name}.parquet") for name in outputs.split()}
    paths |= output
    first = outputs.split()[0]
    output |= {"csv": str(folder / f"{first}.csv"), "text": str(folder / f"{first}.txt")}
    params = {"seed": 5, "splits": 10} | planted_steps.SETTINGS | {"null_draws": 0}
    run = {"rule": script, "input": read, "output": output, "params": params, "wildcards": {}, "log": ""}
    places = [str(TESTS.parent / "workflow/scripts"), str(TESTS)]
    said = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(places), json.dumps(run), str(held)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return json.loads(said.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Folders of planted studies, and the paths of their tables, by number of networks."""
    made = {}
    for number in SIZES:
        folder = tmp_path_factory.mktemp(f"networks_{number}")
        zoo = pd.DataFrame(
            networks_of(number), columns=["network", "family", "architecture", "training_radius"]
        )
        images = planted_steps.IMAGES[:3]
        paths = planted_steps.plant_steps(
            folder, list(zoo.network), True, ["FFA"], ["subj01"], images, zoo=zoo, arms=("pixels",)
        )
        made[number] = folder, paths
    return made


@pytest.fixture(scope="module")
def costs(studies):
    """What every summary costs, by script and number of networks: seconds, and bytes beside imports."""
    rows = [
        {"script": script, "networks": number, **measured(folder, paths, script, HELD)}
        for number, (folder, paths) in studies.items()
        for script in planted_steps.SUMMARIES
    ]
    costs = pd.DataFrame(rows).set_index(["script", "networks"])
    table = costs.assign(MB=costs.bytes / 1e6)[["seconds", "MB"]].unstack("networks").round(1)
    for script, *row in table.reindex(planted_steps.SUMMARIES).itertuples():
        print(f"| `{script}` | {' | '.join(map(str, row))} |")
    return costs


def pairs(networks):
    """Count the pairs of models, of which the simulated brain is one."""
    return (networks + 1) ** 2


def test_every_summary_has_a_bound():
    assert set(OF_PAIR) == set(planted_steps.SUMMARIES)


@pytest.mark.parametrize("script", OF_PAIR)
def test_memory_grows_by_no_more_than_is_stated_of_each_pair(costs, script):
    added = costs.loc[script].bytes
    more = pairs(SIZES[2]) - pairs(SIZES[0])
    assert added[SIZES[2]] - added[SIZES[0]] <= OF_PAIR[script] * more + NOISE


@pytest.mark.parametrize("script", OF_PAIR)
def test_time_grows_with_the_pairs_and_no_faster(costs, script):
    seconds = costs.loc[script].seconds
    assert seconds[SIZES[2]] <= SLOWER * pairs(SIZES[2]) / pairs(SIZES[1]) * seconds[SIZES[1]]


@pytest.mark.parametrize("script", ["summarise_transfer", "summarise_control", "collect_units"])
def test_blocks_are_what_keeps_memory_small(studies, costs, script):
    folder, paths = studies[SIZES[2]]
    at_once = measured(folder, dict(paths), script, held=10**9)
    assert at_once["bytes"] > 1.25 * costs.loc[script, SIZES[2]].bytes
