"""Simulated power is that of the noncentral t distribution, and false alarms are those of the test."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nct, t, ttest_1samp

from codingaxes.stimulus_sets import power

EXPERIMENTS = 8000


def differences_of(means, noise_sd=1.0, pairs=1):
    """Make up what subjects (rows) would measure at images (columns)."""
    means = np.atleast_2d(np.asarray(means, float))
    return power.Differences(means, np.full(means.shape[1], pairs), np.full(len(means), noise_sd))


@pytest.mark.parametrize(("subjects", "repetitions", "pairs"), [(1, 1, 1), (2, 4, 1), (3, 2, 4)])
def test_power_is_that_of_the_noncentral_t_where_images_differ_by_noise_alone(
    subjects, repetitions, pairs, rng
):
    effect, noise, images = 0.5, 1.2, 10
    differences = differences_of(np.full((2, images), effect), noise, pairs)
    found = power.power(differences, 1, subjects, repetitions, EXPERIMENTS, rng)
    sd = noise * np.sqrt(2 / (subjects * repetitions * pairs))
    critical = t.ppf(0.975, images - 1)
    expected = nct.sf(critical, images - 1, effect / sd * np.sqrt(images))
    assert found["low"] <= expected <= found["high"]
    assert differences.effect_size(subjects, repetitions) == pytest.approx(effect / sd)


def test_false_alarms_are_five_percent_where_makers_do_not_matter(rng):
    for means in (np.zeros((2, 12)), rng.standard_normal((2, 12))):
        found = power.power(differences_of(means, 0.8), 1, 2, 2, 20_000, rng)
        assert found["false_alarms"] == pytest.approx(0.05, abs=0.01)


def test_of_six_images_that_differ_alike_two_of_64_ways_to_swap_makers_are_false_alarms(rng):
    found = power.power(differences_of(np.ones((1, 6)), 1e-6), 1, 1, 1, 20_000, rng)
    assert found["false_alarms"] == pytest.approx(2 / 64, abs=0.005)


def test_without_a_difference_the_predicted_sign_is_found_half_as_often_as_either(rng):
    found = power.power(differences_of(np.zeros((1, 12))), 1, 1, 1, 20_000, rng)
    assert found["power"] == pytest.approx(0.025, abs=0.004)


def test_a_difference_of_the_wrong_sign_is_not_found(rng):
    differences = differences_of(np.full((1, 12), -3.0), 0.5)
    assert power.power(differences, 1, 1, 4, 500, rng)["power"] == 0
    assert power.power(differences, -1, 1, 4, 500, rng)["power"] == 1


def test_a_subject_who_is_drawn_twice_is_two_subjects_with_noise_of_their_own(rng):
    measured = power.simulate(differences_of(np.zeros((1, 6)), 1.0), 4, 2, 50_000, rng)
    assert measured.var() == pytest.approx(2 / (4 * 2), rel=0.02)


def test_subjects_that_differ_make_the_measured_mean_vary(rng):
    differences = differences_of([[1.0] * 6, [3.0] * 6], 1e-6)
    measured = power.simulate(differences, 2, 1, 20_000, rng).mean(axis=1)
    assert measured.mean() == pytest.approx(2, abs=0.02) and measured.std() == pytest.approx(
        1 / np.sqrt(2), abs=0.02
    )


def test_the_test_is_students_over_images(rng):
    measured = rng.standard_normal((5, 9)) + 0.5
    p, mean, half = power.against_zero(measured)
    expected = ttest_1samp(measured, 0, axis=1)
    interval = expected.confidence_interval()
    np.testing.assert_allclose(p, expected.pvalue)
    np.testing.assert_allclose([mean - half, mean + half], [interval.low, interval.high])


def stimuli():
    """List perturbed images of two makers, two images, two directions and two steps; one has no partner."""
    rows = [
        {"maker_role": role, "image_id": image, "direction": direction, "step": step}
        for role in ("robust", "standard", "twin")
        for image in ("a", "b")
        for direction in ("increase", "decrease")
        for step in (1, 2)
    ]
    table = pd.DataFrame(rows).assign(role="perturbed", roi="FFA", draw=0)
    table["stimulus_id"] = [f"stim-{number}" for number in range(len(table))]
    control = table.head(1).assign(role="control", stimulus_id="stim-c")
    return pd.concat([table.drop(index=0), control], ignore_index=True)


def test_a_pair_differs_in_the_maker_alone():
    table = stimuli()
    pairs = power.list_pairs(table, "robust", "standard")
    assert len(pairs) == 7  # the partner of the first stimulus is missing
    rows = table.set_index("stimulus_id")
    for pair in pairs.itertuples():
        one, other = rows.loc[pair.one], rows.loc[pair.other]
        assert (one.maker_role, other.maker_role) == ("robust", "standard")
        assert (one[power.SAME] == other[power.SAME]).all() and pair.sign == {"increase": 1, "decrease": -1}[
            pair.direction
        ]


def test_pairs_of_an_image_are_averaged_in_the_wanted_direction():
    pairs = power.list_pairs(stimuli(), "robust", "standard")
    ids = stimuli().stimulus_id
    responses = pd.DataFrame({"subj01": 0.0, "subj02": 0.0}, index=ids)
    responses.loc[pairs.one, "subj01"] = pairs.sign.to_numpy() * np.where(pairs.image_id == "a", 1.0, 4.0)
    responses.loc[pairs.other, "subj02"] = pairs.sign.to_numpy() * pairs.step.to_numpy()
    noise = pd.Series({"subj02": 2.0, "subj01": 1.0})
    found = power.average_pairs(pairs, responses, noise)
    np.testing.assert_allclose(found.means, [[1, 4], [-5 / 3, -1.5]])
    np.testing.assert_array_equal(found.pairs, [3, 4])
    np.testing.assert_array_equal(found.noise_sd, [1, 2])


def test_a_missing_response_is_named():
    pairs = power.list_pairs(stimuli(), "robust", "standard")
    responses = pd.DataFrame({"subj01": 0.0, "subj02": 0.0}, index=stimuli().stimulus_id)
    responses.loc[pairs.other[2], "subj02"] = np.nan
    with pytest.raises(ValueError, match=f"response to stimulus {pairs.other[2]} "):
        power.average_pairs(pairs, responses, pd.Series({"subj01": 1.0, "subj02": 1.0}))


@pytest.mark.parametrize(
    ("differences", "reason"),
    [
        (differences_of(np.zeros((2, 2))), "fewer than 3 images"),
        (differences_of(np.zeros((2, 0))), "no pair of stimuli differs in the maker alone"),
        (differences_of(np.zeros((2, 5)), np.nan), "noise of trials is unknown: no image was shown twice"),
        (differences_of(np.zeros((2, 5)), 0.0), "nothing varies, trials neither"),
        (power.Differences(np.zeros((0, 5)), np.ones(5), np.zeros(0)), "no subject has this region"),
        (differences_of(np.zeros((2, 5))), ""),
    ],
)
def test_what_cannot_be_tested_says_why(differences, reason):
    assert differences.problem == reason


def test_the_smallest_experiment_has_the_fewest_trials_and_then_the_fewest_subjects():
    rows = pd.DataFrame(
        [(1, 8, False), (1, 16, True), (2, 8, True), (4, 4, True), (4, 8, True), (8, 8, True)],
        columns=["n_subjects", "n_repetitions", "enough"],
    )
    chosen = power.smallest(rows)
    assert (chosen.n_subjects, chosen.n_repetitions) == (1, 16)
    chosen = power.smallest(rows.assign(enough=rows.n_subjects == 8))
    assert (chosen.n_subjects, chosen.n_repetitions) == (8, 8)
    chosen = power.smallest(rows.assign(enough=False))
    assert (chosen.n_subjects, chosen.n_repetitions) == (8, 8)
