"""Summaries of sensitivity and transfer, of planted tables whose truth is known."""

from itertools import product

import compare_algorithms
import numpy as np
import pandas as pd
import planted
import pytest
import summarise_effects
import summarise_sensitivity
import summarise_transfer

from codingaxes import groups, tables
from codingaxes.job import Run

MODELS = planted.names()
NETWORKS = planted.names(brain=False)
REGIONS, IMAGES = ("FFA", "PPA"), [f"nsd_{number:05d}" for number in range(8)]
SUBJECTS = ("subj01", "subj02", "subj03")
WAYS = {"increase": 1.0, "decrease": -1.0}
SHARE = 0.25  # of the source's change, that a target makes


def own_change(model, image, roi):
    """What a model's own attack does; it depends on all three."""
    return (1.0 + MODELS.index(model)) * (1 + 0.3 * IMAGES.index(image)) * (2.0 if roi == "PPA" else 1.0)


def attacked(target, attack, radius=0.5, wanted=0.0, models=MODELS):
    """Rows of the table transfer: each attack moves the target by a share of what it does at home."""
    rows = []
    for source, roi, direction, image in product(models, REGIONS, WAYS, IMAGES):
        here = WAYS[direction] * own_change(source, image, roi)
        there = here if source == target else SHARE * here
        row = [attack, source, target, roi, direction, radius, wanted, 0, image, 0.5, True, here, there]
        rows.append([*row, there * np.arange(2, 2 + len(SUBJECTS))])
    return rows


def drawn(target, attack="random", radius=0.5, draws=2):
    """Rows of white noise: changes of either sign, of 0.1 and 0.3 in turn."""
    rows = []
    for roi, image, draw in product(REGIONS, IMAGES, range(1, draws + 1)):
        change = 0.1 if draw % 2 else -0.3
        row = [attack, "none", target, roi, "none", radius, 0.0, draw, image, 0.5, True, np.nan, change]
        rows.append([*row, np.full(len(SUBJECTS), change)])
    return rows


def matched(target, wanted, size):
    """Rows of noise of the size of each source's perturbation."""
    rows = []
    for source, roi, direction, image in product(MODELS, REGIONS, WAYS, IMAGES):
        row = ["random_effect", source, target, roi, direction, 0.0, wanted, 1, image, 0.5, True, np.nan]
        rows.append([*row, -size, np.full(len(SUBJECTS), size)])
    return rows


def frame_of(rows):
    return pd.DataFrame(rows, columns=list(tables.TABLES["transfer"].columns))


def plant_files(folder, name, rows_of, models=MODELS):
    """One file for each target, of rows or a frame."""
    paths = []
    for target in models:
        rows = rows_of(target)
        frame = rows if isinstance(rows, pd.DataFrame) else frame_of(rows)
        paths.append(str(folder / f"{name}_{target}.parquet"))
        tables.write(paths[-1], "transfer", frame)
    return paths


def plant_sensitivity(folder, subjects=SUBJECTS, networks=MODELS):
    """Changes of the group are 1 (attack) and 0.5 (another image); those of a subject by its number."""
    paths = []
    for network in networks:
        rows = []
        for subject, roi, kind in product(("group", *subjects), REGIONS, ("attack", "other_image")):
            scale = (1.0 if kind == "attack" else 0.5) * (10.0 if roi == "PPA" else 1.0)
            scale *= 1 if subject == "group" else 1 + subjects.index(subject)
            for direction, image in product(WAYS, IMAGES):
                change, done = WAYS[direction] * scale, not (kind == "attack" and image == IMAGES[0])
                row = [network, subject, roi, kind, roi, "l2", 0.5, direction, 0, image, 0.5, change]
                rows.append([*row, done])
        paths.append(planted.plant(folder, "sensitivity", rows, f"sensitivity_{network}"))
    return paths


