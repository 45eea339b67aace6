"""The numbers of the study, of planted tables whose truth is known, and their text."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from planted import IMAGES, MODELS, REGIONS, plant, plant_networks, rows_of, run
from planted_attacks import SHARE, attacked, drawn, own_change, plant_sensitivity, plant_transfer, unreached

from codingaxes.estimates import sentences
from codingaxes.names import BRAIN

KIND = ["family_source", "family_target", "architectures"]
STANDARD, ROBUST = ("standard", "standard", "itself"), ("robust", "robust", "itself")
# Similarity of voxels' axes, of each pair and by its dimension; the cosine of gradients is a tenth of it.
PAIRS = {pair: 0.1 * (place + 1) for place, pair in enumerate(combinations(MODELS, 2))}


VERDICT = {"difference": -1.2, "ci_low": -1.5, "ci_high": -0.9, "p_adjusted": 0.021}
VERDICT |= {"verdict": "standard higher"}
FAMILIES = [{"measure": "sensitivity", "roi": "all", "wanted": 0.0, "smallest_p": 0.01} | VERDICT]
EQUAL = {"comparison": "families", "margin": 0.03, "verdict": "equal"}
STABLE = {"comparison": "sensitivity_at_equal_r", "verdict": "different"} | {"ci_low": -1.7, "ci_high": -1.1}
PREDICTIVITY = [row | {"roi": "all", "one": "robust", "other": "standard"} for row in (EQUAL, STABLE)]


def plant_similarity(folder):
    """Write similarity of voxels' axes (k = 1 and 4) and of gradients, and its means with their chance."""
    rows, means = [], []
    for (pair, similarity), roi, k in product(PAIRS.items(), REGIONS, (1, 4)):
        name = dict(zip(("network_i", "network_j"), pair, strict=True)) | {"roi": roi, "k": k}
        means.append(name | {"matched_chance": similarity / 20})
        for image in IMAGES:
            values = {"similarity": similarity / k, "across_images": similarity / 10, "chance": k / 768}
            rows.append(name | {"image_id": image} | values)
            if k == 1:
                rows.append(rows[-1] | {"response": "group", "cosine": similarity / 10})
                means += [name | {"response": "group"}] if image == IMAGES[0] else []
    paths = {"similarity": plant(folder, "similarity", rows)}
    return paths | {"similarity_means": plant(folder, "similarity_means", means)}


def summarise(folder, rows=None):
    """Run the script; the table numbers."""
    rows = pd.concat([attacked(), attacked(radius=0.2), drawn(), drawn(radius=0.2)]) if rows is None else rows
    inputs = {
        "networks": plant_networks(folder),
        "perturbations": plant_transfer(folder, rows),
        "variants": plant_transfer(folder, unreached(), "variants"),
        "sensitivity": plant_sensitivity(folder),
        "families": plant(folder, "families", FAMILIES),
        "predictivity": plant(folder, "predictivity", PREDICTIVITY),
        **plant_similarity(folder),
    }
    return run("summarise_numbers", folder, "numbers", **inputs)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    return summarise(tmp_path_factory.mktemp("numbers"))


def select(numbers, measure, *columns, roi="all", radius=0.5):
    """Give the numbers of a measure, of one region and radius, by columns."""
    rows = numbers[(numbers.measure == measure) & (numbers.roi == roi) & (numbers.radius == radius)]
    return rows.set_index(list(columns)).sort_index()


def test_noise_counts_by_the_mean_absolute_change_over_its_draws(numbers):
    noise = select(numbers, "mean_change", "perturbation", *KIND).loc[("random", *ROBUST)]
    assert noise.estimate == pytest.approx(0.2) and np.isnan(noise.ci_low) and noise.n == 2
    assert noise.resampled == ""  # the same for all: no evidence of how much it could vary


def test_own_attacks_are_averaged_over_images_models_and_regions(numbers):
    rows = select(numbers, "mean_change", "perturbation", *KIND, roi="PPA")
    own = np.mean([own_change("a_plain", image, "PPA") for image in IMAGES])
    assert rows.loc[("attack", *STANDARD)].estimate == pytest.approx(own)
    rows = select(numbers, "mean_change", "perturbation", *KIND)
    places = product(("b_tough", "c_tough"), IMAGES, REGIONS)
    row = rows.loc[("attack", *ROBUST)]
    assert row.estimate == pytest.approx(np.mean([own_change(*place) for place in places]))
    assert row.ci_low < row.estimate < row.ci_high and row.n_images == len(IMAGES) and row.unit == "SD"


