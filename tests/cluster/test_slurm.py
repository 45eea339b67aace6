"""Tests of profiles/slurm on a real SLURM of one node: requests, results, accidents. See `make test-slurm`.

A small study runs once on this machine and once through SLURM. While SLURM runs it, one job is killed, one is
cancelled, and one is made to hang.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import util
from pathlib import Path

import clusters
import pytest
import studies
import yaml

from codingaxes import job
from codingaxes.tables.attacks import PERTURBATIONS
from codingaxes.tables.axes import EIGENVECTORS

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

NETWORKS = ["resnet_standard_1", "vgg_robust_1"]
GPU_RULES = {"extract_features", "attack_images", "measure_sensitivity", "measure_transfer"}
GPU_RULES |= {"compute_eigenvectors", "synthesise_perturbations", "synthesise_images", "review_images"}
GPU_RULES |= {"hold_out_category"}
# Every rule that asks for a GPU, and what they need.
TARGETS = [
    "results/synthesis/peer_review.parquet",
    f"results/transfer/perturbations/{NETWORKS[1]}.parquet",
    f"results/axes/eigenvectors/{NETWORKS[0]}.parquet",
    "results/claims/held_out_gradients.parquet",
]
# Of the micro study, one attack, image and axis at a time.
LITTLE = {
    "attacks": {"radii": [0.86], "linf_radii": [], "large_radii": [], "effects": [], "algorithms": []},
    "eigenvectors": {"responses": ["group", "voxels"], "max_steps": 6, "batch_size": 1},
    "synthesis": {"arms": ["pixels"], "radii": [0.86], "steps": 1, "limit": 2, "level_limit": 2},
}
LITTLE["attacks"] |= {"subjects": False, "batch_size": 1}
# A job that nothing waits for.
HANGING = f"results/networks/checks/{NETWORKS[0]}.parquet"
# What to do to the first worker of a rule: at once, or when it keeps a part of a table.
KILLED, CANCELLED, HUNG = "attack_images", "compute_eigenvectors", "check_network"
KEPT = {KILLED: PERTURBATIONS, CANCELLED: EIGENVECTORS}


@dataclass
class Accident:
    """Hold what happened to a job: SLURM's record of it, and the finished parts that it left."""

    record: dict
    parts: int = 0


@pytest.fixture(scope="module")
def cluster():
    """A running SLURM; skipped, with the reason, where none can be started."""
    why = clusters.obstacle() or clusters.install()
    if not why and util.find_spec("snakemake_executor_plugin_slurm") is None:
        why = "snakemake-executor-plugin-slurm is not installed"
    if why:
        pytest.skip(f"no SLURM was started: {why}")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        with clusters.Cluster(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder)


def new_study(folder):
    """Copy the workflow, with settings of two shipped networks and parts of one image each."""
    studies.copy_to(folder, ["resources/zoo"])
    lines = (folder / "config/zoo.tsv").read_text().splitlines()
    rows = [lines[0], *(line for line in lines if line.split("\t")[0] in NETWORKS)]
    (folder / "two.tsv").write_text("\n".join(rows) + "\n")
    zoo = yaml.safe_load((folder / "config/config.yaml").read_text())["zoo"]
    settings = LITTLE | {"networks": "two.tsv", "zoo": zoo}
    (folder / "two.yaml").write_text(yaml.safe_dump(settings))
    return folder


SETTINGS = [*studies.MICRO, "two.yaml"]


@pytest.fixture(scope="module")
def local(cluster, tmp_path_factory):
    """The study as it runs without the cluster; skipped with it."""
    folder = new_study(tmp_path_factory.mktemp("local"))
    done = studies.snakemake(folder, *TARGETS, HANGING, "--cores", "2", *SETTINGS)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="module")
def submitted(cluster, local, tmp_path_factory):
    """The study as SLURM ran it, and the accidents that happened to it, by rule."""
    return submit(cluster, new_study(tmp_path_factory.mktemp("slurm")))


def submit(cluster, folder):
    """Fill in the partition in the profile that is shipped, run the study through it, and cause accidents."""
    profile = folder / "profiles/slurm/config.yaml"
    studies.edit(profile, "# slurm_partition: cpu", f"slurm_partition: {clusters.PARTITION}")
    # a minute, the least that SLURM knows, then enough also on a busy machine
    studies.edit(profile, "set-resources:\n", f"set-resources:\n  {HUNG}: {{runtime: attempt ** 3}}\n")
    command = [sys.executable, "-m", "snakemake", *TARGETS, HANGING, "--profile", "profiles/slurm"]
    command += ["--slurm-init-seconds-before-status-checks", "1", *SETTINGS]
    log = folder / "said.log"
    with open(log, "w") as said:
        run = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)
        try:
            accidents = cause_accidents(cluster, folder, run)
        finally:
            run.terminate()
            run.wait(timeout=60)
    assert run.returncode == 0, log.read_text()
    return folder, accidents


