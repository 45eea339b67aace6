"""Tests of the settings of synthesis: which models make exciting images, and what cannot work."""

import json

import pytest
from test_configuration import ROOT, ROW_SCHEMA, check

from codingaxes import configuration
from codingaxes.configuration_synthesis import check_synthesis, exciting_makers
from codingaxes.names import BRAIN

ROWS = configuration.read_networks("config/zoo.tsv", ROW_SCHEMA, here=ROOT, code=ROOT)
MODELS = [*ROWS, BRAIN]


def makers(wanted, models=MODELS, rows=ROWS):
    """Choose the makers of exciting images as one setting says."""
    return exciting_makers(check(json.dumps({"synthesis": {"exciting_makers": wanted}})), rows, models)


def test_few_are_a_standard_and_the_most_robust_network_of_one_architecture_and_the_brain():
    assert makers("few") == ["resnet_standard_1", "resnet_robust_1", BRAIN]
    assert ROWS["resnet_robust_1"]["training_radius"] == max(row["training_radius"] for row in ROWS.values())


def test_few_of_networks_without_a_robust_one_is_the_first():
    names = ["vgg_standard_2", "vgg_standard_1"]
    rows = {name: ROWS[name] for name in names}
    assert makers("few", names, rows) == ["vgg_standard_2"]


def test_all_and_named_models_come_in_the_order_of_the_study():
    assert makers("all") == MODELS
    assert makers([BRAIN, "vgg_robust_1"]) == ["vgg_robust_1", BRAIN]


def test_a_name_that_is_no_model_of_the_study_is_refused_with_those_that_are():
    with pytest.raises(configuration.ConfigurationError, match=r"resnet_50 is no model.*resnet_standard_1"):
        makers(["resnet_50"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"radii": [0.86, 200.0]}, r"radii: 200\.0 is more than 110\.9"),
        ({"levels": {"lowest": 1.0, "highest": 1.0}}, r"lowest is 1\.0 and highest is 1\.0"),
    ],
)
def test_sizes_that_no_image_has_and_levels_that_do_not_ascend_are_refused(settings, words):
    with pytest.raises(configuration.ConfigurationError, match=words):
        check_synthesis(check(json.dumps({"synthesis": settings})))


@pytest.mark.parametrize("overlay", [{}, {"image_size": 224}])
def test_the_defaults_can_work(overlay):
    check_synthesis(check(json.dumps(overlay)))
