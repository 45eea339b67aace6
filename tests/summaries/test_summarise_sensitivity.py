"""Summaries of sensitivity, of planted changes whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from planted import IMAGES, NETWORKS, SUBJECTS, run
from planted_attacks import SHARE, attacked, own_change, plant_natural, plant_sensitivity, plant_transfer

from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.sensitivity import NATURAL_RESPONSES, SENSITIVITY


def summarise(folder, subjects=SUBJECTS, turn=1, rows=None, sensitivity=None):
    """Give the table sensitivities by network, subject, region, kind and direction."""
    inputs = {"transfer": plant_transfer(folder, rows, turn=turn), "natural": plant_natural(folder)}
    inputs["sensitivity"] = sensitivity or plant_sensitivity(folder, subjects, turn=turn)
    table = run("summarise_sensitivity", folder, "sensitivities", **inputs)
    return table.set_index(["network", "subject", "roi", "kind", "direction"]).sort_index()


def edited(folder, change):
    """Plant changes of models that `change` makes of the usual ones; the paths."""
    paths = plant_sensitivity(folder)
    for path in paths:
        rows = store.read(path, SENSITIVITY)
        store.write(path, SENSITIVITY, rows.assign(change=change(rows)))
    return paths


def test_medians_are_over_images_of_each_reader(tmp_path):
    table = summarise(tmp_path).loc["b_tough"]
    assert table.loc["group", "FFA", "attack", "increase"]["median"] == 1.0
    assert table.loc["group", "PPA", "other_image", "both"]["median"] == 5.0  # controls count by size
    assert table.loc["subjects", "PPA", "other_image", "both"]["median"] == 10.0
    assert set(table.loc["subj02"].index.get_level_values("kind")) == {"attack"}
    pooled = table.loc["subjects", "FFA", "attack", "increase"]
    assert pooled["median"] == 2.0 and pooled.ci_low <= 1.0 and pooled.ci_high >= 3.0  # over subjects
    single = table.loc["subj02", "FFA", "attack", "increase"]
    assert single["median"] == 2.0 and np.isnan(single.ci_low)  # the same on all images
    assert table.loc["group", "all", "attack", "increase"]["median"] == (1.0 + 10.0) / 2


def test_the_sensitivity_is_of_each_image_the_larger_of_the_changes_up_and_down(tmp_path):
    rows = summarise(tmp_path).loc["b_tough", "group", "FFA", "attack"]
    assert rows["median"].to_dict() == pytest.approx({"increase": 1.0, "decrease": 1.1, "largest": 1.1})
    assert rows.decreases["largest"] == 0.5 and rows.decreases[["increase", "decrease"]].isna().all()
    assert (rows.n_changes == len(IMAGES)).all()


def test_a_change_is_also_given_in_units_of_the_models_own_predictions(tmp_path):
    table = summarise(tmp_path).loc["b_tough"]
    for roi, sd in (("FFA", 0.5), ("PPA", 2.0)):
        rows = table.xs(roi, level="roi")
        own, measured = rows[["median_own", "own_low", "own_high"]], rows[["median", "ci_low", "ci_high"]]
        np.testing.assert_allclose(own, measured / sd)
    # regions are put into their own units before they are pooled: 1 / 0.5 and 10 / 2
    assert table.loc["group", "all", "attack", "increase"].median_own == (2.0 + 5.0) / 2


def test_where_predictions_do_not_vary_there_is_no_change_in_their_unit(tmp_path):
    natural = plant_natural(tmp_path)
    for path in natural:
        rows = store.read(path, NATURAL_RESPONSES)
        store.write(path, NATURAL_RESPONSES, rows.assign(sd=rows.sd.where(rows.roi != "PPA", 0.0)))
    inputs = {"transfer": plant_transfer(tmp_path), "sensitivity": plant_sensitivity(tmp_path)}
    table = run("summarise_sensitivity", tmp_path, "sensitivities", natural=natural, **inputs)
    missing = table[["median_own", "own_low", "own_high"]].isna()
    assert missing[table.roi == "PPA"].all(axis=None) and not missing.median_own[table.roi == "FFA"].any()
    assert table["median"].notna().all()


def test_an_attack_that_moves_a_model_the_wrong_way_is_negative_in_its_direction_but_still_a_change(tmp_path):
    table = summarise(tmp_path, sensitivity=edited(tmp_path, lambda rows: -rows.change))["median"]
    by_direction = table.xs("attack", level="kind").groupby("direction")
    assert by_direction.max()["increase"] < 0 and by_direction.max()["decrease"] < 0
    assert by_direction.min()["largest"] > 0 and table.xs("other_image", level="kind").min() > 0


def test_a_row_says_how_many_values_it_is_of_and_how_many_attacks_have_not_converged(tmp_path):
    table = summarise(tmp_path).loc["b_tough"]
    for subject, roi, factor in (("group", "FFA", 1), ("subjects", "PPA", 3), ("subjects", "all", 6)):
        row = table.loc[subject, roi, "attack", "largest"]
        assert row.n_changes == len(IMAGES) * factor and row.n_images == len(IMAGES)
        assert row.n_subjects == (3 if subject == "subjects" else 1)
        assert row.unconverged == pytest.approx(1 / len(IMAGES))
    assert (table.xs("other_image", level="kind").unconverged == 0).all()


def test_transferred_are_the_attacks_of_other_networks_and_not_of_the_brain(tmp_path):
    table = summarise(tmp_path)
    for target, sources in (("b_tough", ["a_plain", "c_tough"]), (BRAIN, NETWORKS)):
        row = table.loc[target, "group", "FFA", "transferred", "both"]
        changes = [SHARE * own_change(source, image, "FFA") for source in sources for image in IMAGES]
        assert row["median"] == pytest.approx(np.median(changes))
        assert row.n_changes == 2 * len(changes) and row.norm == "l2" and row.radius == 0.5
        pooled = table.loc[target, "subjects", "FFA", "transferred", "both"]
        assert pooled.n_changes == 3 * row.n_changes and pooled.n_subjects == 3
        # the subjects' readouts move two, three and four times as far
        changes = np.outer(changes, [2, 3, 4])
        assert pooled["median"] == pytest.approx(np.median(changes))


def test_the_main_radius_is_the_largest_in_l2(tmp_path):
    table = summarise(tmp_path, rows=pd.concat([attacked(), attacked(radius=0.2)]))
    assert (table.main_radius == (table.radius == 0.5)).all() and set(table.radius) == {0.2, 0.5}


def test_single_subjects_have_rows_of_the_main_radius_alone_as_their_own_attacks_do(tmp_path):
    table = summarise(tmp_path, rows=pd.concat([attacked(), attacked(radius=0.2)])).reset_index()
    assert table.main_radius[table.subject != "group"].all()
    assert set(table.radius[table.subject == "group"]) == {0.2, 0.5}


def test_where_subjects_have_no_changes_there_are_rows_of_the_group_alone(tmp_path):
    rows = pd.concat([attacked(radius=0.2), attacked()])
    rows["change_subjects"] = [
        changes if radius == 0.5 else np.zeros(0)
        for changes, radius in zip(rows.change_subjects, rows.radius, strict=True)
    ]
    table = summarise(tmp_path, rows=rows).reset_index()
    readers = table[table.kind == "transferred"].groupby("radius").subject.agg(set)
    assert readers[0.2] == {"group"} and readers[0.5] == {"group", "subjects"}


def test_a_subject_that_lacks_a_region_counts_in_the_others_alone_and_none_takes_its_place(tmp_path):
    lacks = "subj01"  # the first one, so that a column too far to the left would be read
    whole = summarise(tmp_path / "whole").reset_index()
    paths = plant_sensitivity(tmp_path)
    for path in paths:
        rows = store.read(path, SENSITIVITY)
        store.write(path, SENSITIVITY, rows[(rows.subject != lacks) | (rows.roi != "FFA")])
    transferred = attacked()
    transferred["change_subjects"] = [
        changes[1:] if roi == "FFA" else changes
        for roi, changes in zip(transferred.roi, transferred.change_subjects, strict=True)
    ]
    table = summarise(tmp_path, rows=transferred, sensitivity=paths).reset_index()
    assert not ((table.subject == lacks) & (table.roi == "FFA")).any()
    for part in (whole, table):
        part["key"] = list(zip(part.network, part.subject, part.roi, part.kind, part.direction, strict=True))
    pooled = table[(table.subject == "subjects") & (table.roi == "FFA")]
    assert (pooled.n_subjects == len(SUBJECTS) - 1).all() and len(pooled)
    changes = [
        SHARE * own_change(source, image, "FFA") for source in ("a_plain", "c_tough") for image in IMAGES
    ]
    there = pooled[(pooled.kind == "transferred") & (pooled.network == "b_tough")]["median"]
    # the readouts of the other two subjects move three and four times as far as the group's
    assert there.to_list() == [pytest.approx(np.median(np.outer(changes, [3, 4])))]
    same = table[~table.roi.isin(["all", "FFA"]) | (table.subject == "group")].set_index("key")["median"]
    pd.testing.assert_series_equal(same, whole.set_index("key")["median"][same.index])


def test_tables_that_disagree_about_subjects_are_refused_with_their_numbers(tmp_path):
    with pytest.raises(ValueError, match=r"changes of 3 subjects of a_plain.*has 2 \(subj01, subj02\)"):
        summarise(tmp_path, subjects=SUBJECTS[:2])


def test_the_order_of_files_changes_nothing(tmp_path):
    pd.testing.assert_frame_equal(summarise(tmp_path), summarise(tmp_path, turn=-1), check_exact=True)
