"""What the page about costs counts is what the micro study holds."""

import sys
from pathlib import Path

import pytest
import yaml
from studies import MICRO, MODELS, perturbations, read, variants

from codingaxes.tables.synthesis import SYNTHESIS

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "docs"))

import study_costs as costs  # noqa: E402


@pytest.fixture(scope="module")
def config():
    """The settings of the micro study."""
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return costs.merged(default, yaml.safe_load((ROOT / MICRO[1]).read_text()))


def test_stored_perturbations_are_as_many_as_counted(study, config):
    for model in MODELS:
        rows = len(perturbations(study, model)) + len(variants(study, model))
        assert rows == costs.perturbations(config)


def test_synthesised_pictures_are_as_many_as_counted(study, config):
    for model in MODELS:
        made = read(study, f"results/synthesis/perturbations/{model}.parquet", SYNTHESIS)
        file = f"results/synthesis/exciting/{model}.parquet"  # of some models only
        makes = (study / file).is_file()
        exciting = read(study, file, SYNTHESIS) if makes else []
        searched, all_of_model = costs.pictures(config, makes)
        own = made[made.control == "none"].kind.value_counts()
        assert own["perturbation"] == searched["perturbations"]
        assert own["accentuation"] == searched["levels"]
        assert len(exciting) == searched.get("exciting", 0)
        assert len(made) + len(exciting) == all_of_model
