"""Summaries of transfer, of planted attacks whose truth is known."""

import numpy as np
import pandas as pd
import pytest
import summarise_transfer
from planted import IMAGES, MODELS, NETWORKS, REGIONS, plant_networks, rows_of, run
from planted_attacks import (
    SHARE,
    attacked,
    drawn,
    noisy,
    own_change,
    plant_cosines,
    plant_transfer,
    unreached,
)

from codingaxes.estimates import bootstrap, measures
from codingaxes.names import BRAIN, NOISE


def summarise(folder, rows=None, variants=None, turn=1):
    """Run the script on rows of the main attacks and of variants; its four tables."""
    plant_networks(folder)
    inputs = {"perturbations": plant_transfer(folder, rows, turn=turn), "variants": []}
    if variants is not None:
        inputs["variants"] = plant_transfer(folder, variants, "variants", turn)
    inputs["networks"] = str(folder / "networks.parquet")
    inputs["similarity"] = plant_cosines(folder)
    names = ("transfers", "changes", "transfer_asymmetry", "fixed_effect")
    return run("summarise_transfer", folder, *names, **inputs)


def transfers(folder, variants=None):
    """Give the table transfers by attack, region, wanted change, source and target."""
    table = summarise(folder, variants=variants)[0]
    return table.set_index(["attack", "roi", "wanted", "source", "target"]).sort_index()


def test_a_target_that_moves_a_quarter_of_the_source_on_every_image_has_that_ratio_and_no_interval(tmp_path):
    table = transfers(tmp_path).loc["l2"].reset_index()
    other, own = table[table.source != table.target], table[table.source == table.target]
    assert len(other) == 3 * 4 * 3 and set(table.roi) == {"all", *REGIONS}
    for part, expected in ((other, SHARE), (own, 1.0)):
        np.testing.assert_allclose(part.of_source, expected, rtol=1e-12)
        assert part[["of_source_low", "of_source_high"]].isna().all(axis=None)  # no interval of a constant
    np.testing.assert_allclose(own.of_target, 1.0, rtol=1e-12)
    assert (table.change_low < table.change).all() and (table.change < table.change_high).all()
    assert (table.n_images == len(IMAGES)).all() and (table.reached == 1).all()


def test_changes_are_means_over_images_and_regions_and_shares_of_the_targets_own(tmp_path):
    table = transfers(tmp_path).loc["l2"]
    source, target = "c_tough", "a_plain"
    for rois, label in (([*REGIONS], "all"), (["PPA"], "PPA")):
        mean = {m: np.mean([own_change(m, i, r) for i in IMAGES for r in rois]) for m in (source, target)}
        row = table.loc[label, 0.0, source, target]
        assert row.change == pytest.approx(SHARE * mean[source])
        assert row.of_target == pytest.approx(SHARE * mean[source] / mean[target])
        assert row.noise == pytest.approx(0.2) and row["size"] == 0.5


def test_white_noise_is_a_source_of_its_own_without_a_change_of_a_source(tmp_path):
    table = transfers(tmp_path).loc["random"]
    assert set(table.index.get_level_values("source")) == {NOISE} and len(table) == 3 * len(MODELS)
    np.testing.assert_allclose(table[["change", "noise"]], 0.2)
    assert table[["of_source", "of_source_low", "of_source_high"]].isna().all(axis=None)
    mean = np.mean([own_change("b_tough", image, "FFA") for image in IMAGES])
    assert table.loc["FFA", 0.0, NOISE, "b_tough"].of_target == pytest.approx(0.2 / mean)


def test_a_row_says_the_families_of_both_models_and_whether_their_architecture_is_the_same(tmp_path):
    columns = ["family_source", "family_target", "architectures"]
    table = transfers(tmp_path).xs("FFA", level="roi")[columns]
    rows = table.xs(0.0, level="wanted")
    assert rows.loc["l2", "a_plain", "b_tough"].tolist() == ["standard", "robust", "same"]
    assert rows.loc["l2", "b_tough", "c_tough"].tolist() == ["robust", "robust", "different"]
    assert rows.loc["l2", "c_tough", "c_tough"].tolist() == ["robust", "robust", "itself"]
    assert rows.loc["l2", "c_tough", BRAIN].tolist() == ["robust", BRAIN, "different"]
    assert rows.loc["random", NOISE, BRAIN].tolist() == [NOISE, BRAIN, "any"]


