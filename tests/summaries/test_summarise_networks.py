"""What networks are compared by, of planted scores, layers and sensitivities."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from planted import NETWORKS, REGIONS, ZOO, plant, plant_each, plant_networks, run

from codingaxes.names import BRAIN

LAYERS = {"FFA": ("late", 0.2), "PPA": ("early", 0.5)}  # that a region reads, and the length of its readout


def plant_scores(folder, ceiling=0.8):
    """Write scores: the first network predicts best on held-out images and worst in folds."""
    rows = []
    for (place, network), roi, subject, target in product(
        enumerate(NETWORKS), REGIONS, ("group", "subj01"), ("mean", "0")
    ):
        r = 0.6 - 0.1 * place if (subject, target) == ("group", "mean") else 0.01
        row = {"network": network, "roi": roi, "subject": subject, "target": target, "r": r}
        row |= {"ci_low": r - 0.1, "ci_high": r + 0.1, "r_k_fold": 0.3 + 0.1 * place}
        rows.append(row | {"ceiling": ceiling, "n_train": 30, "n_test": 10})
    return plant_each(folder, "scores", rows, "network")


def plant_splits(folder):
    """Write r on three splits, of the group 0.2, 0.5 and 0.4 and more along networks; once it is missing."""
    rows = []
    for (place, network), roi, subject in product(enumerate(NETWORKS), REGIONS, ("group", "subj01")):
        row = {"network": network, "roi": roi, "subject": subject}
        for split, r in enumerate((0.2, 0.5, 0.4), start=1):
            r = r + 0.1 * place if subject == "group" else 0.99
            rows.append(row | {"split": split, "r": np.nan if (place, roi, split) == (2, "PPA", 1) else r})
    return plant_each(folder, "split_scores", rows, "network")


def plant_layers(folder):
    """Write readouts and representations: FFA reads the layer late, PPA early; the norm differs by region."""
    readouts, layers = [], []
    for place, network in enumerate(NETWORKS):
        for (roi, (layer, norm)), (subject, target) in product(
            LAYERS.items(), (("group", "mean"), ("group", "0"), ("subj01", "mean"))
        ):
            length = norm if (subject, target) == ("group", "mean") else 99.0
            row = {"network": network, "roi": roi, "subject": subject, "target": target, "layer": layer}
            readouts.append(row | {"norm": length})
        early = {"sparseness": 0.1 + place, "effective_dimensionality": 30.0 - place, "spread": 10.0 + place}
        late = {"effective_dimensionality": np.nan if place == 0 else 7.0 + place, "spread": 20.0}
        layers.append({"network": network, "layer": "early", "n_images": 40} | early)
        layers.append({"network": network, "layer": "late", "n_images": 40, "sparseness": 0.5} | late)
    readouts = plant_each(folder, "readouts", readouts, "network")
    layers = plant_each(folder, "representations", layers, "network")
    return {"readouts": readouts, "representations": layers}


def plant_sensitivities(folder, models=(*NETWORKS, BRAIN)):
    """Write sensitivities: they grow along the networks; what is not the group's own attack is absurd."""
    rows = []
    for (place, network), roi, radius in product(enumerate(models), (*REGIONS, "all"), (0.3, 0.9)):
        row = {"network": network, "roi": roi, "radius": radius, "main_radius": radius == 0.9, "n_images": 12}
        row |= {"median": (1.0 + place) * radius, "unconverged": 0.25 * place}
        rows += [row, row | {"kind": "random", "median": 99.0}, row | {"subject": "subj01", "median": 99.0}]
        if radius == 0.9:
            rows.append(row | {"norm": "linf", "main_radius": False, "median": 99.0})
    return plant(folder, "sensitivities", rows)


def summarise(folder, ceiling=0.8, **columns):
    """Run the script; the tables network_measures and network_correlations."""
    inputs = {
        "networks": plant_networks(folder, **columns),
        "scores": plant_scores(folder, ceiling),
        "split_scores": plant_splits(folder),
        "sensitivities": plant_sensitivities(folder),
        **plant_layers(folder),
    }
    return run("summarise_networks", folder, "network_measures", "network_correlations", **inputs)


def correlations(table):
    return table.set_index(["roi", "x", "y"])


def test_r_over_random_splits_is_summarised_by_its_median_and_its_extremes(tmp_path):
    table = summarise(tmp_path)[0].set_index(["network", "roi"])
    columns = ["r_splits", "r_splits_low", "r_splits_high"]
    assert table.loc[("a_plain", "FFA"), columns].to_list() == pytest.approx([0.4, 0.2, 0.5])
    assert table.loc[("c_tough", "FFA"), columns].to_list() == pytest.approx([0.6, 0.4, 0.7])
    assert table.loc[("c_tough", "PPA"), columns].to_list() == pytest.approx([0.65, 0.6, 0.7])
    assert table.n_splits["c_tough", "PPA"] == 2 and table.n_splits["a_plain", "PPA"] == 3


def test_scores_and_their_intervals_are_of_the_group_mean_relative_to_the_ceiling(tmp_path):
    table, _ = summarise(tmp_path, accuracy=[0.9, 0.8, 0.7])
    assert sorted(zip(table.roi, table.network, strict=True)) == sorted(product(REGIONS, NETWORKS))
    for place, network in enumerate(NETWORKS):
        rows, r = table[table.network == network], 0.6 - 0.1 * place
        for column, expected in (("", r), ("_low", r - 0.1), ("_high", r + 0.1)):
            assert rows[f"r{column}"].to_numpy() == pytest.approx(expected)
            assert rows[f"r_over_ceiling{column}"].to_numpy() == pytest.approx(expected / 0.8)
        assert rows.r_k_fold_over_ceiling.to_numpy() == pytest.approx((0.3 + 0.1 * place) / 0.8)
        assert (rows.accuracy == [0.9, 0.8, 0.7][place]).all() and (rows.n_test == 10).all()


