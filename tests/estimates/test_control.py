"""Measures of control: each is what its docstring says, on reviews whose truth is planted."""

import numpy as np
import pandas as pd
import pytest
from planted import MODELS, ZOO
from planted_control import ARMS, MISSED, STARTS, WANTED, synthesised
from scipy.stats import linregress, ttest_1samp

from codingaxes.estimates import bootstrap, control
from codingaxes.names import BRAIN

ABOUT = ZOO.assign(source="zoo").set_index("network")
UNIT = ["network", "reviewer", "arm", "control", "roi", "image_id"]


def accentuated(**filters):
    """Make up reviews of accentuated images, beside what the maker predicts; only those of `filters`."""
    reviews = synthesised(arms=ARMS[:1])[1]
    reviews = control.beside_predictions(reviews[reviews.kind == "accentuation"])
    for name, value in filters.items():
        reviews = reviews[reviews[name] == value]
    return reviews


def slope_of(reviews):
    """Give the only row of slopes."""
    (row,) = control.control_slope(reviews, UNIT).itertuples()
    return row


def test_the_slope_is_that_of_a_line_through_the_levels_of_one_image(rng):
    reviews = accentuated(network="a_plain", reviewer=BRAIN, control="none", roi="FFA")
    reviews = reviews.assign(level=reviews.level + rng.normal(size=len(reviews)))
    slopes = control.control_slope(reviews, UNIT).slope
    for image, rows in reviews.groupby("image_id"):
        expected = linregress(rows.predicted, rows.level).slope
        assert slopes.xs(image, level="image_id").item() == pytest.approx(expected)


def test_a_brain_that_follows_half_as_far_has_slope_one_half_and_the_maker_one():
    slopes = control.control_slope(accentuated(control="none"), UNIT).slope.groupby(UNIT[:2]).mean()
    assert slopes["a_plain", BRAIN] == pytest.approx(0.5) and slopes["a_plain", "b_tough"] == pytest.approx(
        0.2
    )
    assert [slopes[model, model] for model in MODELS] == pytest.approx([1.0] * len(MODELS))


def test_a_control_is_held_to_the_level_that_its_partner_reaches_in_the_maker_not_to_its_own():
    reviews = accentuated(network="a_plain", roi="FFA", image_id=STARTS[0])
    blend = reviews[reviews.control == "blend"]
    np.testing.assert_allclose(blend.predicted, WANTED.repeat(len(MODELS)) + MISSED)
    np.testing.assert_array_equal(blend.wanted, WANTED.repeat(len(MODELS)))
    # in its maker it reaches four tenths of that, and the brain follows that by half (here: 0.9 of half)
    assert slope_of(blend[blend.reviewer == "a_plain"]).slope == pytest.approx(0.4)
    assert slope_of(blend[blend.reviewer == BRAIN]).slope == pytest.approx(0.9 * 0.5 * 0.4)
    scrambled = reviews[(reviews.control == "phase_scrambled") & (reviews.reviewer == BRAIN)]
    assert slope_of(scrambled).slope == pytest.approx(0, abs=1e-12)


def test_several_draws_of_a_control_make_one_slope_and_count_as_one_level_each():
    rows = accentuated(network="a_plain", reviewer=BRAIN, control="blend", roi="FFA", image_id=STARTS[0])
    again = rows.assign(draw=2, level=rows.level + 0.3 * rows.predicted)
    both = slope_of(pd.concat([rows, again]))
    assert both.slope == pytest.approx(slope_of(rows).slope + 0.15)
    assert slope_of(pd.concat([rows[:2], again[:2]])).few


def test_levels_that_were_missed_count_as_the_maker_reached_them():
    rows = accentuated(network="a_plain", control="none", roi="FFA", image_id=STARTS[0])
    rows = rows.drop(columns=["predicted", "predicted_response", "wanted"])
    short = rows.assign(level=np.minimum(rows.level, 0.9))  # all models stop below level 1
    reached = control.beside_predictions(short)
    assert reached.predicted.max() == 0.9 and reached.wanted.max() == 1.5
    assert slope_of(reached[reached.reviewer == "a_plain"]).slope == pytest.approx(1)