def test_the_main_radius_is_the_largest_l2_radius_of_the_main_attacks(tmp_path):
    small = pd.concat([attacked(), attacked(radius=0.2), drawn(), drawn(radius=0.2)])
    variants = pd.concat(
        [attacked("l2_large", 5.0), attacked("l2_pgd"), attacked("linf", radius=0.5), attacked("l2_pgd", 0.2)]
    )
    table = summarise(tmp_path, small, variants)[0]
    main = table[table.main_radius].groupby("attack").radius.unique()
    assert main.map(list).to_dict() == {"l2": [0.5], "l2_pgd": [0.5], "random": [0.5]}


def test_attacks_that_did_not_reach_their_effect_are_left_out_and_counted(tmp_path):
    table = transfers(tmp_path, unreached()).loc["l2_effect"]
    row = table.loc["FFA", 1.0, "a_plain", "b_tough"]
    assert row.reached == pytest.approx(7 / 8) and row.n_images == 7 and row["size"] == 0.5
    assert row.of_source == pytest.approx(SHARE)
    mean = np.mean([own_change("a_plain", image, "FFA") for image in IMAGES[1:]])
    assert row.change == pytest.approx(SHARE * mean)
    back = table.loc["FFA", 1.0, "b_tough", "a_plain"]  # the target's own attack has failed on an image
    other = np.mean([own_change("b_tough", image, "FFA") for image in IMAGES[1:]])
    assert back.of_target == pytest.approx(SHARE * other / mean)
    assert back.reached == 1 and back.n_images == len(IMAGES)


def test_attacks_with_a_wanted_effect_are_compared_with_noise_of_their_own_size(tmp_path):
    table = transfers(tmp_path, unreached())
    np.testing.assert_allclose(table.loc["l2_effect"].noise, 0.7)
    assert "random_effect" not in table.index.get_level_values("attack")


def test_where_no_attack_reached_its_effect_there_is_a_row_that_says_so():
    rows = rows_of("transfer", unreached())
    rows = rows[rows.target == "b_tough"]
    rows = rows.assign(change=rows.change_target.abs(), own=rows.change_source.abs())
    rows.loc[rows.source == "c_tough", "reached"] = False
    settings = dict(list(rows.groupby(summarise_transfer.SETTING)))
    setting = next(setting for setting in settings if setting[0] == "l2_effect")
    own, white = summarise_transfer.reference(setting, rows[rows.source == rows.target])
    rows = summarise_transfer.compared(setting, settings[setting], settings, own, white)
    regions, images = list(dict.fromkeys(rows.roi)), np.unique(rows.image_id)
    counts = bootstrap.draw_counts(len(images), np.random.default_rng(0), 20).astype(float)
    table = summarise_transfer.summarise(rows, regions, images, counts).set_index(["roi", "source"])
    row = table.loc["all", "c_tough"]
    assert row.reached == 0 and row.n_images == 0
    assert row[["change", "change_low", "of_source", "of_target", "noise", "size"]].isna().all()
    assert table.loc["all", "b_tough"].reached == 1 and table.loc["all", "b_tough"].of_source == 1


def test_every_attack_has_the_noise_of_its_own_norm_and_size(tmp_path):
    large = [attacked("l2_large", radius=5.0), drawn("random_large", 5.0, draws=1)]
    table = transfers(tmp_path, pd.concat([*large, attacked("linf", radius=0.01), attacked("l2_pgd")]))
    np.testing.assert_allclose(table.loc["l2_pgd"].noise, 0.2)
    np.testing.assert_allclose(table.loc["l2_large"].noise, 0.1)
    assert table.loc["linf"].noise.isna().all()  # there is none of that size


def test_the_order_of_files_changes_nothing(tmp_path):
    one, other = (summarise(tmp_path, variants=unreached(), turn=turn) for turn in (1, -1))
    pd.testing.assert_frame_equal(one[0], other[0], check_exact=True)
    key = ["roi", "radius", "network", "perturbation"]
    one, other = (table.set_index(key).sort_index() for table in (one[1], other[1]))
    pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=1e-12)


def test_changes_are_those_of_networks_and_of_noise_but_not_of_the_brain(tmp_path):
    table = summarise(tmp_path)[1]
    assert set(table.network) == set(NETWORKS) and (table.n_images == len(IMAGES)).all()
    table = table.set_index(["roi", "network", "perturbation"]).change
    for roi, network in ((roi, network) for roi in REGIONS for network in NETWORKS):
        own = np.mean([own_change(network, image, roi) for image in IMAGES])
        assert table[roi, network, "own"] == pytest.approx(own)
        assert table[roi, network, "transferred"] == pytest.approx(SHARE * own)
        assert table[roi, network, "noise"] == pytest.approx(0.2)


