"""The look of names, the order of rows, scales, and words in figures."""

import numpy as np
import pandas as pd
import planted_summaries as planted
import pytest
from matplotlib.colors import to_rgb

from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN


@pytest.fixture
def networks(tmp_path):
    return planted.plant_networks(tmp_path)


def test_a_name_has_the_same_colour_and_marker_in_every_figure(networks):
    first, second = style.look(networks), style.look(networks.copy())
    pd.testing.assert_frame_equal(first, second)
    assert first.color[BRAIN] == style.COLORS[BRAIN]
    assert first.color["a_plain"] == style.COLORS["standard"]
    assert first.marker["c_tough"] != first.marker["a_plain"] == style.MARKERS["resnet"]


def test_a_robust_network_is_darker_the_larger_its_training_radius(networks):
    looks = style.look(networks)
    assert sum(to_rgb(looks.color["b_tough"])) > sum(to_rgb(looks.color["c_tough"]))


def test_every_architecture_of_the_full_study_has_a_marker_of_its_own(tmp_path):
    looks = style.look(planted.plant_networks(tmp_path, "networks.tsv"))
    pairs = looks[["architecture", "marker"]].drop_duplicates()
    assert pairs.marker.is_unique and pairs.architecture.is_unique


def test_rows_come_in_the_given_order_and_others_are_dropped():
    frame = pd.DataFrame({"roi": ["B", "A", "B", "C"], "network": ["y", "x", "x", "x"], "value": range(4)})
    rows = style.in_order(frame, roi=["A", "B"], network=["x", "y"])
    assert rows.value.tolist() == [1, 2, 0]


def test_the_largest_value_of_a_column_selects_its_rows():
    rows, value = style.largest(pd.DataFrame({"radius": [0.1, 0.3, 0.1 + 0.2]}), "radius")
    assert len(rows) == 2 and value == pytest.approx(0.3)


@pytest.mark.parametrize(("low", "high"), [(0.0004, 0.22), (0.005, 0.2), (1e-5, 2e-5)])
def test_ticks_of_a_root_scale_lie_within_it_and_apart(low, high):
    norm = style.root_scale(low, high)
    ticks = style.root_ticks(norm)
    assert ticks[0] == low and ticks == sorted(set(ticks)) and ticks[-1] <= high and len(ticks) <= 6
    assert np.diff([float(norm(tick)) for tick in ticks]).min() > 0.05


def test_marks_without_a_value_are_not_drawn_and_names_of_columns_are_no_labels():
    _, axes = style.grid(1, 1, 2)
    axis, frame = axes[0, 0], pd.DataFrame({"name": ["a", "b"], "x": [0.0, 1.0], "y": [1.0, np.nan]})
    marks.points(axis, frame, "x", "y", "name", {"a": "#ff0000", "b": "#00ff00"}, {"a": "*", "b": "o"})
    assert axis.collections[0].get_offsets().data.tolist() == [[0.0, 1.0]]
    assert axis.get_xlabel() == axis.get_ylabel() == ""
    marks.points(axis, frame[1:], "x", "y", "name", {"b": "#00ff00"})
    assert len(axis.collections) == 1


def test_an_open_mark_is_white_within_and_has_the_colour_of_its_name():
    _, axes = style.grid(1, 1, 2)
    frame = pd.DataFrame({"name": ["a", "b"], "x": [0.0, 1.0], "y": [1.0, 2.0]})
    colors = {"a": "#ff0000", "b": "#00ff00"}
    marks.points(axes[0, 0], frame, "x", "y", "name", colors, filled=False)
    collection = axes[0, 0].collections[0]
    assert collection.get_facecolor().tolist() == [[1, 1, 1, 1]]
    assert collection.get_edgecolor().tolist() == [[1, 0, 0, 1], [0, 1, 0, 1]]


def test_numbers_have_a_true_minus_sign_and_spans_two_ends():
    assert words.number(-0.00041, 2) == "−0.00041" and words.signed_number(-0.5) == "−0.50"
    assert words.span(pd.Series([12, 12])) == "12" and words.span(pd.Series([10, 12])) == "10 to 12"
    assert words.percent(pd.Series([0.0, 0.625])) == "0 to 62%" and words.percent(pd.Series([1.0])) == "100%"
    assert (
        words.ranks(6, 0.333) == "ρ = +0.33, n = 6"
        and words.ranks(6, 0.3, -0.2) == "ρ = +0.30 (−0.20), n = 6"
    )
    assert words.ranks(1, np.nan, np.nan) == "n = 1 network" and words.ranks(2, np.nan) == "n = 2 networks"


def test_shares_are_stated_by_family(networks):
    frame = pd.DataFrame({"network": ["a_plain", "b_tough", "c_tough"], "share": [0.5, 0.0, 0.25]})
    assert words.by_family(frame, "share", style.look(networks)) == "50% standard, 0 to 25% robust"


def test_kinds_of_pairs_are_named_and_ordered_within_between_and_with_the_brain():
    kinds = [
        ("robust", BRAIN, "any"),
        ("robust", "standard", "any"),
        ("robust", "robust", "different"),
        ("standard", "robust", "any"),
        ("robust", "robust", "same"),
        ("standard", "standard", "same"),
    ]
    order = words.pair_order([*kinds, *kinds], ["standard", "robust"])
    assert [words.pair(kind) for kind in order] == [
        "within standard, same architecture",
        "within robust, same architecture",
        "within robust, different architecture",
        "standard to robust",
        "robust to standard",
        "robust to simulated brain",
    ]
    assert words.pair(("self_supervised", "robust", "any"), "and") == "self-supervised and robust"


def test_a_long_note_is_broken_between_statements():
    statements = [f"statement {i} " + "x" * 40 for i in range(6)]
    lines = words.note("; ".join(statements)).split("\n")
    assert len(lines) > 1 and all(len(line) <= words.LINE for line in lines)
    assert "; ".join(lines) == "; ".join(statements)
    assert max(map(len, words.note("word " * 60).split("\n"))) <= words.LINE


def test_a_note_counts_what_is_missing_by_reason_and_says_nothing_where_nothing_is():
    rows = pd.DataFrame({"value": [1.0, np.nan, np.nan, np.nan, np.nan, np.nan], "other": 1.0})
    rows["reason"] = ["", "few images", "no attack", "few images", "same", "odd"]
    assert words.missing(rows[:1], "value") == ""
    assert words.missing(rows[:3], "value") == "\n2 of 3 values are missing: few images (1); no attack (1)"
    line = "\n5 of 6 values are missing: few images (2); no attack (1); same (1); other reasons (1)"
    assert words.missing(rows, "value") == words.missing(rows, "other", "value") == line
    assert words.missing(rows.assign(reason=""), "value").endswith(": reason unknown (5)")
