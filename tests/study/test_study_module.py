"""Tests of `workflow/Snakefile`, where others expect the workflow: alone, and as a module of another one."""

import re
import shutil
import subprocess

import pytest
import studies
import yaml
from studies import ROOT

MODULE = """
configfile: "config/config.yaml"


module codingaxes:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from codingaxes
"""
DEPLOYMENTS = {"conda", "apptainer", "apptainer+conda"}  # that the catalog knows


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """A copy of the workflow with the shipped networks, without any result."""
    return studies.copy_to(tmp_path_factory.mktemp("workflow"), ["resources/zoo"])


@pytest.fixture(scope="module")
def project(workflow, tmp_path_factory):
    """A folder as `snakedeploy` lays it out: settings, and a Snakefile that uses the workflow as a module."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(workflow / "config", folder / "config")
    (folder / "workflow").mkdir()
    (folder / "workflow/Snakefile").write_text(MODULE.format(snakefile=workflow / "workflow/Snakefile"))
    return folder


def test_a_module_and_the_file_of_the_catalog_plan_the_jobs_of_the_snakefile(workflow, project):
    planned = studies.jobs(workflow)
    assert planned["attack_images"] > 10
    planned["study"] = 1
    assert studies.jobs(workflow, "--snakefile", "workflow/Snakefile") == planned
    assert studies.jobs(project) == planned


def test_jobs_of_a_module_run_in_the_folder_of_the_workflow_that_uses_it(workflow, project):
    before = {path for path in workflow.rglob("*") if not {".snakemake", "__pycache__"} & set(path.parts)}
    done = studies.snakemake(project, "--cores", "1", "collect_networks")
    assert done.returncode == 0, done.stdout
    assert list((project / "results/networks").glob("*.parquet"))
    after = {path for path in workflow.rglob("*") if not {".snakemake", "__pycache__"} & set(path.parts)}
    assert after == before, "a module must not write into the folder of its code"


def test_a_module_that_snakemake_fetches_is_refused_with_what_to_do(workflow, tmp_path, monkeypatch):
    repository = studies.copy_to(tmp_path / "repository")
    identity = ["-c", "user.name=test", "-c", "user.email=test"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"], ["tag", "v1"]):
        subprocess.run(["git", *identity, *words], cwd=repository, check=True)
    # git itself takes the folder for the address, so that nothing is fetched from elsewhere
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{repository}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/lab/codingaxes")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    fetched = 'github("lab/codingaxes", path="workflow/Snakefile", tag="v1")'
    shutil.copytree(workflow / "config", tmp_path / "config")
    (tmp_path / "Snakefile").write_text(MODULE.replace('"{snakefile}"', fetched))
    done = studies.snakemake(tmp_path, "-n")
    assert done.returncode and "clone the repository" in done.stdout, done.stdout


def test_the_entry_of_the_workflow_catalog_has_the_form_that_the_catalog_reads():
    (usage,) = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text()).values()
    assert set(usage) <= {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
    assert isinstance(usage["mandatory-flags"]["desc"], str)
    assert isinstance(usage["mandatory-flags"]["flags"], str | list)
    deployment = usage["software-stack-deployment"]
    assert set(deployment) <= DEPLOYMENTS and any(deployment.values())
    assert all(isinstance(value, bool) for value in [*deployment.values(), usage["report"]])
    rules = "".join(file.read_text() for file in (ROOT / "rules").glob("*.smk"))
    assert deployment["conda"] == ("conda:" in rules)
    assert deployment["apptainer"] == bool(re.search(r"^ *container(ized)?:", rules, re.M))
    # what the catalog asks of a workflow of standardised usage
    assert (ROOT / "workflow/Snakefile").is_file() and (ROOT / "config/README.md").is_file()