def run(script, folder, name, bootstrap=200, **inputs):
    """Run one script by hand; the table that it wrote."""
    output = {kind: str(folder / f"{name}.{kind}") for kind in ("csv", "txt")}
    output = {"csv": output["csv"], "text": output["txt"], name: str(folder / f"{name}.parquet")}
    params = {"bootstrap": bootstrap, "seed": 5}
    script.main(Run(script.__name__, inputs, output, params, {}, str(folder / "log")))
    found = tables.read(output[name], name)
    assert len(pd.read_csv(output["csv"])) == len(found)
    return found


def transfers(folder, variants=()):
    shown = plant_files(folder, "transfer", lambda target: attacked(target, "l2") + drawn(target))
    found = run(summarise_transfer, folder, "transfers", transfer=shown, variants=list(variants))
    return found.set_index(["attack", "roi", "wanted", "source", "target"]).sort_index()


def test_a_target_that_moves_a_quarter_of_the_source_has_that_ratio_without_any_doubt(tmp_path):
    found = transfers(tmp_path).loc["l2"].reset_index()
    other, own = found[found.source != found.target], found[found.source == found.target]
    assert len(other) == 3 * 4 * 3 and set(found.roi) == {"all", *REGIONS}
    for part, expected in ((other, SHARE), (own, 1.0)):
        for column in ("of_source", "of_source_low", "of_source_high"):
            np.testing.assert_allclose(part[column], expected, rtol=1e-12)
    np.testing.assert_allclose(own[["of_target", "of_target_low", "of_target_high"]], 1.0, rtol=1e-12)
    assert (found.change_low < found.change).all() and (found.change < found.change_high).all()
    assert (found.n_images == len(IMAGES)).all() and (found.reached == 1).all()


def test_changes_are_means_over_images_and_regions_and_shares_of_the_targets_own(tmp_path):
    found = transfers(tmp_path).loc["l2"]
    source, target = "c_tough", "a_plain"
    for rois, label in (([*REGIONS], "all"), (["PPA"], "PPA")):
        mean = {m: np.mean([own_change(m, i, r) for i in IMAGES for r in rois]) for m in (source, target)}
        row = found.loc[label, 0.0, source, target]
        assert row.change == pytest.approx(SHARE * mean[source])
        assert row.of_target == pytest.approx(SHARE * mean[source] / mean[target])
        assert row.noise == pytest.approx(0.2) and row["size"] == 0.5


def test_white_noise_is_a_source_of_its_own_without_a_change_at_home(tmp_path):
    found = transfers(tmp_path).loc["random"]
    assert set(found.index.get_level_values("source")) == {"none"} and len(found) == 3 * len(MODELS)
    np.testing.assert_allclose(found[["change", "change_low", "change_high", "noise"]], 0.2)
    assert found[["of_source", "of_source_low", "of_source_high"]].isna().all(axis=None)
    mean = np.mean([own_change("b_tough", image, "FFA") for image in IMAGES])
    assert found.loc["FFA", 0.0, "none", "b_tough"].of_target == pytest.approx(0.2 / mean)


def unreached(target):
    """Attacks with a wanted effect; where one failed, on the first image, it did something absurd."""
    frame = frame_of(attacked(target, "l2_effect", radius=0.0, wanted=1.0) + matched(target, 1.0, 0.7))
    failed = (frame.attack == "l2_effect") & (frame.source == "a_plain") & (frame.image_id == IMAGES[0])
    frame.loc[failed, ["change_source", "change_target", "size"]] = 1e6
    return frame.assign(reached=~failed)


def test_attacks_that_did_not_reach_their_effect_are_left_out_and_counted(tmp_path):
    found = transfers(tmp_path, plant_files(tmp_path, "variants", unreached)).loc["l2_effect"]
    rows = found.loc["FFA", 1.0, "a_plain", "b_tough"]
    assert rows.reached == pytest.approx(7 / 8) and rows.n_images == 7 and rows["size"] == 0.5
    assert rows.of_source == pytest.approx(SHARE)
    assert rows.change == pytest.approx(
        SHARE * np.mean([own_change("a_plain", i, "FFA") for i in IMAGES[1:]])
    )
    back = found.loc["FFA", 1.0, "b_tough", "a_plain"]  # the target's own attack has failed on an image
    ratio = np.mean([own_change("b_tough", i, "FFA") for i in IMAGES[1:]])
    ratio *= SHARE / np.mean([own_change("a_plain", i, "FFA") for i in IMAGES[1:]])
    assert back.of_target == pytest.approx(ratio) and back.reached == 1 and back.n_images == len(IMAGES)


