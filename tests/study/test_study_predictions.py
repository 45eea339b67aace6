"""Predictions of a stimulus set that is made of files of the micro study: responses, changes, intervals."""

from contextlib import chdir

import numpy as np
import pandas as pd
import predict_stimuli
import pytest
import torch
from studies import (
    MODELS,
    NETWORKS,
    REGIONS,
    ROBUST,
    SUBJECTS,
    images_of,
    model_of,
    natural,
    read,
    recorded,
)

from codingaxes import job
from codingaxes.names import BRAIN, GROUP
from codingaxes.readouts import refits
from codingaxes.synthesis import pictures
from codingaxes.tables import store
from codingaxes.tables.nsd import STIMULI
from codingaxes.tables.readouts import MEASUREMENTS, READOUTS
from codingaxes.tables.stimulus_sets import SET_PREDICTIONS, SET_REFITS, SET_STIMULI
from codingaxes.tables.synthesis import SYNTHESIS

REFITS = 30


def planted_set(study):
    """Make a set of perturbations and blends of a robust network, and of their natural images."""
    made = read(study, f"results/synthesis/perturbations/{ROBUST}.parquet", SYNTHESIS)
    made = made[(made.kind == "perturbation") & (made.arm == "pixels") & (made.control != "phase_scrambled")]
    made = made.assign(role=np.where(made.control == "none", "perturbed", "control"), maker=ROBUST)
    stimuli = read(study, "results/nsd/stimuli.parquet", STIMULI)
    natural = stimuli[stimuli.image_id.isin(made.image_id)]
    words = {"role": "original", "maker": "none", "control": "none", "roi": "all", "direction": "none"}
    # originals in the middle, so that places are not those of the rows
    rows = pd.concat([made.iloc[:10], natural.assign(**words), made.iloc[10:]], ignore_index=True)
    rows["stimulus_id"] = [f"stim-{number:03d}" for number in range(len(rows))]
    zeros = dict.fromkeys(["draw", "step", "evaluations"], 0) | dict.fromkeys(["l2", "linf", "rms"], 0.0)
    missing = dict.fromkeys(["radius", "effect", "wanted_level"], np.nan)
    rows = rows.assign(**zeros, **missing, maker_role="robust", matched="norm", converged=True, reached=True)
    return rows[list(SET_STIMULI.columns)]


def predict(study, folder, rows, **settings):
    """Run the script on a set, with the models of the study, in a folder that links to its tables."""
    (folder / "results").mkdir(parents=True)
    for part in (study / "results").glob("[a-z]*"):  # not .parts, where the script keeps its own
        (folder / "results" / part.name).symlink_to(part)
    (folder / "resources").symlink_to(study / "resources")
    store.write(folder / "set.parquet", SET_STIMULI, rows)
    review = recorded(study, "review_images")
    params = review["params"] | {"method": "ridge", "components": 3, "refits": REFITS, "seed": 7} | settings
    run = job.Run(
        rule="predict_stimuli",
        input=review["input"]
        | {"set": "set.parquet", "measurements": "results/readouts/measurements.parquet"},
        output={name: f"{name}.parquet" for name in ("predictions", "refits")},
        params=params,
        wildcards={"set": "demo"},
        log="job.log",
    )
    with chdir(folder):
        predict_stimuli.main(run)
    assert not list((folder / "results/.parts").rglob("*.arrow"))
    return (
        store.read(folder / "predictions.parquet", SET_PREDICTIONS),
        store.read(folder / "refits.parquet", SET_REFITS),
    )


@pytest.fixture(scope="module")
def demo(study, tmp_path_factory):
    """The set, its predictions and its refits."""
    rows = planted_set(study)
    return rows, *predict(study, tmp_path_factory.mktemp("demo"), rows)


@torch.no_grad()
def responses(study, name, rows, roi, subject):
    """Compute the responses of a model to the saved files of a set and to their natural images."""
    respond = model_of(study, name).scalar(roi, subject)
    saved = pictures.from_bytes(pictures.read([study / file for file in rows.file], rows.sha256))
    return respond(saved).double().numpy(), respond(images_of(study, rows.image_id)).double().numpy()


def test_every_model_region_and_reader_answers_to_every_stimulus(demo):
    rows, predictions, again = demo
    readers = len(REGIONS) * (1 + len(SUBJECTS))
    assert len(predictions) == len(rows) * len(MODELS) * readers
    assert set(predictions.network) == set(MODELS) and set(predictions.subject) == {GROUP, *SUBJECTS}
    assert len(again) == len(rows) * len(NETWORKS) * len(REGIONS) and BRAIN not in set(again.network)
    assert {len(change) for change in again.change} == {REFITS}


@pytest.mark.parametrize("name", [ROBUST, BRAIN])
def test_responses_are_those_to_the_saved_file_and_before_those_to_the_natural_image(study, demo, name):
    rows, predictions, _ = demo
    for roi, subject in (("FFA", GROUP), ("PPA", SUBJECTS[1])):
        of_model = predictions.query("network == @name and roi == @roi and subject == @subject")
        of_model = of_model.set_index("stimulus_id").loc[rows.stimulus_id]
        saved, before = responses(study, name, rows, roi, subject)
        np.testing.assert_allclose(of_model.response, saved, atol=1e-4)
        np.testing.assert_allclose(of_model.before, before, atol=1e-4)
        np.testing.assert_array_equal(of_model.change, of_model.response - of_model.before)
        assert not of_model.change[(rows.role == "original").to_numpy()].any()
        assert of_model.change[(rows.role == "perturbed").to_numpy()].all()


