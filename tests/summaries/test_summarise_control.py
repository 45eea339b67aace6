"""Summaries of synthesised images, of planted reviews whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from planted import MODELS, NETWORKS, REGIONS, ZOO, plant_networks, run
from planted_control import (
    ARMS,
    CONTROLS,
    MISSED,
    OF_IMAGE,
    RADII,
    STARTS,
    WANTED,
    plant_synthesis,
    synthesised,
)

from codingaxes.estimates import undefined
from codingaxes.names import BRAIN, SIGNS

TABLES = ("control_slopes", "ladder_changes", "category_evidence")
# By family of makers, the networks of another architecture that judge: resnet, resnet, vgg.
JUDGES = {"standard": ["c_tough"], "robust": ["a_plain", "b_tough", "c_tough"]}


def summarised(folder, made, reviews, **columns):
    """Run summarise_control on planted tables; returns what it wrote, each indexed by its key."""
    inputs = plant_synthesis(folder, made, reviews) | {"networks": plant_networks(folder, **columns)}
    tables = run("summarise_control", folder, *TABLES, **inputs)
    keys = (
        ["network", "reviewer", "roi", "arm", "control"],
        ["network", "reviewer", "roi", "direction", "arm", "control", "step"],
        ["family", "judges", "roi", "direction", "arm", "control", "step"],
    )
    return [table.set_index(key) for table, key in zip(tables, keys, strict=True)]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Summaries of four images for each region: slopes, changes along the ladder, evidence."""
    tables = summarised(tmp_path_factory.mktemp("control"), *synthesised(), source="zoo")
    return [table.sort_index() for table in tables]


def test_a_brain_that_follows_half_as_far_has_slope_one_half_with_an_interval_over_images(tables):
    for roi in (*REGIONS, "all"):
        row = tables[0].loc["a_plain", BRAIN, roi, "pixels", "none"]
        assert row.slope == pytest.approx(0.5) and row.ci_low < 0.5 < row.ci_high
        assert row.ci_low > 0.5 * (1 + min(OF_IMAGE.values())) - 0.1
        assert row.n_images == len(STARTS) and row.reason == ""
    assert tables[0].loc["a_plain", "b_tough", "FFA", "fourier", "none"].slope == pytest.approx(0.2 * 0.8)


def test_every_model_makes_and_reviews_and_models_come_in_the_order_of_the_networks(tmp_path):
    made, reviews = synthesised(images=STARTS[:1])
    slopes = summarised(tmp_path, made, reviews.sort_values("reviewer", ascending=False))[0].reset_index()
    assert list(slopes.network.unique()) == list(slopes.reviewer.unique()) == MODELS
    assert list(slopes.roi.unique()) == [*REGIONS, "all"] and list(slopes.control.unique()) == list(CONTROLS)
    assert len(slopes) == len(MODELS) ** 2 * (len(REGIONS) + 1) * len(ARMS) * len(CONTROLS)


def test_a_maker_follows_itself_with_one_and_its_controls_as_far_as_planted(tables):
    rows = tables[0].loc["b_tough", "b_tough", "PPA", "pixels"].loc[list(CONTROLS)]
    assert rows.slope.to_numpy() == pytest.approx([1.0, 0.4, 0.0], abs=1e-12)
    assert rows.ci_low["none"] != rows.ci_low["none"] and rows.reason["none"] == undefined.NO_INTERVAL


