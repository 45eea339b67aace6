"""Tests of the natural images that synthesis starts from: chosen by measured responses alone."""

import importlib

import numpy as np
import pandas as pd
import pytest

from codingaxes.job import Run
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.readouts import MEASUREMENTS
from codingaxes.tables.synthesis import CHOSEN_IMAGES

NAMES = [f"nsd_{number:05d}" for number in range(20)]
HELD_OUT = NAMES[::2]  # nsd_00000, nsd_00002, ...


def choose(folder, perturbed=2, accentuated=3, images=()):
    """Run the script on images of which the measured response of FFA grows, and that of EBA falls."""
    stimuli = pd.DataFrame({"image_id": NAMES, "nsd_id": range(20), "file": "a.png", "sha256": NAMES})
    stimuli = stimuli.assign(split=np.where(stimuli.image_id.isin(HELD_OUT), "test", "train"), probe=False)
    store.write(folder / "stimuli.parquet", STIMULI, stimuli.astype({"nsd_id": "int32"}))
    measured = [
        {"subject": subject, "roi": roi, "image_id": name, "value": sign * number}
        for subject, scale in (("group", 1.0), ("subj01", -5.0))
        for roi, sign in (("FFA", scale), ("EBA", -scale))
        for number, name in enumerate(NAMES)
    ]
    store.write(folder / "measurements.parquet", MEASUREMENTS, pd.DataFrame(measured))
    params = {"perturbed": perturbed, "accentuated": accentuated, "images": list(images)}
    inputs = {name: str(folder / f"{name}.parquet") for name in ("stimuli", "measurements")}
    output = {"chosen": str(folder / "chosen.parquet")}
    run = Run("choose_images", inputs, output, params, {}, str(folder / "choose.log"))
    importlib.import_module("choose_images").main(run)
    return store.read(output["chosen"], CHOSEN_IMAGES)


def named(chosen, purpose, roi, direction):
    """List the images of one use, in order of their rank."""
    rows = chosen[(chosen.purpose == purpose) & (chosen.roi == roi) & (chosen.direction == direction)]
    return rows.sort_values("rank").image_id.to_list()


def test_weak_images_are_driven_up_and_strong_ones_down_and_all_are_held_out(tmp_path):
    chosen = choose(tmp_path)
    assert named(chosen, "perturbation", "FFA", "increase") == ["nsd_00000", "nsd_00002"]
    assert named(chosen, "perturbation", "FFA", "decrease") == ["nsd_00018", "nsd_00016"]
    assert named(chosen, "perturbation", "EBA", "increase") == ["nsd_00018", "nsd_00016"]


def test_levels_start_from_images_that_are_evenly_spaced_in_their_rank(tmp_path):
    chosen = choose(tmp_path, accentuated=3)
    assert named(chosen, "accentuation", "FFA", "both") == ["nsd_00002", "nsd_00010", "nsd_00016"]


def test_blends_go_towards_the_best_of_all_images_and_there_is_a_second_best(tmp_path):
    chosen = choose(tmp_path)
    assert named(chosen, "best", "FFA", "increase") == ["nsd_00019", "nsd_00018"]
    assert named(chosen, "best", "FFA", "decrease") == ["nsd_00000", "nsd_00001"]


def test_further_images_are_used_everywhere_once_and_unknown_ones_are_refused(tmp_path):
    chosen = choose(tmp_path, images=["nsd_00007", "nsd_00000"])
    assert named(chosen, "perturbation", "FFA", "increase") == ["nsd_00000", "nsd_00002", "nsd_00007"]
    assert named(chosen, "accentuation", "EBA", "both")[-2:] == ["nsd_00007", "nsd_00000"]
    with pytest.raises(ValueError, match="cat_1 is none of the 20 stimuli"):
        choose(tmp_path, images=["cat_1"])


@pytest.mark.parametrize("key", ["perturbed", "accentuated"])
def test_more_images_than_are_held_out_are_refused(tmp_path, key):
    with pytest.raises(ValueError, match=f"{key} is 11, but only 10 images are held out"):
        choose(tmp_path, **{key: 11})
