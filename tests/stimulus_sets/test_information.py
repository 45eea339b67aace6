"""Information about the family is what its formula says, and the greedy order is that of brute force."""

import time
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import norm

from codingaxes.stimulus_sets import information


def covariance(rng, size, rank=None):
    """Draw a covariance; of full rank if none is given."""
    factor = rng.standard_normal((size, rank or size))
    return factor @ factor.T


def setting(rng, stimuli=5, regions=2, families=3):
    """Draw B, and W + N."""
    between = information.between_families(rng.standard_normal((families, stimuli * regions)))
    noise = information.trial_noise(np.arange(stimuli) // 2, np.linspace(0.5, 1, regions), 2)
    return between, covariance(rng, stimuli * regions, 3) + noise


def of_some(between, rest, stimuli, regions):
    """Compute the information of some stimuli by the formula, without determinants of differences."""
    places = [stimulus * regions + region for stimulus in stimuli for region in range(regions)]
    one, other = between[np.ix_(places, places)], rest[np.ix_(places, places)]
    return 0.5 * np.log2(np.linalg.det(np.eye(len(places)) + np.linalg.inv(other) @ one))


def test_information_of_one_stimulus_without_nuisance_is_half_the_log_of_one_plus_signal_over_noise():
    means = np.array([[1.0], [4.0], [2.5]])
    between, noise = information.between_families(means), 0.7
    found = information.information(between, np.array([[noise**2]]))
    assert found == pytest.approx(0.5 * np.log2(1 + means.var() / noise**2))
    alone = information.alone(between, np.array([[noise**2]]), 1)
    assert alone == pytest.approx([0.5 * np.log2(1 + means.var() / noise**2)])


def test_information_bounds_what_an_answer_tells_of_two_families_and_is_close_to_it_where_noise_is_large():
    # mutual information of a fair coin that moves a normal variable by -a or a: by quadrature
    for a, closeness in ((0.1, 0.01), (1.0, 0.3)):
        values = np.linspace(-12, 12, 20001)
        density = (norm.pdf(values - a) + norm.pdf(values + a)) / 2
        entropy = -np.sum(density * np.log2(density)) * (values[1] - values[0])
        exact = entropy - 0.5 * np.log2(2 * np.pi * np.e)
        bound = information.information(np.array([[a**2]]), np.eye(1))
        assert exact <= bound and exact == pytest.approx(bound, rel=closeness)


def test_information_of_all_is_the_formula(rng):
    between, rest = setting(rng)
    assert information.information(between, rest) == pytest.approx(of_some(between, rest, range(5), 2))


def test_gains_of_the_greedy_order_are_differences_of_information_and_sum_to_that_of_all(rng):
    between, rest = setting(rng, stimuli=7)
    order, gains = information.greedy(between, rest, 2)
    assert sorted(order) == list(range(7))
    totals = [of_some(between, rest, order[: count + 1], 2) for count in range(7)]
    np.testing.assert_allclose(np.cumsum(gains), totals, rtol=1e-9)
    assert gains[0] == pytest.approx(information.alone(between, rest, 2).max())


@pytest.mark.parametrize("regions", [1, 2])
def test_the_greedy_order_is_that_of_brute_force(rng, regions):
    between, rest = setting(rng, stimuli=6, regions=regions)
    chosen = []
    while len(chosen) < 6:
        left = [stimulus for stimulus in range(6) if stimulus not in chosen]
        value = {stimulus: of_some(between, rest, [*chosen, stimulus], regions) for stimulus in left}
        chosen.append(max(value, key=value.get))
    assert information.greedy(between, rest, regions)[0].tolist() == chosen
    assert information.greedy(between, rest, regions, 3)[0].tolist() == chosen[:3]


def test_the_greedy_choice_of_three_has_at_least_63_percent_of_the_best_three(rng):
    for _ in range(20):  # guaranteed where information is submodular, as with independent noise
        means = rng.standard_normal((4, 6))
        between, rest = information.between_families(means), np.diag(rng.uniform(0.2, 2, 6))
        best = max(of_some(between, rest, some, 1) for some in permutations(range(6), 3))
        assert information.greedy(between, rest, 1, 3)[1].sum() >= (1 - 1 / np.e) * best


def test_a_duplicate_of_a_chosen_stimulus_adds_nearly_nothing_and_comes_after_a_weaker_one():
    # stimulus 1 is stimulus 0 again; networks of a family differ in both alike, and trials hardly at all
    means = np.array([[2.0, 2.0, 1.0], [-2.0, -2.0, -1.0]])
    spread = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    rest = spread + 1e-4 * np.eye(3)
    order, gains = information.greedy(information.between_families(means), rest, 1)
    assert order.tolist() == [0, 2, 1]
    assert gains[2] < 0.001 < 0.1 < gains[1]
    alone = information.alone(information.between_families(means), rest, 1)
    assert alone[1] == pytest.approx(alone[0]) and alone[1] > alone[2]


def test_without_shared_nuisance_showing_the_same_again_is_showing_it_twice_as_often():
    between = information.between_families(np.array([[1.0, 1.0], [-1.0, -1.0]]))
    noise = np.eye(2)
    gains = information.greedy(between, noise, 1)[1]
    once = information.information(between[:1, :1], noise[:1, :1] / 2)
    assert gains.sum() == pytest.approx(once) and gains[1] < gains[0]


def test_five_hundred_stimuli_of_three_regions_are_ranked_in_seconds(rng):
    predictions = rng.standard_normal((4, 1500))
    noise = information.trial_noise(np.arange(500) // 20, np.ones(3), 1)
    rest = information.nuisance(predictions, list("aabb")) + noise
    begin = time.process_time()
    order, _ = information.greedy(information.between_families(predictions), rest, 3)
    assert time.process_time() - begin < 30 and sorted(order) == list(range(500))


def test_ties_go_to_the_stimulus_that_comes_first():
    between = information.between_families(np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]))
    assert information.greedy(between, np.eye(3), 1)[0].tolist() == [0, 1, 2]


