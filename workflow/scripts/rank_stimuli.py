"""Rank the stimuli of a set by what they tell about the right family (rule rank_stimuli)."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.estimates import measures
from codingaxes.names import BRAIN, GROUP
from codingaxes.stimulus_sets import identification, information, judges
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.nsd import REGIONS
from codingaxes.tables.readouts import TARGETS
from codingaxes.tables.stimulus_sets import (
    SELECTION_CURVES,
    SET_PREDICTIONS,
    SET_RANKING,
    SET_REFITS,
    SET_STIMULI,
)

COLUMNS = ["stimulus_id", "role", "maker", "maker_role", "roi", "image_id", "l2"]
# Reasons for which values are missing.
NO_STIMULI = "no stimulus was made for a model"
NO_NOISE = "noise of trials is unknown in all regions"
FEW_FAMILIES = "fewer than two families have a judge of another architecture than the makers"
NOT_BOTH = "a family whose maker is compared has no judge, or both makers are of one family"
REGION = "noise of trials is unknown in its own region"
NOBODY = "its family has no judge but it and its twins"
OF_ALL = "made of the axes of all networks, so that none is a stranger to it"
UNCHANGED = "no perturbation was found: it is the natural image"
NEVER = f"no number that was tried is right in {identification.ENOUGH:g} of experiments and more"


@dataclass(frozen=True)
class Setting:
    """Hold what stimuli are ranked by."""

    stimuli: pd.DataFrame  # those that were made for a model
    candidates: identification.Candidates
    judges: judges.Judges
    places: np.ndarray  # (n,) of the region that each was made for; -1: its noise is unknown
    compared: list  # families of the two makers that are compared
    networks: pd.DataFrame  # the table networks, indexed by network

    def not_made_for(self, truth):
        """Leave out what was made for a model, which cannot be had of a brain that is to be measured."""
        kept = (self.stimuli.maker != truth).to_numpy()
        some = replace(self.candidates, images=self.candidates.images[kept])
        about = {
            "stimuli": self.stimuli[kept],
            "judges": self.judges.about(kept),
            "places": self.places[kept],
        }
        return replace(self, candidates=some, **about)

    def reason(self):
        """Why nothing can be said; empty if it can."""
        if not len(self.stimuli):
            return NO_STIMULI
        if not len(self.candidates.noise_sd):
            return NO_NOISE
        return "" if len(set(self.judges.families)) > 1 else FEW_FAMILIES


def main(run):
    """Judge by networks of other architectures than the makers; try the ranking on each of them in turn."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    stimuli = store.read(run.input["stimuli"], SET_STIMULI, COLUMNS)
    stimuli = stimuli[stimuli.role == "perturbed"]
    stimuli, unchanged = stimuli[stimuli.l2 > 0], stimuli[stimuli.l2 == 0]
    of_models = stimuli.maker.isin([*networks.index, BRAIN])
    stimuli, others = stimuli[of_models].reset_index(drop=True), stimuli[~of_models]
    columns, group = [*SET_PREDICTIONS.key, "change"], [("subject", "=", GROUP)]
    predictions = store.read(run.input["predictions"], SET_PREDICTIONS, columns, group)
    regions, targets = (
        store.read(run.input[name], table) for name, table in (("regions", REGIONS), ("targets", TARGETS))
    )
    noise = judges.group_noise(regions, targets)
    refits = store.read(run.input["refits"], SET_REFITS)
    setting = set_up(stimuli, predictions, refits, networks, noise, run.params)
    store.write(run.output["ranking"], SET_RANKING, rank(setting, others, unchanged, run.params))
    truths = list_truths(setting, predictions, run.params["brain_family"])
    parts = [curves_of(setting, name, *truth, run) for name, truth in truths.items()]
    curves = pd.concat(parts) if parts else pd.DataFrame(columns=list(SELECTION_CURVES.columns))
    store.write(run.output["curves"], SELECTION_CURVES, curves)
    for strategy, rows in curves.groupby("strategy", sort=False):
        needed = rows.drop_duplicates("truth").set_index("truth").needed
        said = ", ".join(f"{name} {number:.0f}" for name, number in needed.items()).replace(" nan", " never")
        job.log.info(f"stimuli until {identification.ENOUGH:g} are right, by {strategy}: {said}")


def set_up(stimuli, predictions, refits, networks, noise, params):
    """Collect what stimuli are ranked by.

    Parameters
    ----------
    stimuli, predictions, refits, networks : DataFrames
        Perturbed images of the table set_stimuli, set_predictions of the group, set_refits, and networks,
        indexed by network.
    noise : Series, indexed by roi
        From `judges.group_noise`; regions of which it is unknown are left out.
    params : dict
        compare and experiment, of the design.
    """
    noise = noise[noise > 0]
    names = judges.list_judges(stimuli.maker.unique(), predictions.network, networks)
    known = judges.collect(names, list(stimuli.stimulus_id), list(noise.index), predictions, refits, networks)
    repetitions = min(params["experiment"]["repetitions"])
    candidates = identification.Candidates(stimuli.image_id.to_numpy(), noise.to_numpy(), repetitions)
    places = stimuli.roi.map({roi: place for place, roi in enumerate(noise.index)}).fillna(-1).to_numpy(int)
    compared = families_of(stimuli, params["compare"], networks)
    setting = Setting(stimuli, candidates, known, places, compared, networks)
    job.log.info(
        f"judges: {', '.join(names) or 'none'}; regions: {', '.join(noise.index) or 'none'}; "
        f"trials of each stimulus: {repetitions}{'; ' * bool(setting.reason())}{setting.reason()}"
    )
    return setting


