"""A planted set is ranked by strangers to its makers, and the planted truth is told from a few stimuli."""

import tracemalloc

import numpy as np
import pandas as pd
import planted_ranking as planted
import pytest
import rank_stimuli

from codingaxes import memory
from codingaxes.job import Run
from codingaxes.names import BRAIN
from codingaxes.stimulus_sets import identification, judges
from codingaxes.tables import store
from codingaxes.tables.stimulus_sets import SELECTION_CURVES, SET_RANKING


def rank(folder, frames=None, simulations=40, **params):
    """Run the rule on planted tables, and read what it wrote."""
    params["experiment"] = planted.EXPERIMENT | {"simulations": simulations}
    run = planted.plant(folder, frames, **params)("rank_stimuli")
    rank_stimuli.main(run)
    tables = {"ranking": SET_RANKING, "curves": SELECTION_CURVES}
    return tuple(store.read(run.output[name], table) for name, table in tables.items())


@pytest.fixture(scope="module")
def ranked(tmp_path_factory):
    return rank(tmp_path_factory.mktemp("set"), simulations=400)


def test_every_stimulus_that_was_made_for_a_model_is_ranked_once_and_gains_sum_to_the_total(ranked):
    ranking, rows = ranked[0], planted.stimuli().query("role == 'perturbed'")
    assert sorted(ranking.stimulus_id) == sorted(rows.stimulus_id)
    assert ranking["rank"].tolist() == list(range(1, len(rows) + 1))
    np.testing.assert_allclose(ranking.gain.cumsum(), ranking.total)
    assert ranking.alone.max() == pytest.approx(ranking.gain[0]) and (ranking.alone > 0).all()
    assert ranking.chosen.all() and (ranking.reason == "").all()


def test_stimuli_of_the_robust_maker_to_which_families_answer_differently_come_first(ranked):
    rows = planted.stimuli().set_index("stimulus_id")
    first = rows.loc[ranked[0].stimulus_id[:20]]
    assert (first.maker_role == "robust").all()
    # judges of the two families differ by 0.8 SD for each SD of strength, whatever the makers themselves do
    strength = planted.strength(rows.loc[ranked[0].stimulus_id], "FFA")
    own = (rows.loc[ranked[0].stimulus_id].roi == "FFA").to_numpy()
    difference = ranked[0].difference.to_numpy()[own]
    expected = np.abs(strength[own]) * (planted.ROBUST - planted.STANDARD)
    assert np.abs(difference - expected).mean() < planted.SPREAD


def test_each_judge_and_the_brain_are_truths_and_their_family_is_told(ranked):
    curves = ranked[1]
    assert set(curves.truth) == {*planted.JUDGES, BRAIN}
    assert set(curves.strategy) == set(identification.STRATEGIES)
    sixteen = curves[(curves.n_stimuli == 16) & (curves.strategy != "random")]
    assert (sixteen.right > 0.95).all()
    one = curves[(curves.n_stimuli == 1) & (curves.strategy != "random")]
    assert (one.right < 1).all()
    family = curves.drop_duplicates("truth").set_index("truth").truth_family
    assert family["plain_vgg_1"] == "standard" and family[BRAIN] == "robust"
    information = curves[curves.strategy == "information"].drop_duplicates("truth").needed
    random = curves[curves.strategy == "random"].drop_duplicates("truth").needed
    assert (information.to_numpy() < random.to_numpy()).mean() > 0.8


def test_a_brain_that_is_a_network_is_held_to_its_family(tmp_path):
    rows = planted.stimuli()
    answers = planted.predictions(rows, brain=planted.STANDARD)
    curves = rank(tmp_path, {"predictions": answers}, brain_family="standard")[1]
    brain = curves[(curves.truth == BRAIN) & (curves.n_stimuli == 32)]
    assert (brain.truth_family == "standard").all() and (brain.right > 0.95).all()


def test_a_brain_of_templates_is_asked_how_often_it_is_taken_for_the_first_family_compared(tmp_path):
    answers = planted.predictions(planted.stimuli(), brain=planted.STANDARD)
    curves = rank(tmp_path, {"predictions": answers})[1]
    brain = curves[(curves.truth == BRAIN) & (curves.n_stimuli == 32)]
    assert (brain.truth_family == "robust").all() and (brain.right < 0.05).all()
    assert brain.needed.isna().all() and brain.reason.str.contains("no number that was tried").all()


