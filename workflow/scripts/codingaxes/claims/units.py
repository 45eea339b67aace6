"""Make the units of claims: one value of each model or pair of models, region and image, from tables.

The measures are those of `estimates.measures` and of the table families; here they stand image by image, so
that a claim can resample images and networks. Each function gives rows with the columns measure, source,
target, roi, image_id, top and bottom, and what else tells them apart; `complete` adds the rest.
"""

import numpy as np
import pandas as pd

from codingaxes.estimates import bootstrap, control, measures, undefined
from codingaxes.names import BRAIN, NOISE

NO_PAIR = ""
BLANKS = {"perturbation": "", "target": NO_PAIR, "wanted": 0.0, "step": 0, "bottom": 1.0}
PLACE = ["roi", "image_id"]
START = ["roi", "direction", "image_id"]  # an image that large perturbations start from
CONTROLS = ("random", "phase_scrambled", "other_image")  # of one size with the attack, for the same region
ALGORITHMS = ("l2_pgd", "l2_apgd")  # that repeat the main attack


def complete(frames, networks, columns):
    """Join rows of several measures, and say of each what kind of models it is about.

    Parameters
    ----------
    frames : iterable of DataFrame
    networks : DataFrame
        The table networks, indexed by network.
    columns : list of str
        Of the table units.
    """
    rows = pd.concat([frame for frame in frames if len(frame)] or [pd.DataFrame(columns=columns)])
    for name, value in BLANKS.items():
        rows[name] = rows[name].where(rows[name].notna(), value) if name in rows else value
    family = measures.families(networks) | {NO_PAIR: ""}
    pairs = rows[["source", "target"]].drop_duplicates()
    kinds = measures.describe_pairs(pairs.source, pairs.target, networks).architectures
    kinds = dict(zip(zip(pairs.source, pairs.target, strict=True), kinds, strict=True))
    alone = rows.target == NO_PAIR
    pair = pd.Series(list(zip(rows.source, rows.target, strict=True)), rows.index).map(kinds)
    rows = rows.assign(
        family_source=rows.source.map(family),
        family_target=rows.target.map(family),
        architectures=pair.where(~alone, "itself"),
        step=rows.step.astype("int32"),
        top=rows.top.astype(float),
        bottom=rows.bottom.astype(float),
    )
    return rows[list(columns)].reset_index(drop=True)


def averaged(rows, key):
    """Average top and bottom over directions, draws and whatever else is no part of a key."""
    return rows.groupby([*key, *PLACE], sort=False)[["top", "bottom"]].mean().reset_index()


def of_controls(changes):
    """Compare what controls do to a model with what its own attack on the image and region does.

    Parameters
    ----------
    changes : DataFrame
        Rows of the table sensitivity at the main radius, of the group's response: network, roi, kind,
        made_for, direction, image_id and change.
    """
    changes = changes[(changes.made_for == changes.roi) | (changes.kind == "random")]
    attack = changes[changes.kind == "attack"]
    attack = attack.assign(change=measures.attacked_change(attack.change, attack.direction))
    attack = attack.assign(own=undefined.reference(attack, ["network", "roi"]))
    own = attack.groupby(["network", *PLACE], sort=False).own.mean().rename_axis(["source", *PLACE])
    rows = changes[changes.kind.isin(CONTROLS)].rename(columns={"network": "source", "kind": "perturbation"})
    rows = averaged(rows.assign(top=rows.change.abs(), bottom=1.0), ["perturbation", "source"])
    rows = rows.drop(columns="bottom").join(own.rename("bottom"), on=["source", *PLACE])
    return rows.dropna(subset=["bottom"]).assign(measure="share_of_attack")


def of_sensitivity(attacks):
    """Take the larger change of the two main attacks of each image on a model itself.

    Parameters
    ----------
    attacks : DataFrame
        Main attacks of the table transfer, at the main radius.
    """
    own = attacks[attacks.source == attacks.target]
    own = own.assign(change=own.change_target)  # neither direction is counted as positive here
    own = measures.largest_changes(own, ["source", *PLACE])
    own = own.assign(measure="sensitivity", target=NO_PAIR, top=own.s.abs(), bottom=1.0)
    return own[["measure", "source", "target", *PLACE, "top", "bottom"]]


