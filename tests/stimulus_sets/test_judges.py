"""Judges are strangers to all makers, and noise of trials is in the units of their predictions."""

import numpy as np
import pandas as pd
import planted_ranking as planted
import pytest

from codingaxes.names import BRAIN, GROUP
from codingaxes.stimulus_sets import judges


@pytest.fixture
def about():
    return planted.networks().set_index("network")


def test_judges_are_networks_of_other_architectures_than_every_maker(about):
    models = [*about.index, BRAIN]
    assert judges.list_judges(planted.MAKERS.values(), models, about) == planted.JUDGES
    some = judges.list_judges(["plain_resnet", "tough_dense"], models, about)
    assert some == ["plain_vgg_1", "plain_vgg_2", "tough_vgg_1", "tough_vgg_2"]


def test_makers_that_are_no_networks_exclude_nobody(about):
    everybody = judges.list_judges([BRAIN, "principal_distortions"], [*about.index, BRAIN], about)
    assert everybody == list(about.index)
    assert judges.list_judges([], about.index, about) == list(about.index)


def test_a_truth_goes_with_its_twins_which_differ_in_their_seed_alone(about):
    assert judges.with_twins("plain_vgg_1", about) == {"plain_vgg_1", "plain_vgg_2"}
    assert judges.with_twins("tough_dense", about) == {"tough_dense"}
    assert judges.with_twins(BRAIN, about) == {BRAIN}
    about.loc["plain_vgg_2", "source"] = "torchvision"  # whose training is not known well enough
    assert judges.with_twins("plain_vgg_1", about) == {"plain_vgg_1"}


def test_noise_of_the_group_is_that_of_the_mean_of_subjects_in_its_own_units(rng):
    regions, targets = planted.noise_tables()
    regions.loc[regions.subject == "subj02", "noise_sd"] = 0.6
    trials = rng.standard_normal((200_000, 2)) * np.array([planted.NOISE, 0.6]) / planted.SD
    expected = trials.mean(axis=1).std() / planted.GROUP_SD
    found = judges.group_noise(regions, targets)
    assert list(found.index) == list(planted.ROIS) and found["FFA"] == pytest.approx(expected, rel=0.01)


def test_subjects_without_a_region_do_not_count_and_unknown_noise_is_missing():
    regions, targets = planted.noise_tables()
    lacks = (regions.subject == "subj02") & (regions.roi == "PPA")
    regions.loc[lacks, ["n_voxels", "noise_sd"]] = [0, np.nan]
    targets = targets[~((targets.subject == "subj02") & (targets.roi == "PPA"))]
    found = judges.group_noise(regions, targets)
    assert found["PPA"] == pytest.approx(planted.NOISE / planted.SD / planted.GROUP_SD)
    regions.loc[regions.subject == "subj01", "noise_sd"] = np.nan
    assert judges.group_noise(regions, targets).isna().all()


def collect(about, names=planted.JUDGES, refits=None):
    """Collect planted predictions of perturbed images."""
    rows = planted.stimuli()
    answers = planted.predictions(rows)
    answers = answers[answers.subject == GROUP]
    ids = list(rows.stimulus_id[rows.role == "perturbed"])
    refits = planted.refits(answers) if refits is None else refits
    return judges.collect(names, ids, list(planted.ROIS), answers, refits, about), answers, ids


def test_collected_changes_and_refits_are_those_of_the_tables(about):
    found, answers, ids = collect(about)
    answers = answers.set_index(["network", "stimulus_id", "roi"]).change
    assert found.changes[4, 7, 1] == answers[planted.JUDGES[4], ids[7], "PPA"]
    draws = planted.refits(answers.reset_index().assign(subject=GROUP))
    draws = draws.set_index(["network", "stimulus_id", "roi"]).change
    again = found.refits[planted.JUDGES[4]]
    assert again.shape == (planted.REFITS, 2 * len(ids))
    np.testing.assert_array_equal(again[:, 2 * 7 + 1], draws[planted.JUDGES[4], ids[7], "PPA"])


def test_a_truth_that_is_left_out_leaves_means_refits_and_differences(about):
    found, _, ids = collect(about)
    others = found.without({"plain_dense"})
    assert len(others.names) == 5 and "plain_dense" not in others.refits
    names, means, _ = others.learned()
    np.testing.assert_allclose(means[names.index("standard")], found.changes[:2].mean(axis=0))
    places = np.ones(len(ids), int)
    expected = np.abs(found.changes[:2].mean(axis=0) - found.changes[3:].mean(axis=0))[:, 1]
    np.testing.assert_allclose(others.difference(places, "robust", "standard"), expected)
    assert np.isnan(others.difference(places, "robust", "language_aligned")).all()
    assert np.isnan(others.difference(places - 2, "robust", "standard")).all()


def test_a_missing_prediction_is_named(about):
    rows = planted.stimuli()
    answers = planted.predictions(rows)
    answers = answers[(answers.subject == GROUP) & ~answers.stimulus_id.eq("stim-0020")]
    refits = pd.DataFrame(columns=["stimulus_id", "network", "roi", "change"])
    with pytest.raises(ValueError, match=r"plain_vgg_1 has none of stimulus stim-0020 \(and 0 others\)"):
        judges.collect(planted.JUDGES, list(rows.stimulus_id), ["FFA"], answers, refits, about)