def test_the_set_keeps_the_best_if_it_is_asked_to(tmp_path):
    ranking = rank(tmp_path, choose="information", number=5)[0]
    assert ranking.chosen.tolist() == [True] * 5 + [False] * (len(ranking) - 5)


def test_an_image_for_which_no_perturbation_was_found_comes_last_and_is_not_kept(tmp_path):
    stimuli = planted.stimuli()
    lost = stimuli.stimulus_id[stimuli.role == "perturbed"].iloc[:2]
    stimuli["l2"] = stimuli.l2.where(~stimuli.stimulus_id.isin(lost), 0.0)
    ranking = rank(tmp_path, {"stimuli": stimuli})[0]
    last = ranking.tail(2)
    assert set(last.stimulus_id) == set(lost) and not last.chosen.any() and ranking.chosen[:-2].all()
    assert (
        last.gain.isna().all() and (last.reason == "no perturbation was found: it is the natural image").all()
    )


def no_robust_judge():
    """Give networks among which all robust ones have the makers' architecture."""
    table = planted.networks()
    return table.assign(architecture=table.architecture.where(table.family == "standard", "resnet"))


def test_with_one_family_of_judges_nothing_is_said_but_why(tmp_path):
    ranking, curves = rank(tmp_path, {"networks": no_robust_judge()})
    assert ranking[["gain", "total", "alone", "difference"]].isna().all(axis=None) and ranking.chosen.all()
    assert (ranking.reason == rank_stimuli.FEW_FAMILIES).all()
    assert curves.right.isna().all() and (curves.reason == rank_stimuli.FEW_FAMILIES).all()
    assert (curves.n_experiments == 0).all()


def test_families_that_are_not_compared_choose_no_stimuli_where_a_compared_one_has_no_judge(tmp_path, caplog):
    table = no_robust_judge()
    judging = table.family.eq("standard") & table.architecture.ne("resnet")
    other = table.index[judging][-1]
    table.loc[table.architecture == table.architecture[other], "family"] = "self_supervised"
    ranking, _ = rank(tmp_path, {"networks": table}, choose="information", number=5)
    assert ranking.chosen.all() and (ranking.reason == rank_stimuli.NOT_BOTH).all()
    assert rank_stimuli.NOT_BOTH in caplog.text and "All stimuli are kept" in caplog.text


def test_choosing_by_information_without_judges_keeps_all_and_says_what_to_do(tmp_path, caplog):
    ranking, _ = rank(tmp_path, {"networks": no_robust_judge()}, choose="information", number=5)
    assert ranking.chosen.all()
    (said,) = (record.message for record in caplog.records if record.levelname == "WARNING")
    assert "fewer than two families" in said and "makers of one architecture" in said


def test_a_truth_whose_family_has_no_judge_but_it_and_its_twin_has_no_curve_but_others_have(tmp_path):
    table = planted.networks()
    table["architecture"] = table.architecture.mask(table.network == "tough_dense", "resnet")
    curves = rank(tmp_path, {"networks": table})[1].set_index("truth")
    for twin in ("tough_vgg_1", "tough_vgg_2"):
        assert (curves.loc[twin].reason == rank_stimuli.NOBODY).all()
    assert curves.loc["plain_vgg_1"].right.notna().all()


def test_what_was_made_for_the_brain_is_ranked_but_not_shown_where_the_brain_is_the_truth(tmp_path):
    rows = planted.stimuli({**planted.MAKERS, BRAIN: BRAIN}, planted.IMAGES[:4])
    answers = planted.predictions(rows)
    # these would tell every family apart at once
    of_brain = answers.stimulus_id.isin(rows.stimulus_id[rows.maker == BRAIN])
    answers.loc[of_brain, "change"] = np.where(answers.network.str.startswith("plain"), -50.0, 50.0)[of_brain]
    frames = {"stimuli": rows, "predictions": answers}
    ranking, curves = rank(tmp_path, frames)
    first = rows.set_index("stimulus_id").maker[ranking.stimulus_id[0]]
    assert first == BRAIN and len(ranking) == 48
    one = curves[(curves.n_stimuli == 1) & (curves.strategy == "information")].set_index("truth").right
    assert one["tough_dense"] == 1 and one[BRAIN] < 1
    assert curves.n_stimuli[curves.truth == BRAIN].max() == 32


