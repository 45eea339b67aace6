"""Copies of the workflow that tests run, and what Snakemake says of them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ["Snakefile", "rules", "workflow", "config", "profiles", "envs", "docs", "tests/data"]
MICRO = ("--configfile", "tests/data/micro.yaml")


def copy_to(folder):
    """The workflow without results, under `folder`."""
    for part in PARTS:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, folder / part)
    return folder


def snakemake(folder, *arguments):
    """Run Snakemake as a user does; what it printed is in stdout."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def jobs(folder, *arguments):
    """Rule -> number of jobs that a dry run lists, without targets."""
    done = snakemake(folder, "-n", *arguments)
    assert done.returncode == 0, done.stdout
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    return {rule: int(n) for rule, n in counts.items() if rule not in ("total", "all", "networks", "figures")}
