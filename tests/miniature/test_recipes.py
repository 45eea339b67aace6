"""Records of the zoo, and whether they agree with the settings of a study."""

import hashlib
from pathlib import Path

import pytest
import yaml

from codingaxes import configuration
from codingaxes.miniature import recipes

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
SCHEMA = configuration.read_schema(ROOT / "config/schemas", "networks")


@pytest.fixture
def rows():
    """Two rows of the zoo, and one of another source."""
    rows = configuration.read_networks("config/zoo.tsv", SCHEMA, here=ROOT)
    other = dict(rows["vgg_standard_1"], name="other", source="torchvision")
    return {name: rows[name] for name in ("resnet_standard_1", "resnet_robust_1")} | {"other": other}


@pytest.fixture
def folder(rows, tmp_path):
    """Weights and records of the two as the configuration asks for."""
    for row in rows.values():
        if row["source"] == "zoo":
            ship(row, tmp_path)
    return tmp_path


def ship(row, folder, **changes):
    """Write stand-ins for weights, and the record that the configuration asks for, with changes."""
    weights = folder / f"{row['name']}.safetensors"
    weights.write_bytes(row["name"].encode())
    recipe = recipes.recipe(row, CONFIG["zoo"], CONFIG["image_size"])
    about = {"recipe": recipe, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()} | changes
    record = recipes.Record(
        row["name"], accuracies={}, commit="", versions={}, processor_seconds=1.0, **about
    )
    recipes.write(record, folder / f"{row['name']}.json")
    return record


def refused(rows, folder, config=CONFIG):
    """What is said of shipped networks that do not agree."""
    with pytest.raises(configuration.ConfigurationError) as error:
        configuration.check_zoo(rows, config, folder)
    assert "--config 'zoo={retrain: true}'" in str(error.value) and "make zoo" in str(error.value)
    return str(error.value)


def with_zoo(**changes):
    """The configuration with other settings of the zoo."""
    return CONFIG | {"zoo": CONFIG["zoo"] | changes}


def test_a_record_is_read_as_it_was_written(rows, tmp_path):
    record = ship(rows["resnet_robust_1"], tmp_path)
    assert recipes.read(tmp_path / "resnet_robust_1.json") == record
    (tmp_path / "resnet_robust_1.json").write_text("{}")
    with pytest.raises(ValueError, match="is no record of a network of the zoo"):
        recipes.read(tmp_path / "resnet_robust_1.json")


def test_shipped_networks_that_agree_pass_whatever_they_are_called_in_figures(rows, folder):
    configuration.check_zoo(rows, CONFIG, folder)
    rows["resnet_robust_1"] |= {"display_name": "else", "family": "standard", "layers": ["layer1"]}
    configuration.check_zoo(rows, CONFIG, folder)


@pytest.mark.parametrize(("key", "value"), [("seed", 99), ("architecture", "vgg"), ("training_radius", 0.5)])
def test_a_row_with_another_recipe_is_refused_by_name_key_and_values(rows, folder, key, value):
    recorded = rows["resnet_robust_1"][key]
    rows["resnet_robust_1"] |= {key: value}
    said = refused(rows, folder)
    assert f"network resnet_robust_1 is not shipped as the settings describe it: {key} is {value}" in said
    assert f"and {recorded} in {folder / 'resnet_robust_1.json'}" in said and "more of" not in said


@pytest.mark.parametrize("key", [*recipes.TRAINING, *recipes.MEASURED, "seed"])
def test_every_setting_that_makes_a_network_counts_and_retrain_asks_for_no_shipped_one(rows, folder, key):
    value = CONFIG["zoo"][key] + 1
    key_of_recipe = "scenes_seed" if key == "seed" else key
    said = refused(rows, folder, with_zoo(**{key: value}))
    assert f"{key_of_recipe} is {value} here, and {CONFIG['zoo'][key]} in" in said and "1 more of 2" in said
    configuration.check_zoo(rows, with_zoo(**{key: value, "retrain": True}), folder)
    epochs = CONFIG["zoo"]["epochs"] | {"resnet": 99}
    assert "epochs is 99 here" in refused(rows, folder, with_zoo(epochs=epochs))


def test_other_weights_a_missing_file_and_a_row_that_is_not_shipped_are_refused(rows, folder):
    weights = folder / "resnet_standard_1.safetensors"
    weights.write_bytes(b"other")
    assert f"the sha256 of {weights} is {hashlib.sha256(b'other').hexdigest()}" in refused(rows, folder)
    weights.unlink()
    assert f"{weights} is not there" in refused(rows, folder)
    ship(rows["resnet_standard_1"], folder)
    (folder / "resnet_robust_1.json").unlink()
    assert f"{folder / 'resnet_robust_1.json'} is not there" in refused(rows, folder)
    ship(rows["resnet_robust_1"], folder)
    rows["mine"] = rows["resnet_robust_1"] | {"name": "mine", "seed": 88}
    assert "network mine is not shipped" in refused(rows, folder)