def own_changes(attacks):
    """Select what models' own attacks do to them: what changes of others by them are divided by.

    Parameters
    ----------
    attacks : DataFrame
        As in `of_transfer`; of the rows of all models, those of attacks on the model itself are enough.

    Returns
    -------
    Series, indexed by target, direction, roi and image_id
    """
    own = attacks[(attacks.source == attacks.target) & (attacks.source != NOISE)]
    own = own.assign(own=undefined.reference(own, ["target", "roi"]))
    return own.set_index(["target", "direction", *PLACE]).own


def of_transfer(attacks, own):
    """Divide the change of another model by that under its own attack: transfer_of_target, also of the brain.

    Parameters
    ----------
    attacks : DataFrame
        Of one attack of the table transfer, at the main radius, with the column change (`attacked_change`).
        All rows of a pair of models have to be there.
    own : Series
        From `own_changes`, of all models.
    """
    rows = attacks[(attacks.source != attacks.target) & ~attacks.source.isin([NOISE, BRAIN])]
    rows = rows.join(own, on=list(own.index.names), validate="many_to_one").dropna(subset=["own"])
    rows = averaged(rows.assign(top=rows.change, bottom=rows.own), ["source", "target"])
    to_brain = rows.target == BRAIN
    return rows.assign(measure=np.where(to_brain, "brain_transfer_of_target", "transfer_of_target"))


def of_algorithm(attacks, own, measure, name):
    """Give transfer by an algorithm, or by the main attack on the same images, to networks alone."""
    rows = of_transfer(attacks, own)
    return rows[rows.target != BRAIN].assign(measure=measure, perturbation=name)


def of_effects(effects):
    """Divide the change of another model by the change that was wanted of the attacked one, and reached."""
    others = effects[(effects.source != effects.target) & effects.reached]
    rows = averaged(others.assign(top=others.change, bottom=others.wanted), ["wanted", "source", "target"])
    return rows.assign(measure="effect_transfer", perturbation="l2_effect")


def of_sizes(effects):
    """Give the inverse of the size that a wanted change of the model itself needs; 0: it is not reached."""
    own = effects[effects.source == effects.target]
    inverse = np.where(own.reached, 1 / own["size"].where(own["size"] > 0), 0.0)
    rows = averaged(own.assign(top=1.0, bottom=inverse), ["wanted", "source"])
    return rows.assign(measure="size_needed", perturbation="l2_effect")


def named(similarity, value):
    """Call the models of pairs source and target, and take a column as top where it has a value."""
    rows = similarity.rename(columns={"network_i": "source", "network_j": "target"})
    return rows.assign(top=rows[value]).dropna(subset=["top"])


def of_axes(axes, means):
    """Give the similarity of axes, what it is above that of unrelated axes of the spectra, and the brain's.

    Parameters
    ----------
    axes : DataFrame
        Rows of the table similarity of one number of axes of voxels.
    means : DataFrame
        Rows of the table similarity_means of voxels.
    """
    axes, key = named(axes, "similarity"), ["source", "target", "roi", "k"]
    chance = means.rename(columns={"network_i": "source", "network_j": "target"})
    axes = axes.join(chance.set_index(key).matched_chance, on=key)
    names = ["source", "target", *PLACE, "top"]
    networks_only = axes[(axes.source != BRAIN) & (axes.target != BRAIN)]
    yield networks_only[names].assign(measure="similarity", bottom=1.0)
    above = networks_only.assign(top=networks_only.top - networks_only.matched_chance).dropna(subset=["top"])
    yield above[names].assign(measure="similarity_above_spectrum", bottom=1.0)
    yield of_brain(axes, "brain_similarity")


def of_gradients(gradients):
    """Give the cosine of gradients of networks with the brain's, from rows of the table similarity."""
    return of_brain(named(gradients, "cosine"), "brain_cosine")


