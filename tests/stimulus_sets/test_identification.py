"""Simulated experiments tell families as often as theory says, and strategies differ where they should."""

import numpy as np
import pytest
from scipy.stats import norm

from codingaxes.stimulus_sets import identification, information

RNG = 5


def candidates_of(number, noise_sd=(1.0,), repetitions=2, images=None):
    """Make up candidates, each of an image of its own unless `images` are given."""
    images = np.arange(number) if images is None else np.asarray(images)
    return identification.Candidates(images, np.asarray(noise_sd, float), repetitions)


def two_families(difference):
    """Make up two families whose predictions (n, R) differ by this much; networks of a family agree."""
    difference = np.asarray(difference, float)
    size = difference.size
    return np.stack([difference / 2, -difference / 2]), np.zeros((size, size))


def identify(strategy, candidates, families, truth=0, experiments=4000):
    """Run experiments whose truth is a family's mean."""
    means = families[0]
    difference = np.abs(means[0] - means[1])[:, 0]
    rng = np.random.default_rng(RNG)
    return identification.identify(strategy, candidates, families, means[truth], difference, experiments, rng)


@pytest.mark.parametrize("truth", [0, 1])
def test_the_right_family_is_told_as_often_as_the_normal_distribution_says(truth):
    candidates, families = candidates_of(8), two_families(np.full((8, 1), 0.9))
    answers = identify("information", candidates, families, truth)
    curve = identification.curve(answers, truth, candidates.numbers())
    # half the distance of two means, over the noise of a change with 2 trials of each image: its SD is 1
    expected = norm.cdf(np.sqrt(curve["n_stimuli"]) * 0.9 / 2)
    assert ((curve["low"] <= expected) & (expected <= curve["high"])).all()
    assert curve["n_experiments"] == 4000


def test_noise_of_natural_images_that_stimuli_share_lowers_what_they_tell():
    difference = np.full((4, 1), 1.5)
    apart, shared = candidates_of(4), candidates_of(4, images=[0, 0, 0, 0])
    curves = [
        identification.curve(identify("list", some, two_families(difference)), 0, [1, 2, 3, 4])
        for some in (apart, shared)
    ]
    # 4 trials of one noise: variance (1 + 1/4 of own) of the mean change, in units of a trial's / 2
    expected = norm.cdf(1.5 / 2 / np.sqrt(0.5 + 0.5 / 4))
    assert curves[1]["low"][3] <= expected <= curves[1]["high"][3]
    assert curves[0]["right"][3] > curves[1]["right"][3]


def test_the_curve_says_from_which_number_on_the_right_family_is_told():
    candidates, families = candidates_of(128), two_families(np.full((128, 1), 0.7))
    curve = identification.curve(identify("information", candidates, families), 0, candidates.numbers())
    theory = (2 * norm.ppf(0.95) / 0.7) ** 2  # 22.1
    assert 16 < theory < 24 and curve["needed"] == 24
    weak = two_families(np.full((128, 1), 0.1))
    assert np.isnan(
        identification.curve(identify("list", candidates, weak), 0, candidates.numbers())["needed"]
    )


def test_a_share_that_falls_again_is_not_enough():
    answers = np.zeros((100, 4), int)
    answers[:10, 1] = 1
    assert identification.curve(answers, 0, [1, 2, 3, 4])["needed"] == 3
    assert identification.curve(1 - answers, 1, [1, 2, 3, 4])["needed"] == 3


def test_with_families_alike_each_is_told_half_the_time():
    candidates, families = candidates_of(8), two_families(np.zeros((8, 1)) + 1e-9)
    curve = identification.curve(identify("random", candidates, families), 0, candidates.numbers())
    assert ((curve["low"] <= 0.5) & (0.5 <= curve["high"])).all()
    assert curve["n_experiments"] == identification.ORDERS


