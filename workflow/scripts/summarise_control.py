"""Summarise who controls whom, how far, and whether it is meaningful (rule summarise_control)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import control, measures, undefined
from codingaxes.names import BRAIN, SIGNS
from codingaxes.tables import store
from codingaxes.tables.control import CONTROL_SLOPES, EVIDENCE, LADDER_CHANGES
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.synthesis import PEER_REVIEW, SYNTHESIS

ALL = "all"
LADDER, LEVELS = "perturbation", "accentuation"  # kinds of images
COLUMNS = ["network", "kind", "arm", "control", "roi", "direction", "image_id", "step", "radius", "l2"]
COLUMNS += ["wanted_level", "reviewer", "before", "response", "level_before", "level", "super_stimulus"]
COLUMNS += ["evidence_before", "evidence"]
IMAGES = ["network", "roi", "direction", "arm", "step"]  # that a model made, whoever reviews them


def main(run):
    """Average over draws, regions and judges within each image; resample images, the same for all models."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    wanted = [("kind", "in", [LADDER, LEVELS])]
    reviews = in_order(store.read(run.input["peer_review"], PEER_REVIEW, COLUMNS, wanted), networks)
    wanted = [("kind", "=", LADDER), ("control", "=", "none")]
    made = store.read(run.input["perturbations"], SYNTHESIS, [*IMAGES, "converged"], wanted)
    slopes = slopes_of(reviews[reviews.kind == LEVELS], networks, run)
    store.write(run.output["control_slopes"], CONTROL_SLOPES, slopes)
    writing.write_csv(run.output["csv"], slopes, digits=5)
    ladder = with_all(reviews[reviews.kind == LADDER])
    store.write(run.output["ladder_changes"], LADDER_CHANGES, changes_of(ladder, made, networks, run))
    store.write(run.output["category_evidence"], EVIDENCE, evidence_of(ladder, networks, run))
    brain = slopes[(slopes.roi == ALL) & (slopes.control == "none") & (slopes.reviewer == BRAIN)]
    for arm, rows in brain[brain.network != BRAIN].groupby("arm", sort=False):
        best = ", ".join(f"{row.network} {row.slope:.2f}" for row in rows.nlargest(3, "slope").itertuples())
        job.log.info(f"largest control slopes of the simulated brain, {arm}: {best}")


def in_order(reviews, networks):
    """Make names categories in the order of the tables: groups are then made fast, and in this order."""
    models = [*networks.index, BRAIN]
    names = {name: list(reviews[name].unique()) for name in ("roi", "control", "arm", "image_id")}
    names |= {"network": models, "reviewer": models, "direction": list(SIGNS), "roi": [*names["roi"], ALL]}
    names["control"] = [*dict.fromkeys(["none", *names["control"]])]
    # as objects, which are made categories in a fifth of the time
    columns = {name: pd.Categorical(reviews[name].astype(object), order) for name, order in names.items()}
    return reviews.assign(**columns)


def with_all(rows):
    """Add the same rows as rows of all regions together."""
    everywhere = pd.Categorical([ALL] * len(rows), rows.roi.cat.categories)
    return pd.concat([rows, rows.assign(roi=everywhere)], ignore_index=True)


def over_images(rows, value, key, sets, run):
    """Average a column over images, with intervals; sets have images of their own, which cells share.

    Parameters
    ----------
    rows : DataFrame
    value : str
    key : list of str
        Columns that tell cells apart.
    sets : list of str
        Columns that tell sets apart, which images were chosen for.
    run : job.Run

    Returns
    -------
    DataFrame, indexed by `key`
        `value`, ci_low, ci_high, n_images.
    """
    parts = []
    for _, part in rows.groupby(sets, observed=True):
        groups = part.groupby(key, observed=True)
        rng = np.random.default_rng(run.seed())
        cells, images = groups.ngroup().to_numpy(), part.image_id.cat.codes
        table = control.mean_over_images(part[value], cells, images, rng, run.params["bootstrap"])
        parts.append(table.set_index(groups.size().index).rename(columns={"mean": value}))
    return pd.concat(parts).sort_index()