def test_levels_errors_and_rates_of_super_stimuli_are_those_worked_out_by_hand(tables):
    starts = 0.2 * np.arange(1, 5)
    own = tables[0].loc["c_tough", "c_tough", "FFA", "pixels", "none"]
    assert (own.lowest, own.highest) == pytest.approx((-0.25 + MISSED, 1.5 + MISSED))
    assert own.level_error == pytest.approx(MISSED) and own.super_rate == 1
    slopes = 0.5 * (1 + np.array(list(OF_IMAGE.values())))
    levels = starts[:, None] + slopes[:, None] * (WANTED + MISSED - starts[:, None])
    brain = tables[0].loc["c_tough", BRAIN, "FFA", "pixels", "none"]
    assert brain.lowest == pytest.approx(levels[:, 0].mean())
    assert brain.highest == pytest.approx(levels[:, -1].mean())
    assert brain.level_error == pytest.approx(np.abs(levels - WANTED).mean())
    beyond = np.concatenate([levels[:, WANTED > 1] > 1, levels[:, WANTED < 0] < 0], axis=1)
    assert 0 < beyond.mean() < 1 and brain.super_rate == pytest.approx(beyond.mean())


def test_pairs_say_their_families_and_who_is_a_twin(tmp_path):
    # of one architecture and training, as two seeds of the zoo are; families with their own radius are none
    columns = {"training_radius": [0.0, 0.9, 0.9], "architecture": ["resnet", "vgg", "vgg"], "source": "zoo"}
    slopes, ladder, _ = summarised(tmp_path, *synthesised(images=STARTS[:1]), **columns)
    for table in (slopes, ladder):
        rows = table.reset_index()
        twins = {frozenset(pair) for pair in rows[rows.twin][["network", "reviewer"]].to_numpy()}
        assert twins == {frozenset(("b_tough", "c_tough"))}
        assert set(rows.architectures[rows.twin]) == {"same"}
        assert set(rows.architectures[rows.network == rows.reviewer]) == {"itself"}
        brain = rows[(rows.network == "b_tough") & (rows.reviewer == BRAIN)]
        assert set(zip(brain.family, brain.family_reviewer, brain.architectures, strict=True)) == {
            ("robust", BRAIN, "different")
        }


def test_one_image_has_a_slope_and_no_interval(tmp_path):
    slopes, ladder, evidence = summarised(tmp_path, *synthesised(images=STARTS[:1]))
    slope = slopes.loc["a_plain", BRAIN, "FFA", "pixels", "none"]
    assert slope.slope == pytest.approx(0.45) and slope.n_images == 1
    for table in (slopes, ladder, evidence):
        estimate = table.iloc[:, list(table.columns).index("ci_low") - 1]
        assert table[["ci_low", "ci_high"]].isna().all(axis=None)
        assert set(table.reason[estimate.notna()]) == {undefined.NO_INTERVAL}


def test_a_maker_whose_level_is_constant_has_no_slope_and_says_so(tmp_path):
    made, reviews = synthesised()
    constant = (reviews.network == "a_plain") & (reviews.reviewer == "a_plain")
    reviews[["level", "response"]] = reviews[["level", "response"]].mask(constant, 0.3)
    slopes, _, _ = summarised(tmp_path, made, reviews)
    rows = slopes.loc["a_plain"]
    assert rows[["slope", "ci_low", "ci_high"]].isna().all(axis=None) and (rows.n_images == 0).all()
    assert set(rows.reason) == {undefined.SAME_LEVELS}
    assert rows.level_error.notna().all() and slopes.loc["b_tough"].slope.notna().all()


def test_two_levels_have_no_slope_and_natural_ones_no_super_stimuli(tmp_path):
    made, reviews = synthesised()
    reviews = reviews[(reviews.kind == "perturbation") | reviews.step.isin([5, 6])]
    slopes, _, _ = summarised(tmp_path, made, reviews)
    assert slopes[["slope", "super_rate"]].isna().all(axis=None)
    assert set(slopes.reason) == {f"{undefined.FEW_LEVELS}; {undefined.NONE_BEYOND}"}


def test_a_reviewer_without_natural_levels_has_changes_but_neither_slope_nor_level(tmp_path):
    made, reviews = synthesised()
    reviews["level"] = reviews.level.where(reviews.reviewer != "c_tough")
    slopes, ladder, _ = summarised(tmp_path, made, reviews)
    rows = slopes.xs("c_tough", level="reviewer").drop("c_tough")
    assert rows[["slope", "lowest", "level_error", "super_rate"]].isna().all(axis=None)
    assert set(rows.reason) == {undefined.NO_LEVELS}
    rows = ladder.xs("c_tough", level="reviewer")
    assert rows.change.notna().all() and rows[["level", "super_rate"]].isna().all(axis=None)
    assert rows.reason.str.contains(undefined.NO_LEVELS).all()


