"""Figures of ranking and power draw every number of their tables, and mark the plan and what it found."""

from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import planted_summaries as planted
import planted_tables
import plot_stimulus_ranking
import pytest
from planted_summaries import statements, words_of

from codingaxes.names import BRAIN

pytestmark = pytest.mark.slow  # plants all tables


def lines_of(axis, color):
    """Lines of one colour on an axis, as arrays (points, 2)."""
    same = [line for line in axis.get_lines() if mpl.colors.same_color(line.get_color(), color)]
    return [line.get_xydata() for line in same]


def test_each_truth_has_a_panel_and_each_strategy_a_line_of_the_values_of_the_table(folder):
    page, values = planted.page_of(folder, "stimulus_ranking")
    table = planted.read(folder, "selection_curves")
    assert len(values) == len(table) and values.truth.nunique() == 4
    titles = [axis.get_title() for axis in page.axes if axis.get_title()]
    assert titles == ["A PLAIN", "B TOUGH", "C TOUGH", "Simulated brain: robust"]
    rows = table.set_index(["truth", "strategy"])
    for axis, truth in zip(page.axes, ("a_plain", "b_tough", "c_tough", BRAIN), strict=False):
        for strategy, (_, color, _) in plot_stimulus_ranking.STRATEGIES.items():
            expected = rows.loc[(truth, strategy), ["n_stimuli", "right"]].to_numpy(float)
            drawn = [line for line in lines_of(axis, color) if len(line) > 2]
            np.testing.assert_allclose(drawn, [expected])


def test_a_set_without_judges_has_a_figure_that_says_why(folder):
    reason = "fewer than two families have a judge of another architecture than the makers"
    blank = {"right": np.nan, "low": np.nan, "high": np.nan, "n_experiments": np.int32(0), "reason": reason}
    planted_tables.edit(folder, "selection_curves", lambda rows: rows.assign(**blank))
    page, _ = planted.page_of(folder, "stimulus_ranking")
    assert any(reason in text for text in statements(page))


def test_power_has_a_line_for_each_number_of_subjects_and_a_star_where_the_plan_found_the_difference(folder):
    page, values = planted.page_of(folder, "power")
    table = planted.read(folder, "set_power")
    assert len(values) == len(table) and len(page.axes) == 3 * 2
    plans = values[values.planned]
    assert len(plans) == len(planted.read(folder, "set_experiments")) == 4
    assert (plans.found == (plans.roi == "FFA")).all()
    panels = product(("standard", "robust", BRAIN), ("FFA", "PPA"))
    for axis, (family, roi) in zip(page.axes, panels, strict=True):
        rows = table[(table.predicted_by == family) & (table.roi == roi)]
        drawn = [line.get_xydata() for line in axis.get_lines() if len(line.get_xydata()) == 6]
        expected = [part[["n_repetitions", "power"]].to_numpy() for _, part in rows.groupby("n_subjects")]
        np.testing.assert_allclose(drawn, expected)
        black = [line for line in axis.get_lines() if mpl.colors.same_color(line.get_color(), "black")]
        stars = [line.get_marker() for line in black]
        assert stars == ([] if family == BRAIN else ["*" if roi == "FFA" else "X"])


def test_without_a_brain_power_has_no_plan(tmp_path):
    planted.plant(tmp_path, brain=False)
    page, values = planted.page_of(tmp_path, "power")
    assert not values.planned.any() and not any("planned" in text for text in statements(page))


def test_without_judges_power_says_so(folder):
    for table in ("set_power", "set_experiments"):
        planted_tables.edit(folder, table, lambda rows: rows.head(0))
    page, values = planted.page_of(folder, "power")
    assert values.empty and any("no judge of another architecture" in text for text in statements(page))


def test_a_set_that_keeps_the_most_telling_images_has_a_figure_of_power_that_says_that_nothing_was_planned(
    folder,
):
    page, values = planted.page_of(folder, "power", choose="information")
    assert values.empty and not any(axis.lines for axis in page.axes)
    made = len(planted.read(folder, "set_ranking"))
    said = " ".join(words_of(page).split())
    assert f"nothing was planned: of the {made} images that were made for models, the set keeps" in said
    assert f"the {made - 2} that tell most of the right family" in said
    written = planted.draw(folder, "power", choose="information")
    assert all(Path(file).stat().st_size for file in written.values())
    assert list(pd.read_csv(written["csv"])) == list(values)


def test_a_set_that_could_not_be_ranked_keeps_all_pairs_and_has_its_power_drawn(folder):
    expected = planted.page_of(folder, "power")[1]
    planted_tables.edit(folder, "set_ranking", lambda rows: rows.assign(gain=np.nan, reason="no judge"))
    page, values = planted.page_of(folder, "power", choose="information")
    pd.testing.assert_frame_equal(values, expected)
    assert "nothing was planned" not in words_of(page) and len(page.axes) == 3 * 2
