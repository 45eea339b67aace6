"""Figures of attacks: planted tables, and what the files drawn from them must and must not hold."""

from itertools import combinations

import numpy as np
import pandas as pd
import plot_attack_algorithms
import plot_attack_effects
import plot_fixed_effect
import plot_sensitivity
import plot_transfer_matrix
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from planted import BRAIN, IMAGES, RADII, REGIONS, content, draw, names, plant_networks, plant_transfer
from planted_attacks import (
    ALGORITHMS,
    CONTROLS,
    SUBJECTS,
    WANTED,
    plant_algorithms,
    plant_sensitivities,
    plant_study,
    plant_transfers,
    plant_variants,
    sizes_of,
)

from codingaxes import plots, tables


@pytest.fixture
def networks(tmp_path):
    return plant_networks(tmp_path)


def draw_all(folder, networks, brain, regions=REGIONS, **options):
    """The three figures; name -> paths."""
    sizes = sizes_of(networks, brain)
    fixed = {"variants": plant_variants(folder, sizes, regions, **options)}
    fixed["transfers"] = plant_transfers(folder, sizes, regions)
    return {
        "sensitivity": draw(
            plot_sensitivity, folder, "sensitivity", sensitivities=plant_sensitivities(folder, sizes, regions)
        ),
        "fixed_effect": draw(plot_fixed_effect, folder, "fixed_effect", **fixed),
        "attack_algorithms": draw(
            plot_attack_algorithms,
            folder,
            "attack_algorithms",
            algorithms=plant_algorithms(folder, networks.family, brain),
        ),
    }


@pytest.mark.parametrize("brain", [True, False])
def test_figures_of_attacks_are_drawn_with_and_without_a_simulated_brain(tmp_path, networks, brain):
    for output in draw_all(tmp_path, networks, brain).values():
        assert content(output["pdf"]).startswith(b"%PDF")
        assert (BRAIN in content(output["csv"]).decode()) == brain
        assert np.asarray(Image.open(output["png"]).convert("L")).std() > 10


def test_figures_of_attacks_drawn_twice_are_the_same_to_the_byte(tmp_path, networks):
    def drawn():
        paths = [path for output in draw_all(tmp_path, networks, True).values() for path in output.values()]
        return {path: content(path) for path in paths}

    assert drawn() == drawn()


@pytest.mark.parametrize(
    ("file", "brain"), [("zoo.tsv", True), ("networks.tsv", False), ("networks.tsv", True)]
)
def test_no_text_overlaps_or_leaves_the_figure_in_a_whole_study(tmp_path, monkeypatch, file, brain):
    networks, drawn, save = plant_study(tmp_path, file), [], plots.save
    monkeypatch.setattr(
        plots, "save", lambda run, figure, values: (drawn.append(figure), save(run, figure, values))
    )
    draw_all(tmp_path, networks, brain, ("FFA", "EBA", "PPA"), unreached=(networks.network.iloc[-1],))
    for figure in drawn:
        assert figure.get_figwidth() == plots.WIDTH
        assert figure.get_figheight() < 10
        boxes = texts_of(figure)
        page = figure.bbox
        for name, box in boxes:
            inside = page.x0 <= box.x0 + 1 and box.x1 <= page.x1 + 1 and page.y0 <= box.y0 + 1
            assert inside and box.y1 <= page.y1 + 1, name
        for (one, first), (other, second) in combinations(boxes, 2):
            width = min(first.x1, second.x1) - max(first.x0, second.x0)
            height = min(first.y1, second.y1) - max(first.y0, second.y0)
            # a box has the room of the highest and the lowest letter: one point of it may be shared
            assert min(width, height) <= plots.DOTS / 72, (one, other)