def test_an_interval_of_a_change_is_over_images_and_noise_that_is_the_same_on_all_has_none(tmp_path):
    table = summarise(tmp_path)[1]
    noise = table[table.perturbation == "noise"]
    assert len(noise) and noise[["ci_low", "ci_high"]].isna().all(axis=None)
    own = table[table.perturbation == "own"]
    assert (own.ci_low < own.change).all() and (own.change < own.ci_high).all()


def test_noise_that_was_drawn_several_times_counts_by_the_mean_of_its_absolute_changes(tmp_path):
    table = summarise(tmp_path, pd.concat([attacked(), drawn(draws=4)]))[1]
    np.testing.assert_allclose(table.change[table.perturbation == "noise"], 0.2)


def test_attacks_in_another_norm_or_of_another_algorithm_are_no_changes(tmp_path):
    others = pd.concat([attacked("l2_large", 5.0), attacked("linf", 0.5), attacked("l2_pgd", share=9.0)])
    one, other = summarise(tmp_path)[1], summarise(tmp_path, variants=others)[1]
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_the_ratios_of_the_table_are_the_measure_relative_transfer_of_its_changes(tmp_path):
    table = transfers(tmp_path).loc["l2"].xs("PPA", level="roi").xs(0.0, level="wanted")
    own = {model: table.loc[(model, model)].change for model in MODELS}
    for (source, target), row in table.iterrows():
        assert row.of_source == pytest.approx(measures.relative_transfer(row.change, own[source]))
        assert row.of_target == pytest.approx(measures.relative_transfer(row.change, own[target]))


def test_the_share_of_the_source_is_that_of_the_target_times_the_ratio_of_sensitivities(tmp_path):
    rows = pd.concat([noisy(attacked(), seed=3), drawn()])
    table = summarise(tmp_path, rows)[0].query("attack == 'l2'")
    np.testing.assert_allclose(table.of_source, table.of_target * table.sensitivity_ratio, rtol=1e-12)
    np.testing.assert_allclose(table.sensitivity_ratio, table.own_target / table.own_source, rtol=1e-12)
    np.testing.assert_allclose(table.change, table.of_target * table.own_target, rtol=1e-12)
    itself = table[table.source == table.target]
    np.testing.assert_allclose(itself.sensitivity_ratio, 1.0)
    assert itself.sensitivity_ratio_low.isna().all()


def test_the_cosine_of_gradients_is_the_same_both_ways_and_its_mean_over_images_and_regions(tmp_path):
    table = transfers(tmp_path).loc["l2"].xs(0.0, level="wanted")
    mean = np.mean([0.1 * place - 0.3 for place in range(len(IMAGES))])
    for roi, expected in (("FFA", mean), ("PPA", 0.5), ("all", (mean + 0.5) / 2)):
        for pair in (("a_plain", "b_tough"), ("b_tough", "a_plain"), (BRAIN, "c_tough")):
            row = table.loc[(roi, *pair)]
            assert row.cosine == pytest.approx(expected)
            if roi == "PPA":  # planted alike on all images: a constant has no interval
                assert np.isnan(row.cosine_low) and np.isnan(row.cosine_high)
            else:
                assert row.cosine_low <= row.cosine <= row.cosine_high
        assert np.isnan(table.loc[roi, "a_plain", "a_plain"].cosine)
    assert (
        table.cosine_low["FFA", "a_plain", "b_tough"] < mean < table.cosine_high["FFA", "a_plain", "b_tough"]
    )


def test_where_every_target_moves_by_one_share_of_its_own_attack_the_asymmetry_is_that_of_sensitivity(
    tmp_path,
):
    rows = attacked()
    own = rows[rows.source == rows.target].set_index(["target", "roi", "direction", "image_id"])
    by_own = own.change_target.rename("by_own")
    rows = rows.join(by_own, on=["target", "roi", "direction", "image_id"])
    other = rows.source != rows.target
    rows["change_target"] = rows.change_target.where(~other, 0.2 * rows.by_own)
    table = summarise(tmp_path, pd.concat([rows.drop(columns="by_own"), drawn()]))[2].set_index("roi")
    np.testing.assert_allclose(table[["slope", "r_squared"]], 1.0)
    assert table.n_pairs.to_dict() == {"all": 6, "FFA": 3, "PPA": 3}  # networks only, each pair once
    assert (table.n_left_out == 0).all() and (table.radius == 0.5).all()