def test_noise_of_changes_shares_the_trials_of_the_natural_image(rng):
    noise_sd, trials, images = np.array([0.5, 2.0]), 3, np.array(["a", "b", "a"])
    expected = information.trial_noise(images, noise_sd, trials)
    draws = 200_000
    own = rng.standard_normal((draws, trials, 3, 2)).mean(axis=1) * noise_sd
    before = rng.standard_normal((draws, trials, 2, 2)).mean(axis=1) * noise_sd
    changes = (own - before[:, [0, 1, 0]]).reshape(draws, 6)
    np.testing.assert_allclose(np.cov(changes.T), expected, atol=0.03 * expected.max())


def test_each_family_weighs_the_same_however_many_networks_it_has(rng):
    loud, quiet = 3 * rng.standard_normal((400, 2)), rng.standard_normal((20, 2))
    found = information.nuisance(np.vstack([loud, quiet]), ["a"] * 400 + ["b"] * 20)
    expected = (np.var(loud, axis=0, ddof=1) + np.var(quiet, axis=0, ddof=1)) / 2
    np.testing.assert_allclose(np.diag(found), expected)


def test_the_mean_of_a_family_is_no_nuisance():
    changes = np.array([[1.0, 2.0], [1.0, 2.0], [5.0, -7.0], [5.0, -7.0]])
    np.testing.assert_allclose(information.nuisance(changes, list("aabb")), 0, atol=1e-15)


def test_nuisance_of_many_networks_is_their_covariance(rng):
    truth = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 2.0]])
    changes = rng.multivariate_normal(np.zeros(3), truth, 20000)
    np.testing.assert_allclose(information.nuisance(changes, ["a"] * 20000), truth, atol=0.08)


def test_nuisance_of_few_networks_is_closer_to_the_truth_than_their_covariance(rng):
    truth = covariance(rng, 40, 8) + np.eye(40)
    worse = 0
    for _ in range(20):
        changes = rng.multivariate_normal(np.zeros(40), truth, 6)
        raw = np.cov(changes[:3].T) / 2 + np.cov(changes[3:].T) / 2
        found = information.nuisance(changes, list("aaabbb"))
        worse += np.linalg.norm(found - truth) >= np.linalg.norm(raw - truth)
        assert np.linalg.eigvalsh(found)[0] > 0
        np.testing.assert_allclose(np.diag(found), np.diag(raw))
    assert worse == 0


def test_stimuli_to_which_all_answer_alike_stay_alike_if_readouts_that_are_fitted_again_say_so(rng):
    changes, refits = rng.standard_normal((4, 3)), rng.standard_normal((2, 50, 3))
    changes[:, 1], refits[:, :, 1] = changes[:, 0], refits[:, :, 0]
    found = information.nuisance(changes, list("aabb"), list(refits))
    assert found[0, 1] == pytest.approx(found[0, 0]) == pytest.approx(found[1, 1])


def test_readouts_that_are_fitted_again_add_their_mean_covariance(rng):
    refits = [rng.standard_normal((30, 2)), 2 * rng.standard_normal((30, 2))]
    found = information.nuisance(np.array([[1.0, 2.0], [3.0, 4.0]]), ["a", "b"], refits)
    np.testing.assert_allclose(found, (np.cov(refits[0].T) + np.cov(refits[1].T)) / 2)


def test_without_noise_of_trials_information_is_refused():
    between = information.between_families(np.array([[1.0, 0.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="positive definite"):
        information.information(between, np.zeros((2, 2)))
