"""Figures: planted tables, and what the files drawn from them must and must not hold."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import plot_agreement
import plot_attack_effects
import plot_axes
import plot_example_perturbations
import plot_predictivity_vs_accuracy
import plot_predictivity_vs_sensitivity
import plot_sensitivity_vs_representation
import plot_similarity_levels
import plot_similarity_matrix
import plot_transfer_matrix
import pytest
from PIL import Image
from planted import (
    BRAIN,
    IMAGES,
    RADII,
    REGIONS,
    SIZE,
    ZOO,
    content,
    draw,
    names,
    plant_attacks,
    plant_axes,
    plant_layers,
    plant_means,
    plant_networks,
    plant_scores,
    plant_similarity,
    plant_transfer,
)

from codingaxes import plots, tables


@pytest.fixture
def networks(tmp_path):
    return plant_networks(tmp_path)


def test_a_figure_drawn_twice_is_the_same_to_the_byte(tmp_path, networks):
    transfer = plant_transfer(tmp_path, names())
    given = {"transfer": transfer, "params": {"bootstrap": 50, "seed": 3}}
    first = draw(plot_attack_effects, tmp_path, "first", **given)
    second = draw(plot_attack_effects, tmp_path, "second", **given)
    assert all(content(first[kind]) == content(second[kind]) for kind in first)


def test_the_transfer_matrix_holds_ratios_of_means_at_the_largest_radius_only(tmp_path, networks):
    paths = plant_transfer(tmp_path, names())
    found = pd.read_csv(draw(plot_transfer_matrix, tmp_path, transfer=paths)["csv"], keep_default_na=False)
    found = found.set_index(["roi", "source", "target"]).relative.astype(float)
    rows = pd.concat([pd.read_parquet(path) for path in paths])
    rows = rows[rows.radius == max(RADII)]

    def mean(source, target, roi, column):
        these = rows[(rows.source == source) & (rows.target == target) & (rows.roi == roi)]
        if source == "none":
            return these[column].abs().mean()
        up, down = (
            these[these.direction == direction][column].mean() for direction in ("increase", "decrease")
        )
        return (up - down) / 2

    for roi in REGIONS:
        for target in names():
            own = mean(target, target, roi, "change_target")
            assert found[roi, "none", target] == pytest.approx(
                mean("none", target, roi, "change_target") / own, rel=1e-6
            )
            for source in names():
                expected = mean(source, target, roi, "change_target") / mean(
                    source, target, roi, "change_source"
                )
                assert found[roi, source, target] == pytest.approx(expected, rel=1e-6)
        assert all(found[roi, name, name] == pytest.approx(1) for name in names())
    assert len(found) == len(REGIONS) * len(names()) * (len(names()) + 1)


@pytest.mark.parametrize("brain", [True, False])
def test_matrices_and_effects_are_drawn_with_and_without_a_simulated_brain(tmp_path, networks, brain):
    transfer = plant_transfer(tmp_path, names(brain))
    similarity = plant_similarity(tmp_path, names(brain))
    written = [
        draw(plot_transfer_matrix, tmp_path, "transfer", transfer=transfer),
        draw(plot_similarity_matrix, tmp_path, "similarity", similarity=similarity),
    ]
    for output in written:
        assert (BRAIN in content(output["csv"]).decode()) == brain
        assert np.asarray(Image.open(output["png"]).convert("L")).std() > 10
    effects = draw(plot_attack_effects, tmp_path, transfer=transfer, params={"bootstrap": 50})
    assert BRAIN not in content(effects["csv"]).decode()


def test_the_similarity_matrix_is_symmetric_and_of_the_largest_dimension(tmp_path, networks):
    found = pd.read_csv(
        draw(plot_similarity_matrix, tmp_path, similarity=plant_similarity(tmp_path, names()))["csv"]
    )
    assert set(found.k) == {4}
    planted = pd.read_parquet(tmp_path / "similarity.parquet").query("k == 4 and response == 'voxels'")
    expected = planted.groupby(["roi", "network_i", "network_j"]).similarity.mean()
    matrix = found.set_index(["roi", "network_i", "network_j"]).similarity
    assert len(matrix) == 2 * len(expected)
    for (roi, first, second), value in expected.items():
        assert matrix[roi, first, second] == matrix[roi, second, first] == pytest.approx(value, rel=1e-6)


def test_the_figure_of_agreement_refuses_a_study_without_a_simulated_brain(tmp_path, networks):
    transfer = plant_transfer(tmp_path, names())[-1]
    similarity = plant_similarity(tmp_path, names(brain=False))
    with pytest.raises(ValueError, match="no row with simulated_brain"):
        draw(plot_agreement, tmp_path, similarity=similarity, transfer=transfer, params={"bootstrap": 50})


def test_agreement_holds_the_mean_cosine_of_gradients_and_the_similarity_of_axes(tmp_path, networks):
    transfer, similarity = plant_transfer(tmp_path, names())[-1], plant_similarity(tmp_path, names())
    given = {"similarity": similarity, "transfer": transfer, "params": {"bootstrap": 50}}
    found = pd.read_csv(draw(plot_agreement, tmp_path, **given)["csv"])
    planted = pd.read_parquet(similarity).query("network_j == @BRAIN")
    for measure, wanted in (
        ("cosine", "response == 'group' and k == 1"),
        ("similarity", "response == 'voxels' and k == 4"),
    ):
        expected = planted.query(wanted).groupby(["roi", "network_i"])[measure].mean().to_numpy()
        part = found[found.measure == measure].set_index(["roi", "network"]).sort_index()
        assert part.value.to_numpy() == pytest.approx(expected, rel=1e-6)
        assert (part.ci_low <= part.value).all() and (part.value <= part.ci_high).all()
    assert found.k.unique().tolist() == [4]


@pytest.mark.parametrize("brain", [True, False])
def test_levels_of_similarity_are_means_over_pairs_of_a_kind_at_the_largest_dimension(
    tmp_path, networks, brain
):
    path = plant_means(tmp_path, names(brain))
    output = draw(plot_similarity_levels, tmp_path, similarity_means=path)
    found, planted = pd.read_csv(output["csv"]), pd.read_parquet(path).query("k == 4")
    assert set(found.k) == {4} and set(found.response) == {"voxels", "joint", "features"}
    kinds = {
        "within robust, different architecture": [("b_tough", "c_tough")],
        "standard and robust": [("a_plain", "b_tough"), ("a_plain", "c_tough")],
        "standard and simulated_brain": [("a_plain", BRAIN)],
        "robust and simulated_brain": [("b_tough", BRAIN), ("c_tough", BRAIN)],
    }
    kinds = {kind: pairs for kind, pairs in kinds.items() if brain or BRAIN not in kind}
    assert list(found.group.unique()) == list(kinds)
    planted = planted.set_index(["network_i", "network_j", "response", "roi"]).sort_index()
    means = found[found.network_i == "mean"].set_index(["group", "response", "roi", "level"])
    for kind, pairs in kinds.items():
        for response, roi in [*product(["voxels"], REGIONS), ("joint", "all"), ("features", "all")]:
            if response == "features" and BRAIN in kind:
                assert (kind, response, roi, "same image") not in means.index
                continue
            rows = planted.loc[[(*pair, response, roi) for pair in pairs]]
            for column, level in plot_similarity_levels.LEVELS.items():
                mark = means.loc[(kind, response, roi, level)]
                assert mark.value == pytest.approx(rows[column].mean(), rel=1e-6)
                assert mark.n_pairs == len(pairs)
    single = found[found.network_i != "mean"]
    assert set(single.level) == {"same image"}
    assert len(single) == len(planted.query("response != 'group'"))
    assert np.asarray(Image.open(output["png"]).convert("L")).std() > 10


def test_a_pair_is_of_the_same_kind_whichever_of_its_models_comes_first(networks):
    looks, pairs = plots.look(networks), list(combinations(names(), 2))
    one = pd.DataFrame(pairs, columns=["network_i", "network_j"])
    turned = pd.DataFrame(pairs, columns=["network_j", "network_i"])
    kinds = plot_similarity_levels.group_of(one, looks)
    assert kinds == plot_similarity_levels.group_of(turned, looks)
    assert set(kinds) <= set(plot_similarity_levels.groups_of(looks))


def test_responses_with_fewer_axes_than_the_largest_dimension_are_drawn_at_theirs(tmp_path, networks):
    path = plant_means(tmp_path, names(brain=False))
    means = tables.read(path, "similarity_means")
    few = (means.response == "features") & (means.k == 4)
    means.loc[few, ["similarity", "similarity_low", "similarity_high", "across"]] = np.nan
    tables.write(path, "similarity_means", means)
    found = pd.read_csv(draw(plot_similarity_levels, tmp_path, similarity_means=path)["csv"])
    assert found.groupby("response").k.unique().map(list).to_dict() == {
        "voxels": [4],
        "joint": [4],
        "features": [1],
    }


def test_levels_of_similarity_are_drawn_without_joint_axes_and_features(tmp_path, networks):
    path = plant_means(tmp_path, names(brain=False), ["voxels"])
    found = pd.read_csv(draw(plot_similarity_levels, tmp_path, similarity_means=path)["csv"])
    assert list(found.panel.unique()) == list(REGIONS)


@pytest.mark.parametrize("brain", [True, False])
def test_axes_are_those_of_voxels_and_attacks_those_of_the_largest_radius_and_dimension(
    tmp_path, networks, brain
):
    given = plant_axes(tmp_path, names(brain))
    output = draw(plot_axes, tmp_path, **given)
    found = pd.read_csv(output["csv"])
    assert list(found.network.unique()) == names(brain)
    of_voxels = "response == 'voxels'"
    profiles = pd.read_parquet(given["profiles"]).query(of_voxels)
    lines = found[found.measure == "share_of_power"].set_index(["network", "frequency"]).value.sort_index()
    expected = profiles.groupby(["network", "frequency"]).share.mean()
    assert lines.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)
    assert lines.groupby("network").sum().to_numpy() == pytest.approx(1, rel=1e-6)
    attacks = pd.read_parquet(given["alignment"]).query(f"{of_voxels} and k == 4 and radius == @RADII[1]")
    jacobians = pd.concat([pd.read_parquet(path).query(of_voxels) for path in given["jacobians"]])
    for measure, frame in (("share", attacks), ("participation_ratio", jacobians)):
        images = frame.groupby(["roi", "network", "image_id"])[measure].mean()
        part = found[found.measure == measure].set_index(["roi", "network"]).sort_index()
        for column, quantile in (("low", 0.25), ("value", 0.5), ("high", 0.75)):
            wanted = images.groupby(["roi", "network"]).quantile(quantile)
            assert part[column].to_numpy() == pytest.approx(wanted.to_numpy(), rel=1e-6)
        assert (part.n_images == len(IMAGES)).all()
    assert np.asarray(Image.open(output["png"]).convert("L")).std() > 10


def test_an_image_without_axes_is_left_out_of_the_figure_of_axes_and_of_its_n(tmp_path, networks):
    given = plant_axes(tmp_path, names())
    rows = pd.read_parquet(given["alignment"])
    rows.loc[(rows.network == "a_plain") & (rows.image_id == IMAGES[0]), "share"] = np.nan
    tables.write(given["alignment"], "alignment", rows)
    found = pd.read_csv(draw(plot_axes, tmp_path, **given)["csv"]).query("measure == 'share'")
    assert set(found.n_images[found.network == "a_plain"]) == {len(IMAGES) - 1}
    assert set(found.n_images[found.network != "a_plain"]) == {len(IMAGES)}


def test_predictivity_and_its_interval_are_of_the_group_mean_relative_to_the_ceiling(tmp_path, networks):
    networks = networks.assign(accuracy=[0.9, 0.8, 0.7])
    tables.write(tmp_path / "networks.parquet", "networks", networks)
    output = draw(plot_predictivity_vs_accuracy, tmp_path, scores=plant_scores(tmp_path))
    found = pd.read_csv(output["csv"])
    assert list(zip(found.roi, found.network, strict=True)) == [
        (r, n) for r in REGIONS for n in networks.network
    ]
    expected = np.array([0.6, 0.5, 0.4] * len(REGIONS))
    assert found.r_over_ceiling.to_numpy() == pytest.approx(expected / 0.8)
    assert found.ci_low_over_ceiling.to_numpy() == pytest.approx((expected - 0.1) / 0.8)
    assert found.ci_high_over_ceiling.to_numpy() == pytest.approx((expected + 0.1) / 0.8)
    assert found.r_k_fold_over_ceiling.to_numpy() == pytest.approx(np.array([0.3, 0.4, 0.5] * 2) / 0.8)
    assert found.accuracy.tolist() == [0.9, 0.8, 0.7] * len(REGIONS)
    assert (found.rank_correlation == 1).all() and (found.rank_correlation_k_fold == -1).all()
    assert (found.n_networks == len(ZOO)).all()


def test_data_without_repetitions_show_r_itself(tmp_path, networks):
    output = draw(plot_predictivity_vs_accuracy, tmp_path, scores=plant_scores(tmp_path, np.nan))
    found = pd.read_csv(output["csv"])
    assert found.r_over_ceiling.to_numpy() == pytest.approx(np.array([0.6, 0.5, 0.4] * len(REGIONS)))
    values, label = plots.over_ceiling(pd.DataFrame({"r": [0.5], "ceiling": [np.nan]}), ["r"])
    assert label == "r (ceiling unknown)" and values.r_over_ceiling.item() == 0.5
    values, label = plots.over_ceiling(pd.DataFrame({"r": [0.4, 0.4], "ceiling": [0.8, 0.0]}), ["r"])
    assert label == "r / ceiling" and values.r_over_ceiling[0] == 0.5 and np.isnan(values.r_over_ceiling[1])


def test_a_network_of_unknown_accuracy_is_left_out(tmp_path, networks):
    networks = networks.assign(accuracy=[0.9, np.nan, 0.7])
    tables.write(tmp_path / "networks.parquet", "networks", networks)
    output = draw(plot_predictivity_vs_accuracy, tmp_path, scores=plant_scores(tmp_path))
    found = pd.read_csv(output["csv"])
    assert set(found.network) == {"a_plain", "c_tough"} and (found.n_networks == 2).all()


def test_networks_of_equal_accuracy_are_drawn_without_a_rank_correlation(tmp_path, networks):
    output = draw(plot_predictivity_vs_accuracy, tmp_path, scores=plant_scores(tmp_path))
    assert pd.read_csv(output["csv"]).rank_correlation.isna().all()
    assert np.asarray(Image.open(output["png"]).convert("L")).std() > 10


def test_a_region_is_shown_with_the_layer_it_reads_and_the_length_of_its_own_readout(tmp_path, networks):
    given = plant_layers(tmp_path) | {"attacks": plant_attacks(tmp_path)}
    found = pd.read_csv(draw(plot_sensitivity_vs_representation, tmp_path, **given)["csv"])
    assert len(found) == len(REGIONS) * 4 * len(ZOO)
    assert found.groupby("roi").layer.unique().map(list).to_dict() == {"FFA": ["late"], "PPA": ["early"]}
    values = found.set_index(["roi", "measure", "network"]).value
    for place, name in enumerate(names(brain=False)):
        assert values["FFA", "relative_norm", name] == pytest.approx(0.2 * 20)
        assert values["PPA", "relative_norm", name] == pytest.approx(0.5 * (10 + place))
        assert values["PPA", "effective_dimensionality", name] == pytest.approx(30 - place)
        assert values["FFA", "sparseness", name] == pytest.approx(0.5)
    panels = found.groupby(["roi", "measure"]).first()
    # Sensitivity grows along ZOO.
    assert panels.rank_correlation["PPA", "sparseness"] == 1
    assert panels.rank_correlation["PPA", "effective_dimensionality"] == -1
    assert np.isnan(panels.rank_correlation["FFA", "relative_norm"])
    assert panels.n_networks["FFA", "effective_dimensionality"] == len(ZOO) - 1
    assert panels.n_networks["PPA", "effective_dimensionality"] == len(ZOO)


def test_two_figures_state_the_same_sensitivity_which_is_the_median_at_the_largest_radius(tmp_path, networks):
    attacks = plant_attacks(tmp_path)
    output = draw(plot_sensitivity_vs_representation, tmp_path, attacks=attacks, **plant_layers(tmp_path))
    one = pd.read_csv(output["csv"]).groupby(["roi", "network"]).sensitivity.unique()
    output = draw(plot_predictivity_vs_sensitivity, tmp_path, attacks=attacks, scores=plant_scores(tmp_path))
    other = pd.read_csv(output["csv"]).set_index(["roi", "network"]).sensitivity
    rows = pd.concat([pd.read_parquet(path) for path in attacks]).query("radius == @RADII[1]")
    change = (rows.response_after - rows.response_before) * rows.direction.map(
        {"increase": 1, "decrease": -1}
    )
    for place, expected in change.groupby([rows.roi, rows.network]).median().items():
        assert one[place] == pytest.approx([expected]) and other[place] == pytest.approx(expected)


def test_a_rank_correlation_is_that_of_ranks_with_ties_and_of_complete_rows_only():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(4)
    x, y = pd.Series(rng.integers(0, 5, 30).astype(float)), pd.Series(rng.normal(size=30))
    expected = spearmanr(x[2:], y[2:]).statistic
    y[:2] = np.nan
    assert plots.rank_correlation(x, y) == (pytest.approx(expected), 28)
    assert np.isnan(plots.rank_correlation(x[:4], y[:4])[0])


def test_an_image_of_another_size_than_its_perturbation_is_refused(tmp_path):
    Image.fromarray(np.zeros((SIZE, SIZE + 1, 3), np.uint8)).save(tmp_path / "image.png")
    with pytest.raises(ValueError, match="image_size"):
        plot_example_perturbations.open_picture(str(tmp_path / "image.png"), SIZE)


def test_a_name_has_the_same_colour_and_marker_in_every_figure(networks):
    first, second = plots.look(networks), plots.look(networks.copy())
    pd.testing.assert_frame_equal(first, second)
    assert first.color[BRAIN] == plots.COLORS[BRAIN]
    assert first.color["a_plain"] == plots.COLORS["standard"]
    assert first.marker["c_tough"] not in plots.MARKERS.values()


def test_a_robust_network_is_darker_the_larger_its_training_radius(networks):
    from matplotlib.colors import to_rgb

    looks = plots.look(networks)
    assert sum(to_rgb(looks.color["b_tough"])) > sum(to_rgb(looks.color["c_tough"]))


def test_a_change_against_the_attacked_direction_is_negative_and_noise_is_not():
    change = plots.signed(
        pd.Series([1.0, 1.0, -2.0, -3.0]), pd.Series(["increase", "decrease", "decrease", "none"])
    )
    assert change.tolist() == [1.0, -1.0, 2.0, 3.0]
