"""Describe a study from the records of its jobs: which job made which file, of what, and on what.

A job leaves a record beside its log when it starts (see `job`), and Snakemake leaves a benchmark of the same
name below results/benchmarks. What the results of a study came from is followed back through these records,
so that files of networks that the study no longer has do not count.
"""

import csv
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

LOGS, BENCHMARKS = Path("logs"), Path("results/benchmarks")
CHUNK = 2**20  # bytes


@dataclass(frozen=True)
class Job:
    """Hold one job that a study came from."""

    name: str  # rule and wildcards, as its record is named
    record: dict  # what it was asked to do, and what it ran on
    inputs: tuple
    outputs: tuple
    seconds: float | None  # wall time; None: no benchmark
    memory_mb: float | None  # largest resident memory


def jobs_of(files, logs=LOGS, benchmarks=BENCHMARKS):
    """Follow files back to all jobs that they came from.

    Parameters
    ----------
    files : iterable of str
        Results, relative to the folder of the workflow.
    logs, benchmarks : Path
        Folders of the records and of the benchmarks.

    Returns
    -------
    list of Job
        By name. Files that no record names as an output were given, and end the search.
    """
    maker = {}
    for path in sorted(logs.rglob("*.json")):
        job = _read(path, logs, benchmarks)
        maker |= dict.fromkeys(job.outputs, job)
    found, left = {}, list(files)
    while left:
        job = maker.get(left.pop())
        if job is not None and job.name not in found:
            found[job.name] = job
            left += job.inputs
    return [found[name] for name in sorted(found)]


def _read(path, logs, benchmarks):
    record = json.loads(path.read_text())
    name = path.relative_to(logs).with_suffix("").as_posix()
    seconds, memory = _benchmark(benchmarks / f"{name}.tsv")
    return Job(name, record, _files(record["input"]), _files(record["output"]), seconds, memory)


def _files(named):
    lists = [[value] if isinstance(value, str) else value for value in named.values()]
    return tuple(file for part in lists for file in part)


def _benchmark(path):
    """Read wall time and largest memory; Snakemake writes NA for a job too short to be seen."""
    if not path.is_file():
        return None, None
    with open(path, newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"))
    return tuple(None if row[name] in ("NA", "-", "") else float(row[name]) for name in ("s", "max_rss"))


def describe(files, jobs, configuration, network_seeds, commit, snakemake):
    """Describe the study that some files are the results of.

    Parameters
    ----------
    files : iterable of str
    jobs : list of Job
        Of these files, see `jobs_of`.
    configuration : dict
        The validated settings.
    network_seeds : dict
        Seeds of the networks that were trained for the study, by name.
    commit : str
        See `provenance.commit_of`.
    snakemake : str
        Version.

    Returns
    -------
    dict
        What results/manifest.json holds; see docs/manifest.md.
    """
    return {
        "workflow": "codingaxes",
        "commit": commit,
        "configuration": configuration,
        "configuration_sha256": digest_of(configuration),
        "seeds": seeds_of(configuration) | network_seeds,
        "software": software_of(jobs, snakemake),
        "hardware": hardware_of(jobs),
        "rules": rules_of(jobs),
        "tables": tables_of(files, jobs),
    }


def digest_of(configuration):
    """Digest settings whatever the order of their keys: sha256 of their JSON, keys sorted, without blanks."""
    text = json.dumps(configuration, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def seeds_of(configuration):
    """Collect the seeds of the settings, by key."""
    parts = {key: part for key, part in configuration.items() if isinstance(part, dict) and "seed" in part}
    return {"seed": configuration["seed"]} | {f"{key}.seed": part["seed"] for key, part in parts.items()}


def software_of(jobs, snakemake):
    """Collect the versions of all packages that jobs imported: name -> versions, usually one."""
    found = {"snakemake": {snakemake}}
    for job in jobs:
        for name, version in job.record.get("ran_on", {}).get("software", {}).items():
            found.setdefault(name, set()).add(version)
    return {name: sorted(found[name]) for name in sorted(found)}


def hardware_of(jobs):
    """Collect the kinds of machines, and how many jobs ran on each."""
    kinds = Counter(
        json.dumps({key: value for key, value in job.record["ran_on"].items() if key != "software"})
        for job in jobs
        if "ran_on" in job.record
    )
    return [json.loads(kind) | {"jobs": count} for kind, count in kinds.most_common()]


def rules_of(jobs):
    """Sum up the jobs of each rule: number, wall time in seconds, the longest, memory, and seeds."""
    rules = {}
    for job in jobs:
        rules.setdefault(job.record["rule"], []).append(job)
    return {
        name: {
            "jobs": len(some),
            "seconds": _over(sum, (job.seconds for job in some)),
            "longest_seconds": _over(max, (job.seconds for job in some)),
            "peak_memory_mb": _over(max, (job.memory_mb for job in some)),
            "seed": some[0].record["params"].get("seed"),
            "code": some[0].record["params"].get("code", ""),
        }
        for name, some in sorted(rules.items())
    }


def _over(measure, values):
    known = [value for value in values if value is not None]
    return round(measure(known), 2) if known else None


def tables_of(files, jobs):
    """Digest every table that the jobs made or read, and that results name: path -> rule, rows, sha256."""
    rules = {file: job.record["rule"] for job in jobs for file in job.outputs}
    named = set(files) | set(rules) | {file for job in jobs for file in job.inputs}
    tables = {}
    for file in sorted(named):
        path = Path(file)
        if path.suffix not in (".parquet", ".csv") or not path.is_file():
            continue
        about = {"rule": rules.get(file, ""), "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        if path.suffix == ".parquet":
            footer = pq.read_metadata(path)
            about |= {"table": (footer.metadata or {}).get(b"table", b"").decode(), "rows": footer.num_rows}
        tables[file] = about
    return tables


def sha256_of(path):
    """Digest a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