def test_changes_along_the_ladder_go_the_wanted_way_and_grow_with_the_size(tables):
    for direction in SIGNS:
        rows = tables[1].loc["a_plain", BRAIN, "FFA", direction, "pixels", "none"]
        # half of the maker's, which is half of the radius in levels that are 2 SD wide
        assert rows.change.to_numpy() == pytest.approx([0.5 * radius for radius in RADII])
        assert rows.radius.tolist() == list(RADII) and rows.l2.to_numpy() == pytest.approx(
            0.99 * np.array(RADII)
        )
        assert (rows.ci_low < rows.change).all() and (rows.n_images == len(STARTS)).all()
    scrambled = tables[1].loc["a_plain", BRAIN, "all", "increase", "pixels", "phase_scrambled"]
    assert scrambled.change.to_numpy() == pytest.approx([0.0, 0.0, 0.0])


def test_the_share_of_unconverged_images_is_the_makers_and_missing_for_controls(tables):
    ladder = tables[1]
    assert ladder.xs("none", level="control").unconverged.to_numpy() == pytest.approx(1 / len(STARTS))
    assert ladder.drop("none", level="control").unconverged.isna().all()


def test_super_stimuli_along_the_ladder_count_in_the_wanted_direction(tables):
    rows = (
        tables[1].loc["a_plain", "a_plain", "FFA"].xs(("pixels", "none", 3), level=["arm", "control", "step"])
    )
    starts = 0.2 * np.arange(1, 5)  # a radius of 2.9 moves a level by 1.45
    assert rows.super_rate["increase"] == (starts + 1.45 > 1).mean() == 1
    small = tables[1].loc["a_plain", "a_plain", "FFA", "increase", "pixels", "none", 2]
    assert small.super_rate == (starts + 0.45 > 1).mean() == 0.5
    assert small.level == pytest.approx((starts + 0.45).mean())


def test_judges_of_the_makers_architecture_do_not_count(tmp_path):
    made, reviews = synthesised()
    architecture = ZOO.set_index("network").architecture
    same = reviews.network.map(architecture) == reviews.reviewer.map(architecture)
    reviews["evidence"] = reviews.evidence.mask(
        same | ((reviews.network == BRAIN) & (reviews.reviewer == BRAIN)), 1e6
    )
    _, _, evidence = summarised(tmp_path, made, reviews)
    assert evidence.evidence.max() < 100
    row = evidence.loc["standard", "robust", "FFA", "increase", "pixels", "none", 3]
    assert (row.n_makers, row.n_judges) == (1, 1)  # the vgg alone
    # its level follows by a fifth of 1.45, and its evidence by three times that
    assert row.change == pytest.approx(0.2 * 1.45 * 3) and row.evidence_before == pytest.approx(0.1)
    assert row.evidence == pytest.approx(0.1 + row.change) and row.radius == RADII[2]
    row = evidence.loc["robust", "robust", "FFA", "decrease", "pixels", "none", 3]
    assert (row.n_makers, row.n_judges) == (2, 2) and row.change == pytest.approx(0.2 * 1.45 * 3)


def test_without_a_judge_of_another_architecture_evidence_is_missing_and_says_so(tables):
    evidence = tables[2]
    for pair in (("standard", "standard"), (BRAIN, BRAIN)):
        rows = evidence.loc[pair]
        assert rows[["evidence_before", "evidence", "change", "ci_low"]].isna().all(axis=None)
        assert set(rows.reason) == {undefined.NO_JUDGE} and (rows[["n_makers", "n_judges"]] == 0).all(
            axis=None
        )
        assert (rows.n_images == 0).all()
    assert set(evidence.loc[BRAIN, "standard"].xs("none", level="control").reason) == {""}
    assert set(evidence.loc["robust", BRAIN].n_judges) == {1}


