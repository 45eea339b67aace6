"""The shipped zoo: every network is what its record says, as good as it has to be, and small."""

from pathlib import Path

import pytest
import yaml

from codingaxes import configuration
from codingaxes.job import seed_of
from codingaxes.miniature import recipes, scenes, training
from codingaxes.networks.network import load_network

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "resources/zoo"
ROWS = configuration.read_networks(
    "config/zoo.tsv", configuration.read_schema(ROOT / "config/schemas", "networks"), here=ROOT
)
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
RADIUS = 1.43  # of the adversarial training of the family robust; others are steps of a ladder
TOLERANCE = 0.003  # of an accuracy: rounding may turn the answer on a scene or two of the thousand
MOST = 25e6  # bytes


@pytest.fixture(scope="module")
def fresh_scenes():
    """The scenes that accuracies were measured on."""
    recipe = recipes.read(FOLDER / f"{next(iter(ROWS))}.json").recipe
    seed = seed_of(recipe["scenes_seed"], "render_scenes", "test")
    return scenes.render_many(seed, recipe["test_images"], recipe["image_size"])


def test_every_network_of_the_table_is_shipped_as_the_settings_describe_it_and_nothing_else():
    configuration.check_zoo(ROWS, CONFIG, FOLDER)
    files = list(FOLDER.iterdir())
    assert {file.name for file in files} == {f"{n}.{end}" for n in ROWS for end in ("safetensors", "json")}
    assert sum(file.stat().st_size for file in files) <= MOST


@pytest.mark.parametrize("name", ROWS)
def test_a_rebuilt_network_has_the_accuracy_of_its_record(name, fresh_scenes):
    record = recipes.read(FOLDER / f"{name}.json")
    network = load_network(ROWS[name], FOLDER / f"{name}.safetensors")
    accuracy = training.balanced_accuracy(network, *fresh_scenes, radius=0, steps=0, seed=0)
    assert record.network == name and len(fresh_scenes[0]) == record.accuracies["n_images"]
    assert accuracy == pytest.approx(record.accuracies["accuracy"], abs=TOLERANCE)


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row["training_radius"] in (0, RADIUS)])
def test_standard_networks_are_accurate_and_robust_ones_stay_so_under_attack(name):
    accuracies = recipes.read(FOLDER / f"{name}.json").accuracies
    assert accuracies["attack_radius"] == 0.86
    if ROWS[name]["training_radius"]:
        assert accuracies["accuracy"] >= 0.90 and accuracies["adversarial_accuracy"] >= 0.80
    else:
        assert accuracies["accuracy"] >= 0.95
