"""Tests of conda environments on the micro study: each is made of its file, alone, and its jobs run in it.

Packages are those of the Python index, at the versions of the file; conda-forge's own builds are not tried.
"""

import json
import re
import shutil

import environments
import pytest
import studies
from environments import ROOT, SCRIPTS, pins, scripts_of

SMALL = ["data", "figures", "statistics"]  # those without torch
# Which jobs run in every test. All jobs of figures and statistics take minutes: these are long tests.
EXAMPLES = {
    "data": ["render_scenes", "prepare_stimuli", "prepare_responses"],
    "figures": ["plot_attack_effects", "plot_similarity_clusters"],
    "statistics": ["average_regions", "explain_similarity", "fit_readouts"],
}
# A package, and a rule that needs it, which are taken out of an environment.
LACKING = [
    ("data", "nibabel", "prepare_responses"),
    pytest.param("figures", "seaborn", "plot_attack_effects", marks=pytest.mark.long),
    pytest.param("torch", "pyarrow", "extract_features", marks=pytest.mark.long),
]
# Rules whose jobs a micro study does not have: they download, or check pretrained networks.
ELSEWHERE = {"fetch_weights", "check_network", "collect_checks"}
OPTIONAL_NETWORKS = [
    ("transformers", "ViTModel?num_hidden_layers=2&hidden_size=24&num_attention_heads=2&image_size=32", 32),
    ("open_clip", "RN50", 224),
]
# Build a network with random weights, and differentiate it.
BUILD = """
import ast, sys
sys.path.append(sys.argv[1])
import torch
from codingaxes.networks import builders
row, size = ast.literal_eval(sys.argv[2]), int(sys.argv[3])
body = builders.build(row).eval()
image = torch.rand(1, 3, size, size, requires_grad=True)
features = body(image)
features = features if torch.is_tensor(features) else features[0]
(gradient,) = torch.autograd.grad(features.square().sum(), image)
print("finite" if gradient.isfinite().all() and gradient.any() else "not finite")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make environments of the files of `envs` by name, once each; they are deleted in the end."""
    folder, pythons = tmp_path_factory.mktemp("envs"), {}

    def make(name):
        if name not in pythons:
            pythons[name] = environments.make(ROOT / "envs" / f"{name}.yaml", folder / name)
        return pythons[name]

    yield make
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def copy(study, tmp_path_factory):
    """A copy of the micro study in which jobs run again, one after another."""
    folder = tmp_path_factory.mktemp("replayed")
    yield studies.copy_of(study, folder / "study")
    shutil.rmtree(folder)


def rule_of(record):
    """Name the rule of a job from what it left beside its log."""
    return json.loads(record.read_text())["rule"]


def records_of(study, rules):
    """List what the jobs of some rules left beside their logs."""
    return [file for file in sorted((study / "logs").rglob("*.json")) if rule_of(file) in rules]


def outputs_of(record):
    """List the files that a job makes, relative to the study."""
    values = json.loads(record.read_text())["output"].values()
    return [file for value in values for file in ([value] if isinstance(value, str) else value)]


def hold_to_replay(python, copy, study, record):
    """Run a job again without its outputs, and hold its tables to those of the study."""
    for file in outputs_of(record):
        if (copy / file).is_file():
            (copy / file).unlink()
    done = environments.replay(python, copy, record)
    assert done.returncode == 0, f"{record} failed in {python}:\n{done.stdout}"
    for file in outputs_of(record):
        assert (copy / file).exists(), f"{record} did not make {file}"
        if file.endswith((".parquet", ".csv")):
            assert (copy / file).read_bytes() == (study / file).read_bytes(), f"{file} is not the same"


@pytest.mark.parametrize("name", SMALL)
def test_an_environment_made_of_its_file_alone_holds_all_that_its_scripts_import(made, name):
    assert environments.missing_imports(made(name), environments.reached(name)) == ""


@pytest.mark.parametrize("name", SMALL)
def test_jobs_run_in_an_environment_made_of_its_file_alone_and_make_the_same_tables(made, copy, study, name):
    records = records_of(copy, EXAMPLES[name])
    assert {rule_of(record) for record in records} == set(EXAMPLES[name])
    for record in records:
        hold_to_replay(made(name), copy, study, record)


@pytest.mark.parametrize(("name", "package", "rule"), LACKING)
def test_a_package_that_a_file_of_an_environment_lacks_is_noticed(tmp_path, copy, name, package, rule):
    text = (ROOT / "envs" / f"{name}.yaml").read_text()
    file = tmp_path / f"{name}.yaml"
    file.write_text(re.sub(rf"^  - {package} .*\n", "", text, flags=re.M))
    assert len(pins(file)) == len(pins(ROOT / "envs" / f"{name}.yaml")) - 1
    python = environments.make(file, tmp_path / name)
    said = environments.missing_imports(python, environments.reached(name))
    assert f"No module named '{package}'" in said
    done = environments.replay(python, copy, records_of(copy, [rule])[0])
    assert done.returncode and f"No module named '{package}'" in done.stdout
    shutil.rmtree(tmp_path / name)


@pytest.mark.long
@pytest.mark.parametrize("name", ["torch", "hubs"])
def test_an_environment_with_torch_holds_all_that_its_scripts_import(made, name):
    assert environments.missing_imports(made(name), environments.reached(name)) == ""


@pytest.mark.long
@pytest.mark.parametrize("name", ["figures", "statistics", "torch"])
def test_all_jobs_run_in_the_environment_of_their_rules_and_make_the_same_tables(made, copy, study, name):
    records = records_of(copy, [script.removesuffix(".py") for script in scripts_of()[name]])
    assert len(records) >= len(scripts_of()[name]) - len(ELSEWHERE)
    for record in records:
        hold_to_replay(made(name), copy, study, record)


@pytest.mark.long
@pytest.mark.parametrize(("source", "identifier", "size"), OPTIONAL_NETWORKS)
def test_networks_of_optional_packages_are_built_in_their_environment(made, source, identifier, size):
    row = {"name": "mine", "source": source, "identifier": identifier}
    done = environments.isolated(made("hubs"), "-I", "-c", BUILD, SCRIPTS, repr(row), size)
    assert done.returncode == 0, done.stdout
    assert done.stdout.split()[-1] == "finite"
