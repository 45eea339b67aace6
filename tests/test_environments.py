"""Tests of dependencies: what is imported is declared, what is declared is imported, in locked versions."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from codingaxes import provenance

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow/scripts"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = PROJECT["optional-dependencies"]
CONDA_NAMES = {"pytorch": "torch"}
# What conda environments hold besides Python packages.
TOOLS = {"python", "pip", "git"}
# Networks import these by a name from a table, so no statement does: see networks/optional.py.
BY_NAME = {"transformers", "open-clip-torch", "cornet"}
# What developers run, and what the S3 server of moto needs; nothing imports them.
DEVELOPERS = {"pytest-xdist", "pre-commit", "ruff", "snakefmt", "flask", "flask-cors"}
DISTRIBUTIONS = metadata.packages_distributions()


def normal(requirement):
    """Spell the name of a requirement's distribution as indices do."""
    name = re.match(r"[\w.-]+", requirement)[0]
    return re.sub(r"[-_.]+", "-", CONDA_NAMES.get(name, name)).lower()


def imported(files):
    """List the distributions that Python files import, but for peers that a test can do without."""
    names, peers = set(), set()
    for file in files:
        text = file.read_text()
        peers |= set(re.findall(r'importorskip\("(\w+)', text))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition(".")[0])
    folders = (SCRIPTS, ROOT / "tests", ROOT / "benchmarks")
    local = {path.stem for folder in folders for path in folder.iterdir()}
    names -= sys.stdlib_module_names | local | peers
    unknown = names - set(DISTRIBUTIONS)
    assert not unknown, f"{unknown} is imported and not installed"
    return {normal(DISTRIBUTIONS[name][0]) for name in names}


def scripts_of_environments():
    """Read from the rules which scripts run in which environment: name of a file in envs -> scripts."""
    named = re.search(
        r'^TORCH = "\.\./envs/(\w+)\.yaml" if .* else "\.\./envs/(\w+)\.yaml"$', source("common"), re.M
    )
    environments, of_rule = {}, {}
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for block in re.split(r"^ *(?=rule |use rule )", file.read_text(), flags=re.M)[1:]:
            rule = re.match(r"rule (\w+):|use rule (\w+) as (\w+) with:", block)
            conda = re.search(r"\bconda:\s+(\S+)", block)
            where = conda[1] if conda else of_rule[rule[2]]
            of_rule[rule[1] or rule[3]] = where
            (script,) = set(re.findall(r'code_of\("(\w+\.py)"\)', block)) or set(
                re.findall(r"/(\w+\.py)\"", block)
            )
            for name in named.groups() if where == "TORCH" else [Path(where.strip('"')).stem]:
                environments.setdefault(name, set()).add(script)
    return environments


def source(rules):
    """Read a file of rules."""
    return (ROOT / "rules" / f"{rules}.smk").read_text()


def pins(file):
    """List the requirements of a conda environment, those that pip installs too."""
    requirements = yaml.safe_load(file.read_text())["dependencies"]
    by_pip = [pin for part in requirements if isinstance(part, dict) for pin in part["pip"]]
    return [part for part in requirements if isinstance(part, str)] + by_pip


def locked():
    """Read the versions of the lock, for Python 3.11."""
    lines = re.findall(r"^([\w.-]+)==([\w.]+)(.*)", (ROOT / "requirements.lock").read_text(), re.M)
    return {name: version for name, version, marker in lines if "python_full_version >= '3.12'" not in marker}


def test_every_script_runs_in_an_environment_and_every_environment_is_used():
    environments = scripts_of_environments()
    assert set(environments) == {file.stem for file in (ROOT / "envs").glob("*.yaml")}
    assert set().union(*environments.values()) == {file.name for file in SCRIPTS.glob("*.py")}


@pytest.mark.parametrize("name", sorted(file.stem for file in (ROOT / "envs").glob("*.yaml")))
def test_an_environment_holds_exactly_what_its_scripts_import(name):
    scripts = scripts_of_environments()[name]
    files = {file for script in scripts for file in provenance.reached_files(script, SCRIPTS)}
    declared = {normal(pin) for pin in pins(ROOT / "envs" / f"{name}.yaml")} - TOOLS
    needed = imported(SCRIPTS / file for file in files) | (BY_NAME if name == "hubs" else set())
    assert declared == needed, f"not declared {needed - declared}; not imported {declared - needed}"


def test_the_project_declares_exactly_what_workflow_and_tests_import():
    workflow = imported(SCRIPTS.rglob("*.py")) | {"snakemake"}
    declared = {normal(requirement) for requirement in PROJECT["dependencies"]}
    assert declared == workflow, f"not declared {workflow - declared}; not imported {declared - workflow}"
    more = imported([*ROOT.glob("tests/**/*.py"), *ROOT.glob("docs/*.py")]) - workflow
    declared = {normal(requirement) for requirement in OPTIONAL["dev"]} - DEVELOPERS
    assert declared == more, f"not declared {more - declared}; not imported {declared - more}"
    assert {normal(requirement) for requirement in OPTIONAL["hubs"]} == BY_NAME - {"cornet"}


@pytest.mark.parametrize("file", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda file: file.stem)
def test_an_environment_pins_the_versions_of_the_lock(file):
    versions = locked()
    for pin in pins(file):
        name, version = normal(pin), re.search(r"=+ *([\w.]+)$", pin)
        if name in versions:
            assert versions[name] == version[1], pin
        elif (
            name not in TOOLS
        ):  # packages of the optional sources have the versions of the extra, or a commit
            assert re.search(r"git\+\S+@[0-9a-f]{40}$", pin) or f"{name}=={version[1]}" in {
                requirement.replace("_", "-") for requirement in OPTIONAL["hubs"]
            }, pin


def test_the_lock_holds_what_the_project_declares_and_names_no_address_and_no_folder():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text and str(Path.home()) not in text and "/work" not in text
    for requirement in [*PROJECT["dependencies"], *OPTIONAL["dev"], *OPTIONAL["slurm"]]:
        entry = re.search(rf"^{normal(requirement)}==.*?(?=^\S|\Z)", text, re.M | re.S)
        assert entry and "codingaxes (pyproject.toml)" in entry[0], f"lock again: {requirement}"
        assert "--hash=sha256:" in entry[0]
