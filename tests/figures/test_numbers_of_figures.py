"""Figures draw what stands in the summaries: selection, pairs, levels, clusters, and missing values."""

import ast
from pathlib import Path

import numpy as np
import planted_summaries as planted
import planted_tables
import plot_attack_algorithms
import plot_fixed_effect
import plot_similarity_clusters
import plot_similarity_levels
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from planted_changes import CONTROLS, EFFECTS, RADII
from planted_summaries import INPUTS, REGIONS, SIZE, SUBJECTS, statements

from codingaxes.figures import marks, pictures, style
from codingaxes.names import BRAIN

SCRIPTS = Path(plot_fixed_effect.__file__).parent
COMPUTED = {"mean", "median", "std", "var", "sem", "quantile", "corr", "corrcoef", "bootstrap", "average"}


def imports_of(file):
    """The local modules that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = SCRIPTS.joinpath(*name.split("."))
            yield from [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else []


@pytest.mark.parametrize("figure", INPUTS)
def test_no_figure_can_reach_what_estimates(figure):
    seen, pending = set(), [SCRIPTS / f"plot_{figure}.py"]
    while pending:
        file = pending.pop()
        seen.add(file)
        pending += [module for module in imports_of(file) if module not in seen]
    assert SCRIPTS / "codingaxes" / "figures" / "style.py" in seen
    assert not [file for file in seen if "estimates" in file.parts]


@pytest.mark.parametrize("file", [*SCRIPTS.glob("plot_*.py"), *(SCRIPTS / "codingaxes/figures").glob("*.py")])
def test_no_figure_calls_a_mean_a_median_or_a_correlation(file):
    calls = {
        node.func.attr
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & COMPUTED


def test_every_figure_has_a_script_and_a_caption():
    captions = {file.stem for file in (SCRIPTS.parents[1] / "docs" / "captions").glob("*.rst")}
    assert {file.stem.removeprefix("plot_") for file in SCRIPTS.glob("plot_*.py")} == set(INPUTS)
    assert set(INPUTS) <= captions


def test_the_transfer_matrix_holds_changes_and_shares_of_the_targets_own_attack_and_controls_by_size(folder):
    values = planted.page_of(folder, "transfer_matrix")[1]
    assert len(values) == 2 * len(REGIONS) * (4 + 4) * 4
    values = values.set_index(["measure", "roi", "source", "target"]).value
    table = planted.read(folder, "transfers").query("attack == 'l2' and main_radius and roi != 'all'")
    table = table.set_index(["roi", "source", "target"])
    for measure in ("change", "of_target"):
        assert values[measure][table.index].to_numpy() == pytest.approx(table[measure].to_numpy())
    controls = planted.read(folder, "transfer_controls").query(
        "source in ('all', 'none') and target != 'all'"
    )
    controls = controls[(controls.control != "attack") & (controls.roi != "all")]
    for row in controls.itertuples():
        place = row.roi, row.control, row.target
        assert values[("change", *place)] == pytest.approx(row.absolute)
        assert values[("of_target", *place)] == pytest.approx(row.absolute_of_target)


def test_a_strip_holds_every_target_its_own_attack_and_the_mean_of_its_controls_over_targets(folder):
    values = planted.page_of(folder, "transfer_strips")[1]
    for (roi, source), rows in values[values.source != "none"].groupby(["roi", "source"]):
        assert rows.kind.tolist() == ["target"] * 3 + ["own", *CONTROLS]
        assert rows.target[rows.kind == "own"].item() == source and roi in REGIONS
    rows = values[values.kind.isin(CONTROLS) | (values.kind == "random")]
    table = planted.read(folder, "transfer_controls").query("target == 'all'")
    table = table.set_index(["roi", "control", "source"]).absolute
    expected = table.loc[list(rows[["roi", "kind", "source"]].itertuples(index=False, name=None))]
    assert rows.change.to_numpy() == pytest.approx(expected.to_numpy())


def test_the_similarity_matrix_is_symmetric_and_of_the_largest_dimension(folder):
    values = planted.page_of(folder, "similarity_matrix")[1]
    assert set(values.k) == {4}
    table = planted.read(folder, "similarity_means").query("k == 4 and response == 'voxels'")
    matrix = values.set_index(["roi", "network_i", "network_j"]).similarity
    assert len(matrix) == 2 * len(table)
    for row in table.itertuples():
        one, other = (
            matrix[row.roi, row.network_i, row.network_j],
            matrix[row.roi, row.network_j, row.network_i],
        )
        assert one == other == pytest.approx(row.similarity, rel=1e-6)


def test_a_cluster_map_has_the_order_of_the_given_tree(folder):
    def join(rows):
        """Of four models in the order of the table, the first and the last are most similar."""
        tree = [(0, 3, 0.1, 2), (1, 2, 0.2, 2), (4, 5, 0.9, 4)]
        for column, values in zip(
            ("left", "right", "distance", "size"), zip(*tree, strict=True), strict=True
        ):
            rows[column] = np.tile(values, len(REGIONS)).astype(rows[column].dtype)
        for side in ("left", "right"):
            rows[f"{side}_network"] = rows[side].map(names).fillna("")
        return rows

    tree = planted.read(folder, "similarity_clusters")
    names = dict(enumerate(plot_similarity_clusters.models_of(tree[tree.roi == REGIONS[0]])))

    planted_tables.edit(folder, "similarity_clusters", join)
    figure = planted.page_of(folder, "similarity_clusters")[0]
    layers = figure.findobj(marks.Layer)
    assert len(layers) == len(REGIONS)
    for layer in layers:
        heat = max(layer.layer.axes, key=lambda axis: len(axis.get_yticklabels()))
        names = [label.get_text() for label in heat.get_yticklabels()]
        assert {frozenset(names[:2]), frozenset(names[2:])} == {
            frozenset({"A PLAIN", "Simulated brain"}),
            frozenset({"B TOUGH", "C TOUGH"}),
        }
    values = planted.page_of(folder, "similarity_clusters")[1]
    assert values.distance.dropna().tolist() == [0.1, 0.2, 0.9] * len(REGIONS)
    for _, part in values[values.similarity.notna()].groupby("roi"):
        assert len(part.network_i.unique()) == 4 and len(part) == 12


def test_the_bars_beside_a_cluster_map_have_the_colours_of_the_names(folder):
    looks = style.look(planted.read(folder, "networks")).set_index("label")
    for layer in planted.page_of(folder, "similarity_clusters")[0].findobj(marks.Layer):
        heat = max(layer.layer.axes, key=lambda axis: len(axis.get_yticklabels()))
        names = [label.get_text() for label in heat.get_yticklabels()]
        strip = next(
            axis
            for axis in layer.layer.axes
            if axis is not heat and axis.collections[0].get_array() is not None
        )
        cells = strip.collections[0]
        cells.update_scalarmappable()
        expected = [to_rgb(looks.color[name]) for name in names]
        assert cells.get_facecolor()[:, :3] == pytest.approx(np.array(expected))


@pytest.mark.parametrize("brain", [True, False])
def test_levels_of_similarity_are_those_of_the_largest_dimension_by_kind_of_pair(tmp_path, brain):
    planted.plant(tmp_path, brain=brain)
    values, table = (
        planted.page_of(tmp_path, "similarity_levels")[1],
        planted.read(tmp_path, "similarity_levels"),
    )
    assert len(values) == (table.k == 4).sum() and set(values.k) == {4}
    kinds = [
        ("robust", "robust", "different"),
        ("standard", "robust", "any"),
        ("standard", BRAIN, "any"),
        ("robust", BRAIN, "any"),
    ]
    columns = ["family_i", "family_j", "architectures"]
    kinds = [kind for kind in kinds if brain or BRAIN not in kind]
    assert list(values[columns].drop_duplicates().itertuples(index=False, name=None)) == kinds


def test_responses_with_fewer_axes_than_the_largest_dimension_are_drawn_at_theirs(folder):
    def few(rows):
        return rows[~((rows.response == "features") & (rows.k == 4))]

    planted_tables.edit(folder, "similarity_levels", few)
    values = planted.page_of(folder, "similarity_levels")[1]
    assert values.groupby("response").k.unique().map(list).to_dict() == {
        "voxels": [4],
        "joint": [4],
        "features": [1],
    }


def test_a_kind_of_pair_has_the_colour_of_its_family_or_of_the_brain_or_of_neither(folder):
    looks = style.look(planted.read(folder, "networks"))
    color = plot_similarity_levels.color_of
    assert color(("robust", "robust", "same"), looks) == style.COLORS["robust"]
    assert color(("robust", BRAIN, "any"), looks) == style.COLORS[BRAIN]
    assert color(("standard", "robust", "any"), looks) == plot_similarity_levels.MIXED


def test_without_repetitions_r_itself_is_drawn_and_said_to_be(tmp_path):
    planted.plant(tmp_path)
    ceiled = ["r_over_ceiling", "r_over_ceiling_low", "r_over_ceiling_high", "r_k_fold_over_ceiling"]
    nothing = dict.fromkeys(["ceiling", *ceiled], np.nan)
    planted_tables.edit(tmp_path, "network_measures", lambda rows: rows.assign(**nothing))
    table = planted.read(tmp_path, "network_measures").set_index(["roi", "network"]).r
    ranks = (
        planted.read(tmp_path, "network_correlations").query("x == 'accuracy' and y == 'r'").set_index("roi")
    )
    for figure in ("predictivity_vs_accuracy", "predictivity_vs_sensitivity"):
        values = planted.page_of(tmp_path, figure)[1].set_index(["roi", "network"])
        assert values.r_over_ceiling[table.index].to_numpy() == pytest.approx(table.to_numpy())
        axes = planted.page_of(tmp_path, figure)[0].axes
        assert any("ceiling unknown" in axis.get_xlabel() + axis.get_ylabel() for axis in axes)
    values = planted.page_of(tmp_path, "predictivity_vs_accuracy")[1].groupby("roi").rank_correlation.first()
    assert values[ranks.index].to_numpy() == pytest.approx(ranks.rank_correlation.to_numpy())


def test_a_network_of_unknown_accuracy_is_left_out_and_counted(folder):
    def forget(rows):
        return rows.assign(accuracy=rows.accuracy.where(rows.network != "b_tough"))

    planted_tables.edit(folder, "network_measures", forget)
    assert set(planted.page_of(folder, "predictivity_vs_accuracy")[1].network) == {"a_plain", "c_tough"}
    texts = statements(planted.page_of(folder, "predictivity_vs_accuracy")[0])
    assert any("1 network of unknown accuracy left out" in text for text in texts)


def test_an_undefined_rank_correlation_is_not_written_and_the_number_of_networks_is(folder):
    planted_tables.edit(folder, "network_correlations", lambda rows: rows.assign(rank_correlation=np.nan))
    for figure in ("predictivity_vs_accuracy", "sensitivity_vs_representation"):
        texts = statements(planted.page_of(folder, figure)[0])
        assert "n = 3 networks" in texts
        assert not any("ρ" in text or "undefined" in text for text in texts)


def test_sensitivity_shows_single_subjects_of_the_larger_own_attacks_only_and_attacks_in_two_units(folder):
    values = planted.page_of(folder, "sensitivity")[1]
    table = planted.read(folder, "sensitivities").query("main_radius and roi != 'all'")
    attack = table.kind == "attack"
    table = table[(table.subject == "group") | (attack & (table.direction == "largest"))]
    key = ["roi", "network", "subject", "kind", "direction"]
    units = values.groupby("unit")
    measured = units.get_group("measured response").merge(table, on=key, suffixes=("", "_planted"))
    assert len(measured) == len(table) == (values.unit == "measured response").sum()
    for column in ("median", "ci_low", "ci_high"):
        assert measured[column].to_numpy() == pytest.approx(measured[f"{column}_planted"].to_numpy())
    own = units.get_group("own predictions").merge(table, on=key, suffixes=("", "_planted"))
    assert len(own) == 3 * 4 * len(REGIONS) and set(own.subject) == {"group"}
    for column, planted_column in (("median", "median_own"), ("ci_low", "own_low"), ("ci_high", "own_high")):
        assert own[column].to_numpy() == pytest.approx(own[planted_column].to_numpy())
    counts = values[(values.network == BRAIN) & (values.roi == "FFA")].mark.value_counts()
    assert counts["subject"] == len(SUBJECTS) and counts["subjects"] == counts["random"] == 1
    assert counts["attack"] == counts["increase"] == counts["decrease"] == 2  # in two units


def test_sensitivity_is_drawn_of_one_subject_and_with_a_median_of_zero(folder):
    def flat(rows):
        rows = rows[rows.subject == "group"]
        zero = rows.kind == "random"
        return rows.assign(**{name: rows[name].mask(zero, 0.0) for name in ("median", "ci_low", "ci_high")})

    planted_tables.edit(folder, "sensitivities", flat)
    values = planted.page_of(folder, "sensitivity")[1]
    assert set(values.subject) == {"group"} and (values[values.kind == "random"]["median"] == 0).all()


def test_a_size_larger_than_any_tried_is_drawn_open_at_the_edge(folder):
    def unreached(rows):
        late = (rows.network == "c_tough") & (rows.wanted == max(EFFECTS))
        rows = rows.assign(reached=rows.reached.mask(late, 0.4))
        return rows.assign(**{name: rows[name].mask(late, np.inf) for name in ("size", "size_high")})

    planted_tables.edit(folder, "sizes", unreached)
    values = planted.page_of(folder, "fixed_effect")[1]
    values = values[values.measure == "size_needed"].set_index(["roi", "network", "wanted"])
    place = ("FFA", "c_tough", max(EFFECTS))
    assert np.isinf(values.value[place]) and np.isfinite(values.low[place])
    figure = planted.page_of(folder, "fixed_effect")[0]
    top = figure.axes[0]
    white = [
        collection
        for collection in top.collections
        if len(collection.get_facecolor()) and tuple(collection.get_facecolor()[0]) == (1, 1, 1, 1)
    ]
    (at,) = [collection.get_offsets().data.tolist() for collection in white]
    assert at == [[pytest.approx(2.0 + plot_fixed_effect.SHIFT), top.get_ylim()[1]]]
    texts = statements(figure)
    assert any("40 to 100% robust" in text and "count as larger" in text for text in texts)


def test_fixed_effects_are_drawn_of_each_wanted_change_by_kind_of_pair_and_of_the_pair_moved_least(folder):
    page, values = planted.page_of(folder, "fixed_effect")
    table = planted.read(folder, "fixed_effect").query("roi == 'all'")
    key = ["wanted", "family_source", "family_target", "architectures"]
    for measure, least in (("change", "least_change"), ("of_target", "least_of_target")):
        rows = values[values.measure == measure].set_index(key)
        expected = table.set_index(key).loc[rows.index]
        assert len(rows) == len(table)
        for column, of_table in (("value", measure), ("low", f"{measure}_low"), ("least", least)):
            assert rows[column].to_numpy() == pytest.approx(expected[of_table].to_numpy())
    titles = [axis.get_title() for axis in page.axes]
    assert [title for title in titles if "wanted" in title] == [
        f"{wanted:g} SD wanted" for wanted in EFFECTS
    ] * 2
    columns = values.groupby("measure").size()
    assert columns["size_needed"] == 4 * len(REGIONS) * len(EFFECTS)


def test_the_mean_of_a_family_stands_beside_its_networks_alone_in_any_order_of_the_table(folder):
    means = {"standard": 0.02, "robust": 0.07}
    planted_tables.edit(folder, "numbers", lambda rows: rows.assign(estimate=rows.family_source.map(means)))
    for order in ([0, 1, 2], [1, 0, 2]):  # standard, robust, robust; and robust, standard, robust
        planted_tables.edit(
            folder, "networks", lambda rows, order=order: rows.iloc[order].reset_index(drop=True)
        )
        page, _ = planted.page_of(folder, "agreement")
        families = planted.read(folder, "networks").family
        for axis in page.axes:
            lines = [line.get_data() for line in axis.lines if line.get_linewidth() == 1.4]
            assert len(lines) == (families != families.shift()).sum()
            for place, family in enumerate(families):
                beside = [heights[0] for ends, heights in lines if ends[0] <= place <= ends[1]]
                assert beside == [means[family]]


def test_the_note_on_algorithms_states_the_agreement_of_ranks_and_does_without(folder):
    table = planted.read(folder, "algorithms")
    assert "PGD 0.95 (0.85 to 1), APGD 0.98 (0.88 to 1)" in plot_attack_algorithms.describe(table)
    assert "rank" not in plot_attack_algorithms.describe(table[table.attack == "l2"])


def test_the_example_shows_the_change_that_the_table_of_sensitivity_states(folder):
    values = planted.page_of(folder, "example_perturbations")[1].set_index(["roi", "network"])
    table = planted.read(folder, "sensitivity").query("kind == 'attack' and direction == 'increase'")
    table = table[table.radius == RADII[-1]].set_index(["roi", "network"]).change
    assert set(values.index) == {(roi, name) for roi in REGIONS for name in ("a_plain", "b_tough", BRAIN)}
    assert values.change.to_numpy() == pytest.approx(table[values.index].to_numpy())
    axes = planted.page_of(folder, "example_perturbations")[0].axes
    assert axes[1].get_xlabel() == f"+{table['FFA', 'a_plain']:.2f} SD"


def test_an_image_of_another_size_than_its_perturbation_is_refused(tmp_path):
    Image.fromarray(np.zeros((SIZE, SIZE + 1, 3), np.uint8)).save(tmp_path / "image.png")
    with pytest.raises(ValueError, match="image_size"):
        pictures.open_picture(str(tmp_path / "image.png"), SIZE)