def test_networks_that_are_better_at_their_task_and_predict_better_correlate_in_rank(tmp_path):
    table = correlations(summarise(tmp_path, accuracy=[0.9, 0.8, 0.7])[1])
    for roi in REGIONS:
        for measure, expected in (("r", 1), ("r_over_ceiling", 1), ("r_k_fold", -1)):
            row = table.loc[roi, "accuracy", measure]
            assert row.rank_correlation == pytest.approx(expected) and row.n_networks == len(ZOO)
        assert table.loc[roi, "r_over_ceiling", "sensitivity"].rank_correlation == pytest.approx(-1)


def test_rank_correlations_of_few_networks_say_that_no_p_could_be_small(tmp_path):
    table = correlations(summarise(tmp_path, accuracy=[0.9, 0.8, 0.7])[1])
    row = table.loc["FFA", "accuracy", "r"]
    assert row.p == row.smallest_p == pytest.approx(2 / 6) and row.p_adjusted >= row.p


def test_data_without_repetitions_have_r_and_no_ratio(tmp_path):
    table, pairs = summarise(tmp_path, ceiling=np.nan, accuracy=[0.9, 0.8, 0.7])
    assert table.filter(like="over_ceiling").isna().all(axis=None) and table.r.notna().all()
    pairs = correlations(pairs)
    assert pairs.loc["FFA", "accuracy", "r"].rank_correlation == pytest.approx(1)
    row = pairs.loc["FFA", "accuracy", "r_over_ceiling"]
    assert np.isnan(row.rank_correlation) and row.n_networks == 0


def test_networks_of_unknown_or_equal_accuracy_have_no_rank_correlation(tmp_path):
    for accuracy, n in (([0.9, np.nan, 0.7], 2), ([0.9] * 3, 3)):
        row = correlations(summarise(tmp_path, accuracy=accuracy)[1]).loc["FFA", "accuracy", "r"]
        assert np.isnan(row.rank_correlation) and row.n_networks == n


def test_a_region_has_the_layer_it_reads_and_the_length_of_its_own_readout(tmp_path):
    table, pairs = summarise(tmp_path)
    assert table.groupby("roi").layer.unique().map(list).to_dict() == {"FFA": ["late"], "PPA": ["early"]}
    values = table.set_index(["roi", "network"])
    for place, name in enumerate(NETWORKS):
        assert values.relative_norm["FFA", name] == pytest.approx(0.2 * 20)
        assert values.relative_norm["PPA", name] == pytest.approx(0.5 * (10 + place))
        assert values.effective_dimensionality["PPA", name] == pytest.approx(30 - place)
        assert values.sparseness["FFA", name] == pytest.approx(0.5)
    assert (table.n_stimuli == 40).all()
    pairs = correlations(pairs).xs("sensitivity", level="y")
    assert pairs.rank_correlation["PPA", "sparseness"] == pytest.approx(1)
    assert pairs.rank_correlation["PPA", "effective_dimensionality"] == pytest.approx(-1)
    assert np.isnan(pairs.rank_correlation["FFA", "relative_norm"])
    assert pairs.n_networks["FFA", "effective_dimensionality"] == len(ZOO) - 1
    assert pairs.n_networks["PPA", "effective_dimensionality"] == len(ZOO)


def test_sensitivity_is_that_of_the_groups_own_attack_at_the_main_radius(tmp_path):
    table, _ = summarise(tmp_path)
    for place, network in enumerate(NETWORKS):
        rows = table[table.network == network]
        assert rows.sensitivity.to_numpy() == pytest.approx((1.0 + place) * 0.9)
        assert (rows.radius == 0.9).all() and (rows.n_probes == 12).all()
        assert (rows.unconverged == 0.25 * place).all()


def test_a_network_that_was_not_attacked_is_refused(tmp_path):
    summarise(tmp_path)
    names = ("scores", "split_scores", "readouts", "representations")
    paths = {name: sorted(map(str, tmp_path.glob(f"{name}_*.parquet"))) for name in names}
    few = plant_sensitivities(tmp_path, NETWORKS[1:])
    with pytest.raises(ValueError, match="2 readouts have no attack of their own"):
        run(
            "summarise_networks",
            tmp_path,
            "network_measures",
            "network_correlations",
            networks=str(tmp_path / "networks.parquet"),
            sensitivities=few,
            **paths,
        )


def test_the_csv_has_the_rows_of_the_table(tmp_path):
    table, _ = summarise(tmp_path)
    assert len(pd.read_csv(tmp_path / "network_measures.csv")) == len(table)


def test_without_random_splits_their_r_is_missing_and_their_number_0(tmp_path):
    summarise(tmp_path)
    for path in tmp_path.glob("split_scores_*.parquet"):
        plant(tmp_path, "split_scores", pd.DataFrame(columns=["network", "r"]), path.stem)
    names = ("scores", "split_scores", "readouts", "representations")
    paths = {name: sorted(map(str, tmp_path.glob(f"{name}_*.parquet"))) for name in names}
    paths |= {name: str(tmp_path / f"{name}.parquet") for name in ("networks", "sensitivities")}
    table, _ = run("summarise_networks", tmp_path, "network_measures", "network_correlations", **paths)
    assert (table.n_splits == 0).all() and table[["r_splits", "r_splits_low"]].isna().all(axis=None)