def texts_of(figure):
    """All texts that are shown, and where: pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    ticks = {id(label): label for axis in figure.axes for label in far_ticks(axis)}
    found = [text for text in found if id(text) not in ticks]
    assert min(text.get_fontsize() for text in found) >= 6
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in found]


def far_ticks(axis):
    """Labels of ticks that lie beyond the ends of an axis, which are not drawn."""
    for ticks, ends in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
        for tick in (*ticks.get_major_ticks(), *ticks.get_minor_ticks()):
            drawn = min(ends) <= tick.get_loc() <= max(ends)
            yield from [tick.label2] if drawn and tick.label1.get_visible() else [tick.label1, tick.label2]


def test_sensitivity_holds_the_planted_medians_of_the_largest_l2_radius(tmp_path, networks):
    path = plant_sensitivities(tmp_path, sizes_of(networks, True))
    found = pd.read_csv(draw(plot_sensitivity, tmp_path, sensitivities=path)["csv"])
    planted = pd.read_parquet(path).query("norm == 'l2' and radius == @RADII[1] and roi != 'all'")
    kept = planted[(planted.subject == "group") | (planted.kind == "attack")]
    key = ["roi", "network", "subject", "kind"]
    joined = found.merge(kept, on=key, suffixes=("", "_planted"), validate="one_to_one")
    assert len(joined) == len(found) == len(kept)
    for column in ("median", "ci_low", "ci_high"):
        assert joined[column].to_numpy() == pytest.approx(joined[f"{column}_planted"].to_numpy(), rel=1e-6)
    group = found[(found.network == BRAIN) & (found.roi == "FFA")].mark.value_counts()
    assert group["subject"] == len(SUBJECTS)
    assert (group[["attack", "subjects", "random", *CONTROLS]] == 1).all()


def test_sensitivity_is_drawn_of_one_subject_and_with_a_median_of_zero(tmp_path, networks):
    path = plant_sensitivities(tmp_path, sizes_of(networks, False), subjects=())
    table = tables.read(path, "sensitivities")
    table.loc[table.kind == "random", ["median", "ci_low", "ci_high"]] = 0.0
    table.loc[table.kind == "transferred", ["median", "ci_low", "ci_high"]] = np.nan
    tables.write(path, "sensitivities", table)
    found = pd.read_csv(draw(plot_sensitivity, tmp_path, sensitivities=path)["csv"])
    assert set(found.subject) == {"group"}
    assert (found[found.kind == "random"]["median"] == 0).all()


def test_an_effect_that_was_not_reached_counts_as_larger_and_never_as_its_size(tmp_path, networks):
    paths = plant_variants(tmp_path, sizes_of(networks, True), unreached=("c_tough",))
    transfers = plant_transfers(tmp_path, sizes_of(networks, True))
    found = pd.read_csv(draw(plot_fixed_effect, tmp_path, variants=paths, transfers=transfers)["csv"])
    found = found[found.measure == "size_needed"].set_index(["roi", "source"])
    planted = pd.concat([pd.read_parquet(path) for path in paths])
    planted = planted.query("attack == 'l2_effect' and wanted == @WANTED")
    for place, group in planted.groupby(["roi", "network"]):
        sizes = np.sort(group["size"])
        n = len(sizes)
        assert n == 2 * len(IMAGES) and found.n_images[place] == len(IMAGES)
        if place[1] == "c_tough":
            smallest = group[group.reached]["size"].max()
            assert found.low[place] == pytest.approx(smallest)
            assert np.isinf(found.value[place]) and np.isinf(found.high[place])
            assert found.reached[place] == pytest.approx(1 / len(IMAGES))
            continue
        for column, share in (("low", 0.25), ("value", 0.5), ("high", 0.75)):
            enough = (sizes <= found[column][place] * (1 + 1e-6)).sum()
            assert enough / n >= share > (enough - 1) / n
        assert found.reached[place] == 1


def test_the_figure_of_a_fixed_effect_refuses_attacks_without_one(tmp_path, networks):
    sizes = sizes_of(networks, False)
    paths = plant_variants(tmp_path, sizes)
    for path in paths:
        tables.write(path, "perturbations", tables.read(path, "perturbations").query("attack != 'l2_effect'"))
    with pytest.raises(ValueError, match="no attack l2_effect"):
        draw(plot_fixed_effect, tmp_path, variants=paths, transfers=plant_transfers(tmp_path, sizes))


def test_transfer_of_a_fixed_effect_is_relative_to_the_source_and_noise_to_what_was_wanted(
    tmp_path, networks
):
    sizes = sizes_of(networks, True)
    path = plant_transfers(tmp_path, sizes)
    output = draw(plot_fixed_effect, tmp_path, variants=plant_variants(tmp_path, sizes), transfers=path)
    found = pd.read_csv(output["csv"], keep_default_na=False).query("measure == 'change_of_source'")
    found = found.set_index(["roi", "source", "target"]).value.astype(float)
    planted = pd.read_parquet(path).query("attack == 'l2_effect' and roi != 'all'")
    expected = planted.set_index(["roi", "source", "target"]).of_source
    assert found[expected.index].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)
    noise = planted.groupby(["roi", "target"]).noise.mean() / WANTED
    for (roi, target), value in noise.items():
        assert found[roi, "none", target] == pytest.approx(value, rel=1e-6)
    assert len(found) == len(expected) + len(noise)


def test_the_figure_of_algorithms_holds_every_planted_estimate(tmp_path, networks):
    path = plant_algorithms(tmp_path, networks.family)
    found = pd.read_csv(draw(plot_attack_algorithms, tmp_path, algorithms=path)["csv"])
    planted = pd.read_parquet(path)
    key = ["attack", "group"]
    joined = found.merge(planted, on=key, suffixes=("", "_planted"), validate="one_to_one")
    assert len(joined) == len(planted) == len(found)
    assert joined.estimate.to_numpy() == pytest.approx(joined.estimate_planted.to_numpy(), rel=1e-6)
    assert set(found.attack) == set(ALGORITHMS)


def test_the_note_on_algorithms_states_the_agreement_of_ranks_and_does_without(tmp_path, networks):
    values = tables.read(plant_algorithms(tmp_path, networks.family), "algorithms")
    assert "PGD 0.95 (0.85 to 1), APGD 0.98 (0.88 to 1)" in plot_attack_algorithms.describe(values)
    ours = values[values.attack == "l2"]
    assert "rank" not in plot_attack_algorithms.describe(ours)


def test_a_kind_of_pair_has_the_colour_of_the_family_that_is_attacked(networks):
    looks = plots.look(networks)
    for group, family in (
        ("standard", "standard"),
        ("within robust, same architecture", "robust"),
        ("robust to standard", "robust"),
        (f"standard to {BRAIN}", "standard"),
        (BRAIN, BRAIN),
    ):
        assert plot_attack_algorithms.color_of(group, looks) == plots.COLORS[family]


def test_noise_that_was_drawn_several_times_counts_by_the_mean_of_its_absolute_changes(tmp_path, networks):
    paths = plant_transfer(tmp_path, names())
    rows = pd.concat([pd.read_parquet(path) for path in paths]).query("attack == 'random'")
    assert rows.groupby(["target", "roi", "radius", "image_id"]).draw.nunique().eq(2).all()
    found = pd.read_csv(draw(plot_attack_effects, tmp_path, transfer=paths, params={"bootstrap": 50})["csv"])
    found = found[found.effect == "random noise"].set_index(["roi", "radius", "network"])
    expected = rows.assign(change=rows.change_target.abs()).groupby(["roi", "radius", "target"]).change.mean()
    for place, row in found.iterrows():
        assert row.change == pytest.approx(expected[place], rel=1e-6)
        assert row.n_images == len(IMAGES)


def test_attacks_in_another_norm_or_of_another_algorithm_do_not_enter_the_figures_of_l2(tmp_path, networks):
    paths = plant_transfer(tmp_path, names())
    given = {"transfer": paths, "params": {"bootstrap": 50}}
    scripts = (plot_attack_effects, plot_transfer_matrix)
    before = [content(draw(script, tmp_path, **given)["csv"]) for script in scripts]
    for path in paths:
        rows = tables.read(path, "transfer")
        other = rows.query("attack == 'l2' and radius == @RADII[1]")
        other = other.assign(attack="l2_large", radius=10 * RADII[1])
        tables.write(path, "transfer", pd.concat([rows, other]))
    assert before == [content(draw(script, tmp_path, **given)["csv"]) for script in scripts]
