"""Simulate experiments that are to tell which family answers as the brain does, from a few stimuli.

See `information` for the notation: responses to n stimuli in R regions are Normal(m_F, W + N) in family F. An
experiment has the changes of one model, the truth, with noise of trials, and takes the family under which
they are most likely. W is the same for all families, as in the information that stimuli are ranked by
(Fisher's linear discriminant). Of a family of a few networks its own covariance cannot be estimated, and
families would be told apart by the luck of that estimate.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from codingaxes.estimates.proportions import binomial_interval
from codingaxes.stimulus_sets import information

STRATEGIES = ("information", "list", "difference", "random")
# Numbers of stimuli that are tried, two an octave.
NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
ORDERS = 400  # random orders at most; each is one experiment
ENOUGH = 0.95  # share of right answers


@dataclass(frozen=True)
class Candidates:
    """Hold the stimuli to choose from, and how they are measured."""

    images: np.ndarray  # (n,) natural image that each was made of
    noise_sd: np.ndarray  # (R,) SD of one trial, in the units of the changes
    repetitions: int  # trials of each stimulus and of each natural image

    @property
    def shape(self):
        return len(self.images), len(self.noise_sd)

    def numbers(self):
        """List the numbers of stimuli that are tried."""
        return [number for number in NUMBERS if number <= len(self.images)]

    def noise(self):
        """Compute N."""
        return information.trial_noise(self.images, self.noise_sd, self.repetitions)

    def measure(self, order, truth, experiments, rng):
        """Simulate measured changes of the stimuli `order` (k,): truth with noise (experiments, k, R)."""
        images, place = np.unique(self.images[order], return_inverse=True)
        own = rng.standard_normal((experiments, len(order), len(self.noise_sd)))
        before = rng.standard_normal((experiments, len(images), len(self.noise_sd)))
        return truth[order] + (own - before[:, place]) * self.noise_sd / np.sqrt(self.repetitions)


def order_by(strategy, means, rest, difference, number):
    """Order stimuli by a strategy, the best first.

    Parameters
    ----------
    strategy : str
        information (greedy), list (each by its own information), difference.
    means : array (F, n, R)
        Predictions of the families.
    rest : array (n R, n R)
        W + N.
    difference : array (n,)
        |A - B|, SD.
    number : int
        Stimuli that are taken.

    Returns
    -------
    array of ints (number,)
    """
    if strategy == "difference":
        return np.argsort(-difference, kind="stable")[:number]
    between, regions = information.between_families(means.reshape(len(means), -1)), means.shape[2]
    if strategy == "list":
        return np.argsort(-information.alone(between, rest, regions), kind="stable")[:number]
    return information.greedy(between, rest, regions, number)[0]


def told(order, means, rest, measured, numbers):
    """Tell the most likely family, as stimuli are shown one after the other.

    Parameters
    ----------
    order : array of ints (k,)
        Stimuli in the order in which they are shown.
    means : array (F, n, R)
    rest : array (n R, n R)
        W + N.
    measured : array (experiments, k, R)
        Changes of these stimuli.
    numbers : list of ints
        How many are shown, k at most.

    Returns
    -------
    array of ints (experiments, numbers)
        Place of the family.
    """
    regions = means.shape[2]
    places = (np.asarray(order)[:, None] * regions + np.arange(regions)).ravel()
    whiten = np.linalg.cholesky(rest[np.ix_(places, places)])
    expected = solve_triangular(whiten, means[:, order].reshape(len(means), -1).T, lower=True)
    found = solve_triangular(whiten, measured.reshape(len(measured), -1).T, lower=True)
    ends = regions * np.asarray(numbers) - 1
    likely = [
        np.cumsum(one[:, None] * (found - one[:, None] / 2), axis=0)[ends] for one in expected.T
    ]  # log likelihood, less what all families have in common
    return np.argmax(likely, axis=0).T


def identify(strategy, candidates, families, truth, difference, experiments, rng):
    """Simulate experiments with one truth and one strategy.

    Parameters
    ----------
    strategy : str
        One of `STRATEGIES`; of random, each experiment has an order of its own, `ORDERS` of them at most.
    candidates : Candidates
    families : tuple of arrays (F, n, R), (n R, n R)
        m_F and W, of models among which the truth is not.
    truth : array (n, R)
        Changes without noise.
    difference : array (n,)
        |A - B|, SD.
    experiments : int
    rng : numpy.random.Generator

    Returns
    -------
    array of ints (experiments, numbers)
        Place of the family that each experiment tells, after each of `candidates.numbers()`.
    """
    means, rest = families[0], families[1] + candidates.noise()
    numbers = candidates.numbers()
    if strategy != "random":
        order = order_by(strategy, means, rest, difference, numbers[-1])
        return told(order, means, rest, candidates.measure(order, truth, experiments, rng), numbers)
    answers = []
    for _ in range(min(experiments, ORDERS)):
        order = rng.permutation(len(truth))[: numbers[-1]]
        answers.append(told(order, means, rest, candidates.measure(order, truth, 1, rng), numbers))
    return np.concatenate(answers)


def curve(answers, right, numbers):
    """Summarise how often experiments tell one family.

    Parameters
    ----------
    answers : array of ints (experiments, numbers)
        From `identify`.
    right : int
        Place of the family.
    numbers : list of ints

    Returns
    -------
    dict of str to arrays (numbers,), float and int
        n_stimuli, right, low and high (95%, exact, of the simulation); needed, the smallest number from which
        on the share is `ENOUGH` or more (NaN: never); n_experiments.
    """
    hits = np.count_nonzero(answers == right, axis=0)
    low, high = binomial_interval(hits, len(answers))
    share = hits / len(answers)
    lasting = np.flip(np.logical_and.accumulate(np.flip(share >= ENOUGH)))
    needed = float(np.asarray(numbers)[lasting].min()) if lasting.any() else np.nan
    result = {"n_stimuli": np.asarray(numbers, "int32"), "right": share, "low": low, "high": high}
    return result | {"needed": needed, "n_experiments": len(answers)}
