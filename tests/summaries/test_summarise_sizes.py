"""Sizes that a wanted change needs, of planted attacks and transfers."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from planted import IMAGES, MODELS, REGIONS, plant, plant_each, run

from codingaxes.names import SIGNS

WANTED = (0.25, 0.5)
# Change by a model's large attack on the first image, on the next twice that, and so on.
LARGE = dict(zip(MODELS, (2.0, 1.0, 0.5, 0.01), strict=True))


def plant_inputs(folder, missed=()):
    """Write attacks with wanted changes; models in `missed` reach them on no image but the first."""
    rng, attacks, transfers = np.random.default_rng(8), [], []
    for model, roi, wanted in product(MODELS, REGIONS, WANTED):
        for image, direction in product(IMAGES, ("increase", "decrease")):
            row = {"network": model, "roi": roi, "direction": direction, "image_id": image}
            reached = model not in missed or image == IMAGES[0]
            row |= {"attack": "l2_effect", "radius": 0.0, "wanted": wanted, "reached": reached}
            sign, before = SIGNS[direction], rng.normal()
            row |= {"response_before": before, "response_after": before + sign * wanted * reached}
            attacks.append(row | {"size": wanted * rng.uniform(0.7, 1.4)})
            large = {"attack": "l2_large", "radius": 9.0, "wanted": 0.0, "size": 9.0}
            large["response_after"] = before + sign * LARGE[model] * (1 + IMAGES.index(image))
            attacks += [row | large] if wanted == WANTED[0] else []
    for source, target, roi, (attack, wanted) in product(
        MODELS, MODELS, (*REGIONS, "all"), (("l2_effect", 0.25), ("l2_effect", 0.5), ("l2", 0.0))
    ):
        row = {"attack": attack, "wanted": wanted, "source": source, "target": target, "roi": roi}
        transfers.append(row | {"noise": rng.uniform(0.01, 0.02)})
    variants = plant_each(folder, "perturbations", attacks, "network", "variants")
    return {"variants": variants, "transfers": plant(folder, "transfers", transfers)}


def summarise(folder, **options):
    """Run the script; the table sizes by model, region and wanted change, and the inputs."""
    inputs = plant_inputs(folder, **options)
    table = run("summarise_sizes", folder, "sizes", **inputs)
    return table.set_index(["network", "roi", "wanted"]).sort_index(), inputs


def test_each_model_region_and_wanted_change_has_the_quartiles_of_its_sizes(tmp_path):
    sizes, inputs = summarise(tmp_path)
    attacks = pd.concat([pd.read_parquet(path) for path in inputs["variants"]])
    attacks = attacks[attacks.attack == "l2_effect"]
    assert len(sizes) == len(MODELS) * len(REGIONS) * len(WANTED)
    for place, part in attacks.groupby(["network", "roi", "wanted"]):
        row, planted = sizes.loc[place], np.sort(part["size"])
        assert row.n_images == len(IMAGES) and row.reached == 1
        for column, share in (("size_low", 0.25), ("size", 0.5), ("size_high", 0.75)):
            enough = (planted <= row[column]).sum()
            assert enough / len(planted) >= share > (enough - 1) / len(planted)


def test_a_change_that_was_not_reached_counts_as_larger_and_never_as_its_size(tmp_path):
    sizes, _ = summarise(tmp_path, missed=("c_tough",))
    rows = sizes.loc["c_tough"]
    assert np.isinf(rows[["size_low", "size", "size_high"]]).all(axis=None)
    assert rows.reached.to_numpy() == pytest.approx(1 / len(IMAGES))
    assert np.isfinite(sizes.drop(index="c_tough")).all(axis=None)


def test_the_largest_change_is_that_of_any_attack_whether_or_not_it_was_wanted(tmp_path):
    sizes, _ = summarise(tmp_path)
    for model in MODELS[:3]:  # by large attacks: 1 to 8 times that on the first image
        rows = sizes.loc[model]
        np.testing.assert_allclose(rows.largest, 4.5 * LARGE[model])
        np.testing.assert_allclose(rows.largest_low, 2.75 * LARGE[model])
        np.testing.assert_allclose(rows.largest_high, 6.25 * LARGE[model])
    np.testing.assert_allclose(sizes.loc[MODELS[3]].largest, 0.5)  # by those with the larger wanted change


def test_noise_is_relative_to_the_wanted_change_and_averaged_over_sources(tmp_path):
    sizes, inputs = summarise(tmp_path)
    transfers = pd.read_parquet(inputs["transfers"]).query("attack == 'l2_effect' and roi != 'all'")
    expected = transfers.groupby(["target", "roi", "wanted"]).noise.mean()
    for place, row in sizes.iterrows():
        assert row.noise_of_wanted == pytest.approx(expected[place] / place[2])


def test_a_study_without_a_wanted_change_has_an_empty_table(tmp_path):
    inputs = plant_inputs(tmp_path)
    inputs["transfers"] = plant(tmp_path, "transfers", [{"source": "a_plain", "target": "b_tough"}])
    rows = [{"network": model, "image_id": IMAGES[0]} for model in MODELS]
    inputs["variants"] = plant_each(tmp_path, "perturbations", rows, "network", "variants")
    assert run("summarise_sizes", tmp_path, "sizes", **inputs).empty