def test_levels_are_of_the_group_and_super_stimuli_of_the_region_that_was_meant(study, demo):
    rows, predictions, _ = demo
    group = predictions[predictions.subject == GROUP].merge(
        rows[["stimulus_id", "roi", "direction"]], on="stimulus_id", suffixes=("", "_meant")
    )
    spread = pd.concat([natural(study, name) for name in MODELS])
    spread = spread[spread.subject == GROUP].set_index(["network", "roi"])
    at = pd.MultiIndex.from_frame(group[["network", "roi"]])
    low, high = (spread.loc[at, name].to_numpy() for name in ("q01", "q99"))
    known = high - low > 1e-5
    np.testing.assert_allclose(
        group.level[known], ((group.response - low) / (high - low))[known], rtol=1e-9, atol=1e-9
    )
    up = (group.level > 1) & (group.direction == "increase")
    down = (group.level < 0) & (group.direction == "decrease")
    assert (group.super_stimulus == ((up | down) & (group.roi == group.roi_meant))).all()
    assert group.super_stimulus.any()
    others = predictions[predictions.subject != GROUP]
    assert others.level.isna().all() and others.distance.isna().all() and not others.super_stimulus.any()


@pytest.mark.parametrize("name", [ROBUST, BRAIN])
def test_the_distance_is_the_root_mean_square_change_over_all_voxels(study, demo, name):
    rows, predictions, _ = demo
    saved = pictures.from_bytes(pictures.read([study / file for file in rows.file], rows.sha256))
    with torch.no_grad():
        voxels = model_of(study, name).voxels["EBA"]
        change = (voxels(saved) - voxels(images_of(study, rows.image_id))).double().numpy()
    of_model = predictions.query("network == @name and roi == 'EBA' and subject == @GROUP")
    of_model = of_model.set_index("stimulus_id").loc[rows.stimulus_id]
    np.testing.assert_allclose(of_model.distance, np.sqrt((change**2).mean(axis=1)), rtol=1e-3, atol=1e-5)
    assert not of_model.distance[(rows.role == "original").to_numpy()].any()


def test_intervals_are_of_networks_and_the_group_and_are_the_quantiles_of_the_refits(demo):
    _, predictions, again = demo
    known = (predictions.network != BRAIN) & (predictions.subject == GROUP)
    for end in ("response_low", "response_high", "change_low", "change_high"):
        assert (predictions[end].notna() == known).all()
    both = predictions[known].merge(again, on=["stimulus_id", "network", "roi"], suffixes=("", "s"))
    assert len(both) == len(again)
    ends = np.quantile(store.matrix(both.changes), [0.025, 0.975], axis=1)
    np.testing.assert_allclose(both[["change_low", "change_high"]].to_numpy().T, ends, rtol=1e-4, atol=1e-5)
    assert (both.response_low <= both.response_high).all()
    assert not both[["change_low", "change_high"]][both.change == 0].any(axis=None)


def test_results_do_not_depend_on_the_batch_but_for_rounding_and_other_methods_are_refitted(
    study, demo, tmp_path, monkeypatch
):
    rows, predictions, again = demo
    monkeypatch.setattr(predict_stimuli, "BATCH", 5)
    small, small_again = predict(study, tmp_path / "small", rows)
    numbers = list(predictions.select_dtypes("float"))
    np.testing.assert_allclose(small[numbers], predictions[numbers], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        store.matrix(small_again.change), store.matrix(again.change), rtol=1e-3, atol=1e-3
    )
    _, pls = predict(study, tmp_path / "pls", rows, method="pls", refits=2)
    assert not np.allclose(store.matrix(pls.change), store.matrix(again.change)[:, :2], atol=1e-3)


def test_if_every_image_counts_once_a_refit_is_the_stored_readout(study):
    stimuli = read(study, "results/nsd/stimuli.parquet", STIMULI)
    train = stimuli[stimuli.split == "train"].image_id
    measured = read(study, "results/readouts/measurements.parquet", MEASUREMENTS).query("subject == @GROUP")
    measured = measured.pivot(index="image_id", columns="roi", values="value").loc[train]
    for name in NETWORKS:
        stored = read(study, f"results/readouts/readouts/{name}.parquet", READOUTS)
        stored = stored[(stored.subject == GROUP) & (stored.target == "mean")].set_index("roi")
        viewer = predict_stimuli.Viewer(model_of(study, name), torch.device("cpu"))
        features = viewer.coordinates(images_of(study, train))
        for roi, row in stored.iterrows():
            again = refits.refit(
                features[row.layer], measured[[roi]], np.ones((1, len(train)), int), alphas=[row.alpha]
            )
            scale = np.abs(row.weight).max()
            np.testing.assert_allclose(again.weight[0, 0], row.weight, atol=1e-4 * scale)
            predicted = features[row.layer] @ row.weight + row.intercept
            np.testing.assert_allclose(again.predict(features[row.layer])[0, :, 0], predicted, atol=1e-4)


def test_an_original_that_is_no_longer_the_natural_image_is_refused_before_anything_is_written(
    study, demo, tmp_path
):
    rows = demo[0].copy()
    other = rows.index[rows.role == "perturbed"][0]
    original = rows.index[rows.role == "original"][0]
    rows.loc[original, ["file", "sha256"]] = rows.loc[other, ["file", "sha256"]]
    with pytest.raises(ValueError, match=r"png is no longer the natural image"):
        predict(study, tmp_path, rows)
    assert not (tmp_path / "predictions.parquet").exists()


def test_a_set_made_of_images_that_the_study_lacks_is_refused(study, demo, tmp_path):
    rows = demo[0].assign(image_id=lambda frame: frame.image_id.where(frame.index > 0, "nsd_99999"))
    with pytest.raises(ValueError, match="made of nsd_99999, which the table of stimuli lacks"):
        predict(study, tmp_path, rows)
