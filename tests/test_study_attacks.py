"""Attacks and transfer on the finished micro study: what the tables say is what the models do."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from studies import (
    MODELS,
    NETWORKS,
    REGIONS,
    SIGNS,
    SUBJECTS,
    change_by,
    deltas,
    images_of,
    model_of,
    perturbations,
    read,
    recorded,
    sensitivity,
    shown_to,
    signed,
)

from codingaxes import attacks, budgets, controls, job, tables

RADII, LINF, LARGE, WANTED, DRAWS = [0.29, 0.86], 0.00784, [2.9, 8.6], 0.5, 2
ROBUST = "resnet_robust"
READERS = [tables.GROUP, *SUBJECTS]
PLACE = ["roi", "direction", "image_id"]
KEY = ["attack", *PLACE, "radius", "wanted"]


def test_attacks_stay_in_ball_and_box_and_random_noise_has_their_size(study):
    noise = perturbations(study, "random").query("attack == 'random'")
    noise = noise.set_index(["radius", "image_id"])["size"]
    for model in MODELS:
        made = perturbations(study, model)
        assert set(made.attack) == {"l2"} and (made["size"] <= made.radius * (1 + 1e-9)).all()
        images = images_of(study, made.image_id)
        moved = images + deltas(made)
        assert moved.min() >= 0 and moved.max() <= 1
        for key, size in made.groupby(["radius", "image_id"])["size"].max().items():
            assert len(noise[key]) == DRAWS
            np.testing.assert_allclose(noise[key], size, rtol=1e-3)
        change = signed(made)
        assert (change >= -1e-5).all() and (change > 1e-4).any()
        assert (made.reached == (change > 0)).all()


@pytest.mark.parametrize("name", MODELS)
def test_variants_are_what_they_are_called_and_do_what_they_say(study, name):
    model, made = model_of(study, name), perturbations(study, name, "variants")
    rows = {"linf": 1, "l2_pgd": 1, "l2_apgd": 1, "l2_large": 2, "l2_effect": 1}
    counts = made.groupby("attack").size()
    assert counts.to_dict() == {attack: n * 2 * 3 * 4 for attack, n in rows.items()}
    sizes = made.groupby("attack").radius.unique().map(sorted).to_dict()
    largest = [max(RADII)]
    assert sizes == {
        "linf": [LINF],
        "l2_pgd": largest,
        "l2_apgd": largest,
        "l2_large": LARGE,
        "l2_effect": [0],
    }
    images, delta = images_of(study, made.image_id), deltas(made)
    moved = images + delta
    assert moved.min() >= 0 and moved.max() <= 1
    given = made[made.wanted == 0]
    assert (given["size"] <= given.radius * (1 + 1e-6)).all()
    norm = made.norm.to_numpy()
    for kind, of in (("l2", delta.flatten(1).double().norm(dim=1)), ("linf", delta.flatten(1).abs().amax(1))):
        assert set(made.attack[norm == kind]) == ({"linf"} if kind == "linf" else set(rows) - {"linf"})
        np.testing.assert_allclose(made["size"][norm == kind], of[torch.from_numpy(norm == kind)], rtol=1e-6)
    found = np.full(len(made), np.nan)
    for roi in REGIONS:
        mine = (made.roi == roi).to_numpy(copy=True)
        found[mine] = change_by(model, roi, tables.GROUP, images[mine], delta[mine])
    np.testing.assert_allclose(made.response_after - made.response_before, found, atol=1e-5)
    found = found * made.direction.map(SIGNS)
    assert (made.reached[made.wanted == 0] == (found[made.wanted == 0] > 0)).mean() > 0.95  # but for rounding
    wanted = made[(made.attack == "l2_effect") & made.reached]
    assert (wanted.wanted == WANTED).all() and len(wanted) > 0
    np.testing.assert_allclose(found[wanted.index], WANTED, rtol=0.01, atol=1e-5)
    missed = made[(made.attack == "l2_effect") & ~made.reached]
    assert not np.isclose(found[missed.index], WANTED, rtol=0.009).any()


def test_a_larger_budget_moves_a_response_farther_whatever_the_algorithm(study):
    for name in MODELS:
        made = pd.concat([perturbations(study, name), perturbations(study, name, "variants")])
        change = signed(made).groupby([made.attack, made.radius]).mean()
        assert change["l2", RADII[0]] < change["l2", RADII[1]] < change["l2_large", LARGE[0]]
        assert change["l2_pgd", RADII[1]] > change["l2", RADII[0]]
        assert change["l2_apgd", RADII[1]] > change["l2", RADII[0]]


@pytest.mark.parametrize("name", MODELS)
def test_attacks_in_the_table_of_sensitivity_are_those_of_the_tables_of_perturbations(study, name):
    made = pd.concat(
        [perturbations(study, name), perturbations(study, name, "variants").query("attack == 'linf'")]
    )
    made = made.assign(change=made.response_after - made.response_before)
    found = sensitivity(study, name).query("kind == 'attack'")
    key = [*PLACE, "norm", "radius"]
    own = found[found.subject == tables.GROUP].set_index(key)
    assert (own.made_for == own.index.get_level_values("roi")).all() and len(own) == len(made)
    values = ["change", "size", "converged"]
    pd.testing.assert_frame_equal(
        own.loc[pd.MultiIndex.from_frame(made[key]), values], made.set_index(key)[values]
    )
    single = found[found.subject != tables.GROUP]
    assert (single.radius == max(RADII)).all() and (single.norm == "l2").all()
    assert len(single) == len(SUBJECTS) * 3 * 2 * 4 and set(single.subject) == set(SUBJECTS)
    change = single.change * single.direction.map(SIGNS)
    assert (change >= -1e-5).all()
    # the same attack once more, on the readout of that subject
    model, settings = model_of(study, name), recorded(study, "attack_images", name)["params"]
    settings = {key: settings[key] for key in ("steps", "tolerance")}
    for subject, direction in (("subj01", "increase"), ("subj02", "decrease")):
        part = single.query("subject == @subject and direction == @direction and roi == 'EBA'")
        images = images_of(study, part.image_id)
        attack = attacks.maximise(
            model.scalar("EBA", subject), images, max(RADII), direction=direction, **settings
        )
        delta = budgets.round_towards_zero(attack.delta).float()
        np.testing.assert_allclose(change_by(model, "EBA", subject, images, delta), part.change, atol=1e-4)


@pytest.mark.parametrize("name", ["densenet_standard", tables.BRAIN])
def test_controls_are_what_their_names_say_and_are_read_by_every_readout(study, name):
    model, made = model_of(study, name), perturbations(study, name)
    rows = sensitivity(study, name)
    found = rows.set_index(["kind", "made_for", "radius", "direction", "draw", "image_id", "roi", "subject"])
    assert found.index.is_unique or set(rows[rows.duplicated(subset=found.index.names)].norm) == {"l2"}
    change = found[found.norm == "l2"].change
    spec = job.Run(**recorded(study, "attack_images", name))
    probes = list(dict.fromkeys(made.image_id))
    images = images_of(study, probes)
    for roi, direction, radius in (("EBA", "decrease", RADII[1]), ("PPA", "increase", RADII[0])):
        part = made[(made.roi == roi) & (made.direction == direction) & (made.radius == radius)]
        part = part.set_index("image_id").loc[probes].reset_index()
        delta = deltas(part)
        size = torch.from_numpy(part["size"].to_numpy(copy=True))
        others = [region for region in REGIONS if region != roi]
        cases = [("other_region", 0, delta, others)]
        next_one = budgets.stretch(delta[[1, 2, 3, 0]], images, size, "l2")
        cases.append(("other_image", 0, next_one, [roi]))
        for draw in range(1, DRAWS + 1):
            seeds = [spec.seed("phases", draw, image_id) for image_id in probes]
            scrambled = controls.phase_scrambled(delta, images, seeds)
            np.testing.assert_allclose(scrambled.flatten(1).norm(dim=1), size, rtol=1e-4)
            cases.append(("phase_scrambled", draw, scrambled, [roi]))
        for (kind, draw, control, regions), who in itertools.product(cases, READERS):
            for region in regions:
                stored = [change[kind, roi, radius, direction, draw, image, region, who] for image in probes]
                np.testing.assert_allclose(
                    change_by(model, region, who, images, control), stored, atol=2e-5, rtol=1e-4
                )
    shapes = rows.groupby("kind").size().to_dict()
    made = 3 * 2 * 2 * 4  # regions, directions, radii, images
    expected = {"other_image": made, "other_region": 2 * made, "phase_scrambled": DRAWS * made}
    expected |= {"random": 3 * 2 * DRAWS * 4}
    assert {kind: shapes[kind] for kind in expected} == {kind: 3 * n for kind, n in expected.items()}
    assert rows[rows.kind != "attack"].converged.all()
    assert (rows["size"] <= rows.radius * (1 + 1e-5)).all()


@pytest.mark.parametrize("name", MODELS)
def test_random_noise_is_read_by_every_readout_in_every_draw(study, name):
    noise = perturbations(study, "random").query("attack == 'random'").reset_index(drop=True)
    found = sensitivity(study, name).query("kind == 'random'")
    key = ["radius", "draw", "image_id"]
    expected = set(itertools.product(noise[key].itertuples(index=False, name=None), REGIONS, READERS))
    rows = found[[*key, "roi", "subject"]].itertuples(index=False, name=None)
    assert {(row[:3], *row[3:]) for row in rows} == expected and len(expected) == len(found)
    assert set(noise.draw) == {1, 2} and (found.direction == "none").all()
    model, images, delta = model_of(study, name), images_of(study, noise.image_id), deltas(noise)
    stored = found.set_index([*key, "roi", "subject"]).change
    for roi, who in (("FFA", tables.GROUP), ("PPA", SUBJECTS[1])):
        wanted = [stored[(*row, roi, who)] for row in noise[key].itertuples(index=False, name=None)]
        np.testing.assert_allclose(change_by(model, roi, who, images, delta), wanted, atol=1e-5)


def test_every_model_is_shown_every_perturbation_and_its_own_give_its_own_change(study):
    for room, own_room in (("transfer", "attacks"), ("transfer_variants", "variants")):
        transfer = shown_to(study, room=room)
        noise = perturbations(study, "random")
        noise = noise[(noise.attack == "random") == (room == "transfer")]
        expected = set()
        for target, model in itertools.product(MODELS, MODELS):
            made = perturbations(study, model, own_room)
            for row in made[[*KEY, "draw"]].itertuples(index=False, name=None):
                expected.add((model, target, *row))
                if row[0] == "l2_effect":
                    expected.add((model, target, "random_effect", *row[1:-1], 1))
        for target, roi in itertools.product(MODELS, REGIONS):
            for row in noise[[*KEY, "draw"]].itertuples(index=False, name=None):
                expected.add(("none", target, row[0], roi, *row[2:]))
        found = transfer[["source", "target", *KEY, "draw"]].itertuples(index=False, name=None)
        assert set(found) == expected and len(expected) == len(transfer)
        own = transfer[(transfer.source == transfer.target) & transfer.change_source.notna()]
        np.testing.assert_allclose(own.change_target, own.change_source, atol=1e-5)
        drawn = transfer.attack.str.startswith("random")
        assert (transfer.change_source.isna() == drawn).all() and drawn.any()


def test_what_one_model_does_to_another_is_what_the_other_answers(study):
    source, target = ROBUST, "densenet_standard"
    model = model_of(study, target)
    for room, own_room in (("transfer", "attacks"), ("transfer_variants", "variants")):
        shown = shown_to(study, room=room)
        found = shown[(shown.source == source) & (shown.target == target)].set_index(KEY)
        for _, part in perturbations(study, source, own_room).iloc[::5].groupby("roi"):
            roi = part.roi.iloc[0]
            expected = found.loc[pd.MultiIndex.from_frame(part[KEY])]
            images, delta = images_of(study, part.image_id), deltas(part)
            np.testing.assert_allclose(expected["size"], part["size"])
            assert (expected.reached.to_numpy() == part.reached.to_numpy()).all()
            stored = dict(zip(SUBJECTS, tables.matrix(expected.change_subjects).T, strict=True))
            stored[tables.GROUP] = expected.change_target
            for who, change in stored.items():
                np.testing.assert_allclose(change_by(model, roi, who, images, delta), change, atol=1e-5)


def test_noise_of_the_size_of_a_wanted_effect_is_that_of_its_perturbation(study):
    shown = shown_to(study, room="transfer_variants")
    key = ["source", "target", *PLACE, "wanted"]
    noise = shown[shown.attack == "random_effect"].set_index(key).sort_index()
    attack = shown[shown.attack == "l2_effect"].set_index(key).sort_index()
    pd.testing.assert_frame_equal(noise[["size", "reached"]], attack[["size", "reached"]])
    # the white noise itself: of an image it is the same for all models, but for its size
    seed = recorded(study, "measure_transfer", ROBUST)["params"]["seed"]
    rows = noise.xs((NETWORKS[0], ROBUST), level=("source", "target")).iloc[::5].reset_index()
    images, model = images_of(study, rows.image_id), model_of(study, ROBUST)
    seeds = [job.seed_of(seed, "random_effect", image_id) for image_id in rows.image_id]
    white = torch.stack(
        [torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(one)) for one in seeds]
    )
    delta = budgets.stretch(white, images, torch.from_numpy(rows["size"].to_numpy()), "l2")
    for place, row in rows.iterrows():
        here = slice(place, place + 1)
        for who, change in zip(READERS, [row.change_target, *row.change_subjects], strict=True):
            expected = change_by(model, row.roi, who, images[here], delta[here])
            assert change == pytest.approx(float(expected[0]), abs=1e-5)


def test_summaries_of_sensitivity_are_medians_over_the_rows_that_they_name(study):
    found = read(study, "results/sensitivities.parquet", "sensitivities")
    assert set(found.network) == set(MODELS)
    found = found.set_index(["network", "subject", "roi", "norm", "radius", "kind"])
    rows = sensitivity(study, ROBUST).query(f"norm == 'l2' and radius == {RADII[1]}")
    subject = rows[rows.subject == "subj02"]
    cells = {
        ("subj02", "FFA", "attack"): subject.query("roi == 'FFA' and kind == 'attack'").change,
        ("subj02", "all", "random"): subject.query("kind == 'random'").change,
        ("group", "PPA", "phase_scrambled"): rows.query(
            "subject == 'group' and roi == 'PPA' and kind == 'phase_scrambled'"
        ).change,
        ("subjects", "EBA", "other_image"): rows.query(
            "subject != 'group' and roi == 'EBA' and kind == 'other_image'"
        ).change,
    }
    shown = shown_to(study).query(f"attack == 'l2' and target == '{ROBUST}' and radius == {RADII[1]}")
    shown = shown[shown.source.isin(set(NETWORKS) - {ROBUST}) & (shown.roi == "EBA")]
    cells["group", "EBA", "transferred"] = shown.change_target
    cells["subj01", "EBA", "transferred"] = shown.change_subjects.map(lambda changes: changes[0])
    for (who, roi, kind), changes in cells.items():
        row = found.loc[ROBUST, who, roi, "l2", RADII[1], kind]
        assert row["median"] == pytest.approx(changes.abs().median()) and row.n_changes == len(changes) > 0
        assert row.ci_low <= row["median"] <= row.ci_high and row.n_images == 4
        assert row.n_subjects == (2 if who == "subjects" else 1)


@pytest.mark.parametrize("attack", ["l2", "linf", "l2_apgd", "l2_large", "l2_effect"])
def test_summaries_of_transfer_are_ratios_of_means_over_attacks_that_count(study, attack):
    source, target, roi = "resnet_standard", ROBUST, "PPA"
    shown = pd.concat([shown_to(study), shown_to(study, room="transfer_variants")])
    radius = shown.radius[shown.attack == attack].max()
    shown = shown[(shown.roi == roi) & (shown.target == target) & (shown.radius == radius)]
    rows = shown[(shown.attack == attack) & (shown.source == source)]
    own = shown[(shown.attack == attack) & (shown.source == target)].set_index(PLACE)
    sign = rows.direction.map(SIGNS)
    own = own.loc[pd.MultiIndex.from_frame(rows[PLACE])].reset_index().set_index(rows.index)
    top, bottom, below = (part * sign for part in (rows.change_target, rows.change_source, own.change_target))
    counted = rows.reached | (attack != "l2_effect")
    both = counted & (own.reached | (attack != "l2_effect"))
    found = read(study, "results/transfers.parquet", "transfers")
    wanted = WANTED if attack == "l2_effect" else 0
    found = found.set_index(["attack", "roi", "radius", "wanted", "source", "target"])
    row = found.loc[attack, roi, radius, wanted, source, target]
    assert row.change == pytest.approx(top[counted].mean())
    assert row.of_source == pytest.approx(top[counted].sum() / bottom[counted].sum())
    assert row.of_target == pytest.approx(top[both].sum() / below[both].sum())
    assert row["size"] == pytest.approx(rows["size"][counted].mean())
    assert row.reached == pytest.approx(rows.reached.mean())
    noise = {"linf": "random_linf", "l2_large": "random_large", "l2_effect": "random_effect"}.get(
        attack, "random"
    )
    noise = shown[(shown.attack == noise) & shown.source.isin(["none", source])]
    white = noise.change_target.abs()
    if attack == "l2_effect":
        white = white[noise.reached]
    assert row.noise == pytest.approx(white.mean())
    itself = found.loc[attack, roi, radius, wanted, source, source]
    assert itself.of_source == pytest.approx(1, abs=1e-4) and itself.of_target == pytest.approx(1)


def test_algorithms_are_compared_by_their_own_effect_and_their_transfer(study):
    found = read(study, "results/algorithms.parquet", "algorithms")
    assert set(found.attack) == {"l2", "l2_pgd", "l2_apgd"} and (found.radius == max(RADII)).all()
    groups = found.groupby(["measure", "group"]).attack.agg(set)
    for (measure, _), compared in groups.items():
        reference = set() if measure == "rank agreement of all pairs" else {"l2"}
        assert compared == {"l2_pgd", "l2_apgd"} | reference
    assert set(groups.index.get_level_values("measure")) == {
        "own effect",
        "relative transfer",
        "rank agreement of all pairs",
    }
    effect = found[found.measure == "own effect"].set_index(["attack", "group"]).estimate
    made = pd.concat([perturbations(study, ROBUST), perturbations(study, ROBUST, "variants")])
    made = made[made.radius == max(RADII)]
    for attack in ("l2", "l2_pgd", "l2_apgd"):
        assert effect[attack, "robust"] == pytest.approx(signed(made[made.attack == attack]).mean(), rel=1e-4)
