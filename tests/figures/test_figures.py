"""Figures drawn from planted summaries: what the files and the pages must and must not hold."""

import re
import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import planted_summaries as planted
import planted_tables
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image
from planted_changes import RADII
from planted_summaries import INPUTS, REGIONS, statements

from codingaxes.figures import marks, style
from codingaxes.names import BRAIN

pytestmark = pytest.mark.slow  # draws every figure

MARKS = {  # figures of marks: the axis that values are on, and their columns
    "predicted_vs_measured": ("y", ["measured"]),
    "predictivity_vs_accuracy": ("y", ["r_over_ceiling", "r_k_fold_over_ceiling"]),
    "predictivity_vs_sensitivity": ("x", ["r_over_ceiling"]),
    "sensitivity_vs_representation": ("x", ["value"]),
    "attack_effects": ("y", ["change"]),
    "sensitivity": ("y", ["median"]),
    "transfer_strips": ("x", ["change"]),
    "attack_algorithms": ("x", ["estimate"]),
    "similarity_levels": ("x", ["similarity"]),
    "axes": ("y", ["value"]),
    "agreement": ("y", ["value"]),
    "predictors": ("x", ["rank_correlation", "r2_left_out"]),
    "families": ("x", ["relative"]),
}
SELECTED = {  # the rows that are marks, where others are lines, cells or text
    "agreement": "network != 'mean'",
    "axes": "measure != 'share_of_power'",
    "attack_algorithms": "measure != 'rank agreement'",
    "transfer_strips": "kind != 'random'",
}
OF_BRAIN = ("agreement", "predictors", "control_slopes")  # figures of studies with a simulated brain
MATRICES = {
    "peer_review": "highest",
    "transfer_matrix": "value",
    "similarity_matrix": "similarity",
    "similarity_clusters": "similarity",
}


