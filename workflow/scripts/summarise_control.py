"""Summarise who controls whom, how far, and whether it is meaningful (rule summarise_control)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import control, measures, undefined
from codingaxes.estimates.judgements import Judgements
from codingaxes.names import BRAIN, SIGNS
from codingaxes.tables import compact, store
from codingaxes.tables.control import CONTROL_SLOPES, EVIDENCE, LADDER_CHANGES
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.synthesis import PEER_REVIEW, SYNTHESIS

ALL = "all"
LADDER, LEVELS = "perturbation", "accentuation"  # kinds of images
COLUMNS = ["network", "kind", "arm", "control", "roi", "direction", "image_id", "step", "radius", "l2"]
COLUMNS += ["wanted_level", "reviewer", "before", "response", "level_before", "level", "super_stimulus"]
COLUMNS += ["evidence_before", "evidence"]
IMAGES = ["network", "roi", "direction", "arm", "step"]  # that a model made, whoever reviews them


# Of what makers answer to their own images, and of where images belong.
PLACES = ["kind", "arm", "control", "roi", "direction", "image_id", "step"]
OWN = ["network", "reviewer", *PLACES, "level", "response", "wanted_level"]


def main(run):
    """Average over draws, regions and judges within each image; resample images, the same for all models.

    The reviews by some reviewers are in memory at a time (`compact.ROWS`). Of all together there are only
    what makers answer to their own images, which grow with networks, sums of evidence by family, and means.
    """
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    about = survey(run, networks)
    slopes, ladder, judgements = [], [], Judgements(list(EVIDENCE.key), about.order)
    for names in run.track(reviewers(run, networks), unit="block of reviewers"):
        reviews = read(run, names, COLUMNS)
        if reviews.empty:
            continue
        reviews = about.in_order(reviews)
        slopes.append(slopes_of(reviews[reviews.kind == LEVELS], about, run))
        perturbed = with_all(reviews[reviews.kind == LADDER])
        ladder.append(changes_of(perturbed, about, run))
        judgements.add(judged(perturbed, networks))
    slopes = described(pd.concat(slopes).sort_index().reset_index(), CONTROL_SLOPES, networks)
    store.write(run.output["control_slopes"], CONTROL_SLOPES, slopes)
    writing.write_csv(run.output["csv"], slopes, digits=5)
    ladder = with_unconverged(pd.concat(ladder).sort_index().reset_index(), run)
    store.write(run.output["ladder_changes"], LADDER_CHANGES, described(ladder, LADDER_CHANGES, networks))
    store.write(run.output["category_evidence"], EVIDENCE, evidence_of(judgements, about, run))
    brain = slopes[(slopes.roi == ALL) & (slopes.control == "none") & (slopes.reviewer == BRAIN)]
    for arm, rows in brain[brain.network != BRAIN].groupby("arm", sort=False):
        best = ", ".join(f"{row.network} {row.slope:.2f}" for row in rows.nlargest(3, "slope").itertuples())
        job.log.info(f"largest control slopes of the simulated brain, {arm}: {best}")


def reviewers(run, networks):
    """Split the reviewers into lists whose reviews, all of as many images, are read together."""
    names = [*networks.index, BRAIN]
    step = max(1, compact.ROWS * len(names) // max(1, compact.count(run.input["peer_review"])))
    return [names[begin : begin + step] for begin in range(0, len(names), step)]


def read(run, names, columns):
    """Read the reviews by some reviewers."""
    wanted = [("kind", "in", [LADDER, LEVELS]), ("reviewer", "in", names)]
    return store.read(run.input["peer_review"], PEER_REVIEW, columns, wanted)


@dataclass(frozen=True)
class About:
    """Hold what all reviews share.

    Parameters
    ----------
    order : dict, column -> list
        The values of each column, in the order of the tables.
    images : dict, (kind, region) or (kind, region, direction) -> array of ints
        Places in `order` of the images that were chosen for a region, and for all together, in their order.
    own : DataFrame
        Accentuated images as their makers answer to them.
    """

    order: dict
    images: dict
    own: pd.DataFrame

    def in_order(self, reviews):
        """Make names categories in the order of the tables: groups are then made fast, and in this order."""
        names = ("network", "reviewer", "roi", "control", "arm", "image_id", "direction")
        # as objects, which are made categories in a fifth of the time
        return reviews.assign(
            **{name: pd.Categorical(reviews[name].astype(object), self.order[name]) for name in names}
        )


def survey(run, networks):
    """Read what all reviews share, some reviewers at a time."""
    own, places = [], []
    for names in reviewers(run, networks):
        reviews = read(run, names, OWN)
        own.append(control.own_reviews(reviews[reviews.kind == LEVELS]))
        places.append(reviews[PLACES].drop_duplicates())
    places = pd.concat(places).drop_duplicates()
    models, families = [*networks.index, BRAIN], measures.families(networks).values()
    order = {name: list(places[name].unique()) for name in ("arm", "image_id")}
    order |= {"network": models, "reviewer": models, "direction": list(SIGNS)}
    order |= {"roi": [*places.roi.unique(), ALL], "control": [*dict.fromkeys(["none", *places.control])]}
    order |= {"step": sorted(places.step.unique())}
    order |= {name: [*dict.fromkeys(families)] for name in ("family", "judges")}
    places = pd.concat([places, places.assign(roi=ALL)], ignore_index=True)
    column = pd.Series(pd.Index(order["image_id"]).get_indexer(places.image_id), places.index)
    images = {}
    for key in (["kind", "roi"], ["kind", "roi", "direction"]):
        images |= {place: np.unique(part) for place, part in column.groupby([places[name] for name in key])}
    about = About(order, images, pd.DataFrame())
    own = about.in_order(pd.concat(own))
    return About(order, images, control.beside_predictions(own, own))


def with_all(rows):
    """Add the same rows as rows of all regions together."""
    everywhere = pd.Categorical([ALL] * len(rows), rows.roi.cat.categories)
    return pd.concat([rows, rows.assign(roi=everywhere)], ignore_index=True)


def over_images(rows, value, key, sets, kind, about, run):
    """Average a column over images, with intervals; sets have images of their own, which cells share.

    Parameters
    ----------
    rows : DataFrame
    value : str
    key : list of str
        Columns that tell cells apart.
    sets : list of str
        Columns that tell sets apart, which images were chosen for.
    kind : str
        Of the images.
    about : About
    run : job.Run

    Returns
    -------
    DataFrame, indexed by `key`
        `value`, ci_low, ci_high, n_images.
    """
    parts = []
    for place, part in rows.groupby(sets, observed=True):
        groups, images = part.groupby(key, observed=True), about.images[kind, *place]
        sums = np.zeros((2, groups.ngroups, len(images)))
        column = np.searchsorted(images, part.image_id.cat.codes)
        control.add_to_sums(*sums, part[value], groups.ngroup(), column)
        table = control.mean_of_sums(*sums, np.random.default_rng(run.seed()), run.params["bootstrap"])
        parts.append(table.set_index(groups.size().index).rename(columns={"mean": value}))
    return pd.concat(parts).sort_index()


def slopes_of(reviews, about, run):
    """Give columns of the table control_slopes by its key, of accentuated images and some reviewers."""
    key = list(CONTROL_SLOPES.key)
    reviews = control.beside_predictions(reviews, about.own)
    images = with_all(control.control_slope(reviews, [*key, "image_id"]).reset_index())
    table = over_images(images, "slope", key, ["roi"], LEVELS, about, run)
    why = images.groupby(key, observed=True)[["unknown", "few", "same"]].any()
    why = why.where(table.slope.isna(), False)
    reviews = with_all(reviews)
    reviews["level_error"] = control.level_error(reviews.level, reviews.wanted)
    reviews["super_rate"] = control.super_stimuli(reviews.level, reviews.wanted, reviews.level_before)
    for name, end in (("lowest", about.own.wanted.min()), ("highest", about.own.wanted.max())):
        reviews[name] = reviews.level.where(np.isclose(reviews.wanted, end))
    columns = ["lowest", "highest", "level_error", "super_rate"]
    table = table.join(reviews.groupby(key, observed=True)[columns].mean())
    none = {undefined.NO_LEVELS: why.unknown, undefined.FEW_LEVELS: why.few, undefined.SAME_LEVELS: why.same}
    beyond = {undefined.NONE_BEYOND: table.super_rate.isna() & table.level_error.notna()}
    intervals = undefined.of_estimate(table.slope, table.ci_low, "")
    return table.assign(reason=undefined.join(undefined.say(none), intervals, undefined.say(beyond)))


def changes_of(ladder, about, run):
    """Give columns of the table ladder_changes by its key, of perturbations and some reviewers."""
    key = list(LADDER_CHANGES.key)
    change = measures.attacked_change(ladder.response - ladder.before, ladder.direction)
    super_rate = ladder.super_stimulus.astype(float).where(ladder.level.notna())
    ladder = ladder.assign(change=change, super_rate=super_rate)
    table = over_images(ladder, "change", key, ["roi", "direction"], LADDER, about, run)
    groups = ladder.groupby(key, observed=True)
    table = table.join(groups[["l2", "level", "super_rate"]].mean()).join(groups.radius.first())
    levels = undefined.say({undefined.NO_LEVELS: table.level.isna() & table.change.notna()})
    return table.assign(reason=undefined.join(undefined.of_estimate(table.change, table.ci_low), levels))


def with_unconverged(table, run):
    """Add the share of a maker's perturbations that had not converged, which is missing for controls."""
    wanted = [("kind", "=", LADDER), ("control", "=", "none")]
    made = store.read(run.input["perturbations"], SYNTHESIS, [*IMAGES, "converged"], wanted)
    made = pd.concat([made, made.assign(roi=ALL)])
    unconverged = made.groupby(IMAGES).converged.agg(measures.unconverged).rename("unconverged")
    table = table.join(unconverged, on=IMAGES, validate="many_to_one")
    return table.assign(unconverged=table.unconverged.where(table.control == "none"))


def judged(ladder, networks):
    """Add to reviews of perturbations the families of maker and judge, and what the judge says."""
    family = measures.families(networks)
    return ladder.assign(
        family=ladder.network.astype("str").map(family),
        judges=ladder.reviewer.astype("str").map(family),
        change=control.evidence_change(ladder.evidence_before, ladder.evidence, ladder.direction),
        independent=control.independent(ladder.network, ladder.reviewer, networks),
    )


def evidence_of(judgements, about, run):
    """Give the table category_evidence of perturbations: judges of other architectures, by family."""
    places = {place[1:]: images for place, images in about.images.items() if place[0] == LADDER and place[2:]}
    table = judgements.table(["roi", "direction"], places, run.seed(), run.params["bootstrap"])
    nobody = np.where(table.judged, undefined.NO_EVIDENCE, undefined.NO_JUDGE)
    table["reason"] = undefined.of_estimate(table.change, table.ci_low, nobody)
    return declared(table.reset_index(), EVIDENCE)


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
