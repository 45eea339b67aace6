"""Transfer in the finished micro study: models are shown every perturbation, and answer as the tables say."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from studies import (
    MODELS,
    NETWORKS,
    RADII,
    REGIONS,
    ROBUST,
    SUBJECTS,
    change_by,
    deltas,
    images_of,
    model_of,
    natural,
    noise,
    perturbations,
    read,
    recorded,
    sensitivity,
    transfer,
    transfer_controls,
    variants,
)

from codingaxes import job
from codingaxes.attacks import budgets, controls
from codingaxes.names import GROUP, NOISE
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI

READERS = [GROUP, *SUBJECTS]
PLACE = ["roi", "direction", "image_id"]
KEY = ["attack", *PLACE, "radius", "wanted"]
KINDS = {"perturbations": perturbations, "variants": variants}


def keys_of(frame, columns):
    """Read some columns as tuples, a row each."""
    return frame[columns].itertuples(index=False, name=None)


@pytest.mark.parametrize("kind", KINDS)
def test_every_model_is_shown_every_perturbation_and_its_own_give_its_own_change(study, kind):
    rows, white = transfer(study, kind), noise(study)
    white = white[(white.attack == "random") == (kind == "perturbations")]
    expected = set()
    for target, source in itertools.product(MODELS, MODELS):
        for key in keys_of(KINDS[kind](study, source), [*KEY, "draw"]):
            expected.add((source, target, *key))
            if key[0] == "l2_effect":
                roi, _, *place = key[1:-1]
                expected.add((source, target, "random_effect", roi, NOISE, *place, 1))
    for target, roi in itertools.product(MODELS, REGIONS):
        for attack, _, *key in keys_of(white, [*KEY, "draw"]):
            expected.add((NOISE, target, attack, roi, *key))
    assert set(keys_of(rows, ["source", "target", *KEY, "draw"])) == expected and len(expected) == len(rows)
    own = rows[(rows.source == rows.target) & rows.change_source.notna()]
    np.testing.assert_allclose(own.change_target, own.change_source, atol=1e-5)
    drawn = rows.attack.str.startswith("random")
    assert (rows.change_source.isna() == drawn).all() and drawn.any()


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_model_does_to_another_is_what_the_other_answers(study, kind):
    source, target = ROBUST, "densenet_standard"
    model, rows = model_of(study, target), transfer(study, kind)
    rows = rows[(rows.source == source) & (rows.target == target)].set_index(KEY)
    for roi, attacks in KINDS[kind](study, source).iloc[::5].groupby("roi"):
        expected = rows.loc[pd.MultiIndex.from_frame(attacks[KEY])]
        images, delta = images_of(study, attacks.image_id), deltas(attacks)
        np.testing.assert_allclose(expected["size"], attacks["size"])
        assert (expected.reached.to_numpy() == attacks.reached.to_numpy()).all()
        stored = dict(zip(SUBJECTS, store.matrix(expected.change_subjects).T, strict=True))
        stored[GROUP] = expected.change_target
        for who, change in stored.items():
            np.testing.assert_allclose(change_by(model, roi, who, images, delta), change, atol=1e-5)


def test_noise_of_the_size_of_a_wanted_effect_has_the_mean_size_of_the_perturbations_that_reached_it(study):
    rows = transfer(study, "variants")
    key = ["source", "target", "roi", "image_id", "wanted"]
    white = rows[rows.attack == "random_effect"].set_index(key).sort_index()
    attack = rows[rows.attack == "l2_effect"]
    reached = attack.reached.groupby([attack[name] for name in key]).transform("any")
    counted = attack[attack.reached | ~reached].groupby(key)["size"].mean()
    np.testing.assert_allclose(white["size"], counted[white.index], rtol=1e-6)
    assert (white.reached == attack.groupby(key).reached.any()[white.index]).all()
    # the white noise itself: of an image it is the same for all models, but for its size
    seed = recorded(study, "measure_transfer", ROBUST)["params"]["seed"]
    rows = white.xs((NETWORKS[0], ROBUST), level=("source", "target")).iloc[::5].reset_index()
    images, model = images_of(study, rows.image_id), model_of(study, ROBUST)
    seeds = [job.seed_of(seed, "random_effect", image_id) for image_id in rows.image_id]
    directions = [torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(one)) for one in seeds]
    size = torch.from_numpy(rows["size"].to_numpy(copy=True))
    delta = budgets.stretch(torch.stack(directions), images, size, "l2")
    for place, row in rows.iterrows():
        here = slice(place, place + 1)
        for who, change in zip(READERS, [row.change_target, *row.change_subjects], strict=True):
            expected = change_by(model, row.roi, who, images[here], delta[here])
            assert change == pytest.approx(float(expected[0]), abs=1e-5)


def test_every_target_is_shown_the_controls_of_every_main_attack_of_the_main_radius(study):
    rows = transfer_controls(study)
    n_attacks = 3 * 2 * 4  # regions, directions, images
    expected = {"other_image": n_attacks, "other_region": 2 * n_attacks, "phase_scrambled": n_attacks}
    counts = rows.groupby(["source", "target", "control"]).size()
    assert len(counts) == len(MODELS) ** 2 * len(expected)
    for control, number in expected.items():
        assert (counts.xs(control, level="control") == number).all()
    assert (rows.radius == max(RADII)).all() and (rows["size"] <= rows.radius * (1 + 1e-5)).all()
    assert ((rows.made_for == rows.roi) == (rows.control != "other_region")).all()


def test_controls_that_a_model_is_shown_of_its_own_attacks_are_those_of_the_table_of_sensitivity(study):
    key = ["control", "roi", "made_for", "direction", "draw", "image_id"]
    for name in (ROBUST, MODELS[-1]):
        rows = transfer_controls(study).query("source == target and source == @name").set_index(key)
        own = sensitivity(study, name).query(f"subject == '{GROUP}' and radius == {max(RADII)}")
        own = own.rename(columns={"kind": "control"}).set_index(key).change
        np.testing.assert_allclose(rows.change, own[rows.index], atol=1e-5)


def test_what_a_control_does_to_another_model_is_what_the_other_answers(study):
    source, target = ROBUST, "densenet_standard"
    model, rows = model_of(study, target), transfer_controls(study)
    key = ["control", "roi", "made_for", "image_id"]
    rows = rows.query("source == @source and target == @target and direction == 'increase'").set_index(key)
    attacks = perturbations(study, source)
    attacks = attacks[(attacks.radius == max(RADII)) & (attacks.direction == "increase")]
    record = job.Run(**recorded(study, "attack_images", source))
    for roi, part in attacks.groupby("roi"):
        images, delta = images_of(study, part.image_id), deltas(part)
        seeds = [record.seed("phases", 1, image_id) for image_id in part.image_id]
        shown = {"phase_scrambled": controls.phase_scrambled(delta, images, seeds), "other_region": delta}
        for control, control_delta in shown.items():
            for region in REGIONS if control == "other_region" else [roi]:
                if region == roi and control == "other_region":
                    continue
                stored = rows.change[[(control, region, roi, image_id) for image_id in part.image_id]]
                change = change_by(model, region, GROUP, images, control_delta)
                np.testing.assert_allclose(change, stored, atol=1e-5)


@pytest.mark.parametrize("name", [ROBUST, MODELS[-1]])
def test_natural_responses_describe_those_of_every_readout_to_all_stimuli(study, name):
    table, model = natural(study, name), model_of(study, name)
    image_ids = read(study, "results/nsd/stimuli.parquet", STIMULI).image_id
    assert len(table) == len(REGIONS) * len(READERS) and (table.n_images == len(image_ids)).all()
    images = images_of(study, image_ids)
    for row in table.itertuples():
        with torch.no_grad():
            responses = model.scalar(row.roi, row.subject)(images).double().numpy()
        assert row.mean == pytest.approx(responses.mean(), abs=1e-5)
        assert row.sd == pytest.approx(responses.std(), rel=1e-4)
        for column, share in (("q01", 0.01), ("q50", 0.5), ("q99", 0.99)):
            assert getattr(row, column) == pytest.approx(np.quantile(responses, share), abs=1e-5)
