"""The manifest: what results came from is followed back through the records that jobs left."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
import write_manifest

from codingaxes import job, manifest
from codingaxes.tables import store
from codingaxes.tables.readouts import MEASUREMENTS

RAN = {"software": {"python": "3.11.9"}, "processor": "A", "system": "Linux", "cores": 2, "memory_gb": 8.0}
RAN |= {"accelerator": ""}


def leave(rule, inputs, outputs, name=None, seconds=2.0, **ran):
    """Leave the record and the benchmark of a job, as job and Snakemake do."""
    place = f"{rule}/{name}" if name else rule
    record = {"rule": rule, "input": inputs, "output": outputs, "params": {"seed": 3, "code": "abc"}}
    for folder in (Path("logs") / place, Path("results/benchmarks") / place):
        folder.parent.mkdir(parents=True, exist_ok=True)
    record["ran_on"] = RAN | ran
    Path(f"logs/{place}.json").write_text(json.dumps(record))
    text = f"s\th:m:s\tmax_rss\n{seconds}\t0:00:02\t{100 * seconds if seconds != 'NA' else 'NA'}\n"
    Path(f"results/benchmarks/{place}.tsv").write_text(text)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Three steps; and a job of a network that the study no longer has."""
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"subject": "subj01", "roi": "FFA", "image_id": ["a", "b"], "value": [0.0, 1.0]})
    for name in ("one", "two", "gone"):
        leave("attack", {"given": "config/given.tsv"}, {"table": f"results/{name}.parquet"}, name)
        store.write(f"results/{name}.parquet", MEASUREMENTS, frame)
    leave(
        "sum_up",
        {"tables": ["results/one.parquet", "results/two.parquet"]},
        {"csv": "results/sum.csv"},
        seconds="NA",
    )
    Path("results/sum.csv").write_text("a,b\n1,2\n")
    leave("plot", {"sum": "results/sum.csv"}, {"pdf": "results/f.pdf", "csv": "results/f.csv"}, cores=4)
    Path("results/f.csv").write_text("a\n1\n")
    return tmp_path


def described():
    """Describe that study."""
    settings = {"seed": 5, "zoo": {"seed": 2025}, "device": "auto"}
    files = ["results/f.csv"]
    return manifest.describe(files, manifest.jobs_of(files), settings, {"a_plain": "11"}, "c0ffee+", "9.27")


def test_the_manifest_names_the_jobs_tables_seeds_and_versions_that_a_result_came_from(study):
    found = described()
    assert {name: rule["jobs"] for name, rule in found["rules"].items()} == {
        "attack": 2,
        "plot": 1,
        "sum_up": 1,
    }
    assert found["rules"]["attack"]["seconds"] == 4.0 and found["rules"]["attack"]["longest_seconds"] == 2.0
    assert found["rules"]["sum_up"]["seconds"] is None
    assert set(found["tables"]) == {
        "results/f.csv",
        "results/sum.csv",
        "results/one.parquet",
        "results/two.parquet",
    }
    table = found["tables"]["results/one.parquet"]
    digest = hashlib.sha256(Path("results/one.parquet").read_bytes()).hexdigest()
    assert (table["rows"], table["table"], table["rule"], table["sha256"]) == (
        2,
        "measurements",
        "attack",
        digest,
    )
    assert found["seeds"] == {"seed": 5, "zoo.seed": 2025, "a_plain": "11"} and found["commit"] == "c0ffee+"
    assert found["software"] == {"python": ["3.11.9"], "snakemake": ["9.27"]}
    assert [(kind["cores"], kind["jobs"]) for kind in found["hardware"]] == [(2, 3), (4, 1)]


def test_the_digest_of_settings_hangs_on_their_values_and_not_on_their_order():
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert manifest.digest_of(one) == manifest.digest_of(other) != manifest.digest_of(one | {"a": 2})


def test_the_script_writes_a_manifest_that_json_reads(study):
    params = {"configuration": {"seed": 5}, "network_seeds": {}, "snakemake": "9.27"}
    params["licence"] = "https://spdx.org/licenses/MIT"
    output = {"manifest": "results/manifest.json", "crate": "results/ro-crate-metadata.json"}
    run = job.Run("write_manifest", {"figures": ["results/f.csv"], "none": []}, output, params, {}, "log")
    write_manifest.main(run)
    assert json.loads(Path("results/manifest.json").read_text())["rules"]["plot"]["jobs"] == 1
    crate = json.loads(Path("results/ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"]), "no name twice"
    root, about = entities["./"], entities["ro-crate-metadata.json"]
    assert about["about"] == {"@id": "./"} and about["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"} and root["license"]
    named = {part["@id"] for part in root["hasPart"]} | {action["@id"] for action in root["mentions"]}
    assert {"f.csv", "sum.csv", "one.parquet", "#job/attack/one", "#job/plot"} <= named <= set(entities)
    assert "gone.parquet" not in entities and "#job/attack/gone" not in entities
    attack = entities["#job/attack/one"]
    assert attack["@type"] == "CreateAction" and attack["result"] == [{"@id": "one.parquet"}]
    assert attack["object"] == [{"@id": "#given/config/given.tsv"}]
    assert {part["@id"] for part in (attack["instrument"], *attack["object"])} <= set(entities)
    assert entities["one.parquet"]["sha256"] == manifest.sha256_of("results/one.parquet")


def test_a_process_says_what_it_runs_on():
    ran = job.surroundings()
    assert ran["software"]["pandas"] == pd.__version__ and "json" not in ran["software"]
    assert ran["cores"] >= 1 and ran["processor"] and ran["memory_gb"] > 0.1 and ran["accelerator"] == ""
    json.dumps(ran)
