"""Predictors raced over planted networks: a planted winner wins, and what cannot be tested is missing."""

import numpy as np
import pandas as pd
import pytest
from planted import BRAIN, REGIONS, plant, run
from scipy.stats import false_discovery_control

from codingaxes.estimates import race, undefined

NAMES = [f"net_{number}" for number in range(8)]
OUTCOMES = ["transfer", "control_pixels", "control_fourier"]
# What decides each outcome: how far attacks drive the brain, and its control slope.
DECIDES = dict(
    zip(OUTCOMES, ("spectral_participation_ratio", "participation_ratio", "axis_similarity"), strict=True)
)


@pytest.fixture
def inputs(tmp_path):
    """Plant eight networks whose attacks drive the brain by what their spectral ratio says alone.

    How far they control it is what their participation ratio says, with pixels; with Fourier parameters they
    do so the better, the less similar their axes are to those of others.
    """
    rng = np.random.default_rng(4)
    width, number = (dict(zip(NAMES, rng.permutation(8) + 1.0, strict=True)) for _ in range(2))
    networks = [
        {"network": name, "family": "standard" if i < 5 else "robust", "architecture": f"a{i % 3}"}
        | {"training_radius": 0.0 if i < 5 else 0.9, "accuracy": rng.uniform()}
        for i, name in enumerate(NAMES)
    ]
    measured, axes, pairs, transfers, slopes = [], [], [], [], []
    for roi in REGIONS:
        for i, name in enumerate(NAMES):
            row = {"network": name, "roi": roi}
            measured.append(row | {"r": rng.uniform(), "sensitivity": rng.uniform(), "radius": 0.9})
            for measure in ("participation_ratio", "inherited_sensitivity", "spectral_participation_ratio"):
                planted = {"participation_ratio": number, "spectral_participation_ratio": width}
                value = planted[measure][name] if measure in planted else rng.uniform(1, 2)
                axes.append(row | {"measure": measure, "value": value})
            pairs += [
                {"network_i": name, "network_j": other, "roi": roi, "k": 5, "similarity": rng.uniform()}
                for other in [*NAMES[i + 1 :], BRAIN]
            ]
            for radius, main in ((0.3, False), (0.9, True)):
                row = {"source": name, "roi": roi, "radius": radius, "main_radius": main, "n_images": 12}
                transfers.append(row | {"target": name, "change": 9.0, "noise": rng.uniform()})
                change = 0.1 * width[name] if main else rng.uniform()
                transfers.append(row | {"target": BRAIN, "change": change, "noise": 0.1})
            slopes += slope_rows(name, roi, number[name])
    means = pd.DataFrame(transfers).groupby(["source", "target", "radius", "main_radius"], as_index=False)
    transfers += means[["change", "noise"]].mean().assign(roi="all", n_images=12).to_dict("records")
    similar = pd.DataFrame(pairs).query("network_j != @BRAIN")
    similar = pd.concat(
        [similar, similar.rename(columns={"network_i": "network_j", "network_j": "network_i"})]
    )
    similar = similar.groupby(["network_i", "roi"]).similarity.mean()
    for row in slopes:
        if row["arm"] == "fourier" and row["control"] == "none" and row["reviewer"] == BRAIN:
            row["slope"] = 1 - 0.5 * similar[row["network"], row["roi"]]
    means = pd.DataFrame(slopes).groupby(["network", "reviewer", "arm", "control"], as_index=False)
    slopes += means.slope.mean().assign(roi="all", n_images=9).to_dict("records")
    tables = {"networks": networks, "network_measures": measured, "axes": axes}
    tables |= {"similarity_means": pairs, "transfers": transfers, "control_slopes": slopes}
    return {name: plant(tmp_path, name, rows) for name, rows in tables.items()}


def slope_rows(name, roi, number):
    """Make slopes of the brain and, as decoys, of another reviewer and of a control; fourier comes later."""
    cases = [(BRAIN, "pixels", "none", 0.05 * number), (BRAIN, "fourier", "none", 0.0)]
    cases += [(NAMES[0], "pixels", "none", -number), (BRAIN, "pixels", "blend", -number)]
    row = {"network": name, "roi": roi, "n_images": 4}
    return [row | dict(zip(("reviewer", "arm", "control", "slope"), case, strict=True)) for case in cases]


def raced(tmp_path, inputs):
    """Run the race; the tables predictors and race_values."""
    outputs = ("predictors", "race_values")
    return run("race_predictors", tmp_path, *outputs, **inputs)


def of_transfer(table):
    """Take the rows of the first outcome."""
    return table[table.outcome == "transfer"]


def test_the_planted_predictor_explains_networks_left_out_in_every_region_and_family(tmp_path, inputs):
    predictors = of_transfer(raced(tmp_path, inputs)[0])
    rows = predictors[predictors.predictor == "spectral_participation_ratio"]
    assert set(rows.roi) == {*REGIONS, "all"} and set(rows.among) == {"all", "standard", "robust"}
    assert rows.rank_correlation.to_numpy() == pytest.approx(1)
    large = rows[rows.n_networks >= race.FEWEST]
    assert large.r2_left_out.to_numpy() == pytest.approx(1) and large.slope.to_numpy() == pytest.approx(0.1)
    others = predictors[
        (predictors.among == "all") & (predictors.predictor != "spectral_participation_ratio")
    ]
    assert others.r2_left_out.max() < 0.95