def test_controls_count_by_size_and_those_that_were_not_made_have_no_number(numbers):
    for roi, expected in (("FFA", 0.5), ("PPA", 5.0), ("all", 2.75)):
        rows = select(numbers, "mean_change", "perturbation", *KIND, roi=roi)
        assert rows.loc[("other_image", *STANDARD)].estimate == pytest.approx(expected)
    assert not numbers.perturbation.isin(["other_region", "phase_scrambled"]).any()


def test_relative_transfer_is_the_planted_share_for_every_kind_of_pair_and_radius(numbers):
    rows = numbers[(numbers.measure == "relative_transfer") & (numbers.wanted == 0)]
    np.testing.assert_allclose(rows.estimate, SHARE)
    assert rows.ci_low.isna().all() and rows.ci_high.isna().all()
    assert set(rows.radius) == {0.2, 0.5} and set(rows.roi) == {"all", *REGIONS}
    assert select(rows, "relative_transfer", *KIND).n.to_dict() == {
        ("robust", "robust", "different"): 2,
        ("robust", BRAIN, "any"): 2,
        ("robust", "standard", "any"): 2,
        ("standard", "robust", "any"): 2,
        ("standard", BRAIN, "any"): 1,
    }


def test_transfer_comes_in_sd_and_as_a_share_of_the_targets_own_attack_beside_the_ratio_of_the_two(numbers):
    kind = ("robust", BRAIN, "any")
    places = list(product(IMAGES, REGIONS))
    own = {name: np.array([own_change(name, *place) for place in places]) for name in MODELS}
    change = SHARE * np.mean([own["b_tough"], own["c_tough"]])
    assert select(numbers, "transfer", *KIND).loc[kind].estimate == pytest.approx(change)
    shares = [own[name].mean() / own[BRAIN].mean() for name in ("b_tough", "c_tough")]  # in both regions
    row = select(numbers, "transfer_of_target", *KIND).loc[kind]
    assert row.estimate == pytest.approx(SHARE * np.mean(shares)) and row.unit == "ratio"
    ratio = select(numbers, "sensitivity_ratio", *KIND).loc[kind].estimate
    assert ratio == pytest.approx(np.mean(1 / np.array(shares)))


def test_an_interval_says_what_it_is_over(numbers):
    rows = select(numbers, "mean_change", "perturbation", *KIND)
    assert rows.loc[("attack", *ROBUST)].resampled == "images"  # two networks only
    assert rows.loc[("attack", BRAIN, BRAIN, "itself")].resampled == "images"


def test_transfer_of_attacks_with_an_effect_leaves_out_those_that_failed(numbers):
    rows = numbers[(numbers.measure == "relative_transfer") & (numbers.wanted == 1)]
    np.testing.assert_allclose(rows.estimate, SHARE)  # a failed attack moved others by a million
    assert set(rows.radius) == {0} and len(rows) > 0


def test_similarity_and_its_levels_are_means_over_pairs_of_a_kind_at_each_dimension(numbers):
    columns = [("similarity", 1), ("similarity_across_images", 0.1), ("similarity_by_spectrum", 0.05)]
    for (measure, share), k in product(columns, (1, 4)):
        rows = select(numbers, measure, "k", *KIND, radius=0)
        share = share / k if measure == "similarity" else share
        planted = np.mean([PAIRS["a_plain", name] for name in ("b_tough", "c_tough")])
        row = rows.loc[(k, "standard", "robust", "any")]
        assert row.estimate == pytest.approx(share * planted) and row.n == 2
        row = rows.loc[(k, "standard", BRAIN, "any")]
        assert row.estimate == pytest.approx(share * PAIRS["a_plain", BRAIN])
    chance = select(numbers, "chance", "k", *KIND, radius=0)
    assert chance.loc[(4, "all", "all", "any")].estimate == pytest.approx(4 / 768)


