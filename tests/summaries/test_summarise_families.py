"""Comparisons of families, of planted networks whose truth is known."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from planted import IMAGES, REGIONS, plant, plant_each, run

from codingaxes.names import BRAIN, NOISE, SIGNS

NETWORKS = [f"{a}_{f}_{n}" for a, f, n in product(("resnet", "vgg", "odd"), ("standard", "robust"), "12")]
MODELS = [*NETWORKS, BRAIN]
FAMILY = {name: name.split("_")[1] for name in NETWORKS}
ABOUT = pd.DataFrame(
    {
        "network": NETWORKS,
        "family": FAMILY.values(),
        "architecture": [name.split("_")[0] for name in NETWORKS],
    }
)
OWN = {"standard": 2.0, "robust": 0.5}  # SD, by a family's own attacks
TO_BRAIN = {"standard": 0.01, "robust": 0.1}
COSINE = 0.05  # of either family with the brain: the claim about it is false


def plant_changes(folder, rng):
    """Write transfer: own attacks move by OWN, others by a tenth of the source's, the brain by TO_BRAIN."""
    vary = {name: rng.uniform(0.9, 1.1) for name in MODELS}
    rows, variants = [], []
    for source, target, roi, direction, image in product(MODELS, MODELS, REGIONS, SIGNS, IMAGES):
        own = OWN.get(FAMILY.get(source), 1.0)
        change = own if source == target else 0.1 * own
        change = TO_BRAIN[FAMILY[source]] if target == BRAIN and source != BRAIN else change
        change *= vary[source] * rng.uniform(0.8, 1.2) * (1.0 if direction == "increase" else 0.7)
        row = {"source": source, "target": target, "roi": roi, "direction": direction, "image_id": image}
        row |= {"draw": 0, "radius": 0.9, "change_target": SIGNS[direction] * change}
        rows.append(row)
        if source == target:
            reached = not (source.endswith("robust_1") and direction == "decrease")
            row = row | {"attack": "l2_effect", "radius": 0.0, "wanted": 1.0, "size": 1 / own}
            variants.append(row | {"reached": reached})
    for target, roi, image in product(MODELS, REGIONS, IMAGES):
        row = {
            "attack": "random",
            "source": NOISE,
            "target": target,
            "roi": roi,
            "image_id": image,
            "draw": 1,
        }
        rows.append(
            row | {"direction": "none", "radius": 0.9, "change_target": -0.01 * rng.uniform(0.9, 1.1)}
        )
    changes = plant_each(folder, "transfer", rows, "target", "transfer")
    return {
        "perturbations": changes,
        "variants": plant_each(folder, "transfer", variants, "target", "variants"),
    }