def test_numbers_are_those_of_the_values_and_p_is_adjusted_for_all_rows(tmp_path, inputs):
    predictors, values = raced(tmp_path, inputs)
    row = predictors[(predictors.predictor == "sensitivity") & (predictors.among == "all")].iloc[0]
    values = of_transfer(values)
    part = values[(values.predictor == "sensitivity") & (values.roi == row.roi)]
    assert row.outcome == "transfer"
    assert part.logarithm.all() and len(part) == row.n_networks == 8
    assert row.n_images == 12 and (values.n_images == 12).all()
    assert row.r == pytest.approx(np.corrcoef(part.value, part.change)[0, 1])
    assert row.r2_left_out == pytest.approx(race.left_out(part.value, part.change, part.network))
    tested = predictors.dropna(subset=["p"])
    np.testing.assert_allclose(tested.p_adjusted, false_discovery_control(tested.p))
    assert (tested.p_adjusted >= tested.p).all() and (tested.p >= tested.smallest_p).all()
    assert predictors.p_adjusted.isna().equals(predictors.p.isna())


def test_a_predictor_that_is_the_same_for_all_of_a_family_is_not_tested_there(tmp_path, inputs):
    predictors, _ = raced(tmp_path, inputs)
    radius = predictors[predictors.predictor == "training_radius"].set_index("among")
    columns = ["rank_correlation", "p", "slope", "r2_left_out"]
    assert radius.loc["standard", columns].isna().all(axis=None) and radius.loc["all", "p"].notna().all()


def test_similarity_to_the_brain_does_not_count_as_similarity_to_other_networks(tmp_path, inputs):
    values = of_transfer(raced(tmp_path, inputs)[1])
    pairs = pd.read_parquet(inputs["similarity_means"])
    chosen = (
        (values.predictor == "axis_similarity") & (values.network == NAMES[2]) & (values.roi == REGIONS[0])
    )
    own = pairs[(pairs.network_i == NAMES[2]) | (pairs.network_j == NAMES[2])]
    own = own[(own.roi == REGIONS[0]) & (own.network_j != BRAIN)]
    assert values.value[chosen].item() == pytest.approx(own.similarity.mean())


def test_what_tells_control_apart_wins_the_race_of_its_arm_and_no_other(tmp_path, inputs):
    predictors, _ = raced(tmp_path, inputs)
    assert list(predictors.outcome.unique()) == OUTCOMES
    for outcome, predictor in DECIDES.items():
        rows = predictors[(predictors.outcome == outcome) & (predictors.among == "all")]
        winner = rows.predictor == predictor
        assert set(rows.roi[winner]) == {*REGIONS, "all"}
        assert rows.r2_left_out[winner].to_numpy() == pytest.approx(1)
        assert rows.r2_left_out[~winner].max() < 0.95
    slopes = predictors[(predictors.among == "all") & (predictors.roi == "all")].set_index(
        ["outcome", "predictor"]
    )
    assert slopes.slope["control_pixels", "participation_ratio"] == pytest.approx(0.05)
    assert slopes.slope["control_fourier", "axis_similarity"] == pytest.approx(-0.5)
    assert slopes.n_images["control_pixels", "r"] == 9


def test_transfer_is_raced_as_if_there_were_no_control(tmp_path, inputs):
    predictors, values = raced(tmp_path, inputs)
    rows = pd.read_parquet(inputs["control_slopes"])
    alone = plant(tmp_path, "control_slopes", rows[rows.reviewer != BRAIN], "no_slopes")
    others = raced(tmp_path, inputs | {"control_slopes": alone})
    assert set(others[0].outcome) == {"transfer"}
    pd.testing.assert_frame_equal(of_transfer(values), others[1])
    pd.testing.assert_frame_equal(
        of_transfer(predictors).drop(columns="p_adjusted"), others[0].drop(columns="p_adjusted")
    )


def test_a_network_without_a_control_slope_is_left_out_and_counted(tmp_path, inputs):
    rows = pd.read_parquet(inputs["control_slopes"])
    unknown = (rows.network == NAMES[3]) & (rows.arm == "pixels")
    slopes = rows.assign(slope=rows.slope.mask(unknown), n_images=rows.n_images.mask(unknown, 0))
    slopes = slopes[~((slopes.arm == "fourier") & ~slopes.network.isin(NAMES[:2]))]
    file = plant(tmp_path, "control_slopes", slopes, "some_slopes")
    predictors, values = raced(tmp_path, inputs | {"control_slopes": file})
    everywhere = predictors[(predictors.among == "all") & (predictors.roi == "all")]
    counts = everywhere.groupby("outcome").n_networks.max()
    assert counts[OUTCOMES].tolist() == [8, 7, 2]
    assert values.change.isna().sum() == values.n_images.eq(0).sum() > 0
    few = everywhere[everywhere.outcome == "control_fourier"]
    assert few.p.isna().all() and set(few.reason) == {undefined.FEW_NETWORKS}


def test_a_value_that_is_missing_says_why(tmp_path, inputs):
    edits = {  # table: column, its new value, and the network that has it
        "network_measures": ("sensitivity", 0.0, NAMES[1]),
        "networks": ("accuracy", np.nan, NAMES[2]),
        "transfers": ("change", np.nan, NAMES[3]),
    }
    for table, (column, value, name) in edits.items():
        rows = pd.read_parquet(inputs[table])
        chosen = rows["source" if table == "transfers" else "network"] == name
        inputs[table] = plant(tmp_path, table, rows.assign(**{column: rows[column].mask(chosen, value)}))
    _, values = raced(tmp_path, inputs)
    values = of_transfer(values)
    reasons = values.set_index(["predictor", "network"]).reason
    assert reasons["sensitivity", NAMES[1]].str.endswith("rounding: no logarithm").all()
    assert reasons["accuracy", NAMES[2]].eq("the predictor is not known of this network").all()
    assert reasons["noise", NAMES[3]].str.startswith("no attack of the network").all()
    missing = values.value.isna() | values.change.isna()
    assert missing.equals(values.reason != "") and missing.sum() == 3 * (1 + 1 + 12)