def test_where_every_target_moves_by_one_share_of_the_source_no_asymmetry_is_left_to_explain(tmp_path):
    table = summarise(tmp_path)[2]
    np.testing.assert_allclose(table.slope, 0.0, atol=1e-12)


def test_a_fixed_effect_is_averaged_over_pairs_and_names_the_target_that_moves_least(tmp_path):
    rows = noisy(attacked("l2_effect", radius=0.0, wanted=1.0), seed=5)
    table = summarise(tmp_path, variants=rows)
    pairs = table[0].query("attack == 'l2_effect' and roi == 'PPA' and source != target")
    pairs = pairs[pairs.source != BRAIN]
    effects = table[3].set_index(["roi", "family_source", "family_target", "architectures"])
    assert (effects.wanted == 1.0).all()
    for target, chosen in (
        ("standard", pairs.family_target == "standard"),
        (BRAIN, pairs.family_target == BRAIN),
        ("all", pairs.target != ""),
    ):
        part = pairs[chosen & (pairs.family_source == "robust")]
        row = effects.loc["PPA", "robust", target, "any"]
        assert row.change == pytest.approx(part.change.mean()) and row.n_pairs == len(part)
        assert row.of_target == pytest.approx(part.of_target.mean())
        assert row.change_low < row.change < row.change_high
        smallest = part.loc[part.change.idxmin()]
        assert (row.least_source, row.least_target) == (smallest.source, smallest.target)
        assert (row.least_change, row.least_low) == (smallest.change, smallest.change_low)
        assert row.least_of_target == part.of_target.min()
    every = effects.loc["all", "robust", "all", "any"]  # pairs of both regions
    assert every.n_pairs == 2 * 6 and every.reached == 1 and every.n_left_out == 0


def test_a_pair_is_moved_where_its_whole_interval_lies_above_white_noise(tmp_path):
    quiet, loud = (summarise(tmp_path, variants=with_noise(noise))[3].moved for noise in (0.0, 1e6))
    assert (quiet == 1).all() and (loud == 0).all()


def with_noise(change):
    """Make attacks with a wanted effect, and noise of their sizes that changes every target by `change`."""
    rows = unreached()
    return rows.assign(change_target=rows.change_target.mask(rows.attack == "random_effect", change))


def test_where_a_family_reached_no_effect_its_row_says_so(tmp_path):
    rows = unreached()
    failed = (rows.source == "a_plain") & (rows.attack == "l2_effect")
    table = summarise(tmp_path, variants=rows.assign(reached=rows.reached & ~failed))[3]
    table = table[table.family_source == "standard"]
    assert len(table) and (table.reached == 0).all() and (table.n_left_out == table.n_pairs).all()
    assert table[["change", "change_low", "of_target", "least_change", "moved"]].isna().all(axis=None)
    assert (table.least_target == "").all()


def test_a_study_without_a_wanted_effect_has_an_empty_table_of_fixed_effects(tmp_path):
    assert summarise(tmp_path)[3].empty


def test_regions_keep_the_order_of_the_tables_which_is_that_of_the_configuration(tmp_path):
    rows = pd.concat([attacked(), drawn()])
    rows = rows.sort_values("roi", ascending=False, kind="stable")  # PPA before FFA
    for table in summarise(tmp_path, rows)[:3]:
        assert [roi for roi in dict.fromkeys(table.roi) if roi != "all"] == ["PPA", "FFA"]


def test_a_model_that_its_own_attack_does_not_move_has_no_share_of_it_and_the_row_says_why(tmp_path):
    rows = attacked()
    still = rows.target == "b_tough"
    rows["change_target"] = rows.change_target.where(~still, rows.change_target * 1e-8)
    still = rows.source == "b_tough"
    rows["change_source"] = rows.change_source.where(~still, rows.change_source * 1e-8)
    table = summarise(tmp_path, pd.concat([rows, drawn()]))[0]
    table = table[(table.attack == "l2") & (table.source != table.target)]
    target, source = (table[name] == "b_tough" for name in ("target", "source"))
    assert table.of_target.isna().equals(target) and table.of_source.isna().equals(source)
    assert table.sensitivity_ratio.isna().equals(source) and table.change.notna().all()
    assert (table.reason[target].str.contains("the target's own attack does not move it")).all()
    assert (table.reason[source].str.contains("the source's own attack does not move it")).all()