def test_random_stimuli_tell_less_than_the_most_informative():
    difference = np.r_[np.full(8, 2.0), np.full(56, 0.2)][:, None]
    candidates, families = candidates_of(64), two_families(difference)
    right = {
        strategy: identification.curve(identify(strategy, candidates, families), 0, candidates.numbers())[
            "right"
        ]
        for strategy in identification.STRATEGIES
    }
    at_four = {strategy: share[candidates.numbers().index(4)] for strategy, share in right.items()}
    assert at_four["random"] < at_four["information"] - 0.15
    assert at_four["list"] == pytest.approx(at_four["information"], abs=0.02)


def near_copies(copies=24, others=12):
    """Make up candidates of which the best are near copies of each other, and others that tell a little less.

    Networks of one family answer to all copies alike, each in its own way (variance 1). To the others they
    answer independently of each other.
    """
    difference = np.r_[np.full(copies, 2.0), np.full(others, 1.6)][:, None]
    spread = np.eye(copies + others)
    spread[:copies, :copies] = 1.0
    means, _ = two_families(difference)
    return candidates_of(copies + others, noise_sd=(0.2,)), (means, spread)


def test_a_list_loses_to_information_where_the_best_candidates_are_near_copies(rng):
    candidates, families = near_copies()
    means, spread = families
    difference = np.abs(means[0] - means[1])[:, 0]
    truths = rng.multivariate_normal(means[0][:, 0], spread, 500)[:, :, None]  # networks of the first family
    right, place = {}, candidates.numbers().index(8)
    for strategy in ("information", "list", "difference"):
        answers = [
            identification.identify(strategy, candidates, families, truth, difference, 10, rng)[:, place]
            for truth in truths
        ]
        right[strategy] = np.mean(np.concatenate(answers) == 0)
    # a change with 2 trials has noise of variance 0.04; the greedy choice of 8 is one copy and 7 others
    assert right["information"] == pytest.approx(norm.cdf(np.sqrt((1 + 7 * 0.8**2) / 1.04)), abs=0.02)
    for strategy in ("list", "difference"):  # 8 copies, which tell little more than one
        assert right[strategy] == pytest.approx(norm.cdf(1 / np.sqrt(1 + 0.04 / 8)), abs=0.05)
    order = identification.order_by("information", means, spread + candidates.noise(), None, 8)
    assert np.count_nonzero(order < 24) == 1


def test_nested_evidence_is_that_of_each_number_alone(rng):
    means = rng.standard_normal((3, 6, 2))
    factor = rng.standard_normal((12, 12))
    rest = factor @ factor.T + np.eye(12)
    measured, order = rng.standard_normal((50, 4, 2)), np.array([3, 0, 5, 1])
    answers = identification.told(order, means, rest, measured, [1, 2, 4])
    for column, number in enumerate((1, 2, 4)):
        places = [2 * stimulus + region for stimulus in order[:number] for region in range(2)]
        apart = measured[:, None, :number] - means[:, order[:number]]
        apart = apart.reshape(50, 3, -1)
        inverse = np.linalg.inv(rest[np.ix_(places, places)])
        distance = np.einsum("efi,ij,efj->ef", apart, inverse, apart)
        np.testing.assert_array_equal(answers[:, column], distance.argmin(axis=1))


def test_measured_changes_have_the_noise_that_the_ranking_assumes(rng):
    candidates = candidates_of(3, noise_sd=(0.5, 1.0), repetitions=4, images=["a", "b", "a"])
    measured = candidates.measure(np.array([2, 1, 0]), np.zeros((3, 2)), 100_000, rng)
    flat = measured[:, [2, 1, 0]].reshape(len(measured), -1)
    np.testing.assert_allclose(np.cov(flat.T), candidates.noise(), atol=0.01)
    assert candidates.noise()[0, 0] == pytest.approx(2 * 0.25 / 4)


def test_information_needs_no_more_than_all_candidates():
    assert candidates_of(5).numbers() == [1, 2, 3, 4] and candidates_of(500).numbers()[-1] == 128
    assert information.greedy(np.eye(2), np.eye(2), 1, 5)[0].tolist() == [0, 1]
