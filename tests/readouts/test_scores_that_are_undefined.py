"""Scores of targets that have none: missing, with a reason, and a warning where images are few."""

import logging
from types import SimpleNamespace

import average_regions
import fit_readouts
import numpy as np
import pandas as pd
import pytest


def scores(measured, predicted, train=30):
    """Score two targets, the first of them without a noise ceiling."""
    responses = np.concatenate([np.ones((train, 2)), measured])
    held_out = np.arange(len(responses)) >= train
    about = pd.DataFrame({"subject": "group", "roi": ["FFA", "PPA"], "target": "mean"})
    about["ceiling"] = [np.nan, 0.8]
    run = SimpleNamespace()
    return fit_readouts.score_targets(run, about, predicted, responses, ~held_out, np.array([0.1, np.nan]))


def test_a_target_that_is_constant_on_the_test_images_has_no_score_and_says_why(rng):
    measured, predicted = rng.standard_normal((2, 24, 2))
    measured[:, 0] = 0.1
    rows = scores(measured, predicted)
    numbers = ["r", "r2", "ci_low", "ci_high", "r_over_ceiling"]
    assert rows.loc[0, numbers].isna().all() and rows.loc[1, numbers].notna().all()
    assert rows.reason[0] == "measured: the same on all images"
    assert rows.reason[1] == "in a fold: fewer than 3 images, or the same on all"


def test_two_held_out_images_have_no_r(rng):
    rows = scores(*rng.standard_normal((2, 2, 2)))
    assert rows[["r", "ci_low", "ci_high", "r_over_ceiling"]].isna().all(axis=None)
    assert rows.reason.str.startswith("fewer than 3 images").all()


def test_a_target_without_a_ceiling_says_so(rng):
    assert scores(*rng.standard_normal((2, 24, 2))).reason[0] == "no noise ceiling above 0"


def test_below_twenty_held_out_images_there_is_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        fit_readouts.warn_of_few(20)
        assert not caplog.text
        fit_readouts.warn_of_few(19)
    assert "only 19 held-out images" in caplog.text and "nsd.test_fraction" in caplog.text


def test_a_region_that_is_constant_on_the_training_images_is_refused_by_name():
    raw, train = np.append(np.full(9, 0.1), 5.0), np.arange(10) < 9
    with pytest.raises(ValueError, match=r"FFA of subj01: the mean response is 0\.1 for all 9 training"):
        average_regions.standardise(raw, train, "FFA of subj01")


def test_a_layer_that_is_the_same_on_all_images_is_refused_by_name():
    with pytest.raises(ValueError, match=r"layer4: all 9 features are the same on all 30 images; .* layers"):
        fit_readouts.coordinates_of("layer4", np.full((30, 9), 0.1, np.float32))
