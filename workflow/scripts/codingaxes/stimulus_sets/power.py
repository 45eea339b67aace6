"""Compute by simulation how often an experiment finds a predicted difference between two makers' images.

The experiment shows pairs of images that differ in nothing but the model that they were made for. Of each
pair it measures the difference of the two responses in the wanted direction; what the natural image evokes
drops out of it. Differences are averaged over subjects and over the pairs of an image, and tested over images
by Student's t against 0, two-sided. So the test is about other images, in these subjects: it does not say
that other subjects would agree. Pairs of one image (directions, sizes) are no independent sample, so that
they count once.

An experiment *finds* the difference if p < 0.05 and the sign is the predicted one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from codingaxes.estimates import undefined
from codingaxes.estimates.proportions import binomial_interval
from codingaxes.names import SIGNS

ALPHA = 0.05
SAME = ["image_id", "roi", "direction", "step", "draw"]  # in which the stimuli of a pair agree


def list_pairs(stimuli, role, other):
    """List the pairs of stimuli that differ in their maker alone.

    Parameters
    ----------
    stimuli : DataFrame
        The table set_stimuli.
    role, other : str
        Roles of the makers (maker_role) that are compared.

    Returns
    -------
    DataFrame
        One row a pair: `SAME`, one and other (stimulus ids), and sign (1: increase, -1: decrease).
    """
    made = stimuli[(stimuli.role == "perturbed") & stimuli.direction.isin(SIGNS)]
    one, two = (
        made[made.maker_role == name].set_index(SAME).stimulus_id.rename(column)
        for name, column in ((role, "one"), (other, "other"))
    )
    pairs = one.to_frame().join(two, how="inner", validate="one_to_one").reset_index()
    return pairs.assign(sign=pairs.direction.map(SIGNS))


@dataclass(frozen=True)
class Differences:
    """Hold what an experiment would measure without noise, and the noise."""

    means: np.ndarray  # (subjects, images) mean over the pairs of an image, SD of each subject
    pairs: np.ndarray  # (images,) how many pairs that is
    noise_sd: np.ndarray  # (subjects,) of one trial of one stimulus, SD of that subject

    @property
    def effect(self):
        """Mean over images and subjects, SD."""
        return float(self.means.mean())

    def effect_size(self, subjects, repetitions):
        """Compute the effect over the SD of an image's difference, noise included; NaN where that is 0."""
        if self.means.shape[1] < 2:
            return np.nan
        noise = 2 * np.square(self.noise_sd).mean() / (subjects * repetitions) * (1 / self.pairs).mean()
        spread = np.sqrt(self.means.mean(axis=0).var(ddof=1) + noise)
        return self.effect / float(spread) if spread > 0 else np.nan

    @property
    def problem(self):
        """Why nothing can be tested; empty if it can."""
        unknown = {
            "no pair of stimuli differs in the maker alone": not len(self.pairs),
            "no subject has this region": not len(self.means),
            "fewer than 3 images": 0 < len(self.pairs) < undefined.FEWEST,
            "noise of trials is unknown: no image was shown twice": not np.isfinite(self.noise_sd).all(),
            "nothing varies, trials neither": len(self.noise_sd) > 0 and (self.noise_sd == 0).all(),
        }
        return "; ".join(reason for reason, holds in unknown.items() if holds)


