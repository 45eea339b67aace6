"""Draw from the tables of a set what its README states: how well it is matched, mean changes, and power."""

import numpy as np
import pandas as pd

from codingaxes.names import BRAIN, GROUP, SIGNS

# Column of set_stimuli that says what was wanted -> what is measured of the files.
WANTED = {"radius": "l2", "effect": "change", "wanted_level": "level", "maker": "share"}
PLACE = ["image_id", "roi", "direction", "step", "maker"]


def match(stimuli, predictions):
    """Say how far the saved files are from what was wanted of them.

    Parameters
    ----------
    stimuli, predictions : DataFrames
        The tables set_stimuli and set_predictions.

    Returns
    -------
    DataFrame
        One row a matched quantity, step and control: what (radius, effect, wanted_level or maker), step,
        control, wanted, n_stimuli, lowest and highest (of the files), off (largest distance from wanted, as a
        share of it; of levels, of the distance between the levels 0 and 1). A size is measured of all
        stimuli; an effect and a level of those made for a model, by its own prediction, where an effect
        counts as positive the wanted way. maker: the l2 size of a control that is matched in effect, as a
        share of that of the maker's perturbation.
    """
    own = predictions[predictions.subject == GROUP].rename(columns={"network": "maker"})
    own = own[["stimulus_id", "maker", "roi", "change", "level"]]
    rows = stimuli.merge(own, how="left", on=["stimulus_id", "maker", "roi"])
    rows["change"] *= rows.direction.map(SIGNS).fillna(1.0)
    perturbed = rows.role == "perturbed"
    sizes = rows[perturbed].drop_duplicates(PLACE).set_index(PLACE).l2
    of_maker = sizes.reindex(pd.MultiIndex.from_frame(rows[PLACE])).to_numpy()
    controls = (rows.matched == "effect") & (rows.role == "control")
    rows["share"] = np.where(controls, rows.l2 / of_maker, np.nan)
    rows["effect"], rows["wanted_level"] = (
        rows[name].where(perturbed) for name in ("effect", "wanted_level")
    )
    rows["maker"] = 1.0
    found = []
    for what, column in WANTED.items():
        counted = rows.dropna(subset=[what, column])
        for (step, control, wanted), part in counted.groupby(["step", "control", what], sort=False):
            distance = (part[column] - wanted).abs().max()
            row = {"what": what, "step": step, "control": control, "wanted": wanted, "n_stimuli": len(part)}
            row |= {"lowest": part[column].min(), "highest": part[column].max()}
            found.append(row | {"off": distance if what == "wanted_level" else distance / abs(wanted)})
    columns = ["what", "step", "control", "wanted", "n_stimuli", "lowest", "highest", "off"]
    return pd.DataFrame(found, columns=columns).sort_values("step", kind="stable", ignore_index=True)


def mean_changes(stimuli, predictions, networks):
    """Average predicted changes of the group by what a stimulus is and by family of the model.

    Parameters
    ----------
    stimuli, predictions : DataFrames
        The tables set_stimuli and set_predictions.
    networks : DataFrame
        With the columns network and family.

    Returns
    -------
    DataFrame
        control, maker_role, step, and a column for the maker itself and for each family of other models: mean
        change the wanted way in the stimulus's own region, SD; absolute where no direction was wanted, and
        over all regions where the stimulus has none. Missing where no such model is.
    """
    families = {**networks.set_index("network").family, BRAIN: BRAIN}
    rows = predictions[predictions.subject == GROUP].merge(
        stimuli[stimuli.role != "original"], on="stimulus_id", suffixes=("", "_of")
    )
    rows = rows[(rows.roi == rows.roi_of) | (rows.roi_of == "all")]
    sign = rows.direction.map(SIGNS)
    rows = rows.assign(
        judge=np.where(rows.network == rows.maker, "maker", rows.network.map(families)),
        change=np.where(sign.isna(), rows.change.abs(), rows.change * sign.fillna(1.0)),
    )
    keys = ["control", "maker_role", "step"]
    means = rows.pivot_table("change", keys, "judge", sort=False, aggfunc="mean")
    order = ["maker", *(family for family in dict.fromkeys(families.values()) if family != BRAIN), BRAIN]
    return means[[name for name in order if name in means]].reset_index()


def smallest_experiments(power):
    """Find for each contrast, region and prediction the smallest experiment that has enough power.

    Parameters
    ----------
    power : DataFrame
        The table set_power.

    Returns
    -------
    DataFrame
        Rows of `power` with the fewest trials in all, and of these the fewest subjects; where none has
        enough, that with the largest power, or the first if it is nowhere defined. n_trials is of one
        subject: two stimuli of each pair, times repetitions.
    """
    trials = power.assign(
        n_trials=2 * power.n_pairs * power.n_repetitions, all=power.n_subjects * power.n_repetitions
    )
    best = trials.sort_values(["all", "n_subjects"], kind="stable")
    chosen = []
    for _, part in best.groupby(["contrast", "roi", "predicted_by"], sort=False):
        largest = part.power.fillna(-1.0).idxmax()
        chosen.append(part.index[part.enough][0] if part.enough.any() else largest)
    return trials.loc[sorted(chosen)].drop(columns="all")
