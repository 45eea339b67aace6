"""The figure of images made elsewhere: curves, points, noise, the front, and which changes it shows."""

import numpy as np
import pandas as pd
import planted_methods
import planted_summaries as planted
import planted_tables
import pytest
from matplotlib.collections import PathCollection
from planted_methods import COMMON, GAINS, SINGLE, SIZES
from planted_summaries import REGIONS, words_of

from codingaxes.names import BRAIN

pytestmark = pytest.mark.slow  # draws a figure in every test


@pytest.fixture
def folder(tmp_path):
    """The tables of three networks and the brain that the figure reads."""
    zoo = planted.plant_networks(tmp_path)
    planted_methods.plant(tmp_path, planted_tables.write, zoo, [*zoo.network, BRAIN], list(REGIONS))
    measures = [{"network": "a_plain", "roi": roi} for roi in REGIONS]  # of which the regions are known
    planted_tables.write(tmp_path, "network_measures", measures)
    return tmp_path


def edit(folder, change):
    """Edit the planted curves."""
    planted_tables.edit(folder, "method_curves", change)


def test_rows_are_families_and_the_brain_and_lines_lie_at_the_planted_values(folder):
    page, values = planted.page_of(folder, "method_scores")
    assert len(page.axes) == 3 * len(REGIONS)
    assert list(values.seen_by.unique()) == ["standard", "robust", BRAIN]
    lines = [line for line in page.axes[0].lines if len(line.get_xdata()) == len(SIZES)]
    assert len(lines) == len(GAINS)
    for line, gain in zip(lines, GAINS.values(), strict=True):
        np.testing.assert_allclose(line.get_xdata(), SIZES)
        np.testing.assert_allclose(line.get_ydata(), gain * SIZES**0.5)


def test_a_method_without_a_curve_is_a_point_and_others_have_no_second_mark(folder):
    page, values = planted.page_of(folder, "method_scores")
    assert set(values.method[values["at"] == "own"]) == set(SINGLE)
    marks = [one for one in page.axes[0].collections if isinstance(one, PathCollection)]
    points = np.concatenate([one.get_offsets().data for one in marks])
    assert any(np.allclose(point, SINGLE["generative prior"]) for point in points)


def test_rings_are_the_front_and_dashes_the_ends_of_the_common_sizes(folder):
    page, _ = planted.page_of(folder, "method_scores")
    marks = [one.get_offsets().data for one in page.axes[0].collections if isinstance(one, PathCollection)]
    rings = max(marks, key=len)
    np.testing.assert_allclose(rings[:, 0], SIZES)
    np.testing.assert_allclose(rings[:, 1], GAINS["attack"] * SIZES**0.5)
    dashed = [line.get_xdata()[0] for line in page.axes[0].lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(sorted(dashed), SIZES[COMMON][[0, -1]])


def test_the_wanted_change_is_drawn_where_all_methods_wanted_one_and_else_its_size(folder):
    page, values = planted.page_of(folder, "method_scores")
    assert set(values.measure) == {"wanted"} and "change in the wanted direction" in words_of(page)
    edit(folder, lambda rows: rows[(rows.measure == "size") | (rows.method != "warp")])
    page, values = planted.page_of(folder, "method_scores")
    assert set(values.measure) == {"size"} and "some methods wanted no direction" in words_of(page)


def test_an_interval_far_beyond_all_means_is_cut_and_said_to_be(folder):
    edit(folder, lambda rows: rows.assign(ci_high=rows.ci_high.where(rows.method != "warp", 500.0)))
    page, values = planted.page_of(folder, "method_scores")
    assert page.axes[0].get_ylim()[1] < 3 and values.ci_high.max() == 500.0
    assert "cut where they leave a panel" in words_of(page)


def test_intervals_that_are_missing_are_said_to_be_of_few_images(folder):
    assert "none of fewer than three" not in words_of(planted.page_of(folder, "method_scores")[0])
    edit(folder, lambda rows: rows.assign(ci_low=np.nan, ci_high=np.nan))
    assert "none of fewer than three images" in words_of(planted.page_of(folder, "method_scores")[0])


def test_of_a_folder_without_originals_an_empty_panel_says_so(folder):
    edit(folder, lambda rows: rows[:0])
    page, values = planted.page_of(folder, "method_scores")
    assert "n = 0 images with an original" in words_of(page) and values.empty


def test_many_methods_have_looks_of_their_own_and_fit_below_the_panels(folder):
    def more(rows):
        warp = rows[rows.method == "warp"]
        return pd.concat([rows, *(warp.assign(method=f"warp {n}") for n in range(9))], ignore_index=True)

    edit(folder, more)
    page, values = planted.page_of(folder, "method_scores")
    looks = {
        (line.get_color(), line.get_marker())
        for line in page.legends[0].get_lines()
        if line.get_label().startswith(("attack", "blend", "warp", "generative"))
    }
    assert len(looks) == values.method.nunique() - 1 == 13