def plant_rest(folder, rng):
    """Write similarity, predictions that are equally good, and ceilings."""
    rows = []
    for (one, other), roi, image in product(combinations(MODELS, 2), REGIONS, IMAGES):
        row = {"network_i": one, "network_j": other, "roi": roi, "image_id": image, "k": 4}
        rows.append(row | {"similarity": 0.1 * rng.uniform(0.9, 1.1)})
        row |= {"response": "group", "k": 1, "cosine": COSINE * rng.uniform(0.8, 1.2)}
        rows.append(row)
    measured = rng.standard_normal((len(REGIONS), 60))
    predictions = [
        {"network": name, "roi": roi, "subject": "group", "image_id": f"image_{image:02d}"}
        | {"measured": value, "predicted": value + 0.5 * rng.standard_normal()}
        for name in NETWORKS
        for roi, values in zip(REGIONS, measured, strict=True)
        for image, value in enumerate(values)
    ]
    targets = [{"subject": "group", "roi": roi, "ceiling": 0.95} for roi in REGIONS]
    natural = [
        {"network": name, "roi": roi, "subject": "group", "sd": 0.5 if FAMILY[name] == "standard" else 0.8}
        for name, roi in product(NETWORKS, REGIONS)
    ]
    return {
        "natural": plant_each(folder, "natural_responses", natural, "network"),
        "similarity": plant(folder, "similarity", rows),
        "predictions": plant_each(folder, "predictions", predictions, "network"),
        "targets": plant(folder, "targets", targets),
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("families"), np.random.default_rng(3)
    networks = plant(folder, "networks", ABOUT)
    return {"networks": networks, **plant_changes(folder, rng), **plant_rest(folder, rng)}


@pytest.fixture(scope="module")
def table(inputs, tmp_path_factory):
    table = run("summarise_families", tmp_path_factory.mktemp("out"), "families", permutations=999, **inputs)
    return table.set_index(["measure", "roi"])


def test_a_planted_difference_is_recovered_with_the_smallest_p_there_is(table):
    row = table.loc["sensitivity", "all"]
    assert row.standard == pytest.approx(2.0 * 1.08, rel=0.15) and row.robust == pytest.approx(0.54, rel=0.15)
    assert row.ci_low < row.difference < row.ci_high < 0 and row.verdict == "standard higher"
    assert row.p == pytest.approx(2 / 216) and row.smallest_p == row.p and row.p <= row.p_adjusted < 0.05
    assert row.resampled == "networks and images" and row.n_standard == row.n_robust == 6
    assert row.relative == pytest.approx(row.difference / ((row.standard + row.robust) / 2))
    own = table.loc["sensitivity_own", "all"]
    assert own.standard == pytest.approx(row.standard / 0.5)
    assert own.robust == pytest.approx(row.robust / 0.8) and own.verdict == "standard higher"
    assert table.loc["brain_transfer", "all"].verdict == "robust higher"
    assert table.loc["brain_transfer", "all"].robust == pytest.approx(0.1 * 0.85, rel=0.1)


def test_what_does_not_differ_is_undecided(table):
    for measure in ("brain_cosine", "brain_similarity", "similarity", "r_over_ceiling"):
        assert (table.loc[measure].verdict == "undecided").all()
    assert table.loc["brain_cosine", "all"].robust == pytest.approx(COSINE, rel=0.1)


def test_sizes_are_harmonic_means_so_that_what_was_not_reached_needs_infinity(table):
    row = table.loc["size_needed", "FFA"]
    assert row.standard == pytest.approx(0.5) and row.wanted == 1
    # half of the attacks on three of six robust networks failed: 2 where all succeed, else 4
    assert row.robust == pytest.approx(3.0)


def test_transfer_is_to_other_architectures_and_a_share_of_the_targets_own(table):
    row = table.loc["transfer", "all"]
    assert row.standard == pytest.approx(0.2 * 0.85, rel=0.1)
    assert row.robust == pytest.approx(0.05 * 0.85, rel=0.1)
    share = table.loc["transfer_of_target", "all"]
    expected = 0.2 * (1 / 2.0 + 1 / 0.5) / 2
    assert share.standard == pytest.approx(expected, rel=0.15)


def test_p_values_are_adjusted_over_the_whole_table(table):
    ordered = table.sort_values("p")
    expected = np.minimum.accumulate((ordered.p * len(ordered) / np.arange(1, len(ordered) + 1))[::-1])[::-1]
    np.testing.assert_allclose(ordered.p_adjusted, np.minimum(expected, 1))


def test_a_study_of_one_family_has_no_comparison(inputs, tmp_path):
    networks = plant(tmp_path, "networks", ABOUT.assign(family="standard"))
    table = run("summarise_families", tmp_path, "families", **inputs | {"networks": networks})
    assert table.empty


def test_networks_that_predict_equally_are_compared_on_the_same_images(inputs, tmp_path):
    names = ("networks", "perturbations", "predictions", "targets")
    chosen = {name: inputs[name] for name in names}
    table = run("summarise_predictivity", tmp_path, "predictivity", permutations=999, **chosen)
    pairs = table[(table.comparison == "networks") & (table.roi == "all")]
    assert len(pairs) == 66 and pairs.p.isna().all() and (pairs.resampled == "images").all()
    row = table[(table.comparison == "families") & (table.roi == "all")].iloc[0]
    assert row.verdict == "equal" and -0.03 < row.ci90_low < row.ci90_high < 0.03 and row.n_images == 60
    assert row.ci_low < row.ci90_low and row.p > 0.05
    row = table[(table.comparison == "sensitivity_at_equal_r") & (table.roi == "all")].iloc[0]
    assert row.ci_low < np.log(0.25) < row.ci_high < 0 and row.verdict == "different" and row.p < 0.05