def test_attacks_with_a_wanted_effect_are_compared_with_noise_of_their_own_size(tmp_path):
    found = transfers(tmp_path, plant_files(tmp_path, "variants", unreached))
    np.testing.assert_allclose(found.loc["l2_effect"].noise, 0.7)
    assert "random_effect" not in found.index.get_level_values("attack")


def test_where_no_attack_reached_its_effect_there_is_a_row_that_says_so():
    frame = unreached("b_tough")
    frame = frame.assign(change=frame.change_target.abs(), own=frame.change_source.abs())
    frame.loc[frame.source == "c_tough", "reached"] = False
    rows = summarise_transfer.attacks(frame)
    found = summarise_transfer.summarise(rows, np.random.default_rng(0), 20).set_index(["roi", "source"])
    row = found.loc["all", "c_tough"]
    assert row.reached == 0 and row.n_images == 0
    assert row[["change", "change_low", "of_source", "of_target", "noise", "size"]].isna().all()
    assert found.loc["all", "b_tough"].reached == 1 and found.loc["all", "b_tough"].of_source == 1


def test_every_attack_has_the_noise_of_its_own_norm_and_size(tmp_path):
    def rows_of(target):
        large = attacked(target, "l2_large", radius=5.0) + drawn(target, "random_large", 5.0, draws=1)
        return large + attacked(target, "linf", radius=0.01) + attacked(target, "l2_pgd")

    found = transfers(tmp_path, plant_files(tmp_path, "variants", rows_of))
    np.testing.assert_allclose(found.loc["l2_pgd"].noise, 0.2)
    np.testing.assert_allclose(found.loc["l2_large"].noise, 0.1)
    assert found.loc["linf"].noise.isna().all()  # there is none of that size


def test_the_order_of_files_changes_nothing_in_the_summary_of_transfer(tmp_path):
    shown = plant_files(tmp_path, "transfer", lambda target: attacked(target, "l2") + drawn(target))
    variants = plant_files(tmp_path, "variants", unreached)
    found = []
    for turn in (1, -1):
        inputs = {"transfer": shown[::turn], "variants": variants[::turn]}
        found.append(run(summarise_transfer, tmp_path, "transfers", **inputs))
    pd.testing.assert_frame_equal(*found, check_exact=True)


def sensitivities(folder, subjects=SUBJECTS, turn=1):
    shown = plant_files(folder, "transfer", lambda target: attacked(target, "l2") + drawn(target))
    own = plant_sensitivity(folder, subjects)[::turn]
    found = run(summarise_sensitivity, folder, "sensitivities", sensitivity=own, transfer=shown[::turn])
    return found.set_index(["network", "subject", "roi", "kind"]).sort_index()


def test_medians_are_over_images_and_directions_of_each_reader(tmp_path):
    found = sensitivities(tmp_path).loc["b_tough"]
    assert found.loc["group", "FFA", "attack"]["median"] == 1.0
    assert found.loc["subj03", "PPA", "other_image"]["median"] == 15.0
    pooled = found.loc["subjects", "FFA", "attack"]
    assert (pooled["median"], pooled.ci_low, pooled.ci_high) == (2.0, 1.0, 3.0)
    single = found.loc["subj02", "FFA", "attack"]
    assert (single["median"], single.ci_low, single.ci_high) == (2.0, 2.0, 2.0)
    assert found.loc["group", "all", "attack"]["median"] == (1.0 + 10.0) / 2


def test_a_row_says_how_many_values_it_is_of_and_how_many_attacks_have_not_converged(tmp_path):
    found = sensitivities(tmp_path).loc["b_tough"]
    for subject, roi, factor in (("group", "FFA", 1), ("subjects", "PPA", 3), ("subjects", "all", 6)):
        row = found.loc[subject, roi, "attack"]
        assert row.n_changes == 2 * len(IMAGES) * factor and row.n_images == len(IMAGES)
        assert row.n_subjects == (3 if subject == "subjects" else 1)
        assert row.unconverged == pytest.approx(1 / len(IMAGES))
    assert (found.xs("other_image", level="kind").unconverged == 0).all()