def test_principal_distortions_are_not_ranked_because_no_network_is_a_stranger_to_them(tmp_path):
    rows = planted.stimuli({**planted.MAKERS, "distortions": "principal_distortions"}, planted.IMAGES[:4])
    answers = planted.predictions(rows)
    frames = {"stimuli": rows, "predictions": answers}
    ranking, curves = rank(tmp_path, frames, choose="information", number=4)
    last = rows.set_index("stimulus_id").maker[ranking.stimulus_id[32:]]
    assert (last == "principal_distortions").all() and len(last) == 16
    assert ranking.gain[32:].isna().all() and (ranking.reason[32:] == rank_stimuli.OF_ALL).all()
    assert ranking.gain[:32].notna().all() and ranking.chosen.sum() == 4
    assert set(curves.truth) == {*planted.JUDGES, BRAIN}


@pytest.mark.parametrize("noise", [np.nan, 0.0])
def test_without_known_noise_of_trials_nothing_is_ranked(tmp_path, noise):
    regions, targets = planted.noise_tables(noise)
    ranking, curves = rank(tmp_path, {"regions": regions, "targets": targets})
    assert ranking.gain.isna().all() and (ranking.reason == rank_stimuli.NO_NOISE).all()
    assert (curves.reason == rank_stimuli.NO_NOISE).all()


def test_a_region_of_unknown_noise_is_left_out(tmp_path):
    regions, targets = planted.noise_tables()
    regions.loc[regions.roi == "PPA", "noise_sd"] = np.nan
    ranking, _ = rank(tmp_path, {"regions": regions, "targets": targets})
    rows = planted.stimuli().set_index("stimulus_id").loc[ranking.stimulus_id]
    assert ranking.difference.isna().tolist() == (rows.roi == "PPA").tolist() and ranking.gain.notna().all()
    assert (ranking.reason[ranking.difference.isna()] == rank_stimuli.REGION).all()


def test_without_readouts_that_were_fitted_again_ranks_are_those_of_models_alone(tmp_path):
    empty = planted.refits(planted.predictions(planted.stimuli())).head(0)
    ranking, _ = rank(tmp_path, {"refits": empty})
    assert ranking.gain.notna().all()


def test_real_data_have_no_brain_among_their_truths(tmp_path):
    answers = planted.predictions(planted.stimuli())
    curves = rank(tmp_path, {"predictions": answers[answers.network != BRAIN]})[1]
    assert set(curves.truth) == set(planted.JUDGES)


def test_a_seed_gives_the_same_tables_again_and_another_seed_others(tmp_path):
    first, again, other = (rank(tmp_path, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(again[1], first[1])
    pd.testing.assert_frame_equal(other[0], first[0])  # nothing is drawn for it
    assert not np.allclose(other[1].right, first[1].right)


def test_a_ranking_takes_the_memory_that_its_rule_asks_for_and_not_far_less(rng):
    stimuli, families = 240, np.array(["a"] * 4 + ["b"] * 4)
    changes = rng.standard_normal((8, stimuli, 3))
    refits = {
        f"m{place}": changes[place].ravel() + rng.standard_normal((40, 3 * stimuli)) for place in range(8)
    }
    known = judges.Judges(list(refits), families, changes, list("xyz"), refits)
    candidates = identification.Candidates(np.arange(stimuli) // 12, np.ones(3), 1)
    rows = pd.DataFrame({"stimulus_id": [f"s{number}" for number in range(stimuli)], "maker": "k"})
    places, table = np.zeros(stimuli, int), planted.networks().set_index("network")
    setting = rank_stimuli.Setting(rows, candidates, known, places, ["a", "b"], table)
    run = Run("rank_stimuli", {}, {}, {"experiment": {"simulations": 100}}, {}, "")
    tracemalloc.start()
    rank_stimuli.rank(setting, rows.head(0), rows.head(0), {"choose": "all"})
    rank_stimuli.curves_of(setting, "m0", changes[0], "a", run)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    covariances = memory.COVARIANCES * 8e-6 * (3 * stimuli) ** 2
    assert peak < covariances < 4 * peak
