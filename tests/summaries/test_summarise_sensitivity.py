"""Summaries of sensitivity, of planted changes whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from planted import IMAGES, NETWORKS, SUBJECTS, run
from planted_attacks import SHARE, attacked, own_change, plant_sensitivity, plant_transfer

from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.sensitivity import SENSITIVITY


def summarise(folder, subjects=SUBJECTS, turn=1):
    """Give the table sensitivities by network, subject, region and kind."""
    inputs = {"transfer": plant_transfer(folder, turn=turn)}
    inputs["sensitivity"] = plant_sensitivity(folder, subjects, turn=turn)
    table = run("summarise_sensitivity", folder, "sensitivities", **inputs)
    return table.set_index(["network", "subject", "roi", "kind"]).sort_index()


def test_medians_are_over_images_and_directions_of_each_reader(tmp_path):
    table = summarise(tmp_path).loc["b_tough"]
    assert table.loc["group", "FFA", "attack"]["median"] == 1.0
    assert table.loc["subj03", "PPA", "other_image"]["median"] == 15.0  # controls count by size
    pooled = table.loc["subjects", "FFA", "attack"]
    assert (pooled["median"], pooled.ci_low, pooled.ci_high) == (2.0, 1.0, 3.0)
    single = table.loc["subj02", "FFA", "attack"]
    assert (single["median"], single.ci_low, single.ci_high) == (2.0, 2.0, 2.0)
    assert table.loc["group", "all", "attack"]["median"] == (1.0 + 10.0) / 2


def test_an_attack_that_moves_a_model_the_wrong_way_has_a_negative_sensitivity(tmp_path):
    paths = plant_sensitivity(tmp_path)
    for path in paths:
        rows = store.read(path, SENSITIVITY)
        store.write(path, SENSITIVITY, rows.assign(change=-rows.change))
    inputs = {"transfer": plant_transfer(tmp_path), "sensitivity": paths}
    medians = run("summarise_sensitivity", tmp_path, "sensitivities", **inputs).groupby("kind")["median"]
    assert medians.max()["attack"] < 0 < medians.min()["other_image"]


def test_a_row_says_how_many_values_it_is_of_and_how_many_attacks_have_not_converged(tmp_path):
    table = summarise(tmp_path).loc["b_tough"]
    for subject, roi, factor in (("group", "FFA", 1), ("subjects", "PPA", 3), ("subjects", "all", 6)):
        row = table.loc[subject, roi, "attack"]
        assert row.n_changes == 2 * len(IMAGES) * factor and row.n_images == len(IMAGES)
        assert row.n_subjects == (3 if subject == "subjects" else 1)
        assert row.unconverged == pytest.approx(1 / len(IMAGES))
    assert (table.xs("other_image", level="kind").unconverged == 0).all()


def test_transferred_are_the_attacks_of_other_networks_and_not_of_the_brain(tmp_path):
    table = summarise(tmp_path)
    for target, sources in (("b_tough", ["a_plain", "c_tough"]), (BRAIN, NETWORKS)):
        row = table.loc[target, "group", "FFA", "transferred"]
        changes = [SHARE * own_change(source, image, "FFA") for source in sources for image in IMAGES]
        assert row["median"] == pytest.approx(np.median(changes))
        assert row.n_changes == 2 * len(changes) and row.norm == "l2" and row.radius == 0.5
        second = table.loc[target, "subj02", "FFA", "transferred"]  # moves three times as far
        assert second["median"] == pytest.approx(3 * row["median"])
        assert table.loc[target, "subjects", "FFA", "transferred"].n_changes == 3 * row.n_changes


def test_the_main_radius_is_the_largest_in_l2(tmp_path):
    rows = pd.concat([attacked(), attacked(radius=0.2)])
    inputs = {"transfer": plant_transfer(tmp_path, rows), "sensitivity": plant_sensitivity(tmp_path)}
    table = run("summarise_sensitivity", tmp_path, "sensitivities", **inputs)
    assert (table.main_radius == (table.radius == 0.5)).all() and set(table.radius) == {0.2, 0.5}


def test_where_subjects_have_no_changes_there_are_rows_of_the_group_alone(tmp_path):
    rows = pd.concat([attacked(radius=0.2), attacked()])
    rows["change_subjects"] = [
        changes if radius == 0.5 else np.zeros(0)
        for changes, radius in zip(rows.change_subjects, rows.radius, strict=True)
    ]
    inputs = {"transfer": plant_transfer(tmp_path, rows), "sensitivity": plant_sensitivity(tmp_path)}
    table = run("summarise_sensitivity", tmp_path, "sensitivities", **inputs)
    readers = table[table.kind == "transferred"].groupby("radius").subject.agg(set)
    assert readers[0.2] == {"group"} and readers[0.5] == {"group", "subjects", *SUBJECTS}


def test_tables_that_disagree_about_subjects_are_refused_with_their_numbers(tmp_path):
    with pytest.raises(ValueError, match=r"changes of 3 subjects of a_plain.*has 2 \(subj01, subj02\)"):
        summarise(tmp_path, subjects=SUBJECTS[:2])


def test_the_order_of_files_changes_nothing(tmp_path):
    pd.testing.assert_frame_equal(summarise(tmp_path), summarise(tmp_path, turn=-1), check_exact=True)