def list_truths(setting, predictions, brain_family):
    """Give of each truth its changes without noise (n, R), and the family whose answers are counted.

    Truths are the judges, each in turn, and the simulated brain. One of templates (`brain_family` is empty)
    is of no family: counted is how often it is taken for one of the family whose maker is compared first.
    """
    known = setting.judges
    truths = {name: known.changes[place] for place, name in enumerate(known.names)}
    families = dict(zip(known.names, known.families, strict=True))
    if BRAIN in set(predictions.network):
        truths[BRAIN] = judges.as_array(predictions, BRAIN, list(setting.stimuli.stimulus_id), known.rois)
        families[BRAIN] = brain_family or setting.compared[0]
    return {name: (changes, families[name]) for name, changes in truths.items()}


def families_of(stimuli, compare, networks):
    """Name the families of the two makers that are compared; a maker that is no network is its own family."""
    makers = stimuli.drop_duplicates("maker_role").set_index("maker_role").maker
    family = measures.families(networks)
    roles = [compare["with"], compare["against"]]
    return [family.get(makers.get(role, role), role) for role in roles]


def rank(setting, others, unchanged, params):
    """Give the table set_ranking.

    Parameters
    ----------
    setting : Setting
    others : DataFrame
        Stimuli that are not ranked, because nobody can judge them; they come after those that are.
    unchanged : DataFrame
        Stimuli that are natural images still; they come last, and the set does not keep them.
    params : dict
        choose and number, of the design. A set that is to keep the best of a ranking that is unknown keeps
        all, and the log says why.
    """
    table, reason = setting.stimuli[["stimulus_id"]], setting.reason()
    best = len(table) + len(others)
    if params["choose"] == "information" and not reason:
        # what tells other families apart says nothing of the two that are compared
        both = len(set(setting.compared) & set(setting.judges.families)) == 2
        reason = "" if both else NOT_BOTH
    if params["choose"] == "information" and not reason:
        best = params["number"]
    elif params["choose"] == "information":
        job.log.warning(
            f"choose: information needs a ranking, and {reason}. All stimuli are kept. Name makers of one "
            "architecture in the design, so that networks of other architectures judge"
        )
    blank = dict.fromkeys(("gain", "total", "alone", "difference"), np.nan)
    if reason:
        table = table.assign(**blank, reason=reason)
    else:
        _, means, spread = setting.judges.learned()
        between = information.between_families(means.reshape(len(means), -1))
        rest, regions = spread + setting.candidates.noise(), means.shape[2]
        order, gains = information.greedy(between, rest, regions)
        difference = setting.judges.difference(setting.places, *setting.compared)
        table = table.assign(alone=information.alone(between, rest, regions), difference=difference)
        table = table.iloc[order].assign(gain=gains, total=np.cumsum(gains))
        why = np.where(setting.places[order] < 0, REGION, NOT_BOTH)
        table["reason"] = np.where(table.difference.isna(), why, "")
    table = pd.concat([table, others[["stimulus_id"]].assign(**blank, reason=OF_ALL)])
    table = pd.concat([table, unchanged[["stimulus_id"]].assign(**blank, reason=UNCHANGED)])
    ranks = np.arange(1, len(table) + 1, dtype="int32")
    return table.assign(rank=ranks, chosen=ranks <= best)[list(SET_RANKING.columns)]


def curves_of(setting, truth, answers, family, run):
    """Give the rows of the table selection_curves of one truth.

    Parameters
    ----------
    setting : Setting
    truth : str
    answers : array (n, R)
        Its changes, without noise.
    family : str
        Whose answers are counted.
    run : job.Run
    """
    kept = (setting.stimuli.maker != truth).to_numpy()
    setting, answers = setting.not_made_for(truth), answers[kept]
    others = setting.judges.without(judges.with_twins(truth, setting.networks))
    numbers = setting.candidates.numbers()
    reason = setting.reason()
    if not reason and (family not in others.families or len(set(others.families)) < 2):
        reason = NOBODY
    names, *known = ([],) if reason else others.learned()
    difference = others.difference(setting.places, *setting.compared)
    blank = {"n_stimuli": np.array(numbers or [0]), "right": np.nan, "low": np.nan, "high": np.nan}
    blank |= {"needed": np.nan, "n_experiments": 0}
    parts = []
    for strategy in identification.STRATEGIES:
        why = reason or NOT_BOTH * (strategy == "difference" and bool(np.isnan(difference).all()))
        rows = blank | {"reason": why}
        if not why:
            rng = np.random.default_rng(run.seed(truth, strategy))
            about = answers, difference, run.params["experiment"]["simulations"], rng
            told = identification.identify(strategy, setting.candidates, known, *about)
            rows = identification.curve(told, names.index(family), numbers)
            rows["reason"] = NEVER * bool(np.isnan(rows["needed"]))
        parts.append(pd.DataFrame({"truth": truth, "truth_family": family, "strategy": strategy} | rows))
    rows = pd.concat(parts, ignore_index=True)
    return rows.astype({"n_stimuli": "int32", "n_experiments": "int32"})[list(SELECTION_CURVES.columns)]


if __name__ == "__main__":
    job.start(main, globals())
