"""Attacks of the finished micro study: what the tables say is what the models do."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from studies import (
    DRAWS,
    LARGE,
    LINF,
    MODELS,
    RADII,
    REGIONS,
    SUBJECTS,
    WANTED,
    change_by,
    deltas,
    images_of,
    model_of,
    noise,
    perturbations,
    recorded,
    sensitivity,
    signed,
    subject_attacks,
    variants,
)

from codingaxes import job
from codingaxes.attacks import budgets, controls, strongest
from codingaxes.names import BRAIN, GROUP, SIGNS

READERS = [GROUP, *SUBJECTS]
PLACE = ["roi", "direction", "image_id"]


def test_attacks_stay_in_ball_and_box_and_random_noise_has_their_size(study):
    white = noise(study).query("attack == 'random'").set_index(["radius", "image_id"])["size"]
    for model in MODELS:
        attacks = perturbations(study, model)
        assert set(attacks.attack) == {"l2"} and (attacks["size"] <= attacks.radius * (1 + 1e-9)).all()
        images = images_of(study, attacks.image_id)
        moved = images + deltas(attacks)
        assert moved.min() >= 0 and moved.max() <= 1
        for key, size in attacks.groupby(["radius", "image_id"])["size"].max().items():
            assert len(white[key]) == DRAWS
            np.testing.assert_allclose(white[key], size, rtol=1e-3)
        change = signed(attacks)
        assert (change >= -1e-5).all() and (change > 1e-4).any()
        assert (attacks.reached == (change > 0)).all()


@pytest.mark.parametrize("name", MODELS)
def test_variants_are_what_they_are_called(study, name):
    attacks, largest = variants(study, name), [max(RADII)]
    n_of_place = {"linf": 1, "l2_pgd": 1, "l2_apgd": 1, "l2_large": 2, "l2_effect": 1}
    counts = attacks.groupby("attack").size()
    assert counts.to_dict() == {attack: n * 2 * 3 * 4 for attack, n in n_of_place.items()}
    radii = attacks.groupby("attack").radius.unique().map(sorted).to_dict()
    expected = {"linf": [LINF], "l2_pgd": largest, "l2_apgd": largest, "l2_large": LARGE, "l2_effect": [0]}
    assert radii == expected
    delta = deltas(attacks)
    moved = images_of(study, attacks.image_id) + delta
    assert moved.min() >= 0 and moved.max() <= 1
    bounded = attacks[attacks.wanted == 0]
    assert (bounded["size"] <= bounded.radius * (1 + 1e-6)).all()
    norm = attacks.norm.to_numpy()
    sizes = {"l2": delta.flatten(1).double().norm(dim=1), "linf": delta.flatten(1).abs().amax(1)}
    for kind, size in sizes.items():
        names = {"linf"} if kind == "linf" else set(n_of_place) - {"linf"}
        assert set(attacks.attack[norm == kind]) == names
        np.testing.assert_allclose(attacks["size"][norm == kind], size[norm == kind], rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_variants_do_what_their_table_says(study, name):
    model, attacks = model_of(study, name), variants(study, name)
    images, delta = images_of(study, attacks.image_id), deltas(attacks)
    change = np.full(len(attacks), np.nan)
    for roi in REGIONS:
        rows = (attacks.roi == roi).to_numpy(copy=True)
        change[rows] = change_by(model, roi, GROUP, images[rows], delta[rows])
    np.testing.assert_allclose(attacks.response_after - attacks.response_before, change, atol=1e-5)
    change = change * attacks.direction.map(SIGNS)
    bounded = attacks.wanted == 0
    assert (attacks.reached[bounded] == (change[bounded] > 0)).mean() > 0.95  # but for rounding
    wanted = attacks[(attacks.attack == "l2_effect") & attacks.reached]
    assert (wanted.wanted == WANTED).all() and len(wanted) > 0
    np.testing.assert_allclose(change[wanted.index], WANTED, rtol=0.01, atol=1e-5)
    missed = attacks[(attacks.attack == "l2_effect") & ~attacks.reached]
    assert not np.isclose(change[missed.index], WANTED, rtol=0.009).any()


def test_a_larger_budget_moves_a_response_farther_whatever_the_algorithm(study):
    for name in MODELS:
        attacks = pd.concat([perturbations(study, name), variants(study, name)])
        change = signed(attacks).groupby([attacks.attack, attacks.radius]).mean()
        assert change["l2", RADII[0]] < change["l2", RADII[1]] < change["l2_large", LARGE[0]]
        assert change["l2_pgd", RADII[1]] > change["l2", RADII[0]]
        assert change["l2_apgd", RADII[1]] > change["l2", RADII[0]]


@pytest.mark.parametrize("name", MODELS)
def test_attacks_in_the_table_of_sensitivity_are_those_of_the_tables_of_attacks(study, name):
    group = pd.concat([perturbations(study, name), variants(study, name).query("attack == 'linf'")])
    key = ["subject", *PLACE, "norm", "radius"]
    attacks = pd.concat([group.assign(subject=GROUP), subject_attacks(study, name)])
    attacks = attacks.assign(change=attacks.response_after - attacks.response_before).set_index(key)
    rows = sensitivity(study, name).query("kind == 'attack'").set_index(key)
    assert (rows.made_for == rows.index.get_level_values("roi")).all() and len(rows) == len(attacks)
    values = ["change", "size", "converged"]
    pd.testing.assert_frame_equal(rows.loc[attacks.index, values], attacks[values])


@pytest.mark.parametrize("name", MODELS)
def test_attacks_on_single_subjects_are_those_of_their_own_readouts(study, name):
    attacks = subject_attacks(study, name)
    assert (attacks.radius == max(RADII)).all() and (attacks.norm == "l2").all()
    assert len(attacks) == len(SUBJECTS) * 3 * 2 * 4 and set(attacks.subject) == set(SUBJECTS)
    assert (signed(attacks) >= -1e-5).all() and (attacks["size"] <= attacks.radius * (1 + 1e-9)).all()
    # the same attack once more, on the readout of that subject, with the attack on the group's as a candidate
    model, params = model_of(study, name), recorded(study, "attack_images", name)["params"]
    settings = {"steps": params["steps"], "tolerance": params["tolerance"], "limit": params["subject_limit"]}
    group = perturbations(study, name).query("radius == @attacks.radius.max() and roi == 'EBA'")
    for subject, direction in (("subj01", "increase"), ("subj02", "decrease")):
        rows = attacks.query("subject == @subject and direction == @direction and roi == 'EBA'")
        images, respond = images_of(study, rows.image_id), model.scalar("EBA", subject)
        of_group = group[group.direction == direction].set_index("image_id").loc[rows.image_id]
        candidate = deltas(of_group)
        settings |= {"known": [candidate]}
        attack = strongest.maximise(respond, images, max(RADII), direction=direction, **settings)
        delta = budgets.round_towards_zero(attack.delta).float()
        change = rows.response_after - rows.response_before
        np.testing.assert_allclose(change_by(model, "EBA", subject, images, delta), change, atol=1e-4)
        least = change_by(model, "EBA", subject, images, candidate)
        assert (SIGNS[direction] * (change - least) >= -1e-4).all(), "never weaker than the group's attack"


def controls_of(study, attacks, images, roi):
    """Make the controls of the attacks on a region once more: kind, draw, perturbations, regions."""
    delta, size = deltas(attacks), torch.from_numpy(attacks["size"].to_numpy(copy=True))
    yield "other_region", 0, delta, [region for region in REGIONS if region != roi]
    yield "other_image", 0, budgets.stretch(delta[[1, 2, 3, 0]], images, size, "l2"), [roi]
    record = job.Run(**recorded(study, "attack_images", attacks.network.iloc[0]))
    for draw in range(1, DRAWS + 1):
        seeds = [record.seed("phases", draw, image_id) for image_id in attacks.image_id]
        scrambled = controls.phase_scrambled(delta, images, seeds)
        np.testing.assert_allclose(scrambled.flatten(1).norm(dim=1), size, rtol=1e-4)
        yield "phase_scrambled", draw, scrambled, [roi]


@pytest.mark.parametrize("name", ["densenet_standard", BRAIN])
def test_controls_are_what_their_names_say_and_are_read_by_every_readout(study, name):
    model, attacks = model_of(study, name), perturbations(study, name)
    key = ["kind", "made_for", "radius", "direction", "draw", "image_id", "roi", "subject"]
    stored = sensitivity(study, name).query("norm == 'l2'").set_index(key).change
    assert stored.index.is_unique
    probes = list(dict.fromkeys(attacks.image_id))
    images = images_of(study, probes)
    for roi, direction, radius in (("EBA", "decrease", RADII[1]), ("PPA", "increase", RADII[0])):
        rows = attacks.query("roi == @roi and direction == @direction and radius == @radius")
        rows = rows.set_index("image_id").loc[probes].reset_index()
        for kind, draw, control, regions in controls_of(study, rows, images, roi):
            for region, who in itertools.product(regions, READERS):
                place = [(kind, roi, radius, direction, draw, image, region, who) for image in probes]
                change = change_by(model, region, who, images, control)
                np.testing.assert_allclose(change, stored[place], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["densenet_standard", BRAIN])
def test_there_are_as_many_controls_as_asked_for_none_larger_than_its_attack(study, name):
    rows = sensitivity(study, name)
    n_attacks = 3 * 2 * 2 * 4  # regions, directions, radii, images
    expected = {"other_image": n_attacks, "other_region": 2 * n_attacks, "phase_scrambled": DRAWS * n_attacks}
    expected |= {"random": 3 * 2 * DRAWS * 4}
    counts = rows.groupby("kind").size().to_dict()
    assert {kind: counts[kind] for kind in expected} == {kind: 3 * n for kind, n in expected.items()}
    assert rows[rows.kind != "attack"].converged.all()
    assert (rows["size"] <= rows.radius * (1 + 1e-5)).all()


@pytest.mark.parametrize("name", MODELS)
def test_random_noise_is_read_by_every_readout_in_every_draw(study, name):
    white = noise(study).query("attack == 'random'").reset_index(drop=True)
    rows = sensitivity(study, name).query("kind == 'random'")
    key = ["radius", "draw", "image_id"]
    draws = list(white[key].itertuples(index=False, name=None))
    expected = {(*draw, *reader) for draw, *reader in itertools.product(draws, REGIONS, READERS)}
    assert set(rows[[*key, "roi", "subject"]].itertuples(index=False, name=None)) == expected
    assert len(expected) == len(rows)
    assert set(white.draw) == {1, 2} and (rows.direction == "none").all()
    model, images, delta = model_of(study, name), images_of(study, white.image_id), deltas(white)
    stored = rows.set_index([*key, "roi", "subject"]).change
    for roi, who in (("FFA", GROUP), ("PPA", SUBJECTS[1])):
        change = change_by(model, roi, who, images, delta)
        np.testing.assert_allclose(change, [stored[(*draw, roi, who)] for draw in draws], atol=1e-5)
