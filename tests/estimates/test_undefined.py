"""Undefined statistics are missing, with a reason, and never a number."""

import numpy as np
import pandas as pd
import pytest

from codingaxes.estimates import asymmetry, bootstrap, families, measures, permutations, race, undefined

SAME = 0.1  # no sum of tenths is exact, so that the mean of a constant differs from it by rounding


def test_values_are_the_same_if_they_differ_by_rounding_beside_the_largest_of_them(rng):
    assert undefined.constant(np.full(37, SAME)) and undefined.constant(np.full(37, SAME) + np.spacing(SAME))
    assert undefined.constant(np.zeros(5)) and not undefined.constant(1e-200 * rng.standard_normal(5))
    assert not undefined.constant(1 + 1e-9 * rng.standard_normal(5))
    assert not undefined.constant([1.0, np.nan])
    values = np.stack([np.full(9, SAME), rng.standard_normal(9)])
    assert undefined.constant(values, axis=1).tolist() == [True, False]


@pytest.mark.parametrize("n", [5, 24, 103])
def test_a_target_or_a_prediction_that_is_constant_has_neither_r_nor_r2_nor_an_interval(rng, n):
    varies, same = rng.standard_normal((n, 1)), np.full((n, 1), SAME)
    for x, y in ((varies, same), (same, varies), (same, same), (3 * same, same)):
        assert np.isnan(bootstrap.correlation(x, y)).all()
        assert np.isnan(bootstrap.correlation_interval(x, y)).all()
        assert np.isnan(bootstrap.correlations_without(x, y)).all()
    assert np.isnan(bootstrap.determination(varies, same)) and np.isnan(bootstrap.determination(same, same))
    assert bootstrap.determination(same, varies) <= 0  # a constant prediction is one, and no better than that


def test_two_images_have_no_r_and_three_have_no_interval(rng):
    x, y = rng.standard_normal((2, 5, 4))
    assert np.isnan(bootstrap.correlation(x[:2], y[:2])).all()
    assert np.isfinite(bootstrap.correlation(x[:3], y[:3])).all()
    assert np.isnan(bootstrap.correlation_interval(x[:3], y[:3])).all()
    assert np.isfinite(bootstrap.correlation_interval(x, y)).all()
    assert np.isnan(bootstrap.correlations_without(x[:3], y[:3])).all()  # each is left with two


def test_an_r_of_one_but_for_rounding_has_no_interval(rng):
    x = rng.standard_normal((40, 30))
    y = rng.uniform(0.1, 9, 30) * x + rng.standard_normal(30)
    np.testing.assert_allclose(bootstrap.correlation(x, y), 1)
    assert np.isnan(bootstrap.correlation_interval(x, y)).all()


def test_every_missing_r_and_every_missing_interval_has_its_reason(rng):
    x, y = rng.standard_normal((2, 12, 6))
    y[:, 0], x[:, 1], y[:, 2], y[1:, 3] = SAME, SAME, 2 * x[:, 2], SAME
    y[:, 4] = x[:, 4] = SAME
    r, (low, _) = bootstrap.correlation(x, y), bootstrap.correlation_interval(x, y)
    assert undefined.of_correlation(x, y, r, low) == [
        "measured: the same on all images",
        "predicted: the same on all images",
        "r is ±1: no interval",
        "the same on all images but one: no interval",
        "measured: the same on all images; predicted: the same on all images",
        "",
    ]
    few = x[:3, 5:], y[:3, 5:]
    r = bootstrap.correlation(*few)
    assert undefined.of_correlation(*few, r, [np.nan]) == ["fewer than 4 images: no interval"]
    few = x[:2, 5:], y[:2, 5:]
    assert undefined.of_correlation(*few, bootstrap.correlation(*few), [np.nan]) == ["fewer than 3 images"]


def test_ranks_of_what_is_constant_over_networks_are_undefined_and_say_so(rng):
    same, varies = np.full(6, SAME) * [1, 1 + 1e-15, 1, 1, 1, 1], rng.standard_normal(6)
    for x, y in ((same, varies), (varies, same), (varies[:2], varies[2:4])):
        assert np.isnan(race.rank_test(x, y, 99, rng)).all() and np.isnan(race.slope(x, y)).all()
        assert np.isnan(permutations.rank_p(x, y, 99, rng)).all()
        assert np.isnan(measures.rank_correlation(pd.Series(x), pd.Series(y))[0])
    assert np.isnan(race.left_out(varies, same, np.arange(6)))
    assert undefined.of_ranks([np.nan, np.nan, 0.5], [2, 6, 6]) == [
        "fewer than 3 networks have both",
        "one of the two is the same for all networks",
        "",
    ]