def slopes_of(reviews, networks, run):
    """Give the table control_slopes of accentuated images."""
    key = list(CONTROL_SLOPES.key)
    reviews = control.beside_predictions(reviews)
    images = with_all(control.control_slope(reviews, [*key, "image_id"]).reset_index())
    table = over_images(images, "slope", key, ["roi"], run)
    why = images.groupby(key, observed=True)[["unknown", "few", "same"]].any()
    why = why.where(table.slope.isna(), False)
    reviews = with_all(reviews)
    reviews["level_error"] = control.level_error(reviews.level, reviews.wanted)
    reviews["super_rate"] = control.super_stimuli(reviews.level, reviews.wanted, reviews.level_before)
    for name, end in (("lowest", reviews.wanted.min()), ("highest", reviews.wanted.max())):
        reviews[name] = reviews.level.where(np.isclose(reviews.wanted, end))
    columns = ["lowest", "highest", "level_error", "super_rate"]
    table = table.join(reviews.groupby(key, observed=True)[columns].mean())
    none = {undefined.NO_LEVELS: why.unknown, undefined.FEW_LEVELS: why.few, undefined.SAME_LEVELS: why.same}
    beyond = {undefined.NONE_BEYOND: table.super_rate.isna() & table.level_error.notna()}
    intervals = undefined.of_estimate(table.slope, table.ci_low, "")
    table["reason"] = undefined.join(undefined.say(none), intervals, undefined.say(beyond))
    return described(table.reset_index(), CONTROL_SLOPES, networks)


def changes_of(ladder, made, networks, run):
    """Give the table ladder_changes of perturbations, of all reviewers and with all regions together."""
    key = list(LADDER_CHANGES.key)
    change = measures.attacked_change(ladder.response - ladder.before, ladder.direction)
    super_rate = ladder.super_stimulus.astype(float).where(ladder.level.notna())
    ladder = ladder.assign(change=change, super_rate=super_rate)
    table = over_images(ladder, "change", key, ["roi", "direction"], run)
    groups = ladder.groupby(key, observed=True)
    table = table.join(groups[["l2", "level", "super_rate"]].mean()).join(groups.radius.first())
    made = pd.concat([made, made.assign(roi=ALL)])
    unconverged = made.groupby(IMAGES).converged.agg(measures.unconverged).rename("unconverged")
    table = table.reset_index().join(unconverged, on=IMAGES, validate="many_to_one")
    table["unconverged"] = table.unconverged.where(table.control == "none")
    levels = undefined.say({undefined.NO_LEVELS: table.level.isna() & table.change.notna()})
    table["reason"] = undefined.join(undefined.of_estimate(table.change, table.ci_low), levels)
    return described(table, LADDER_CHANGES, networks)


def evidence_of(ladder, networks, run):
    """Give the table category_evidence of perturbations: judges of other architectures, by family."""
    key, family = list(EVIDENCE.key), measures.families(networks)
    order = list(dict.fromkeys(family.values()))
    judged = ladder.assign(
        family=pd.Categorical(ladder.network.astype("str").map(family), order),
        judges=pd.Categorical(ladder.reviewer.astype("str").map(family), order),
        change=control.evidence_change(ladder.evidence_before, ladder.evidence, ladder.direction),
        independent=control.independent(ladder.network, ladder.reviewer, networks),
    )
    values = ["change", "evidence_before", "evidence"]
    judged[values] = judged[values].where(judged.independent & judged.change.notna())
    table = over_images(judged, "change", key, ["roi", "direction"], run)
    groups = judged.groupby(key, observed=True)
    table = table.join(groups[values[1:]].mean()).join(groups[["radius"]].first())
    known = judged[judged.change.notna()].groupby(key, observed=True)[["network", "reviewer"]].nunique()
    known = known.reindex(table.index, fill_value=0).astype("int32")
    nobody = np.where(groups.independent.any(), undefined.NO_EVIDENCE, undefined.NO_JUDGE)
    table["reason"] = undefined.of_estimate(table.change, table.ci_low, nobody)
    table = table.assign(n_makers=known.network, n_judges=known.reviewer).reset_index()
    return declared(table, EVIDENCE)


def described(table, about, networks):
    """Add what kind of pair maker and reviewer are, and give the columns that a table declares."""
    pairs = measures.describe_pairs(table.network, table.reviewer, networks)
    table = table.assign(
        family=pairs.family_one,
        family_reviewer=pairs.family_other,
        architectures=pairs.architectures,
        twin=control.twins(table.network, table.reviewer, networks),
    )
    return declared(table, about)


def declared(table, about):
    """Give the declared columns in their order, names as text and counts as 32-bit integers."""
    types = {"string": "str", "int32": "int32"}
    columns = {name: types[spec.type] for name, spec in about.columns.items() if spec.type in types}
    return table[list(about.columns)].astype(columns)


if __name__ == "__main__":
    job.start(main, globals())
