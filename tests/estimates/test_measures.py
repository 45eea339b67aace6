"""Measures of the study: each is what its docstring says."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from planted import MODELS, NETWORKS, ZOO
from scipy.stats import spearmanr

from codingaxes.estimates import bootstrap, measures
from codingaxes.names import BRAIN, NOISE

ABOUT = ZOO.set_index("network")


def test_a_change_counts_as_positive_where_it_goes_the_attacked_way_and_noise_by_its_size():
    direction = pd.Series(["increase", "decrease", "decrease", "none", "none"])
    change = measures.attacked_change(pd.Series([1.0, -2.0, 3.0, -4.0, np.nan]), direction)
    np.testing.assert_array_equal(change, [1.0, 2.0, -3.0, 4.0, np.nan])
    assert measures.attacked_change(pd.Series(dtype=float), pd.Series(dtype="str")).empty


def test_own_attacks_count_in_their_direction_and_everything_else_by_size():
    kind = pd.Series(["attack", "attack", "other_image", "transferred"])
    direction = pd.Series(["decrease", "increase", "decrease", "increase"])
    change = measures.counted_change(pd.Series([-2.0, -0.1, -3.0, -4.0]), direction, kind)
    assert change.tolist() == [2.0, -0.1, 3.0, 4.0]


def test_sensitivity_is_the_median_over_images_and_directions_with_an_interval_over_images(rng):
    change, images = rng.normal(1.0, 0.2, 40), np.repeat(np.arange(20), 2)
    median, low, high = measures.sensitivity(change, np.zeros(40), images, rng, 200)
    assert median == np.median(change) and low < median < high


def test_relative_transfer_is_a_ratio_of_means_and_missing_without_a_reference():
    ratio = measures.relative_transfer(np.array([0.5, 1.0]), np.array([2.0, 0.0]))
    np.testing.assert_array_equal(ratio, [0.25, np.nan])
    change, own = np.array([[0.1, 0.5, 0.0]]), np.array([[1.0, 1.0, 0.4]])
    counts = bootstrap.draw_counts(3, np.random.default_rng(0), 10)
    assert bootstrap.bootstrap_ratios(change, own, counts)[0] == measures.relative_transfer(0.2, 0.8)


def test_the_main_radius_is_the_largest_of_the_main_attacks_whatever_else_is_larger():
    attacks = pd.DataFrame({"attack": ["l2", "l2", "l2_large", "random"], "radius": [0.3, 0.9, 9.0, 0.9]})
    assert measures.main_radius(attacks) == 0.9
    changes = pd.DataFrame({"norm": ["l2", "linf", "l2"], "radius": [0.3, 8.0, 0.9]})
    assert measures.main_radius(changes) == 0.9
    rows, radius = measures.at_main_radius(attacks)
    assert list(rows.index) == [1] and radius == 0.9


def test_the_share_of_unconverged_attacks_is_of_all_attacks():
    assert measures.unconverged(pd.Series([True, True, False, True])) == 0.25


@pytest.mark.parametrize("missed", [0, 5])
def test_a_quartile_of_the_size_needed_is_the_smallest_that_suffices_for_its_share(rng, missed):
    size, reached = pd.Series(rng.uniform(0.1, 1.0, 8)), pd.Series(np.arange(8) >= missed)
    needed = measures.size_needed(size, reached)
    for name, share in (("low", 0.25), ("median", 0.5), ("high", 0.75)):
        enough = ((size <= needed[name]) & reached).sum()
        if np.isinf(needed[name]):
            assert reached.mean() < share
        else:
            assert enough / 8 >= share > (enough - 1) / 8
    assert np.isinf(needed["median"]) == (missed == 5) and np.isfinite(needed["low"])


def test_scores_over_their_ceiling_are_missing_where_there_is_none():
    ratio = measures.over_ceiling(pd.Series([0.4, 0.4, 0.4]), pd.Series([0.8, 0.0, np.nan]))
    np.testing.assert_array_equal(ratio, [0.5, np.nan, np.nan])


def test_a_rank_correlation_is_that_of_complete_rows_and_missing_for_too_few_or_a_constant(rng):
    x, y = pd.Series(rng.integers(0, 5, 30).astype(float)), pd.Series(rng.normal(size=30))
    expected = spearmanr(x[2:], y[2:]).statistic
    y[:2] = np.nan
    assert measures.rank_correlation(x, y) == (pytest.approx(expected), 28)
    assert np.isnan(measures.rank_correlation(x[:4], y[:4])[0])
    correlation, n = measures.rank_correlation(pd.Series([1.0] * 30), y)
    assert np.isnan(correlation) and n == 28


def test_means_of_images_weigh_images_alike_however_many_rows_they_have():
    rows = pd.DataFrame({"roi": "FFA", "image_id": ["b", "a", "a"], "change": [1.0, 2.0, 4.0]})
    means = measures.image_means(rows, "change", ["roi"])
    assert list(zip(means.image_id, means.change, strict=True)) == [("b", 1.0), ("a", 3.0)]


def pairs_of(first, second):
    """All pairs of different models, as columns one and other."""
    rows = pd.DataFrame(product(first, second), columns=["one", "other"])
    return rows[rows.one != rows.other]


def test_pairs_are_split_by_family_and_architecture_with_the_brain_apart():
    pairs = pairs_of(NETWORKS, MODELS)
    kinds = dict(measures.kinds_of_pairs(pairs, "one", "other", ABOUT))
    assert {kind: len(part) for kind, part in kinds.items()} == {
        ("robust", "robust", "different"): 2,
        ("standard", "robust", "any"): 2,
        ("standard", BRAIN, "any"): 1,
        ("robust", "standard", "any"): 2,
        ("robust", BRAIN, "any"): 2,
    }
    assert sum(map(len, kinds.values())) == len(pairs)
    alike = dict(measures.kinds_of_pairs(pairs, "one", "other", ABOUT.assign(architecture="vgg")))
    assert ("robust", "robust", "same") in alike and ("robust", "robust", "different") not in alike


def test_a_pair_is_described_by_both_families_and_whether_the_architecture_is_the_same():
    one = pd.Series(["a_plain", "b_tough", "b_tough", BRAIN, NOISE])
    other = pd.Series(["b_tough", "c_tough", "b_tough", "a_plain", "a_plain"])
    kinds = measures.describe_pairs(one, other, ABOUT)
    assert kinds.family_one.tolist() == ["standard", "robust", "robust", BRAIN, NOISE]
    assert kinds.family_other.tolist() == ["robust", "robust", "robust", "standard", "standard"]
    assert kinds.architectures.tolist() == ["same", "different", "itself", "different", "any"]


def test_an_undirected_pair_is_of_the_same_kind_whichever_of_its_models_comes_first():
    pairs = pd.DataFrame([("b_tough", "a_plain"), (BRAIN, "c_tough")], columns=["one", "other"])
    turned = pairs.rename(columns={"one": "other", "other": "one"})
    for frame in (pairs, turned):
        ordered = measures.in_family_order(frame, "one", "other", ABOUT)
        assert ordered.one.tolist() == ["a_plain", "c_tough"]
        assert ordered.other.tolist() == ["b_tough", BRAIN]
    within = measures.in_family_order(pairs_of(["c_tough"], ["b_tough"]), "one", "other", ABOUT)
    assert within.one.item() == "c_tough"  # of one family, the order stays


def test_kinds_of_undirected_pairs_do_not_depend_on_the_order_of_the_networks():
    rows = [("a", "standard"), ("b", "robust"), ("c", "standard"), ("d", "robust")]
    found = []
    for order in (rows, rows[::-1], [rows[1], rows[0], rows[3], rows[2]]):
        networks = pd.DataFrame(order, columns=["network", "family"]).set_index("network")
        networks["architecture"] = "resnet"
        names = list(networks.index)
        pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
        pairs = pd.DataFrame(pairs, columns=["one", "other"])
        ordered = measures.in_family_order(pairs, "one", "other", networks)
        kinds = measures.kinds_of_pairs(ordered, "one", "other", networks)
        found.append({(frozenset(kind[:2]), kind[2]): len(part) for kind, part in kinds})
    assert found[0] == found[1] == found[2] and sum(found[0].values()) == 6 and len(found[0]) == 3


def test_of_two_attacks_on_an_image_the_larger_change_counts_with_the_sign_of_the_talk():
    rows = pd.DataFrame(
        {
            "image_id": ["a", "a", "b", "b", "c", "c"],
            "direction": ["increase", "decrease"] * 3,
            "change": [1.0, -2.0, 3.0, -1.0, np.nan, -0.5],
        }
    )
    chosen = measures.largest_changes(rows, ["image_id"]).set_index("image_id")
    assert chosen.s.to_dict() == {"a": 2.0, "b": -3.0, "c": 0.5}
    assert chosen.direction.to_dict() == {"a": "decrease", "b": "increase", "c": "decrease"}


def test_a_change_in_units_of_predictions_that_do_not_vary_is_missing():
    own = measures.in_own_units(pd.Series([1.0, 1.0, 1.0]), pd.Series([0.5, 0.0, np.nan]))
    assert own[0] == 2.0 and own[1:].isna().all()