def test_nothing_is_divided_by_a_change_a_spread_or_a_ceiling_that_is_rounding():
    rounding = np.array([0.0, 3e-8, -4e-7, 1e-6])
    change = np.full(4, -8e-4)  # divided by 1e-6 it is -817, or so
    assert np.isnan(measures.relative_transfer(change, rounding)).all()
    assert np.isnan(asymmetry.sensitivity_ratio(change, rounding)).all()
    np.testing.assert_allclose(measures.relative_transfer(change, np.full(4, 2e-3)), -0.4)
    sd = pd.Series([0.0, 1e-7, 0.5])
    assert measures.in_own_units(pd.Series(3 * [0.1]), sd).tolist()[2] == pytest.approx(0.2)
    assert measures.in_own_units(pd.Series(3 * [0.1]), sd)[:2].isna().all()
    ceiling = pd.Series([0.0, 1e-8, 0.5])
    assert measures.over_ceiling(pd.Series(3 * [0.1]), ceiling).isna().tolist() == [True, True, False]


def test_own_changes_that_are_rounding_in_one_region_are_no_reference_there_alone():
    own = pd.DataFrame({"target": ["a", "a", "a", "b"], "roi": ["FFA", "FFA", "PPA", "FFA"]})
    own["change"] = [0.0, 1.0, 2e-8, -3e-7]
    kept = undefined.reference(own, ["target", "roi"])
    assert kept[:2].tolist() == [0, 1] and kept[2:].isna().all()  # 0 on an image, but not on the mean


def test_a_ratio_whose_bottoms_cancel_but_for_rounding_is_missing(rng):
    bottom = np.array([[0.1, 0.2, 0.3, -0.6]])
    assert bottom.sum() != 0
    top = rng.uniform(1, 2, (1, 4))
    counts = bootstrap.draw_counts(4, rng, 20).astype(float)
    assert np.isnan(bootstrap.bootstrap_ratios(top, bottom, counts)[0]).all()
    assert np.isnan(bootstrap.bootstrap_mean_ratio(top, bottom, rng, 20)).all()
    images = [f"nsd_{i}" for i in range(5)]
    frame = pd.DataFrame({"image_id": images, "one": "a", "other": "", "roi": "FFA", "top": 1.0})
    cells = families.ratio_cells(frame.assign(bottom=[0.1, 0.2, 0.3, 0.7, -1.2]), ["a"])
    assert np.isfinite(cells.value).all()
    assert np.isnan(cells.without[0, 0])  # without it the others sum to 0, but for rounding


def test_the_slope_of_transfer_over_equal_sensitivities_is_missing(rng):
    there, back = rng.uniform(0.1, 0.5, (2, 6))
    slope, r_squared, n = asymmetry.transfer_asymmetry(there, back, np.full(6, 1 - 1e-16))
    assert np.isnan([slope, r_squared]).all() and n == 6


def test_reasons_are_said_once_each_and_in_order():
    conditions = {"no ceiling": [True, False, True], "no image": [True, False, False]}
    assert undefined.say(conditions) == ["no ceiling; no image", "", "no ceiling"]
    assert undefined.join(["a", ""], ["a", "b"], ["c", ""]) == ["a; c", "b"]
    assert undefined.of_estimate([np.nan, 1.0, 1.0], [np.nan, np.nan, 0.5]) == [
        undefined.NO_IMAGE,
        undefined.NO_INTERVAL,
        "",
    ]
    assert undefined.of_estimate([], []) == []


def test_of_two_predictors_that_say_the_same_the_first_is_kept_and_the_other_named(rng):
    robust = np.array([True] * 6 + [False] * 6)
    x = {
        "family": permutations.differs(robust),
        "gain": permutations.distance(rng.random(12)),
        "radius": 2 - 3 * permutations.differs(robust),
        "same": np.ones((12, 12)),
    }
    known = np.ones((12, 12), bool)
    kept, left_out = permutations.independent(x, known)
    assert list(kept) == ["family", "gain"]
    assert left_out == {
        "radius": "follows from family over the 66 pairs",
        "same": "the same for all 66 pairs",
    }
    response = rng.standard_normal((12, 12))
    permutations.regress_pairs(response + response.T, kept, 99, rng)  # which would refuse the others