def test_transferred_are_the_attacks_of_other_networks_and_not_of_the_brain(tmp_path):
    found = sensitivities(tmp_path)
    for target, sources in (("b_tough", ["a_plain", "c_tough"]), (planted.BRAIN, NETWORKS)):
        row = found.loc[target, "group", "FFA", "transferred"]
        changes = [SHARE * own_change(source, image, "FFA") for source in sources for image in IMAGES]
        assert row["median"] == pytest.approx(np.median(changes))
        assert row.n_changes == 2 * len(changes) and row.norm == "l2" and row.radius == 0.5
        second = found.loc[target, "subj02", "FFA", "transferred"]  # moves three times as far
        assert second["median"] == pytest.approx(3 * row["median"])
        assert found.loc[target, "subjects", "FFA", "transferred"].n_changes == 3 * row.n_changes


def test_where_subjects_have_no_changes_there_are_rows_of_the_group_alone(tmp_path):
    shown = frame_of(attacked("b_tough", "l2", radius=0.2) + attacked("b_tough", "l2"))
    shown["change_subjects"] = [
        changes if radius == 0.5 else np.zeros(0)
        for changes, radius in zip(shown.change_subjects, shown.radius, strict=True)
    ]
    tables.write(tmp_path / "transfer.parquet", "transfer", shown)
    own = plant_sensitivity(tmp_path, networks=["b_tough"])
    inputs = {"sensitivity": own, "transfer": [str(tmp_path / "transfer.parquet")]}
    found = run(summarise_sensitivity, tmp_path, "sensitivities", **inputs)
    readers = found[found.kind == "transferred"].groupby("radius").subject.agg(set)
    assert readers[0.2] == {"group"} and readers[0.5] == {"group", "subjects", *SUBJECTS}


def test_tables_that_disagree_about_subjects_are_refused_with_their_numbers(tmp_path):
    with pytest.raises(ValueError, match=r"changes of 3 subjects of a_plain.*has 2 \(subj01, subj02\)"):
        sensitivities(tmp_path, subjects=SUBJECTS[:2])


def test_the_order_of_files_changes_nothing_in_the_summary_of_sensitivity(tmp_path):
    pd.testing.assert_frame_equal(sensitivities(tmp_path), sensitivities(tmp_path, turn=-1), check_exact=True)


def algorithms(folder, rows_of, turn=1, brain=True):
    planted.plant_networks(folder)
    models = MODELS if brain else NETWORKS
    shown = plant_files(
        folder, "transfer", lambda t: noisy(attacked(t, "l2", models=models), 1) + drawn(t), models
    )
    variants = plant_files(folder, "variants", rows_of, models)
    inputs = {"networks": str(folder / "networks.parquet")}
    inputs |= {"transfer": shown[::turn], "variants": variants[::turn]}
    return run(compare_algorithms, folder, "algorithms", **inputs)


def noisy(rows, seed, scale=1.0):
    """Other changes of targets, that differ from pair to pair; those of the source's own by a factor."""
    rng, changed = np.random.default_rng([seed, MODELS.index(rows[0][2])]), []
    for row in rows:
        factor = rng.uniform(0.5, 1.5)
        own = row[1] == row[2]
        there = row[-2] * scale if own else row[-2] * factor * (1 + MODELS.index(row[1]))
        changed.append([*row[:-3], row[-3] * scale, there, row[-1]])
    return changed


def same_algorithms(target):
    return [row for attack in ("l2_pgd", "l2_apgd") for row in noisy(attacked(target, attack), 1)]