@pytest.fixture(scope="module")
def pages(study):
    """Every figure of that study, drawn once: name -> matplotlib figure and values."""
    return {figure: planted.page_of(study, figure) for figure in INPUTS}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The tables of all networks of the full study, and of a brain, which makes the most crowded figures."""
    folder = tmp_path_factory.mktemp("whole")
    planted.plant(folder, "networks.tsv", regions=("FFA", "EBA", "PPA"))
    return folder


@pytest.fixture(scope="module")
def forty(tmp_path_factory):
    """The tables of forty made-up networks and a brain."""
    folder = tmp_path_factory.mktemp("forty")
    planted.plant(folder, zoo=planted.networks_of(40), regions=("FFA", "EBA", "PPA"))
    return folder


def content(path):
    with open(path, "rb") as file:
        return file.read()


def panels(page):
    """All axes of a figure, also those of its cluster maps."""
    return [*page.axes, *(axis for layer in page.findobj(marks.Layer) for axis in layer.layer.axes)]


def collections(page, kind):
    """All collections of a kind, and the axes that they are drawn on."""
    return [(axis, drawn) for axis in panels(page) for drawn in axis.collections if isinstance(drawn, kind)]


@pytest.mark.parametrize("figure", ["sensitivity", "similarity_clusters"])
def test_a_figure_drawn_twice_is_the_same_to_the_byte(study, figure):
    first, second = (planted.draw(study, figure, name) for name in ("first", "second"))
    assert content(first["pdf"]).startswith(b"%PDF")
    assert np.asarray(Image.open(first["png"]).convert("L")).std() > 10
    assert all(content(first[kind]) == content(second[kind]) for kind in first)
    # letters of a font that is embedded as such can be edited; those that are drawn cannot
    assert b"/Type0" in content(first["pdf"]) and b"/Type3" not in content(first["pdf"])


def test_the_csv_holds_what_is_plotted_one_row_for_each_mark(study, pages):
    written = pd.read_csv(planted.draw(study, "agreement")["csv"])
    plotted = pages["agreement"][1].replace({"reason": {"": np.nan}})  # a CSV has no empty words
    pd.testing.assert_frame_equal(written, plotted, rtol=1e-7, check_dtype=False)
    for _, values in pages.values():
        assert not values.duplicated().any()
        assert not [name for name in values if values[name].map(type).isin([tuple, list]).any()]


@pytest.mark.parametrize("figure", [name for name in INPUTS if name not in OF_BRAIN])
def test_a_figure_is_drawn_without_a_simulated_brain_of_one_region_and_of_voxels_alone(tmp_path, figure):
    planted.plant(tmp_path, brain=False, regions=("V1",), responses=("voxels",))
    page, values = planted.page_of(tmp_path, figure)
    assert BRAIN not in values.to_csv() and "imulated brain" not in "".join(statements(page))


def test_the_figure_of_agreement_refuses_a_study_without_a_simulated_brain(tmp_path):
    planted.plant(tmp_path, brain=False)
    with pytest.raises(ValueError, match="needs the simulated brain"):
        planted.draw(tmp_path, "agreement")


@pytest.mark.parametrize("figure", MARKS)
def test_the_marks_of_a_figure_lie_at_the_values_of_its_csv(pages, figure):
    page, values = pages[figure]
    which, columns = MARKS[figure]
    if figure in SELECTED:
        values = values.query(SELECTED[figure])
    offsets = [
        marks.get_offsets().data[:, "xy".index(which)] for _, marks in collections(page, PathCollection)
    ]
    expected = np.sort(values[columns].to_numpy(float).ravel())
    np.testing.assert_allclose(np.sort(np.concatenate(offsets)), expected, rtol=1e-6)


@pytest.mark.parametrize("figure", MATRICES)
def test_the_cells_of_a_matrix_hold_the_values_of_its_csv(pages, figure):
    page, values = pages[figure]
    meshes = [
        mesh
        for axis, mesh in collections(page, QuadMesh)
        if mesh.get_cmap().name == style.SCALE.name and axis.get_label() != "<colorbar>"
    ]
    cells = np.concatenate([mesh.get_array().compressed() for mesh in meshes])
    expected = np.sort(values[MATRICES[figure]].dropna().to_numpy(float))
    np.testing.assert_allclose(np.sort(cells), expected, rtol=1e-6)


def test_intervals_end_where_the_csv_says(pages):
    page, values = pages["agreement"]
    values = values[values.network != "mean"]  # means of families are lines, their intervals shaded
    lines = [line for _, drawn in collections(page, LineCollection) for line in drawn.get_segments()]
    ends = np.sort([[line[0][1], line[1][1]] for line in lines], axis=0)
    np.testing.assert_allclose(ends, np.sort(values[["ci_low", "ci_high"]], axis=0), rtol=1e-6)


@pytest.mark.parametrize("figure", ["attack_effects", "agreement", "axes", "sensitivity"])
def test_every_mark_above_a_name_has_the_colour_of_that_name(study, pages, figure):
    looks = style.look(planted.read(study, "networks"))
    names = style.models(looks, looks.index)
    colored = set()
    for _, drawn in collections(pages[figure][0], PathCollection):
        open_marks = to_hex(drawn.get_facecolor()[0]) == "#ffffff"
        colors = drawn.get_edgecolor() if open_marks else drawn.get_facecolor()
        places = drawn.get_offsets().data[:, 0]
        for place, color in zip(places, np.resize(colors, (len(places), 4)), strict=True):
            name = names[round(place)]
            assert to_hex(color) in (looks.color[name], style.GREY)
            colored |= {name} if to_hex(color) != style.GREY else set()
    assert set(names) - {BRAIN} <= colored


@pytest.mark.parametrize("figure", INPUTS)
def test_no_text_overlaps_or_leaves_the_page_in_a_whole_study(whole, figure):
    page, _ = planted.page_of(whole, figure)
    assert page.get_figwidth() == style.WIDTH and page.get_figheight() <= 11.2
    assert_readable(page)


@pytest.mark.long
@pytest.mark.parametrize("figure", INPUTS)
def test_no_text_overlaps_or_leaves_the_page_of_forty_networks(forty, figure):
    page, _ = planted.page_of(forty, figure)
    assert_readable(page)


def test_where_names_do_not_fit_side_by_side_each_family_is_named_once_with_its_number(forty):
    page, _ = planted.page_of(forty, "attack_effects")
    written = [tick.get_text() for tick in page.axes[-1].get_xticklabels()]
    assert len(written) == 40 and [text for text in written if text] == ["standard (20)", "robust (20)"]
    assert written.index("standard (20)") == 9 and written.index("robust (20)") == 29


def assert_readable(page):
    """Hold all texts of a figure to its page, and apart from each other."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "error"
        )  # also where there is too little room for all that is around the panels
        boxes = texts_of(page)
    for text, box in boxes:
        inside = page.bbox.x0 <= box.x0 + 1 and box.x1 <= page.bbox.x1 + 1
        assert inside and page.bbox.y0 <= box.y0 + 1 and box.y1 <= page.bbox.y1 + 1, text
    for (one, first), (other, second) in combinations(boxes, 2):
        width = min(first.x1, second.x1) - max(first.x0, second.x0)
        height = min(first.y1, second.y1) - max(first.y0, second.y0)
        # a box has the room of the highest and the lowest letter: one point of it may be shared
        assert min(width, height) <= style.DOTS / 72, (one, other)


def texts_of(page):
    """All texts that are visible, and where: pixels."""
    canvas = FigureCanvasAgg(page)
    canvas.draw()
    layers = [layer.layer for layer in page.findobj(marks.Layer)]
    hidden = {id(label) for axis in panels(page) for label in hidden_ticks(axis)}
    texts = [text for part in (page, *layers) for text in part.findobj(Text) if id(text) not in hidden]
    texts = [text for text in texts if text.get_visible() and text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 6
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in texts]


def hidden_ticks(axis):
    """Labels of ticks that are not drawn: beyond the ends of an axis, and of axes that are switched off."""
    for ticks, ends in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
        for tick in (*ticks.get_major_ticks(), *ticks.get_minor_ticks()):
            inside = axis.axison and axis.get_visible() and min(ends) <= tick.get_loc() <= max(ends)
            yield from [tick.label2] if inside and tick.label1.get_visible() else [tick.label1]
            yield from [] if inside and tick.label2.get_visible() else [tick.label2]