def test_the_cosine_is_that_of_gradients_with_the_brain(numbers):
    rows = select(numbers, "gradient_cosine", *KIND, radius=0)
    assert rows.loc[("standard", BRAIN, "any")].estimate == pytest.approx(PAIRS["a_plain", BRAIN] / 10)
    assert set(rows.index.get_level_values("family_target")) == {BRAIN} and (rows.unit == "cosine").all()


def test_shares_of_attacks_are_counted_without_an_interval(numbers):
    row = select(numbers, "unconverged", *KIND).loc[ROBUST]
    assert row.estimate == pytest.approx(1 / len(IMAGES)) and np.isnan(row.ci_low) and row.n == 2
    reached = select(numbers, "reached", *KIND, radius=0)
    assert reached.loc[STANDARD].estimate == pytest.approx(7 / 8) and reached.loc[ROBUST].estimate == 1


def test_an_image_that_one_pair_lacks_is_left_out_of_the_mean(tmp_path):
    rows = attacked()
    rows = rows[~((rows.target == "c_tough") & (rows.image_id == IMAGES[0]))]
    numbers = summarise(tmp_path, pd.concat([rows, drawn()]))
    row = select(numbers, "mean_change", "perturbation", *KIND).loc[("attack", *ROBUST)]
    places = product(("b_tough", "c_tough"), IMAGES[1:], REGIONS)
    assert row.estimate == pytest.approx(np.mean([own_change(*place) for place in places]))


def test_the_text_says_each_number_of_all_regions_at_its_largest_radius_in_words(numbers):
    text = sentences.describe_numbers(numbers)
    lines = text.splitlines()
    assert all(len(line) <= 110 and line == line.rstrip() for line in lines)
    transfer = next(place for place, line in enumerate(lines) if "as a share of the change of the at" in line)
    assert lines.index("Change of another model under an attack of l2 norm 0.5, in SD.") < transfer
    assert lines[transfer + 1].split("  0.2")[0].strip() == "two robust networks of different architectures"
    assert any(line.startswith("  from standard networks to the simulated brain") for line in lines)
    assert "k = 4" in text and "\n1 SD, in SD." in text
    shown = numbers[(numbers.roi == "all") & (numbers.radius != 0.2)]
    assert sum(line.startswith("  ") for line in lines) == len(shown)
    assert "nan" not in text and "_" not in text


def test_the_text_ends_with_the_verdicts_on_families():
    families, predictivity = rows_of("families", FAMILIES), rows_of("predictivity", PREDICTIVITY)
    text = sentences.describe_verdicts(families, predictivity)
    assert "adjusted for the 1 tests" in text and "the smallest possible is 0.01" in text
    line = next(
        line for line in text.splitlines() if line.startswith("  change by the larger own attack, SD")
    )
    assert "-1.2000" in line and "p = 0.021" in line and line.endswith("standard higher")
    assert "within 0.03 (90% interval)? Yes." in text and text.splitlines()[-1].endswith("Different")
    assert all(len(line) <= 110 for line in text.splitlines())
    assert sentences.describe_verdicts(families[:0], predictivity) == ""


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.23456, "1.2346"),
        (-0.1, "-0.1000"),
        (0.01, "0.0100"),
        (0.0099, "0.00990"),
        (0.00023, "0.00023"),  # chance of a small k: four decimals would be 0.0002
        (-0.00023, "-0.00023"),
        (3.3216e-5, "3.3e-05"),  # of 5 axes at 224 x 224 pixels
        (0.0, "0.0000"),
        (12345.678, "12345.6780"),
    ],
)
def test_a_number_of_the_text_has_two_significant_digits_at_least_and_four_decimals(value, written):
    assert sentences.significant(value) == written
    if value:
        assert abs(float(written) / value - 1) < 0.05


def test_a_small_chance_is_no_zero_in_the_text(numbers):
    small = numbers.assign(estimate=numbers.estimate.where(numbers.measure != "chance", 5 / 150528))
    lines = [line for line in sentences.describe_numbers(small).splitlines() if "random axes" in line]
    assert lines and all(" 3.3e-05 " in line for line in lines)