@pytest.mark.parametrize("spread", [0.0, 1e-14, 4e-6])
def test_a_maker_whose_level_is_constant_but_for_rounding_has_no_slope(spread):
    rows = accentuated(network="a_plain", reviewer=BRAIN, control="none", roi="FFA", image_id=STARTS[0])
    constant = 0.4 + spread * np.arange(len(rows)) / len(rows)
    row = slope_of(rows.assign(predicted=constant, predicted_response=2 * constant))
    assert np.isnan(row.slope) and row.same and not (row.few or row.unknown)


def test_two_levels_have_no_slope_and_three_do():
    rows = accentuated(network="a_plain", reviewer=BRAIN, control="none", roi="FFA", image_id=STARTS[0])
    two, three = slope_of(rows[:2]), slope_of(rows[4:7])
    assert np.isnan(two.slope) and two.few and not two.same
    assert three.slope == pytest.approx(0.45) and not three.few


def test_levels_that_are_missing_do_not_count_and_none_at_all_are_unknown():
    rows = accentuated(network="a_plain", reviewer=BRAIN, control="none", roi="FFA", image_id=STARTS[0])
    some = rows.assign(level=rows.level.where(rows.step > 3))
    assert slope_of(some).slope == pytest.approx(0.45)
    for name in ("level", "predicted"):
        row = slope_of(rows.assign(**{name: np.nan}))
        assert np.isnan(row.slope) and row.unknown and not (row.few or row.same)


def test_without_a_review_by_the_maker_itself_nothing_is_predicted():
    reviews = synthesised(arms=ARMS[:1])[1].query("kind == 'accentuation' and reviewer != network")
    reviews = control.beside_predictions(reviews)
    assert reviews[["predicted", "predicted_response", "wanted"]].isna().all(axis=None)


def test_super_stimuli_are_beyond_nature_on_the_side_that_was_wanted():
    wanted = pd.Series([1.5, 1.5, 1.15, -0.25, -0.25, -0.25, 0.5, 1.0, 1.5])
    level = pd.Series([1.2, 0.9, 1.0, -0.1, 0.1, 1.3, 1.3, 1.3, np.nan])
    found = control.super_stimuli(level, wanted, pd.Series([0.5] * 9))
    np.testing.assert_array_equal(found, [1, 0, 0, 1, 0, 0, np.nan, np.nan, np.nan])
    assert found.mean() == pytest.approx(2 / 6)


def test_an_image_that_lies_beyond_nature_already_is_no_evidence_of_control():
    wanted, level = pd.Series([1.5, 1.5, -0.25, -0.25]), pd.Series([1.2, 1.2, -0.1, -0.1])
    found = control.super_stimuli(level, wanted, pd.Series([1.1, -0.1, -0.05, 1.1]))
    np.testing.assert_array_equal(found, [np.nan, 1, np.nan, 1])


def test_the_error_of_a_level_has_no_sign():
    error = control.level_error(pd.Series([0.5, -0.5, np.nan]), pd.Series([0.75, -0.25, 1.0]))
    np.testing.assert_array_equal(error, [0.25, 0.25, np.nan])


def test_evidence_counts_as_it_follows_the_wanted_change():
    before, after = pd.Series([0.1, 0.1, 0.4]), pd.Series([0.5, 0.5, 0.1])
    change = control.evidence_change(before, after, pd.Series(["increase", "decrease", "decrease"]))
    np.testing.assert_allclose(change, [0.4, -0.4, 0.3])


def test_judges_have_another_architecture_than_the_maker_and_the_brain_judges_networks_only():
    makers = pd.Series(["a_plain", "a_plain", "a_plain", "a_plain", BRAIN, BRAIN])
    judges = pd.Series(["a_plain", "b_tough", "c_tough", BRAIN, "a_plain", BRAIN])
    found = control.independent(makers, judges, ABOUT)
    assert found.tolist() == [False, False, True, True, True, False]


def test_twins_differ_in_their_seed_alone():
    twin, other = (ABOUT.loc[["b_tough"]].rename(index={"b_tough": name}) for name in ("b_twin", "b_other"))
    about = pd.concat([ABOUT, twin, other.assign(training_radius=0.9)])
    names = pd.Series(["b_tough", "a_plain", "b_other", "c_tough", "b_twin", BRAIN])
    assert control.twins(pd.Series(["b_twin"] * 6), names, about).tolist() == [True] + [False] * 5
    assert not control.twins(pd.Series([BRAIN]), pd.Series([BRAIN]), about).any()
    published = about.assign(source="torchvision")  # nobody knows whether these were trained alike
    assert not control.twins(pd.Series(["b_twin"]), pd.Series(["b_tough"]), published).any()


