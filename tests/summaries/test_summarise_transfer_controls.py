"""Summaries of controls that targets are shown, of planted changes whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from planted import IMAGES, MODELS, NETWORKS, REGIONS, plant_each, plant_networks, run
from planted_attacks import SHARE, attacked, control_rows, drawn, own_change, plant_transfer

from codingaxes.names import BRAIN, NOISE


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The summary by control, region, source and target."""
    folder = tmp_path_factory.mktemp("controls")
    rows = pd.concat([attacked(), attacked(radius=0.2), drawn(), drawn(radius=0.2)])
    controls = pd.concat([control_rows(), control_rows("other_region", -0.3)])
    inputs = {"perturbations": plant_transfer(folder, rows), "networks": plant_networks(folder)}
    inputs["controls"] = plant_each(folder, "transfer_control_changes", controls, "target", "controls")
    table = run("summarise_transfer_controls", folder, "transfer_controls", **inputs)
    return table.set_index(["control", "roi", "source", "target"]).sort_index()


def mean_own(model, *regions):
    """Give the mean change of a model by its own attacks."""
    return np.mean([own_change(model, image, roi) for image in IMAGES for roi in regions])


def test_a_control_that_goes_either_way_has_a_size_but_hardly_a_signed_change(table):
    row = table.loc["phase_scrambled", "FFA", "b_tough", "c_tough"]
    signs = np.array([-1.0, 1.0] * (len(IMAGES) // 2))
    changes = 0.1 * np.array([own_change("b_tough", image, "FFA") for image in IMAGES])
    assert row.absolute == pytest.approx(changes.mean()) and row.signed == pytest.approx(
        (signs * changes).mean()
    )
    assert row.signed_low < 0 < row.signed_high and row.absolute_low > 0
    assert row.n_images == len(IMAGES) and row.radius == 0.5


def test_both_are_also_given_as_shares_of_the_targets_own_attack(table):
    for control in ("phase_scrambled", "other_region", "attack"):
        row = table.loc[control, "PPA", "b_tough", "c_tough"]
        own = mean_own("c_tough", "PPA")
        assert row.absolute_of_target == pytest.approx(row.absolute / own)
        assert row.signed_of_target == pytest.approx(row.signed / own)
    itself = table.loc["attack", "PPA", "c_tough", "c_tough"]
    assert itself.signed_of_target == itself.absolute_of_target == pytest.approx(1)


def test_attacks_and_white_noise_stand_beside_their_controls(table):
    row = table.loc["attack", "FFA", "b_tough", "a_plain"]
    assert row.signed == row.absolute == pytest.approx(SHARE * mean_own("b_tough", "FFA"))
    noise = table.loc["random", "FFA", NOISE, "a_plain"]
    assert noise.absolute == pytest.approx(0.2) and np.isnan([noise.signed, noise.signed_low]).all()
    assert noise.absolute_of_target == pytest.approx(0.2 / mean_own("a_plain", "FFA"))


def test_all_sources_are_the_networks_other_than_the_target(table):
    for target, sources in (("b_tough", ["a_plain", "c_tough"]), (BRAIN, NETWORKS)):
        row = table.loc["phase_scrambled", "FFA", "all", target]
        single = table.loc["phase_scrambled", "FFA"].query("target == @target").absolute
        assert row.absolute == pytest.approx(single[sources].mean()) and row.family_source == "all"


def test_all_targets_are_the_models_other_than_the_source(table):
    row = table.loc["phase_scrambled", "FFA", "a_plain", "all"]
    single = table.loc["phase_scrambled", "FFA", "a_plain"].absolute
    others = [model for model in MODELS if model != "a_plain"]
    assert row.absolute == pytest.approx(single[others].mean()) and row.family_target == "all"
    assert np.isnan(row.absolute_of_target)


def test_all_regions_are_averaged_together(table):
    single = [table.loc["other_region", roi, "a_plain", "b_tough"].signed for roi in REGIONS]
    assert table.loc["other_region", "all", "a_plain", "b_tough"].signed == pytest.approx(np.mean(single))
    assert set(table.index.get_level_values("target")) == {*MODELS, "all"}
