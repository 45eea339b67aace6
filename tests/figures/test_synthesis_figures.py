"""Figures of synthesised images draw the right pictures and rows: makers, radii, arms, controls."""

import numpy as np
import pandas as pd
import planted_summaries as planted
import planted_tables
import plot_control_slopes
import plot_exciting_images
import plot_noise_patterns
import pytest
from matplotlib.collections import PathCollection
from PIL import Image
from planted_summaries import BRAIN, REGIONS, SIZE, statements, words_of

from codingaxes.figures import made, pictures, style

pytestmark = pytest.mark.slow  # plants all tables

LARGE, MIDDLE = 30 * SIZE / 224, 10 * SIZE / 224  # radii of the ladder
DIRECTIONS = ("increase", "decrease")


def drawn(page):
    """All pictures of a figure, as arrays."""
    return [image.get_array() for axis in page.axes for image in axis.images]


def of_files(files):
    """Read the pictures of some files."""
    return [np.asarray(Image.open(file)) / 255 for file in files]


def shown_in(page, wanted):
    """Whether every wanted picture is drawn."""
    return all(any(np.allclose(one, other, atol=1e-6) for other in drawn(page)) for one in wanted)


def test_large_perturbations_are_those_of_the_radius_nearest_to_30_by_two_networks_up_and_down(study):
    page, values = planted.page_of(study, "large_perturbations")
    assert values.radius.to_numpy() == pytest.approx(LARGE)
    cases = values.groupby(["roi", "direction", "rank", "network"]).size()
    assert len(cases) == len(REGIONS) * 2 * 2 * 2 and (cases == 1).all()
    assert set(values.network) == {"a_plain", "b_tough"} and set(values.arm) == {"pixels"}
    table = planted.read(study, "synthesis").query("kind == 'perturbation' and control == 'none'")
    table = table[np.isclose(table.radius, LARGE) & (table.arm == "pixels")]
    table = table[table.network.isin(["a_plain", "b_tough"])]
    assert shown_in(page, of_files(table.file)) and len(drawn(page)) == 2 * len(
        table
    )  # with each, its original
    level = planted.read(study, "peer_review").query("network == reviewer and kind == 'perturbation'")
    level = level[(level.control == "none") & (level.network == "a_plain") & (level.arm == "pixels")]
    level = level[np.isclose(level.radius, LARGE) & (level.direction == "increase")].level.iloc[0]
    assert sum(f"→ {level:.2f}" in text for text in statements(page)) >= len(REGIONS)


def test_noise_patterns_are_differences_from_the_image_times_the_stated_factor_of_every_model(study):
    page, values = planted.page_of(study, "noise_patterns")
    assert sorted(values.network) == sorted(["a_plain", "b_tough", "c_tough", BRAIN] * len(REGIONS))
    assert values.radius.to_numpy() == pytest.approx(MIDDLE) and set(values.direction) == {"increase"}
    factor = values.amplification.iloc[0]
    assert any(f"× {factor:g}" in text for text in statements(page))
    row = values.iloc[0]
    table = planted.read(study, "synthesis")
    key = ["network", "roi", "direction", "image_id", "arm"]
    same = (table[key] == row[key]).all(axis=1) & np.isclose(table.radius, MIDDLE)
    (file,) = table[same & (table.kind == "perturbation") & (table.control == "none")].file
    stimuli = planted.read(study, "stimuli").set_index("image_id").file
    delta = of_files([file])[0] - of_files([stimuli[row.image_id]])[0]
    assert shown_in(page, [np.clip(0.5 + factor * delta, 0, 1)])


def test_standard_and_robust_networks_stand_on_lines_apart_and_long_lines_are_broken():
    names = [f"s{i}" for i in range(11)] + ["r1", "o1", BRAIN]
    families = ["standard"] * 11 + ["robust", "self_supervised", BRAIN]
    places = plot_noise_patterns.layout(names, pd.DataFrame({"family": families}, index=names))
    lines = {name: line for name, (_, line) in places.items()}
    assert lines["s0"] == lines["s8"] == 0 and lines["s9"] == 1 and lines["r1"] == 2 and lines["o1"] == 3
    assert len(set(places.values())) == len(names) and places[BRAIN][0] == 0


def test_strips_have_every_radius_of_both_arms_for_a_standard_a_robust_network_and_the_brain(study):
    page, values = planted.page_of(study, "ladder_strips")
    cases = values.groupby(["roi", "network", "arm"]).radius.apply(list)
    assert len(cases) == len(REGIONS) * 3 * 2 and all(radii == sorted(set(radii)) for radii in cases)
    assert set(values.network) == {"a_plain", "b_tough", BRAIN} and set(values.direction) == {"increase"}
    assert values.groupby("roi").image_id.nunique().eq(1).all()
    assert len(drawn(page)) == len(values) + len(REGIONS)


