"""Tests of the kinds of tests against independent formulas, and of what they say where they cannot decide."""

import numpy as np
import pandas as pd
import planted_claims as planted
import pytest
from planted_claims import IMAGES, NAMES, NETWORKS, ROBUST, N
from scipy import stats

from codingaxes.claims import kinds
from codingaxes.claims.kinds import Side
from codingaxes.estimates import families

ABOVE = Side("above", 0.0)


def cells(values):
    """Make cells of values (networks, images)."""
    rows = planted.units("sensitivity", values)
    return families.ratio_cells(rows.assign(one=rows.source, other=""), NAMES)


def one_family():
    """Give networks that are all of one family, so that the interval is that of one sample."""
    return NETWORKS.assign(family="robust")


def test_a_mean_over_networks_whose_images_are_alike_has_the_p_of_a_t_test():
    rng = np.random.default_rng(1)
    means = 0.3 + rng.standard_normal(N)
    values = np.repeat(means[:, None], IMAGES, axis=1)
    for side, alternative in (("above", "greater"), ("below", "less"), ("outside", "two-sided")):
        found = kinds.mean(cells(values), one_family(), Side(side, 0.0))
        expected = stats.ttest_1samp(means, 0.0, alternative=alternative)
        assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    low, high = expected.confidence_interval(0.95)
    assert found.interval == pytest.approx((low, high)) and found.estimate == pytest.approx(means.mean())
    both = [
        stats.ttest_1samp(means, at, alternative=a).pvalue for at, a in ((0.9, "less"), (-0.9, "greater"))
    ]
    assert kinds.mean(cells(values), one_family(), Side("within", 0.9)).p == pytest.approx(max(both))
    assert (found.n_networks, found.n_images, found.n_pairs) == (N, IMAGES, 0)


def test_a_difference_of_two_halves_of_cells_is_that_of_their_means():
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((2, N, IMAGES))
    both = [cells(values) for values in (first, second)]
    joined = families.Cells(
        *(
            np.concatenate([getattr(part, name) for part in both])
            for name in ("value", "without", "one", "other")
        )
    )
    against = np.arange(2 * N) >= N
    found = kinds.mean(joined, one_family(), ABOVE, against)
    assert found.estimate == pytest.approx((first - second).mean())
    alone = kinds.mean(cells(first - second), one_family(), ABOVE)
    assert found.interval == pytest.approx(alone.interval)  # a network and an image go from both halves


def test_a_slope_is_that_of_a_regression_over_networks():
    rng = np.random.default_rng(3)
    x = rng.uniform(size=N)
    values = np.repeat((2 * x + 0.1 * rng.standard_normal(N))[:, None], IMAGES, axis=1)
    found = kinds.slope(values[:, 0], values, x, Side("within", 0.5))
    expected = stats.linregress(x, values[:, 0])
    assert found.estimate == pytest.approx(expected.slope)
    half = (found.interval[1] - found.interval[0]) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, N - 2) * expected.stderr, rel=0.5)
    assert found.p > 0.99  # it is 2, far beyond the margin


def test_an_adjusted_difference_is_the_coefficient_of_a_regression():
    rng = np.random.default_rng(4)
    covariate = rng.standard_normal(N)
    architecture = pd.get_dummies(NETWORKS.architecture).to_numpy(float)
    values = architecture @ [1.0, 2.0, 3.0] + 0.7 * covariate + 1.5 * ROBUST
    without = np.repeat(values[:, None], IMAGES, axis=1) + 1e-6 * rng.standard_normal((N, IMAGES))
    found = kinds.adjusted(values, without, covariate[:, None], NETWORKS, 1.0, 199, rng)
    assert found.estimate == pytest.approx(1.5) and found.p == found.smallest_p == 1 / 200
    turned = kinds.adjusted(values, without, covariate[:, None], NETWORKS, -1.0, 199, rng)
    assert turned.estimate == pytest.approx(-1.5)
    same = kinds.adjusted(values, without, ROBUST[:, None] + 0.0, NETWORKS, 1.0, 199, rng)
    assert np.isnan(same.estimate) and same.reason == kinds.COLLINEAR


def test_the_gap_of_two_rank_correlations_is_that_of_scipy():
    rng = np.random.default_rng(5)
    one, other, outcome = rng.standard_normal((3, N))
    found = kinds.stronger(one, other, outcome, 199, rng)
    sizes = [abs(stats.spearmanr(column, outcome).statistic) for column in (one, other)]
    assert found.estimate == pytest.approx(sizes[0] - sizes[1]) and found.smallest_p == 1 / 200
    null = [
        abs(abs(stats.spearmanr(one, y).statistic) - abs(stats.spearmanr(other, y).statistic))
        for y in (rng.permutation(outcome) for _ in range(400))
    ]
    assert found.p == pytest.approx(np.mean(np.array(null) >= abs(found.estimate)), abs=0.1)


@pytest.mark.parametrize("name", planted.WORLDS)
def test_a_claim_about_two_networks_is_undecided_and_says_why(name):
    world, amount = planted.WORLDS[name]
    tables = world(np.random.default_rng(6), amount)
    few = ["resnet_standard_0", "resnet_robust_0"]
    cut = {
        key: table[table.source.isin(few) & table.target.isin([*few, "", planted.BRAIN])]
        if key == "units"
        else table[table.network.isin(few)]
        for key, table in tables.items()
    }
    row = planted.verdict_of(name, cut, table_of_networks=NETWORKS.loc[few])
    assert row["verdict"] == "undecided" and row["reason"]


def test_networks_of_one_family_alone_decide_no_claim_that_compares_families():
    for name in ("robust_networks_need_larger_perturbations", "sensitivity_differs_at_equal_prediction"):
        world, amount = planted.WORLDS[name]
        tables = world(np.random.default_rng(7), amount)
        row = planted.verdict_of(name, tables, table_of_networks=NETWORKS[NETWORKS.family == "robust"])
        assert row["verdict"] == "undecided" and row["reason"] == kinds.FEW


def test_values_that_are_all_the_same_have_no_interval():
    found = kinds.mean(cells(np.full((N, IMAGES), 0.5)), NETWORKS, ABOVE)
    assert found.estimate == 0.5 and np.isnan(found.interval[0]) and found.reason == kinds.ALIKE


def test_a_claim_that_must_hold_for_several_shows_the_one_that_holds_least():
    rng = np.random.default_rng(8)
    row = planted.verdict_of("targeted_beats_controls", planted.targeted(rng, 0.3))
    assert row["part"] == "other_image" and row["n_parts"] == 3 and row["verdict"] == "supported"
    assert "perturbation == 'other_image'" in row["where"]
    row = planted.verdict_of("targeted_beats_controls", planted.targeted(rng, -2.0))
    assert row["part"] == "other_image" and row["verdict"] == "contradicted"
