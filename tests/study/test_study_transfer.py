"""Transfer in the finished micro study: models are shown every perturbation, and answer as the tables say."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from studies import (
    MODELS,
    NETWORKS,
    REGIONS,
    ROBUST,
    SUBJECTS,
    change_by,
    deltas,
    images_of,
    model_of,
    noise,
    perturbations,
    recorded,
    transfer,
    variants,
)

from codingaxes import job
from codingaxes.attacks import budgets
from codingaxes.names import GROUP, NOISE
from codingaxes.tables import store

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
                expected.add((source, target, "random_effect", *key[1:-1], 1))
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


def test_noise_of_the_size_of_a_wanted_effect_is_that_of_its_perturbation(study):
    rows = transfer(study, "variants")
    key = ["source", "target", *PLACE, "wanted"]
    white = rows[rows.attack == "random_effect"].set_index(key).sort_index()
    attack = rows[rows.attack == "l2_effect"].set_index(key).sort_index()
    pd.testing.assert_frame_equal(white[["size", "reached"]], attack[["size", "reached"]])
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
