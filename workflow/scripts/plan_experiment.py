"""Plan an experiment with a stimulus set, and try the plan on the simulated brain (rule plan_experiment)."""

from itertools import product

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.names import BRAIN, GROUP
from codingaxes.stimulus_sets import judges, power
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.nsd import REGIONS
from codingaxes.tables.readouts import TARGETS
from codingaxes.tables.stimulus_sets import (
    SET_EXPERIMENTS,
    SET_POWER,
    SET_PREDICTIONS,
    SET_RANKING,
    SET_STIMULI,
)

COLUMNS = ["stimulus_id", "role", "maker", "maker_role", "roi", "direction", "image_id", "draw", "step"]
NOT_ENOUGH = "no size of the design has the wanted power: the largest was run"


def main(run):
    """Predict by each family of judges; on the simulated brain run the experiment that this plans."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    stimuli = store.read(run.input["stimuli"], SET_STIMULI, COLUMNS)
    ranking = store.read(
        run.input["ranking"], SET_RANKING, ["stimulus_id", "chosen"], [("chosen", "=", True)]
    )
    stimuli = stimuli[stimuli.stimulus_id.isin(ranking.stimulus_id)]  # as many as the set keeps
    predictions = store.read(run.input["predictions"], SET_PREDICTIONS, [*SET_PREDICTIONS.key, "response"])
    targets = store.read(run.input["targets"], TARGETS)
    noise = judges.subject_noise(store.read(run.input["regions"], REGIONS), targets)
    units = targets[targets.subject == GROUP].set_index("roi").sd
    compare = run.params["compare"]
    contrast = f"{compare['with']} - {compare['against']}"
    pairs = power.list_pairs(stimuli, compare["with"], compare["against"])
    makers = stimuli.maker[stimuli.stimulus_id.isin([*pairs.one, *pairs.other])].unique()
    names = judges.list_judges(makers, predictions.network, networks)
    models = {family: list(rows.index) for family, rows in networks.loc[names].groupby("family", sort=False)}
    models |= {BRAIN: [BRAIN]} if BRAIN in set(predictions.network) - set(makers) else {}
    sizes, experiments = [], []
    for roi in [name for name in predictions.roi.unique() if (stimuli.roi == name).any()]:
        of_region = pairs[pairs.roi == roi]
        some = predictions[predictions.roi == roi]
        some = some.assign(response=some.response.where(some.subject != GROUP, units[roi] * some.response))
        here = noise[noise.index.get_level_values("roi") == roi].droplevel("roi")
        known = {
            name: power.average_pairs(of_region, responses_of(some, members, list(here.index)), here)
            for name, members in models.items()
        }
        for name, differences in known.items():
            about = {"contrast": contrast, "roi": roi, "predicted_by": name, "n_pairs": len(of_region)}
            rows = powers(differences, about, run)
            sizes.append(rows)
            if name != BRAIN and BRAIN in known:
                experiments.append(try_out(differences, known[BRAIN], rows, run))
    sizes = pd.concat(sizes) if sizes else pd.DataFrame(columns=list(SET_POWER.columns))
    store.write(run.output["power"], SET_POWER, sizes[list(SET_POWER.columns)])
    tried = pd.DataFrame(experiments, columns=list(SET_EXPERIMENTS.columns))
    tried = tried.astype({"n_subjects": "int32", "n_repetitions": "int32", "found": bool})
    store.write(run.output["experiments"], SET_EXPERIMENTS, tried)


def responses_of(predictions, members, subjects):
    """Average the responses of models, of every subject.

    Parameters
    ----------
    predictions : DataFrame
        Of one region, from the table set_predictions. Responses of the group are the mean of those of
        subjects, each in SD of its own.
    members, subjects : lists of str
        Models, and subjects who have the region.

    Returns
    -------
    DataFrame
        One row a stimulus, one column a subject, SD of that subject. A subject whom no model has a readout of
        is predicted by those of the group.
    """
    rows = predictions[predictions.network.isin(members)]
    table = rows.pivot_table(index="stimulus_id", columns="subject", values="response", aggfunc="mean")
    columns = {subject: table[subject if subject in table else GROUP] for subject in subjects}
    return pd.DataFrame(columns, index=table.index)


def powers(differences, about, run):
    """Give the rows of the table set_power of one prediction."""
    experiment, problem = run.params["experiment"], differences.problem
    unknown = dict.fromkeys(("power", "low", "high", "false_alarms", "effect", "effect_size"), np.nan)
    rows = []
    for subjects, repetitions in product(experiment["subjects"], experiment["repetitions"]):
        row = about | {"n_subjects": subjects, "n_repetitions": repetitions, "reason": problem} | unknown
        row["n_images"] = len(differences.pairs)
        if not problem:
            rng = np.random.default_rng(run.seed(*about.values(), subjects, repetitions))
            row["effect"] = differences.effect
            row["effect_size"] = differences.effect_size(subjects, repetitions)
            size = subjects, repetitions, experiment["simulations"]
            row |= power.power(differences, np.sign(differences.effect), *size, rng)
        rows.append(row | {"enough": bool(row["power"] >= experiment["power"])})
    whole = {name: "int32" for name in ("n_subjects", "n_repetitions", "n_pairs", "n_images")}
    return pd.DataFrame(rows).astype(whole)


def try_out(predicted, true, rows, run):
    """Give the row of the table set_experiments: one experiment of the planned size on the simulated brain.

    Parameters
    ----------
    predicted, true : power.Differences
        By a family of judges, and of the simulated brain.
    rows : DataFrame
        Rows of the table set_power, by the prediction.
    run : job.Run
    """
    plan = power.smallest(rows)
    row = {name: plan[name] for name in ("contrast", "roi", "predicted_by", "n_subjects", "n_repetitions")}
    row |= dict.fromkeys(("predicted", "true", "measured", "low", "high", "p"), np.nan)
    row |= {"found": False, "planned_power": plan.power, "true_power": np.nan, "reason": plan.reason}
    if plan.reason:
        return row
    rng = np.random.default_rng(run.seed("experiment", *(row[name] for name in SET_EXPERIMENTS.key)))
    size, sign = (plan.n_subjects, plan.n_repetitions), np.sign(predicted.effect)
    measured = power.simulate(true, *size, 1, rng)[0]
    p, mean, half = power.against_zero(measured)
    row |= {"predicted": predicted.effect, "true": true.effect, "measured": mean, "p": p}
    row |= {"low": mean - half, "high": mean + half, "found": bool(power.found(measured, sign))}
    row["true_power"] = power.power(true, sign, *size, run.params["experiment"]["simulations"], rng)["power"]
    row["reason"] = "" if plan.enough else NOT_ENOUGH
    return row


if __name__ == "__main__":
    job.start(main, globals())