def test_a_study_with_one_arm_has_one_strip_and_is_drawn_everywhere(folder):
    for table in ("synthesis", "peer_review", "control_slopes", "ladder_changes", "category_evidence"):
        planted_tables.edit(folder, table, lambda rows: rows[rows.arm == "fourier"])
    for figure in ("large_perturbations", "noise_patterns", "ladder_strips", "exciting_images"):
        page, values = planted.page_of(folder, figure)
        assert set(values.arm) == {"fourier"} and "o prior" not in "".join(statements(page))
    for figure in ("peer_review", "control_slopes", "response_against_radius", "category_evidence"):
        assert set(planted.page_of(folder, figure)[1].arm) == {"fourier"}


def test_exciting_images_are_those_of_limited_contrast_with_the_level_of_every_model(study):
    page, values = planted.page_of(study, "exciting_images")
    table = planted.read(study, "synthesis").query("kind == 'exciting' and limited")
    assert shown_in(page, of_files(table.file)) and len(drawn(page)) == len(table)
    assert len(values) == 4 * len(table) and set(values.reviewer) == {"a_plain", "b_tough", "c_tough", BRAIN}
    levels = planted.read(study, "peer_review").query("kind == 'exciting' and limited")
    key = ["network", "arm", "roi", "direction", "start", "draw", "image_id", "reviewer"]
    joined = values.merge(levels, on=key, suffixes=("", "_planted"), validate="one_to_one")
    assert len(joined) == len(values) and joined.level.to_numpy() == pytest.approx(joined.level_planted)


def test_at_most_four_makers_are_drawn_and_those_of_other_figures_come_first(tmp_path):
    zoo = planted.plant_networks(tmp_path, zoo=planted.networks_of(7))
    looks = style.look(zoo)
    makers = plot_exciting_images.choose_makers(zoo, looks, {*zoo.network, BRAIN})
    assert len(makers) == 4 and makers[-1] == BRAIN
    assert set(pictures.chosen_makers(zoo)) <= set(makers)


def test_the_first_network_stands_for_standard_and_robust_ones_where_there_are_none():
    networks = pd.DataFrame({"network": ["x", "y"], "family": ["own", "own"], "architecture": ["a", "b"]})
    assert pictures.chosen_makers(networks.assign(training_radius=0.0)) == ["x", BRAIN]


def test_the_nearest_radius_is_the_nearest_by_ratio_at_any_size_of_images():
    rows = pd.DataFrame({"radius": [1.0, 10.0, 50.0]})
    assert pictures.nearest(rows, 30, 224).radius.tolist() == [50.0]
    assert pictures.nearest(rows * 64 / 224, 20, 64).radius.tolist() == [pytest.approx(10 * 64 / 224)]


def test_peer_review_has_no_controls_and_regions_in_the_order_of_the_study(study):
    _, values = planted.page_of(study, "peer_review", regions=list(reversed(REGIONS)))
    assert list(values.roi.unique()) == list(reversed(REGIONS))
    table = planted.read(study, "control_slopes").query("control == 'none' and roi != 'all'")
    joined = values.merge(table, on=["network", "reviewer", "roi", "arm"], validate="one_to_one")
    assert len(joined) == len(table) == len(values)
    assert joined.highest_x.to_numpy() == pytest.approx(joined.highest_y)


def test_control_slopes_are_of_the_brain_alone_and_of_networks_with_controls_and_rank_correlations(study):
    page, values = planted.page_of(study, "control_slopes")
    table = planted.read(study, "control_slopes").query("roi != 'all'")
    table = table[(table.reviewer == BRAIN) & (table.network != BRAIN)]
    assert len(values) == len(table)
    assert sorted(values.slope) == pytest.approx(sorted(table.slope))
    first = page.axes[0]
    marks = [one.get_offsets().data for one in first.collections if isinstance(one, PathCollection)]
    expected = values[values.roi == REGIONS[0]].slope
    assert np.sort(np.concatenate(marks)[:, 1]) == pytest.approx(np.sort(expected))
    ranks = planted.read(study, "predictors").query("outcome == 'control_pixels' and among == 'all'")
    ranks = ranks[ranks.predictor.isin(list(plot_control_slopes.MEASURES)) & ranks.roi.isin(REGIONS)]
    texts = "".join(statements(page))
    assert all(f"ρ = {rank:+.2f}".replace("-", "−") in texts for rank in ranks.rank_correlation)


