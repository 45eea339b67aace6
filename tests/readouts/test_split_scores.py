"""r on other random splits of the images: how much a score hangs on the images that are held out."""

from types import SimpleNamespace

import fit_readouts
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import ShuffleSplit

from codingaxes import job
from codingaxes.readouts import ridge

OPTIONS = {"cv": "leave_one_out", "alphas": np.geomspace(1e-4, 1e4, 9)}
N, TEST = 120, 25


@pytest.fixture
def world(rng):
    """A layer that predicts, one of noise, and responses: of the group, of a subject and of a voxel."""
    values = {"noise": rng.standard_normal((N, 6)), "good": rng.standard_normal((N, 6))}
    signal = values["good"] @ rng.standard_normal((6, 3))
    responses = signal + 1.5 * rng.standard_normal((N, 3))
    about = pd.DataFrame(
        {"subject": ["group", "subj01", "subj01"], "target": ["mean", "mean", "0"], "roi": "FFA"}
    )
    return values, about, responses


def scored(world, splits=10, network="net"):
    """Score the region means of a world: rows of the table split_scores."""
    run = SimpleNamespace(
        rule="fit_readouts", params={"seed": 3, "splits": splits}, wildcards={"network": network}
    )
    return fit_readouts.split_scores(run, *world, np.arange(N) >= TEST, OPTIONS)


def test_each_split_has_the_r_of_readouts_of_the_layer_that_predicts_on_the_images_held_out(world):
    values, _, responses = world
    table = scored(world)
    assert table[["subject", "split"]].apply(tuple, axis=1).is_unique and len(table) == 2 * 10
    assert set(table.subject) == {"group", "subj01"} and set(table.n_test) == {TEST}  # voxels have no rows
    assert set(table.n_train) == {N - TEST} and (table.reason == "").all()
    seed = job.seed_of(3, "fit_readouts", "splits") % 2**32
    splits = ShuffleSplit(10, test_size=TEST, random_state=seed).split(responses)
    for split, (inside, outside) in enumerate(splits, start=1):
        fit = ridge.fit(values["good"][inside], responses[inside][:, :2], **OPTIONS)
        predicted = fit.predict(values["good"][outside])
        rows = table[table.split == split].set_index("subject").r
        for column, subject in enumerate(("group", "subj01")):
            expected = np.corrcoef(predicted[:, column], responses[outside, column])[0, 1]
            assert rows[subject] == pytest.approx(expected)


def test_all_networks_are_scored_on_the_same_splits(world):
    pd.testing.assert_frame_equal(scored(world, network="one"), scored(world, network="other"))


def test_the_spread_over_splits_is_about_the_standard_error_of_r(world):
    """Splits share images, but each has its own held-out ones, which is most of the spread."""
    r = scored(world, splits=60).query("subject == 'group'").r
    expected = (1 - r.mean() ** 2) / np.sqrt(TEST - 1)
    assert 0.5 * expected < r.std() < 1.6 * expected


def test_without_splits_there_is_an_empty_table_and_a_constant_target_says_why(world):
    assert scored(world, splits=0).empty
    values, about, responses = world
    responses = np.where(np.arange(3) == 1, 0.1, responses)
    table = scored((values, about, responses)).set_index("subject")
    assert table.r["subj01"].isna().all() and table.r["group"].notna().all()
    assert (table.reason["subj01"] == "in this split: fewer than 3 images, or the same on all").all()
