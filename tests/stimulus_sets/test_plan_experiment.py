"""The planned experiment is the smallest that is enough; the simulated brain says whether it was right."""

import numpy as np
import pandas as pd
import plan_experiment
import planted_ranking as planted
import pytest
from scipy.stats import nct, t

from codingaxes.names import BRAIN, GROUP
from codingaxes.tables import store
from codingaxes.tables.stimulus_sets import SET_EXPERIMENTS, SET_POWER

SIZES = [(k, r) for k in planted.EXPERIMENT["subjects"] for r in planted.EXPERIMENT["repetitions"]]


def plan(folder, frames=None, **params):
    """Run the rule on planted tables, and read what it wrote."""
    run = planted.plant(folder, frames, **params)("plan_experiment")
    plan_experiment.main(run)
    tables = {"power": SET_POWER, "experiments": SET_EXPERIMENTS}
    return tuple(store.read(run.output[name], table) for name, table in tables.items())


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    return plan(tmp_path_factory.mktemp("set"))


def predicted(slope):
    """Give the planted difference of the makers, mean over images and subjects."""
    return slope * (planted.OF_MAKER["robust"] - planted.OF_MAKER["standard"])


def test_every_family_of_judges_and_the_brain_predict_every_size_in_every_region(planned):
    rows = planned[0]
    assert set(rows.predicted_by) == {"standard", "robust", BRAIN}
    assert (rows.groupby(["roi", "predicted_by"]).size() == len(SIZES)).all()
    assert (rows.contrast == "robust - standard").all() and (rows.reason == "").all()
    assert (rows.n_pairs == 20).all() and (rows.n_images == 10).all()
    effects = rows.drop_duplicates(["roi", "predicted_by"]).set_index(["predicted_by", "roi"]).effect
    for family, slope in (("standard", planted.STANDARD), ("robust", planted.ROBUST)):
        assert effects[family].to_numpy() == pytest.approx([predicted(slope)] * 2, abs=0.05)
    assert effects[BRAIN].to_numpy() == pytest.approx([predicted(planted.ROBUST)] * 2)


def test_power_is_that_of_the_noncentral_t_as_far_as_images_are_alike(planned):
    rows = planned[0].query("predicted_by == 'robust' and roi == 'FFA' and n_subjects == 1")
    critical = t.ppf(0.975, 9)
    expected = nct.sf(critical, 9, rows.effect_size * np.sqrt(10))
    # images differ a little, and subjects by a tenth; both are in the simulation alone
    np.testing.assert_allclose(rows.power, expected, atol=0.06)


def test_power_grows_with_subjects_and_repetitions_and_false_alarms_stay(planned):
    rows = planned[0].query("predicted_by == 'standard'")
    power = rows.groupby(["n_subjects", "n_repetitions"]).power.mean().unstack()
    assert (np.diff(power, axis=0) > -0.03).all() and (np.diff(power, axis=1) > -0.03).all()
    assert power.iloc[-1, -1] > power.iloc[0, 0] + 0.3
    assert planned[0].false_alarms.mean() == pytest.approx(0.05, abs=0.01)
    assert (rows.enough == (rows.power >= 0.8)).all()


def test_the_experiment_is_the_smallest_that_is_enough_and_finds_what_is_there(planned):
    sizes, experiments = planned
    assert set(experiments.predicted_by) == {"standard", "robust"}
    rows = sizes.set_index(["roi", "predicted_by", "n_subjects", "n_repetitions"])
    for row in experiments.query("predicted_by == 'robust'").itertuples():
        mine = sizes[(sizes.roi == row.roi) & (sizes.predicted_by == "robust") & sizes.enough]
        assert row.n_subjects * row.n_repetitions == (mine.n_subjects * mine.n_repetitions).min()
        assert row.planned_power == rows.power[row.roi, "robust", row.n_subjects, row.n_repetitions]
        assert row.true == pytest.approx(predicted(planted.ROBUST))
        assert row.true_power == pytest.approx(row.planned_power, abs=0.1)
        assert row.low < row.measured < row.high and row.found == (row.p < 0.05 and row.measured > 0)


def test_a_brain_that_does_not_follow_is_not_found_and_power_was_promised_in_vain(tmp_path):
    answers = planted.predictions(planted.stimuli(), brain=0.0)
    _, experiments = plan(tmp_path, {"predictions": answers})
    rows = experiments.query("predicted_by == 'robust'")
    assert (rows.planned_power >= 0.8).all() and (rows.true_power < 0.1).all()
    assert (rows.true.abs() < 1e-12).all()