def test_means_over_images_are_those_of_bootstrap_ratios_and_draws_stay_with_their_image(rng):
    values = rng.normal(size=(5, 8, 2))
    cell, image = np.indices(values.shape)[:2]
    drawn = control.mean_over_images(
        values.ravel(), cell.ravel(), image.ravel(), np.random.default_rng(3), 500
    )
    counts = bootstrap.draw_counts(8, np.random.default_rng(3), 500).astype(float)
    expected = bootstrap.bootstrap_ratios(values.sum(axis=2), np.full((5, 8), 2.0), counts)
    for name, column in zip(("mean", "ci_low", "ci_high"), expected, strict=True):
        np.testing.assert_allclose(drawn[name], column)
    assert (drawn.n_images == 8).all()


def test_more_cells_than_fit_into_memory_share_the_same_resampled_images(rng, monkeypatch):
    values = rng.normal(size=(9, 7))
    cell, image = np.indices(values.shape)
    args = values.ravel(), cell.ravel(), image.ravel()
    whole = control.mean_over_images(*args, np.random.default_rng(1), 99)
    monkeypatch.setattr(control, "AT_ONCE", 4)
    parts = control.mean_over_images(*args, np.random.default_rng(1), 99)
    pd.testing.assert_frame_equal(whole, parts)


def test_cells_of_few_images_have_a_mean_without_an_interval_and_those_of_none_nothing():
    value = [1.0, 2.0, 5.0, 4.0, np.nan, 2.0, 3.0, np.nan, np.nan]
    cell, image = np.repeat([0, 1, 2], 3), list("abc") * 3
    table = control.mean_over_images(value, cell, image, np.random.default_rng(0), 99)
    np.testing.assert_allclose(table["mean"], [8 / 3, 3.0, 3.0])
    assert table.n_images.tolist() == [3, 2, 1] and table.ci_low.notna().tolist() == [True, False, False]
    nothing = control.mean_over_images([np.nan], np.array([0]), ["a"], np.random.default_rng(0), 99)
    assert nothing[["mean", "ci_low", "ci_high"]].isna().all(axis=None) and nothing.n_images.item() == 0


def test_of_three_to_five_images_the_interval_is_students_and_of_more_the_bootstraps(rng):
    for images in (3, 4, 5, 6):
        values = rng.normal(size=(3, images))
        cell, image = np.indices(values.shape)
        table = control.mean_over_images(values.ravel(), cell.ravel(), image.ravel(), rng, 200)
        expected = ttest_1samp(values, 0, axis=1).confidence_interval()
        assert np.allclose(table.ci_low, expected.low) == np.allclose(table.ci_high, expected.high)
        assert np.allclose(table.ci_low, expected.low) == (images < 6)


def test_images_with_more_values_count_more_also_in_students_interval():
    top, bottom = np.array([[2.0, 3.0, 1.0]]), np.array([[2.0, 1.0, 1.0]])
    low, high = control.student_interval(top, bottom)
    residuals = top - 1.5 * bottom  # the mean is 6 / 4
    half = 4.302653 * np.sqrt(np.square(residuals).sum() * 3 / 2) / 4
    assert (low.item(), high.item()) == pytest.approx((1.5 - half, 1.5 + half), rel=1e-6)


@pytest.mark.parametrize("images", [3, 4, 5])
def test_intervals_of_few_images_cover_the_truth_as_often_as_they_say(images):
    rng = np.random.default_rng(images)
    values = rng.normal(size=(4000, images))
    low, high = control.student_interval(values, np.ones_like(values))
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.95, abs=0.01)
    skewed = np.exp(values)
    low, high = control.student_interval(skewed, np.ones_like(values))
    covered = (low <= np.exp(0.5)) & (high >= np.exp(0.5))
    assert np.mean(covered) == pytest.approx(0.83, abs=0.025)
    assert np.median(high - low) < 8
