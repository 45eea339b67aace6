"""Choose who judges the stimuli of a set, and collect what the judges predict.

A stimulus that was made for a network changes that network most, and those of its architecture more than
others. If they had a voice, stimuli would be ranked by who made them. So judges are networks of other
architectures than all makers of the set. A family all of whose networks have an architecture of a maker has
no judge, and is not among the families that are told apart. Principal distortions are made of the axes of all
networks, to none of which they are strange, so that they are not ranked.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from codingaxes.estimates import control
from codingaxes.names import GROUP
from codingaxes.stimulus_sets import information


def list_judges(makers, models, networks):
    """List the models that are networks of another architecture than every maker, in the order of the table.

    Parameters
    ----------
    makers, models : iterables of str
        Makers that are no networks (simulated_brain, principal_distortions) exclude none.
    networks : DataFrame
        The table networks, indexed by network.
    """
    models = set(models)
    names = [name for name in networks.index if name in models]
    pairs = pd.DataFrame([(maker, name) for maker in makers for name in names], columns=["maker", "judge"])
    related = set(pairs.judge[~control.independent(pairs.maker, pairs.judge, networks)])
    return [name for name in names if name not in related]


def with_twins(truth, networks):
    """List a truth and its twins, which differ from it in their seed alone.

    Parameters
    ----------
    truth : str
        A model.
    networks : DataFrame
        The table networks, indexed by network.
    """
    names = pd.Series(networks.index)
    one = pd.Series([truth] * len(names), dtype=names.dtype)
    return {truth, *names[control.twins(one, names, networks)]}


def group_noise(regions, targets):
    """Compute the SD of the group's response to one trial in every subject.

    The group's response is the mean of those of subjects, each in SD of its own; noise of subjects is
    independent.

    Parameters
    ----------
    regions, targets : DataFrames
        The tables regions and targets.

    Returns
    -------
    Series, indexed by roi, in the order of `targets`
        SD of the group over training images; NaN where noise of the trials of a subject is unknown.
    """
    owners = subject_noise(regions, targets).groupby("roi")
    mean = owners.agg(lambda noise: np.sqrt(np.square(noise.to_numpy()).sum()) / len(noise))
    sd = targets[targets.subject == GROUP].set_index("roi").sd
    return (mean.reindex(sd.index) / sd).rename("noise_sd")


def subject_noise(regions, targets):
    """Compute the SD of one trial of each subject and region, in SD of that subject over training images.

    Parameters
    ----------
    regions, targets : DataFrames
        The tables regions and targets. Regions that a subject lacks are left out.
    """
    key = ["subject", "roi"]
    raw = regions[regions.n_voxels > 0].set_index(key).noise_sd
    sd = targets.set_index(key).sd
    return raw / sd.reindex(raw.index)


def as_array(predictions, model, stimuli, rois):
    """Arrange the changes of one model as an array (n, R).

    Parameters
    ----------
    predictions : DataFrame
        The table set_predictions, of the group.
    model : str
    stimuli, rois : lists of str

    Raises
    ------
    ValueError
        If the model lacks a prediction of a stimulus; names both.
    """
    rows = predictions[predictions.network == model]
    table = rows.pivot(index="stimulus_id", columns="roi", values="change")
    table = table.reindex(index=stimuli, columns=rois)
    lacking = table.index[table.isna().any(axis=1)]
    if len(lacking):
        raise ValueError(
            f"predictions: {model} has none of stimulus {lacking[0]} (and {len(lacking) - 1} others) in "
            f"one of {', '.join(rois)}; run predict_stimuli again"
        )
    return table.to_numpy(float)


@dataclass(frozen=True)
class Judges:
    """Hold what judges predict of n stimuli in R regions."""

    names: list  # of str (models,)
    families: np.ndarray  # of str (models,)
    changes: np.ndarray  # (models, n, R) SD
    rois: list  # of str (R,)
    refits: dict  # name -> (draws, n R) SD: by readouts that were fitted again; not of every judge

    @property
    def flat(self):
        """Changes as vectors (models, n R)."""
        models, stimuli, regions = self.changes.shape
        return self.changes.reshape(models, stimuli * regions)

    def without(self, left_out):
        """Leave out some judges, by name."""
        kept = [place for place, name in enumerate(self.names) if name not in left_out]
        refits = {name: rows for name, rows in self.refits.items() if name not in left_out}
        names = [self.names[place] for place in kept]
        return Judges(names, self.families[kept], self.changes[kept], self.rois, refits)

    def about(self, kept):
        """Keep some of the stimuli: bool (n,)."""
        refits = {name: draws[:, np.repeat(kept, len(self.rois))] for name, draws in self.refits.items()}
        return Judges(self.names, self.families, self.changes[:, kept], self.rois, refits)

    def learned(self):
        """Give the names of the families, their means (F, n, R), and W (n R, n R)."""
        names, means = information.family_means(self.flat, self.families)
        spread = information.nuisance(self.flat, self.families, list(self.refits.values()))
        return names, means.reshape(len(names), *self.changes.shape[1:]), spread

    def difference(self, places, one, other):
        """Give |A - B| of the mean predictions of two families, each stimulus in its own region (n,).

        Parameters
        ----------
        places : array of ints (n,)
            Place of that region among the regions; -1: none of them.
        one, other : str
            Families. Without a judge of both, or if they are one, all differences are missing (NaN).
        """
        names, means = information.family_means(self.flat, self.families)
        if one == other or not {one, other} <= set(names) or not self.rois:
            return np.full(len(places), np.nan)
        apart = np.abs(means[names.index(one)] - means[names.index(other)]).reshape(self.changes.shape[1:])
        return np.where(places < 0, np.nan, apart[np.arange(len(places)), places])


def collect(names, stimuli, rois, predictions, refits, networks):
    """Collect what judges predict.

    Parameters
    ----------
    names, stimuli, rois : lists of str
        Judges, stimuli and regions, in the order that the arrays are to have.
    predictions, refits : DataFrames
        The tables set_predictions, of the group, and set_refits.
    networks : DataFrame
        The table networks, indexed by network.

    Returns
    -------
    Judges

    Raises
    ------
    ValueError
        As `as_array`.
    """
    changes = np.empty((len(names), len(stimuli), len(rois)))
    for place, name in enumerate(names):
        changes[place] = as_array(predictions, name, stimuli, rois)
    again = {}
    for name, rows in refits[refits.network.isin(names if rois else [])].groupby("network", sort=False):
        rows = rows.set_index(["stimulus_id", "roi"]).change
        draws = np.stack([rows[stimulus, roi] for stimulus in stimuli for roi in rois], axis=1)
        if len(draws) > 1:
            again[name] = draws.astype(float)
    families = networks.family[list(names)].to_numpy(str)
    return Judges(list(names), families, changes, list(rois), again)