def test_algorithms_that_do_the_same_differ_by_nothing_and_agree_in_rank(tmp_path):
    found = algorithms(tmp_path, same_algorithms)
    ours, ranks = found.attack == "l2", found.measure == "rank agreement of all pairs"
    assert (found.loc[~ours & ~ranks, ["difference", "difference_low", "difference_high"]] == 0).all(
        axis=None
    )
    assert found.loc[ours, "difference"].isna().all() and not (ours & ranks).any()
    np.testing.assert_allclose(found.loc[ranks, ["estimate", "ci_low", "ci_high"]], 1.0)
    assert ranks.sum() == 2 and (found.n[ranks] == 9).all()  # 3 networks to 2 others and the brain


def test_groups_are_families_and_kinds_of_pairs_without_attacks_on_the_brain(tmp_path):
    found = algorithms(tmp_path, same_algorithms)
    ours = found[found.attack == "l2"].set_index(["measure", "group"])
    assert dict(ours.loc["own effect"].n) == {"standard": 1, "robust": 2, planted.BRAIN: 1}
    assert dict(ours.loc["relative transfer"].n) == {
        "within robust, different architecture": 2,
        "standard to robust": 2,
        "standard to simulated_brain": 1,
        "robust to standard": 2,
        "robust to simulated_brain": 2,
    }
    assert (found.n_images == len(IMAGES)).all() and (found.radius == 0.5).all()


def test_a_weaker_algorithm_has_its_difference_paired_over_images(tmp_path):
    def rows_of(target):
        weak = noisy(attacked(target, "l2_pgd"), 1, scale=0.5)
        return weak + noisy(attacked(target, "l2_apgd"), 2)

    found = algorithms(tmp_path, rows_of).set_index(["measure", "attack", "group"])
    ours, weak = (found.loc["own effect", name, "standard"] for name in ("l2", "l2_pgd"))
    expected = np.mean([own_change("a_plain", image, roi) for image in IMAGES for roi in REGIONS])
    assert ours.estimate == pytest.approx(expected) and weak.estimate == pytest.approx(expected / 2)
    assert weak.difference == pytest.approx(-expected / 2)
    assert weak.difference_low == pytest.approx(-ours.ci_high / 2)  # only a paired interval is
    assert weak.difference_high == pytest.approx(-ours.ci_low / 2)
    one, other = (
        found.loc["relative transfer", name, "standard to robust"].estimate for name in ("l2", "l2_pgd")
    )
    assert other == pytest.approx(2 * one)  # the same change of the target, of half the change at home
    ranks = found.loc["rank agreement of all pairs"]
    assert ranks.loc["l2_pgd", "all pairs"].estimate == pytest.approx(1)
    assert ranks.loc["l2_apgd", "all pairs"].estimate < 1


def test_relative_transfer_of_algorithms_is_that_of_the_summary_of_effects(tmp_path):
    found = algorithms(tmp_path, same_algorithms)
    ours = found[(found.attack == "l2") & (found.measure == "relative transfer")].set_index("group")
    effects = effects_of(tmp_path, sorted(map(str, tmp_path.glob("transfer_*.parquet"))))
    shares = effects[(effects.effect == "relative transfer") & (effects.roi == "all")].set_index("group")
    assert list(shares.index) == list(ours.index)
    np.testing.assert_allclose(ours.estimate, shares.estimate, rtol=1e-12)


def test_only_places_that_every_pair_and_algorithm_has_are_compared(tmp_path):
    def rows_of(target):
        rows = same_algorithms(target)
        return [row for row in rows if not (row[0] == "l2_pgd" and row[8] == IMAGES[2])]

    found = algorithms(tmp_path, rows_of)
    assert (found.n_images == len(IMAGES) - 1).all()
    expected = np.mean([own_change("a_plain", i, r) for i in IMAGES if i != IMAGES[2] for r in REGIONS])
    assert found.estimate[(found.attack == "l2") & (found.group == "standard")].item() == pytest.approx(
        expected
    )


def test_models_that_another_algorithm_did_not_attack_are_left_out(tmp_path):
    found = algorithms(
        tmp_path, lambda target: [row for row in same_algorithms(target) if row[1] != planted.BRAIN]
    )
    assert set(found.group[found.measure == "own effect"]) == {"standard", "robust"}
    assert "standard to simulated_brain" in set(found.group)


