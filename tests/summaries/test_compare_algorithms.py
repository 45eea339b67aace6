"""Comparison of algorithms of attack, on planted attacks whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from planted import IMAGES, MODELS, NETWORKS, REGIONS, plant, plant_networks, run
from planted_attacks import attacked, drawn, noisy, own_change, plant_sensitivity, plant_transfer, unreached

from codingaxes.names import BRAIN

KIND = ["family_source", "family_target", "architectures"]


def alike(models=MODELS):
    """Make attacks by two other algorithms that do what those of the first do."""
    return pd.concat([noisy(attacked(attack, models=models), 1) for attack in ("l2_pgd", "l2_apgd")])


def compare(folder, variants, turn=1, models=MODELS):
    """Run the script; the table algorithms."""
    main = pd.concat([noisy(attacked(models=models), 1), drawn(models=models)])
    inputs = {
        "networks": plant_networks(folder),
        "perturbations": plant_transfer(folder, main, turn=turn),
        "variants": plant_transfer(folder, variants, "variants", turn),
    }
    return run("compare_algorithms", folder, "algorithms", **inputs)


def test_algorithms_that_do_the_same_differ_by_nothing_and_agree_in_rank(tmp_path):
    table = compare(tmp_path, alike())
    first, ranks = table.attack == "l2", table.measure == "rank agreement"
    others = table[~first & ~ranks]
    np.testing.assert_allclose(others.difference, 0, atol=1e-12)
    assert others[["difference_low", "difference_high"]].isna().all(axis=None)  # no interval of a constant
    assert table.difference[first | ranks].isna().all()
    np.testing.assert_allclose(table.estimate[ranks], 1.0)
    assert ranks.sum() == 2 and (table.n[ranks] == 9).all()  # 3 networks to 2 others and the brain
    assert table[KIND][ranks].drop_duplicates().to_numpy().tolist() == [["all", "all", "any"]]


def test_kinds_are_families_and_pairs_without_attacks_on_the_brain(tmp_path):
    table = compare(tmp_path, alike())
    first = table[table.attack == "l2"].set_index(["measure", *KIND]).n
    assert first.loc["own change"].to_dict() == {
        ("standard", "standard", "itself"): 1,
        ("robust", "robust", "itself"): 2,
        (BRAIN, BRAIN, "itself"): 1,
    }
    assert first.loc["relative transfer"].to_dict() == {
        ("robust", "robust", "different"): 2,
        ("standard", "robust", "any"): 2,
        ("standard", BRAIN, "any"): 1,
        ("robust", "standard", "any"): 2,
        ("robust", BRAIN, "any"): 2,
    }
    assert (table.n_images == len(IMAGES)).all() and (table.radius == 0.5).all()


def test_a_weaker_algorithm_has_its_difference_paired_over_images(tmp_path):
    weak = noisy(attacked("l2_pgd"), 1, scale=0.5)
    table = compare(tmp_path, pd.concat([weak, noisy(attacked("l2_apgd"), 2)]))
    table = table.set_index(["measure", "attack", *KIND]).sort_index()
    kind = ("standard", "standard", "itself")
    first, other = (table.loc[("own change", name, *kind)] for name in ("l2", "l2_pgd"))
    expected = np.mean([own_change("a_plain", image, roi) for image in IMAGES for roi in REGIONS])
    assert first.estimate == pytest.approx(expected) and other.estimate == pytest.approx(expected / 2)
    assert other.difference == pytest.approx(-expected / 2)
    assert other.difference_low == pytest.approx(-first.ci_high / 2)  # only a paired interval is
    assert other.difference_high == pytest.approx(-first.ci_low / 2)
    kind = ("standard", "robust", "any")
    first, other = (table.loc[("relative transfer", name, *kind)].estimate for name in ("l2", "l2_pgd"))
    assert other == pytest.approx(
        2 * first
    )  # the same change of the target, of half the change of the source
    ranks = table.loc["rank agreement"].estimate.groupby("attack").first()
    assert ranks["l2_pgd"] == pytest.approx(1) and ranks["l2_apgd"] < 1


def test_relative_transfer_of_algorithms_is_that_of_the_numbers_of_the_study(tmp_path):
    algorithms = compare(tmp_path, alike())
    algorithms = algorithms[(algorithms.attack == "l2") & (algorithms.measure == "relative transfer")]
    inputs = {
        "networks": str(tmp_path / "networks.parquet"),
        "perturbations": sorted(map(str, tmp_path.glob("transfer_*.parquet"))),
        "variants": plant_transfer(tmp_path, unreached(), "effect"),
        "sensitivity": plant_sensitivity(tmp_path),
        "similarity": plant(tmp_path, "similarity", [{"network_i": "a_plain", "network_j": BRAIN}]),
        "similarity_means": plant(
            tmp_path, "similarity_means", [{"network_i": "a_plain", "network_j": BRAIN}]
        ),
        "families": plant(tmp_path, "families", []),
        "predictivity": plant(tmp_path, "predictivity", []),
    }
    numbers = run("summarise_numbers", tmp_path, "numbers", **inputs)
    numbers = numbers[
        (numbers.measure == "relative_transfer") & (numbers.roi == "all") & (numbers.wanted == 0)
    ]
    assert algorithms[KIND].to_numpy().tolist() == numbers[KIND].to_numpy().tolist()
    np.testing.assert_allclose(algorithms.estimate, numbers.estimate, rtol=1e-12)


def test_only_places_that_every_pair_and_algorithm_has_are_compared(tmp_path):
    rows = alike()
    table = compare(tmp_path, rows[(rows.attack != "l2_pgd") | (rows.image_id != IMAGES[2])])
    assert (table.n_images == len(IMAGES) - 1).all()
    expected = np.mean([own_change("a_plain", i, r) for i in IMAGES if i != IMAGES[2] for r in REGIONS])
    own = table[
        (table.attack == "l2") & (table.measure == "own change") & (table.family_source == "standard")
    ]
    assert own.estimate.item() == pytest.approx(expected)


def test_models_that_another_algorithm_did_not_attack_are_left_out(tmp_path):
    rows = alike()
    table = compare(tmp_path, rows[rows.source != BRAIN])
    assert set(table.family_source[table.measure == "own change"]) == {"standard", "robust"}
    assert BRAIN in set(table.family_target[table.family_source == "standard"])


def test_algorithms_of_two_radii_or_of_other_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"have the radii \[0.5, 0.9\]"):
        compare(tmp_path, pd.concat([alike(), attacked("l2_pgd", radius=0.9)]))
    with pytest.raises(ValueError, match="no image was attacked by l2 and by l2_pgd, l2_apgd"):
        compare(tmp_path, attacked("l2_pgd", radius=0.9))


def test_the_order_of_files_changes_nothing(tmp_path):
    one, other = (compare(tmp_path, alike(), turn) for turn in (1, -1))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_algorithms_are_compared_without_a_brain_too(tmp_path):
    table = compare(tmp_path, alike(NETWORKS), models=NETWORKS)
    assert len(table) > 0 and not table[KIND].isin([BRAIN]).any(axis=None)