def test_a_brain_of_the_other_sign_is_not_what_was_predicted(tmp_path):
    answers = planted.predictions(planted.stimuli(), brain=-planted.ROBUST)
    _, experiments = plan(tmp_path, {"predictions": answers})
    rows = experiments.query("predicted_by == 'robust'")
    assert not rows.found.any() and (rows.true_power == 0).all() and (rows.p < 0.05).all()


def test_where_no_size_is_enough_the_largest_is_run_and_it_says_so(tmp_path):
    sizes, experiments = plan(tmp_path, experiment=planted.EXPERIMENT | {"power": 0.9999, "repetitions": [1]})
    weak = experiments.query("predicted_by == 'standard'")
    assert not sizes.query("predicted_by == 'standard'").enough.any()
    assert (weak.n_subjects == 4).all() and (weak.reason == plan_experiment.NOT_ENOUGH).all()
    assert weak.measured.notna().all()


def test_real_data_have_power_and_no_experiment(tmp_path):
    answers = planted.predictions(planted.stimuli())
    sizes, experiments = plan(tmp_path, {"predictions": answers[answers.network != BRAIN]})
    assert set(sizes.predicted_by) == {"standard", "robust"} and experiments.empty


def test_subjects_without_readouts_are_predicted_by_those_of_the_group(tmp_path):
    answers = planted.predictions(planted.stimuli())
    sizes, _ = plan(tmp_path, {"predictions": answers[answers.subject == GROUP]})
    effect = sizes.query("predicted_by == 'simulated_brain'").effect
    # SD of the group's response, which is a mean over subjects, are fewer SD of a subject's
    assert effect.to_numpy() == pytest.approx(planted.GROUP_SD * predicted(planted.ROBUST))
    assert sizes.power.notna().all()


def test_without_judges_and_without_a_brain_there_is_no_prediction(tmp_path):
    answers = planted.predictions(planted.stimuli())
    table = planted.networks().assign(architecture="resnet")
    frames = {"predictions": answers[answers.network != BRAIN], "networks": table}
    sizes, experiments = plan(tmp_path, frames)
    assert sizes.empty and experiments.empty


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("few", "fewer than 3 images"),
        ("alone", "no pair of stimuli differs in the maker alone"),
        ("noise", "noise of trials is unknown: no image was shown twice"),
    ],
)
def test_what_cannot_be_planned_says_why(tmp_path, change, reason):
    regions, targets = planted.noise_tables(np.nan if change == "noise" else planted.NOISE)
    rows = planted.stimuli(images=planted.IMAGES[: 2 if change == "few" else 10])
    if change == "alone":
        rows = planted.stimuli({"robust": "tough_resnet"})
    frames = {
        "stimuli": rows,
        "predictions": planted.predictions(rows),
        "regions": regions,
        "targets": targets,
    }
    frames["refits"] = planted.refits(frames["predictions"])
    sizes, experiments = plan(tmp_path, frames)
    assert sizes.power.isna().all() and (sizes.reason == reason).all() and not sizes.enough.any()
    assert (experiments.reason == reason).all() and experiments.measured.isna().all()


def test_a_brain_that_other_stimuli_were_made_for_is_the_truth_all_the_same(tmp_path):
    rows = planted.stimuli({**planted.MAKERS, BRAIN: BRAIN})
    answers = planted.predictions(rows)
    frames = {"stimuli": rows, "predictions": answers, "refits": planted.refits(answers)}
    _, experiments = plan(tmp_path, frames)
    assert experiments.true.notna().all()
    compare = {"with": BRAIN, "against": "standard"}
    sizes, experiments = plan(tmp_path, frames, compare=compare)
    assert experiments.empty and set(sizes.predicted_by) == {"standard", "robust"}


def test_only_pairs_that_the_set_keeps_are_planned_with(tmp_path):
    rows = planted.stimuli()
    gone = rows[(rows.role == "perturbed") & (rows.image_id == planted.IMAGES[0])].stimulus_id[:1]
    sizes, _ = plan(tmp_path, {"ranking": planted.ranking(rows, list(gone))})
    pairs = sizes.drop_duplicates("roi").set_index("roi").n_pairs
    assert pairs["FFA"] == 19 and pairs["PPA"] == 20


def test_a_family_without_judges_predicts_nothing(tmp_path):
    table = planted.networks()
    table["architecture"] = table.architecture.where(table.family == "standard", "resnet")
    sizes, experiments = plan(tmp_path, {"networks": table})
    assert set(sizes.predicted_by) == {"standard", BRAIN} and set(experiments.predicted_by) == {"standard"}


def test_a_seed_gives_the_same_power_again(tmp_path, planned):
    for again, before in zip(plan(tmp_path), planned, strict=True):
        pd.testing.assert_frame_equal(again, before)