def of_brain(rows, measure):
    """Select pairs of a network and the brain, whichever comes first."""
    rows = rows[(rows.source == BRAIN) != (rows.target == BRAIN)]
    network = rows.source.where(rows.target == BRAIN, rows.target)
    rows = rows[["source", "target", *PLACE, "top"]]
    return rows.assign(measure=measure, source=network, target=BRAIN, bottom=1.0)


def of_predictions(predictions, ceilings, measure="r_over_ceiling"):
    """Give r over its ceiling as the mean over held-out images of influence values.

    The value of image i is r + (n - 1) (mean of r without each image - r without i): their mean is r, and
    their standard error is the jackknife's standard error of r.

    Parameters
    ----------
    predictions : DataFrame
        Rows of the table predictions of the group's responses.
    ceilings : Series, indexed by roi

    Source
    ------
    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 11: pseudo-values.
    """
    known = ceilings.where(ceilings > undefined.NO_CEILING)
    known = known if ceilings.notna().any() else ceilings.fillna(1.0)
    parts = []
    for (network, roi), rows in predictions.groupby(["network", "roi"], sort=False):
        predicted, measured = (rows[name].to_numpy()[:, None] for name in ("predicted", "measured"))
        r = bootstrap.correlation(predicted, measured)[0]
        without = bootstrap.correlations_without(predicted, measured)[:, 0]
        values = (r + (len(rows) - 1) * (without.mean() - without)) / known[roi]
        parts.append(pd.DataFrame({"source": network, "roi": roi, "image_id": rows.image_id, "top": values}))
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["source", *PLACE, "top"])
    return rows.dropna(subset=["top"]).assign(measure=measure, bottom=1.0)


def of_held_out(gradients, radius):
    """Give sensitivity and transfer of readouts that were fitted without a category.

    To first order an attack of size ε changes a response by ε |g|, g its gradient, and another model's by the
    cosine of both gradients of what that model's own attack does.

    Parameters
    ----------
    gradients : DataFrame
        Rows of the table held_out_gradients.
    radius : float
        ε, l2 norm.
    """
    rows = gradients.rename(columns={"network_i": "source", "network_j": "target"})
    pair = rows.target != NO_PAIR
    own = rows[~pair].assign(top=radius * rows.norm, measure="held_out_sensitivity")
    between = rows[pair].assign(top=rows.cosine, measure="held_out_transfer").dropna(subset=["top"])
    for part in (own, between):
        yield part[["measure", "source", "target", *PLACE, "top"]].assign(bottom=1.0)


def judged(reviews, networks):
    """Select reviews by independent judges that have evidence, and give its change as top.

    Parameters
    ----------
    reviews : DataFrame
        Perturbations of one arm of the table peer_review.
    networks : DataFrame
        The table networks, indexed by network.
    """
    reviews = reviews[control.independent(reviews.network, reviews.reviewer, networks)]
    change = control.evidence_change(reviews.evidence_before, reviews.evidence, reviews.direction)
    return reviews.assign(top=change, bottom=1.0).dropna(subset=["top"])


def places_of(judged):
    """Number the start images of each region and direction, from 1.

    Start images were chosen for each region and direction. In units they are called by their place among
    these, so that the images of a place, one of each region and direction, are resampled together.

    Parameters
    ----------
    judged : DataFrame
        roi, direction and image_id of all rows from `judged`, each perhaps once.

    Returns
    -------
    Series of str, indexed by roi, direction and image_id
    """
    images = judged[START].drop_duplicates()
    place = images.image_id.astype(object).groupby([images.roi, images.direction]).rank(method="dense")
    return images.assign(place=place.astype(int).astype("str")).set_index(START).place


def of_evidence(judged, places):
    """Give the change of each independent judge's category evidence by perturbations of the ladder.

    Parameters
    ----------
    judged : DataFrame
        Rows from `judged`; all reviews by a judge have to be there.
    places : Series
        From `places_of`, of all judges.
    """
    rows = judged.join(places, on=START, validate="many_to_one").drop(columns="image_id")
    rows = rows.rename(columns={"place": "image_id", "control": "perturbation"})
    rows = rows.assign(source=rows.network, target=rows.reviewer)
    rows = averaged(rows, ["perturbation", "source", "target", "step"])
    return rows[rows.source != BRAIN].assign(measure="evidence")