def test_an_interval_far_beyond_all_slopes_is_cut_and_said_to_be(folder):
    def wide(rows):
        return rows.assign(ci_high=rows.ci_high.where(rows.network != "a_plain", 50.0))

    planted_tables.edit(folder, "control_slopes", wide)
    page, values = planted.page_of(folder, "control_slopes")
    assert page.axes[0].get_ylim()[1] < 2 and values.ci_high.max() == 50.0
    assert any("cut" in text for text in statements(page))


def test_responses_against_radius_are_the_makers_own_and_the_brains_without_controls(study):
    page, values = planted.page_of(study, "response_against_radius")
    table = planted.read(study, "ladder_changes").query("roi != 'all' and control == 'none'")
    table = table[table.arm == "pixels"]
    own, brain = table.network == table.reviewer, table.reviewer == BRAIN
    assert len(values) == (own | brain).sum()
    assert sorted(values.change) == pytest.approx(sorted(table[own | brain].change))
    assert set(values[values.seen_by == "itself"].network) == {"a_plain", "b_tough", "c_tough", BRAIN}
    assert BRAIN not in set(values[values.seen_by == "brain"].network)
    assert len(page.axes) == 4 * len(REGIONS)


def test_without_a_brain_only_own_changes_are_drawn(tmp_path):
    planted.plant(tmp_path, brain=False)
    page, values = planted.page_of(tmp_path, "response_against_radius")
    assert len(page.axes) == 2 * len(REGIONS) and set(values.seen_by) == {"itself"}


def test_evidence_is_of_one_size_of_every_family_one_blend_and_random_phases(study):
    page, values = planted.page_of(study, "category_evidence")
    assert values.radius.to_numpy() == pytest.approx(LARGE)
    assert set(values[values.control == "none"].family) == {"standard", "robust", BRAIN}
    assert set(values[values.control == "blend"].family) == {"robust"}
    assert set(values[values.control == "phase_scrambled"].family) == {"standard", "robust"}
    assert set(values.judges) == {"standard", "robust", BRAIN}
    assert list(values.direction.unique()) == list(DIRECTIONS) and len(page.axes) == 4 * len(REGIONS)


def test_where_images_are_too_few_for_intervals_the_figure_of_evidence_says_so(folder):
    nothing = {"ci_low": np.nan, "ci_high": np.nan, "n_images": 2}
    planted_tables.edit(
        folder, "category_evidence", lambda rows: rows.assign(**nothing).astype({"n_images": "int32"})
    )
    texts = statements(planted.page_of(folder, "category_evidence")[0])
    assert any("no intervals: too few images" in text for text in texts)
    assert not any("95%" in text for text in texts)


@pytest.mark.parametrize("figure", ["large_perturbations", "ladder_strips", "exciting_images"])
def test_a_missing_level_is_called_unknown_and_the_rest_is_drawn(study, folder, figure):
    planted.edit(folder, "peer_review", lambda rows: rows.assign(level=rows.level.where(rows.roi != "FFA")))
    page, values = planted.page_of(folder, figure)
    assert len(values) == len(planted.page_of(study, figure)[1]) and values.level.isna().any()
    assert any("unknown" in text for text in statements(page)) and "nan" not in "".join(statements(page))


def test_what_stands_below_a_picture_is_before_and_after_and_true_minus_signs():
    row = pd.Series({"response_before": -0.512, "response": 4.8765, "level_before": 0.18, "level": 1.923})
    assert made.before_and_after(row) == "−0.51 → 4.88 SD\nlevel 0.18 → 1.92"
    rows = pd.DataFrame({"radius": [8.571], "converged": [False]})
    assert made.radius_text(rows, 64) == "l2 radius 8.57, pixels in [0, 1] (30 at 224 × 224 pixels)"
    assert made.radius_text(rows, 224) == "l2 radius 8.57, pixels in [0, 1]"
    assert made.unconverged_text(rows) == "not converged (kept): 1 of 1 pictures"


def test_evidence_that_nobody_has_leaves_panels_empty_and_says_why(folder):
    nothing = dict.fromkeys(["evidence", "evidence_before", "change", "ci_low", "ci_high"], np.nan)
    planted_tables.edit(
        folder, "category_evidence", lambda rows: rows.assign(**nothing, reason="no evidence")
    )
    page, values = planted.page_of(folder, "category_evidence")
    assert values.evidence.isna().all()
    assert "no model judges the categories of these regions" in words_of(page)