@pytest.mark.parametrize("figure", INPUTS)
def test_every_figure_states_its_number_of_images_and_what_its_intervals_are(pages, figure):
    texts = statements(pages[figure][0])
    assert any("n = " in text and "image" in text for text in texts)
    about = ("interval", "interquartile", "middle half", "n = 1 image")
    assert any(words in text for text in texts for words in about)


@pytest.mark.parametrize(
    ("figure", "table", "column"),
    [
        ("transfer_matrix", "transfers", "of_target"),
        ("transfer_matrix", "transfer_controls", "absolute"),
        ("transfer_strips", "transfers", "change"),
        ("fixed_effect", "fixed_effect", "change"),
        ("similarity_matrix", "similarity_means", "similarity"),
        ("agreement", "agreement", "value"),
        ("sensitivity", "sensitivities", "median"),
        ("attack_effects", "changes", "change"),
        ("attack_algorithms", "algorithms", "estimate"),
        ("predicted_vs_measured", "scores", "r"),
        ("similarity_clusters", "similarity_means", "similarity"),
        ("predictors", "predictors", "rank_correlation"),
        ("families", "families", "relative"),
        ("predictivity_vs_accuracy", "network_measures", "r_over_ceiling"),
        ("predictivity_vs_sensitivity", "network_measures", "sensitivity"),
        ("sensitivity_vs_representation", "network_measures", "sparseness"),
        ("peer_review", "control_slopes", "highest"),
        ("control_slopes", "control_slopes", "slope"),
        ("response_against_radius", "ladder_changes", "change"),
        ("category_evidence", "category_evidence", "change"),
        ("category_evidence", "category_evidence", "evidence_before"),
        ("stimulus_ranking", "selection_curves", "right"),
        ("power", "set_power", "power"),
        ("method_scores", "method_curves", "change"),
    ],
)
def test_a_missing_value_leaves_a_gap_that_is_counted_and_the_rest_is_drawn(
    folder, pages, figure, table, column
):
    rows = planted.read(folder, table)
    gaps = rows.index[::3]
    reason = pd.Series("no planted value", gaps).reindex(rows.index, fill_value="")
    planted_tables.edit(
        folder, table, lambda rows: rows.assign(**{column: rows[column].drop(gaps), "reason": reason})
    )
    page, values = planted.page_of(folder, figure)
    note = next(text for text in statements(page) if "values are missing" in text)
    pattern = r"(\d+) of (\d+) values are missing: ([^(]*) \((\d+)\)"
    n, whole, reason, count = re.search(pattern, note).groups()
    assert "nan" not in " ".join(statements(page)).lower().split()
    assert reason == "no planted value" and n == count and 0 < int(n) < int(whole)
    before = pages[figure][1]
    assert len(values) == len(before) and values.isna().sum().sum() > before.isna().sum().sum()
    assert len(page.axes) == len(pages[figure][0].axes)


@pytest.mark.parametrize(
    ("figure", "table", "column"),
    [
        ("control_slopes", "network_measures", "sensitivity"),
        ("exciting_images", "peer_review", "level"),
        ("ladder_strips", "peer_review", "level"),
    ],
)
def test_what_stands_beside_a_value_may_be_missing_and_the_rest_is_drawn(
    folder, pages, figure, table, column
):
    gaps = planted.read(folder, table).index[::3]
    planted_tables.edit(folder, table, lambda rows: rows.assign(**{column: rows[column].drop(gaps)}))
    page, values = planted.page_of(folder, figure)
    before = pages[figure][1]
    assert "nan" not in " ".join(statements(page)).lower().split()
    assert len(values) == len(before) and values.isna().sum().sum() > before.isna().sum().sum()
    assert len(page.axes) == len(pages[figure][0].axes)


def test_attacks_of_other_radii_and_algorithms_do_not_enter_the_figures_of_the_main_radius(pages):
    for figure in ("sensitivity", "transfer_matrix", "transfer_strips", "example_perturbations"):
        assert set(pages[figure][1].radius) == {RADII[-1]}


def test_regions_come_in_the_order_of_the_study(folder):
    planted_tables.edit(folder, "transfers", lambda rows: rows.sort_values("roi", ascending=False))
    _, values = planted.page_of(folder, "transfer_matrix", regions=list(REGIONS))
    assert list(values.roi.unique()) == list(REGIONS)


def test_several_radii_are_rows_from_the_smallest(pages):
    page, values = pages["attack_effects"]
    assert list(values.radius.unique()) == list(RADII) and len(page.axes) == len(RADII) * len(REGIONS)
    assert [axis.get_ylabel().split()[-1] for axis in page.axes[:: len(REGIONS)]] == ["0.3", "0.9"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [*(pytest.param(n, marks=pytest.mark.long) for n in (2, 7)), 18])
def test_every_figure_is_drawn_for_few_and_for_many_networks(number, tmp_path):
    planted.plant(tmp_path, zoo=planted.networks_of(number))
    for figure in INPUTS:
        written = planted.draw(tmp_path, figure)
        assert len(pd.read_csv(written["csv"])) > 0, figure
