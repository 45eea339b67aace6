"""Tests of the settings of images made elsewhere: what is wrong is said before the first job."""

import json

import pytest
from test_configuration import ROOT, check

from codingaxes import configuration
from codingaxes.configuration_scoring import check_scoring


def scored(folder, here=ROOT, **more):
    """Check the defaults with a folder of images, and list them."""
    return check_scoring(check(json.dumps({"scoring": {"folder": folder}} | more)), here)


def test_by_default_there_is_no_folder_and_the_example_has_images():
    assert scored("") == []
    assert len(scored("tests/data/outside")) == 15


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("tests/data/nowhere", r"scoring\.folder: 'tests/data/nowhere' is no folder.*leave it empty"),
        ("tests/data/micro.yaml", r"is no folder"),
        ("tests/{set}", r"has braces"),
        ("config/schemas", r"scoring\.folder: .*config/schemas has no image"),
    ],
)
def test_a_folder_that_cannot_be_scored_is_refused_by_name(folder, words):
    with pytest.raises(configuration.ConfigurationError, match=words):
        scored(folder)


def test_a_table_is_held_to_the_regions_of_the_study(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "images.csv").write_text("filename,method,roi\na.png,x,V4\n")
    with pytest.raises(
        configuration.ConfigurationError, match=r"unknown region 'V4'; this study has FFA, EBA, PPA"
    ):
        scored(str(tmp_path))


def test_the_home_of_the_user_stands_for_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"x")
    config = check(json.dumps({"scoring": {"folder": "~"}}))
    assert len(check_scoring(config)) == 1 and config["scoring"]["folder"] == str(tmp_path)


def test_an_archive_needs_no_folder_as_its_images_are_scored_already():
    assert scored("tests/data/nowhere", archive=True) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"noise_draws": 19}, r"scoring\.noise_draws: 19 is less than the minimum of 20"),
        ({"effects": [0.0]}, r"scoring\.effects\.0: 0\.0 is less than or equal to the minimum of 0"),
        ({"foldr": "x"}, r"scoring: unknown key foldr; allowed are folder, noise_draws, effects"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(configuration.ConfigurationError, match=words):
        check(json.dumps({"scoring": settings}))