def test_judges_that_know_no_categories_leave_evidence_missing(tmp_path):
    made, reviews = synthesised()
    reviews = reviews.assign(evidence=reviews.evidence.where(reviews.roi == "FFA"))
    _, _, evidence = summarised(tmp_path, made, reviews)
    rows = evidence.sort_index().loc["robust", "standard"]
    assert set(rows.xs("PPA").reason) == {undefined.NO_EVIDENCE} and rows.xs("PPA").change.isna().all()
    assert rows.xs("all").change.to_numpy() == pytest.approx(rows.xs("FFA").change)


def test_in_a_study_whose_networks_know_no_categories_all_evidence_is_missing(tmp_path):
    made, reviews = synthesised(images=STARTS[:1])
    reviews[["evidence", "evidence_before"]] = np.nan
    _, ladder, evidence = summarised(tmp_path, made, reviews)
    assert evidence[["evidence_before", "evidence", "change"]].isna().all(axis=None)
    assert set(evidence.reason) == {undefined.NO_JUDGE, undefined.NO_EVIDENCE}
    assert (evidence.radius > 0).all() and ladder.change.notna().all()


def test_a_study_of_one_network_has_its_own_slopes_and_no_judge(tmp_path):
    slopes, ladder, evidence = summarised(tmp_path, *synthesised(NETWORKS[:1]))
    assert slopes.xs("none", level="control").slope.to_numpy() == pytest.approx(1)
    assert set(ladder.architectures) == {"itself"} and not ladder.twin.any()
    assert set(evidence.reason) == {undefined.NO_JUDGE}


def test_controls_that_were_made_for_one_arm_alone_have_rows_of_that_arm_alone(tmp_path):
    made, reviews = synthesised(images=STARTS[:1])
    made, reviews = (rows[(rows.control == "none") | (rows.arm == ARMS[0])] for rows in (made, reviews))
    for table in summarised(tmp_path, made, reviews):
        arms = table.reset_index().groupby("control").arm.unique()
        assert set(arms["none"]) == set(ARMS) and list(arms["blend"]) == list(arms["phase_scrambled"]) == [
            "pixels"
        ]


def test_controls_stand_beside_the_images_that_were_made_at_the_same_size(tables):
    rows = tables[2].loc["robust", BRAIN, "FFA", "increase", "pixels"].xs(3, level="step")
    rows = rows.loc[list(CONTROLS)]
    assert (rows.change / rows.change["none"]).to_numpy() == pytest.approx([1.0, 0.4, 0.0], abs=1e-12)


def test_images_of_some_regions_count_once_for_every_region_that_has_them(tmp_path):
    made, reviews = synthesised()
    reviews = reviews[(reviews.roi == "FFA") | (reviews.image_id == STARTS[3])]
    slopes, _, _ = summarised(tmp_path, made, reviews)
    row = slopes.loc["a_plain", BRAIN, "all", "pixels", "none"]
    assert row.n_images == 4 and row.slope == pytest.approx(0.5 * (1 + 0.1 / 5))
    assert slopes.loc["a_plain", BRAIN, "PPA", "pixels", "none"].slope == pytest.approx(0.55)


def test_without_a_simulated_brain_networks_alone_make_and_review(tmp_path):
    slopes, ladder, evidence = summarised(tmp_path, *synthesised(NETWORKS))
    assert list(slopes.index.unique("network")) == NETWORKS == list(ladder.index.unique("reviewer"))
    assert list(evidence.index.unique("judges")) == ["standard", "robust"]
    assert evidence.sort_index().loc["robust", "standard"].change.notna().all()


def test_the_text_of_the_slopes_has_every_row(tables, tmp_path):
    slopes, _, _ = summarised(tmp_path, *synthesised(images=STARTS[:1]))
    assert len(pd.read_csv(tmp_path / "control_slopes.csv")) == len(slopes)
