"""Figures and the report are drawn again from an archive of tables, in the environment of figures alone."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import studies
import yaml
from studies import MICRO, ROOT

PAGE = (ROOT / "docs/report.md").read_text()
PACK, UNPACK = re.findall(r"```bash\n(tar .*?)\n(?:```|snakemake)", PAGE, re.DOTALL)
# What Snakemake brings itself.
OWN = {"snakemake", "jsonschema", "pyyaml"}
MODULES = {"scikit-learn": "sklearn", "huggingface_hub": "huggingface_hub", "pillow": "PIL", "pyyaml": "yaml"}


def blocked(folder):
    """Make a folder of modules that refuse to be imported: all that the environment of figures lacks."""
    environment = yaml.safe_load((ROOT / "envs/figures.yaml").read_text())["dependencies"]
    there = {re.match(r"[\w-]+", pin)[0].lower() for pin in environment} | OWN
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in project} - there
    assert {"torch", "torchvision", "timm", "scikit-learn", "nibabel"} <= names
    folder.mkdir()
    for name in names - {"urllib3"}:  # which downloads of Snakemake's own plugins import
        module = MODULES.get(name, name)
        (folder / f"{module}.py").write_text(f"raise ImportError('{module} is not in this environment')\n")
    return folder


def unpacked(study, folder):
    """Pack a study as the page says, and unpack it beside a fresh copy of the workflow."""
    studies.copy_to(folder)
    archive = folder / "study.tar"
    subprocess.run(PACK.replace("study.tar", str(archive)), shell=True, cwd=study, check=True)
    subprocess.run(UNPACK, shell=True, cwd=folder, check=True)
    return folder


def redraw(folder, modules, *arguments):
    """Run Snakemake on an archive, without the packages that figures do not need."""
    refused = subprocess.run(
        [sys.executable, "-c", "import torch"], env=modules, capture_output=True, check=False
    )
    assert b"not in this environment" in refused.stderr
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *MICRO, "--cores", "2", "--config", "archive=true", *arguments],
        cwd=folder,
        env=modules,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """The environment of a process that finds only the packages of figures."""
    monkeypatch.setenv("PYTHONPATH", str(blocked(tmp_path / "blocked")))
    return dict(os.environ)


def test_a_figure_and_the_report_are_redrawn_from_an_archive_without_torch(study, tmp_path, modules):
    folder = unpacked(study, tmp_path / "archive")
    assert not (folder / "results/report.html").exists() and not (folder / "results/features").exists()
    for file in (folder / "results/figures").glob("ladder_strips.*"):
        file.unlink()
    done = redraw(folder, modules)
    assert done.returncode == 0, done.stdout
    drawn = set(re.findall(r"^(?:local)?rule (\w+):", done.stdout, re.MULTILINE)) - {"all"}
    assert drawn == {"plot_ladder_strips", "write_report"}
    for kind in ("png", "pdf", "csv"):
        name = f"results/figures/ladder_strips.{kind}"
        assert (folder / name).read_bytes() == (study / name).read_bytes()
    assert (folder / "results/report.html").read_bytes() == (study / "results/report.html").read_bytes()


def test_what_every_figure_and_movie_is_drawn_from_is_in_the_archive(study, tmp_path, modules):
    folder = unpacked(study, tmp_path / "archive")
    for name in ("figures", "movies"):
        shutil.rmtree(folder / "results" / name)
    done = redraw(folder, modules, "-n")
    assert done.returncode == 0, done.stdout
    assert {"plot_power", "render_movies", "write_report"} <= set(re.findall(r"rule (\w+):", done.stdout))


@pytest.mark.long
def test_every_figure_and_movie_is_redrawn_from_an_archive_without_torch(study, tmp_path, modules):
    folder = unpacked(study, tmp_path / "archive")
    for name in ("figures", "movies"):
        shutil.rmtree(folder / "results" / name)
    done = redraw(folder, modules)
    assert done.returncode == 0, done.stdout
    drawn = sorted(path.name for path in (folder / "results/figures").iterdir())
    assert drawn == sorted(path.name for path in (study / "results/figures").iterdir())
    for name in drawn:
        file = f"results/figures/{name}"
        assert (folder / file).read_bytes() == (study / file).read_bytes(), name


def test_a_missing_table_of_an_archive_is_named_and_not_made(study, tmp_path, modules):
    folder = unpacked(study, tmp_path / "archive")
    (folder / "results/summaries/transfers.parquet").unlink()
    done = redraw(folder, modules, "-n")
    assert done.returncode and "results/summaries/transfers.parquet" in done.stdout
    assert "MissingInputException" in done.stdout