def average_pairs(pairs, responses, noise_sd):
    """Average the differences of the pairs of each image, of every subject.

    Parameters
    ----------
    pairs : DataFrame
        Of one region; from `list_pairs`.
    responses : DataFrame
        One row a stimulus, one column a subject, SD.
    noise_sd : Series, indexed by subject
        SD of one trial about its image's mean, in the same units.

    Returns
    -------
    Differences
        Subjects as in `responses`, images in the order of their names.

    Raises
    ------
    ValueError
        If the response to a stimulus is missing; names it.
    """
    columns, shown = responses.columns, [*pairs.one, *pairs.other]
    responses = responses.reindex(shown)
    lacking = responses.index[responses.isna().any(axis=1)]
    if len(lacking):
        raise ValueError(
            f"predictions: a response to stimulus {lacking[0]} (and {len(lacking) - 1} others) is missing; "
            "run predict_stimuli again"
        )
    change = responses.loc[pairs.one].to_numpy() - responses.loc[pairs.other].to_numpy()
    images, place = np.unique(pairs.image_id.to_numpy(str), return_inverse=True)
    member = (place == np.arange(len(images))[:, None]).astype(float)
    count = member.sum(axis=1)
    means = (member @ (pairs.sign.to_numpy()[:, None] * change) / count[:, None]).T
    return Differences(means, count, noise_sd[columns].to_numpy())


def simulate(differences, subjects, repetitions, experiments, rng, swap=False):
    """Simulate what experiments measure: the difference at each image, mean over subjects and pairs.

    Subjects of an experiment are drawn with replacement from those that are known. So others are taken to
    differ as much as these do, and not more.

    Parameters
    ----------
    differences : Differences
    subjects, repetitions : ints
        Of each experiment: subjects, and trials of each stimulus in each of them.
    experiments : int
    rng : numpy.random.Generator
    swap : bool
        Whether the two makers change places at random images: what is measured if they do not matter.

    Returns
    -------
    array (experiments, images)
        SD.
    """
    known, images = differences.means.shape
    drawn = rng.multinomial(subjects, np.full(known, 1 / known), experiments)
    true = drawn @ differences.means / subjects
    if swap:
        true = true * rng.choice([-1.0, 1.0], (experiments, images))
    variance = 2 / repetitions * (drawn @ np.square(differences.noise_sd)) / subjects**2
    noise = np.sqrt(variance[:, None] / differences.pairs)
    return true + noise * rng.standard_normal((experiments, images))


def against_zero(measured):
    """Test measured differences (..., images) against 0 by Student's t over images.

    Returns
    -------
    p : array (...)
        Two-sided.
    mean, half : arrays (...)
        Estimate, and half its 95% interval.
    """
    images = measured.shape[-1]
    mean = measured.mean(axis=-1)
    error = measured.std(axis=-1, ddof=1) / np.sqrt(images)
    return 2 * t.sf(np.abs(mean) / error, images - 1), mean, t.ppf(1 - ALPHA / 2, images - 1) * error


def found(measured, sign):
    """Tell which experiments (..., images) find a difference of the predicted sign, 1 or -1."""
    p, mean, _ = against_zero(measured)
    return (p < ALPHA) & (np.sign(mean) == sign)


def power(differences, sign, subjects, repetitions, experiments, rng):
    """Simulate the share of experiments that find a difference of the predicted sign.

    Returns
    -------
    dict
        power, low and high (95%, exact, of the simulation), and false_alarms: the share with p < 0.05, either
        way, if makers do not matter.
    """
    measured = simulate(differences, subjects, repetitions, experiments, rng)
    hits = int(found(measured, sign).sum())
    low, high = binomial_interval(hits, experiments)
    swapped = simulate(differences, subjects, repetitions, experiments, rng, swap=True)
    alarms = float((against_zero(swapped)[0] < ALPHA).mean())
    return {"power": hits / experiments, "low": low, "high": high, "false_alarms": alarms}


def smallest(rows):
    """Choose the experiment of the fewest trials that is enough, and then of the fewest subjects.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table set_power about one difference.

    Returns
    -------
    row
        Where none is enough, the experiment of the most trials.
    """
    trials = rows.assign(trials=rows.n_subjects * rows.n_repetitions)
    if rows.enough.any():
        return trials[trials.enough].sort_values(["trials", "n_subjects"]).iloc[0]
    return trials.sort_values(["trials", "n_subjects"]).iloc[-1]
