"""Files of the finished micro study: each lies in the folder of its step and holds the table it should."""

import importlib.util
import re

import pyarrow.parquet as pq
import pytest
import studies

from codingaxes.tables import store

SPEC = importlib.util.spec_from_file_location("make_tables", studies.ROOT / "docs/make_tables.py")
make_tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make_tables)
STEPS = ("nsd", "networks", "features", "readouts", "attacks", "transfer", "axes", "similarity")
STEPS += ("synthesis", "candidates", "stimulus_sets", "summaries")


@pytest.fixture(scope="module")
def tables():
    """Every declared table, by its name."""
    return {name: table for step in make_tables.tables_of_steps().values() for name, table in step.items()}


def table_of(file):
    """Find the name of the table that docs/tables.md says a file of results holds."""
    for name, files in make_tables.files_of_tables().items():
        for pattern in files:
            expression = re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(pattern.strip("`")))
            if re.fullmatch(expression, file):
                return name
    raise AssertionError(f"docs/tables.md does not know {file}")


def test_every_file_holds_the_table_that_the_page_of_tables_says_undamaged(study, tables):
    # folders of stimulus sets are for others, and hold copies
    files = [f for f in sorted((study / "results").rglob("*.parquet")) if "stimulus_sets" not in f.parts]
    assert len(files) > 60
    names = {file: table_of(file.relative_to(study).as_posix()) for file in files}
    for file, name in names.items():
        store.read(file, tables[name])
        meaning = pq.read_schema(file).metadata[b"meaning"].decode()
        assert meaning == tables[name].meaning
    # of a download, of the target networks, of fetched weights, and of images made elsewhere
    on_demand = {"sessions", "network_checks", "accuracies"}
    on_demand |= {"scored_images", "image_scores", "method_curves", "methods"}
    # of a folder of images made elsewhere
    on_demand |= {"scored_images", "image_scores", "method_curves", "methods"}
    assert set(names.values()) == set(tables) - on_demand


def test_results_have_one_folder_a_step_and_no_loose_files(study):
    entries = {path.name for path in (study / "results").iterdir() if not path.name.startswith(".")}
    pages = {"report.html", "manifest.json", "ro-crate-metadata.json"}
    assert entries == {*STEPS, "claims", "figures", "movies", "benchmarks"} | pages