def cause_accidents(cluster, folder, run, seconds=2400):
    """Kill, cancel and stop the first worker of three rules, and wait until the study is complete."""
    accidents, until = {}, time.monotonic() + seconds
    while run.poll() is None:
        assert time.monotonic() < until, (folder / "said.log").read_text()
        for rule in {KILLED, CANCELLED, HUNG} - set(accidents):
            for worker, number in workers(folder, rule):
                record = next(one for one in cluster.jobs() if one["JobId"] == number)
                if rule not in KEPT:
                    os.kill(worker, signal.SIGSTOP)
                    accidents[rule] = Accident(record)
                elif kept_parts(folder, record) > 1:  # so the first is there in every table of the job
                    end(worker, number, cancel=rule == CANCELLED)
                    accidents[rule] = Accident(record, kept_parts(folder, record))
                else:
                    continue
                break
        time.sleep(0.05)
    return accidents


def workers(folder, rule):
    """List the processes that run a rule's script for a study, and the numbers of their jobs."""
    rows = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if (
                f".{rule}.py" in (process / "cmdline").read_text()
                and (process / "cwd").readlink() == folder.resolve()
            ):
                variables = (process / "environ").read_text().split("\0")
                number = next(one for one in variables if one.startswith("SLURM_JOB_ID="))
                rows.append((int(process.name), number.partition("=")[2]))
    return rows


def end(worker, number, cancel):
    """Kill a worker, or cancel its job, and wait until it is gone."""
    if cancel:
        subprocess.run(["scancel", number], check=True)
    else:
        os.kill(worker, signal.SIGKILL)
    until = time.monotonic() + 30
    while Path(f"/proc/{worker}/environ").exists() and Path(f"/proc/{worker}/cmdline").read_bytes():
        assert time.monotonic() < until, f"{worker} does not end"
        time.sleep(0.01)


def name_of(record):
    """Read from SLURM's record of a job its rule and its wildcards."""
    rule, _, wildcards = record["Comment"].removeprefix("rule_").partition("_wildcards_")
    return rule, wildcards


def kept_parts(folder, record):
    """Count the finished parts of the table of a job."""
    rule, model = name_of(record)
    with contextlib.chdir(folder), contextlib.suppress(FileNotFoundError):
        shards = job.Run(**studies.recorded(folder, rule, model)).shards(KEPT[rule])
        return len(list(shards.folder.glob("*.arrow")))
    return 0


def attempts(cluster, accident):
    """List SLURM's records of all attempts at the job of an accident."""
    return [record for record in cluster.jobs() if name_of(record) == name_of(accident.record)]


def memory(record):
    """Read how much memory a job asked for, in MB."""
    value, unit = record["MinMemoryNode"][:-1], record["MinMemoryNode"][-1]
    return float(value) * {"M": 1, "G": 1024}[unit]


def tables(folder):
    """List the tables of a study, but for one that holds the seconds that a network took."""
    files = {str(file.relative_to(folder)) for file in (folder / "results").rglob("*.parquet")}
    return files - {HANGING}


def test_exactly_the_rules_that_run_networks_ask_for_one_gpu(cluster, submitted):
    asked = {}
    for record in cluster.jobs():
        asked.setdefault(name_of(record)[0], set()).add(record.get("TresPerJob"))
    assert {rule for rule, gpus in asked.items() if gpus == {"gres:gpu:1"}} == GPU_RULES
    assert {gpus for rule in set(asked) - GPU_RULES for gpus in asked[rule]} == {None}


def test_every_table_is_that_of_a_run_on_one_machine(local, submitted):
    folder, _ = submitted
    assert tables(folder) == tables(local) and len(tables(local)) > 25
    for table in sorted(tables(local)):
        assert (folder / table).read_bytes() == (local / table).read_bytes(), table


@pytest.mark.parametrize(("rule", "state"), [(KILLED, "FAILED"), (CANCELLED, "CANCELLED")])
def test_a_job_that_was_killed_or_cancelled_resumes_at_its_batch_with_more_memory(
    cluster, submitted, rule, state
):
    folder, accidents = submitted
    first, second = attempts(cluster, accidents[rule])
    assert (first["JobState"], second["JobState"]) == (state, "COMPLETED")
    log = (folder / "logs" / rule / f"{name_of(first)[1]}.log").read_text()
    resumed, parts = map(int, re.search(r"resuming: (\d+) of (\d+) parts are already there", log).groups())
    # the last part may have been in some of the tables only, and is then made anew
    assert 1 <= accidents[rule].parts - 1 <= resumed <= accidents[rule].parts < parts
    assert memory(second) == pytest.approx(2 * memory(first), rel=0.01)


def test_a_worker_that_hangs_is_ended_by_its_run_time_and_tried_again(cluster, submitted):
    _, accidents = submitted
    first, *_, last = attempts(cluster, accidents[HUNG])
    assert (first["JobState"], first["TimeLimit"]) == ("TIMEOUT", "00:01:00")
    assert last["JobState"] == "COMPLETED"


def test_nobody_but_the_accidents_failed(cluster, submitted):
    _, accidents = submitted
    failed = {name_of(record)[0] for record in cluster.jobs() if record["JobState"] != "COMPLETED"}
    assert failed == set(accidents) == {KILLED, CANCELLED, HUNG}