def test_algorithms_of_two_radii_or_of_other_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"have the radii \[0.5, 0.9\]"):
        algorithms(tmp_path, lambda t: same_algorithms(t) + attacked(t, "l2_pgd", radius=0.9))
    with pytest.raises(ValueError, match="no image was attacked by l2 and by l2_pgd, l2_apgd"):
        algorithms(tmp_path, lambda t: attacked(t, "l2_pgd", radius=0.9))


def test_the_order_of_files_changes_nothing_in_the_comparison_of_algorithms(tmp_path):
    found = [algorithms(tmp_path, same_algorithms, turn) for turn in (1, -1)]
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_algorithms_are_compared_without_a_brain_too(tmp_path):
    found = algorithms(
        tmp_path, lambda t: [row for row in same_algorithms(t) if row[1] in NETWORKS], brain=False
    )
    assert not found.group.str.contains(planted.BRAIN).any() and len(found) > 0


def effects_of(folder, transfer):
    inputs = {
        "networks": str(folder / "networks.parquet"),
        "transfer": transfer,
        "variants": plant_files(folder, "effect", unreached),
        "sensitivity": plant_sensitivity(folder),
        "similarity": planted.plant_similarity(folder, MODELS),
        "similarity_means": planted.plant_means(folder, MODELS),
    }
    return run(summarise_effects, folder, "effects", **inputs)


def test_the_summary_of_effects_averages_the_absolute_change_over_draws_of_noise(tmp_path):
    planted.plant_networks(tmp_path)
    shown = plant_files(tmp_path, "transfer", lambda target: attacked(target, "l2") + drawn(target))
    found = effects_of(tmp_path, shown).set_index(["effect", "group", "roi"])
    noise = found.loc["sensitivity", "robust, random noise", "all"]
    assert noise[["estimate", "ci_low", "ci_high"]].tolist() == pytest.approx([0.2] * 3) and noise.n == 2
    own = np.mean([own_change("a_plain", image, "PPA") for image in IMAGES])
    assert found.loc["sensitivity", "standard, own attack", "PPA"].estimate == pytest.approx(own)
    np.testing.assert_allclose(found.loc["relative transfer"].estimate, SHARE)


def test_the_summary_of_effects_has_controls_and_the_transfer_of_attacks_that_reached_an_effect(tmp_path):
    planted.plant_networks(tmp_path)
    shown = plant_files(tmp_path, "transfer", lambda target: attacked(target, "l2") + drawn(target))
    found = effects_of(tmp_path, shown).set_index(["effect", "group", "roi"])
    other = found.loc["sensitivity", "standard, another image's attack"]
    assert other.estimate[["FFA", "PPA", "all"]].tolist() == pytest.approx([0.5, 5.0, 2.75])
    assert not any("another region" in group for _, group, _ in found.index)  # none was planted
    reached = found.loc["relative transfer, effect of 1 SD"]
    np.testing.assert_allclose(reached.estimate, SHARE)  # a failed attack moved others by a million


def test_pairs_are_grouped_by_family_and_architecture_with_the_brain_apart():
    networks = pd.DataFrame(planted.ZOO, columns=["network", "family", "architecture", "radius"])
    pairs = pd.DataFrame(product(NETWORKS, MODELS), columns=["one", "other"])
    pairs = pairs[pairs.one != pairs.other]
    found = dict(groups.by_pair(pairs, "one", "other", networks.set_index("network")))
    assert {label: len(part) for label, part in found.items()} == {
        "within robust, different architecture": 2,
        "standard to robust": 2,
        "standard to simulated_brain": 1,
        "robust to standard": 2,
        "robust to simulated_brain": 2,
    }
    assert sum(map(len, found.values())) == len(pairs)


def test_a_change_counts_as_positive_where_it_goes_the_attacked_way():
    direction = pd.Series(["increase", "decrease", "decrease", "none"])
    found = groups.attacked_way(pd.Series([1.0, -2.0, 3.0, -4.0]), direction)
    assert found.tolist() == [1.0, 2.0, -3.0, -4.0]
