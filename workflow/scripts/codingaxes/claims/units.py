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
    for name, value in {
        "perturbation": "",
        "target": NO_PAIR,
        "wanted": 0.0,
        "step": 0,
        "bottom": 1.0,
    }.items():
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


def of_transfer(attacks):
    """Divide the change of another model by that under its own attack: transfer_of_target, also of the brain.

    Parameters
    ----------
    attacks : DataFrame
        Of one attack of the table transfer, at the main radius, with the column change (`attacked_change`).
    """
    attacks = attacks[attacks.source != NOISE]
    own = attacks[attacks.source == attacks.target]
    own = own.assign(own=undefined.reference(own, ["target", "roi"]))
    key = ["target", "direction", *PLACE]
    rows = attacks[(attacks.source != attacks.target) & (attacks.source != BRAIN)]
    rows = rows.join(own.set_index(key).own, on=key, validate="many_to_one").dropna(subset=["own"])
    rows = averaged(rows.assign(top=rows.change, bottom=rows.own), ["source", "target"])
    to_brain = rows.target == BRAIN
    return rows.assign(measure=np.where(to_brain, "brain_transfer_of_target", "transfer_of_target"))


def of_algorithms(main, variants):
    """Give transfer by each algorithm, and by the main attack on the same images (perturbation l2)."""
    for name in ALGORITHMS:
        other = variants[variants.attack == name]
        if len(other):
            places = ["roi", "direction", "image_id"]
            same = main.merge(other[places].drop_duplicates(), on=places)
            for measure, part in (("algorithm_transfer", other), ("algorithm_reference", same)):
                rows = of_transfer(part)
                rows = rows[rows.target != BRAIN]
                yield rows.assign(measure=measure, perturbation=name)


def of_effects(variants):
    """Divide the change of another model by the change that was wanted of the attacked one, and reached."""
    effects = variants[(variants.attack == "l2_effect") & (variants.source != NOISE)]
    others = effects[(effects.source != effects.target) & (effects.source != BRAIN) & effects.reached]
    if len(others):
        rows = others.assign(top=others.change, bottom=others.wanted)
        rows = averaged(rows, ["wanted", "source", "target"])
        yield rows.assign(measure="effect_transfer", perturbation="l2_effect")
    own = effects[effects.source == effects.target]
    if len(own):
        inverse = np.where(own.reached, 1 / own["size"].where(own["size"] > 0), 0.0)
        rows = averaged(own.assign(top=1.0, bottom=inverse), ["wanted", "source"])
        yield rows.assign(measure="size_needed", perturbation="l2_effect")


def of_similarity(similarity, means):
    """Give the similarity of axes and gradients, and what it is above that of unrelated axes of the spectra.

    Parameters
    ----------
    similarity, means : DataFrames
        The tables similarity and similarity_means.
    """
    axes = similarity[similarity.response == "voxels"]
    axes = axes[axes.k == axes.k.max()].rename(columns={"network_i": "source", "network_j": "target"})
    axes = axes.assign(top=axes.similarity).dropna(subset=["top"])
    key = ["source", "target", "roi", "k"]
    chance = means[means.response == "voxels"].rename(columns={"network_i": "source", "network_j": "target"})
    axes = axes.join(chance.set_index(key).matched_chance, on=key)
    names = ["source", "target", *PLACE, "top"]
    networks_only = axes[(axes.source != BRAIN) & (axes.target != BRAIN)]
    yield networks_only[names].assign(measure="similarity", bottom=1.0)
    above = networks_only.assign(top=networks_only.top - networks_only.matched_chance).dropna(subset=["top"])
    yield above[names].assign(measure="similarity_above_spectrum", bottom=1.0)
    gradients = similarity[(similarity.response == "group") & (similarity.k == 1)]
    gradients = gradients.rename(columns={"network_i": "source", "network_j": "target"})
    gradients = gradients.assign(top=gradients.cosine).dropna(subset=["top"])
    for measure, rows in (("brain_similarity", axes), ("brain_cosine", gradients)):
        rows = rows[(rows.source == BRAIN) != (rows.target == BRAIN)]
        network = rows.source.where(rows.target == BRAIN, rows.target)
        yield rows[names].assign(measure=measure, source=network, target=BRAIN, bottom=1.0)


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


def of_held_out(predictions, gradients, ceilings, radius):
    """Give prediction, sensitivity and transfer of readouts that were fitted without a category.

    To first order an attack of size ε changes a response by ε |g|, g its gradient, and another model's by the
    cosine of both gradients of what that model's own attack does.

    Parameters
    ----------
    predictions, gradients : DataFrames
        The tables held_out_predictions and held_out_gradients.
    ceilings : Series, indexed by roi
    radius : float
        ε, l2 norm.
    """
    yield of_predictions(predictions, ceilings, "held_out_r")
    rows = gradients.rename(columns={"network_i": "source", "network_j": "target"})
    pair = rows.target != NO_PAIR
    own = rows[~pair].assign(top=radius * rows.norm, measure="held_out_sensitivity")
    between = rows[pair].assign(top=rows.cosine, measure="held_out_transfer").dropna(subset=["top"])
    for part in (own, between):
        yield part[["measure", "source", "target", *PLACE, "top"]].assign(bottom=1.0)


def of_evidence(reviews, networks):
    """Give the change of each independent judge's category evidence by perturbations of the ladder.

    Start images were chosen for each region and direction. Here they are called by their place among these,
    so that the images of a place, one of each region and direction, are resampled together.

    Parameters
    ----------
    reviews : DataFrame
        Perturbations of one arm of the table peer_review.
    networks : DataFrame
        The table networks, indexed by network.
    """
    reviews = reviews[control.independent(reviews.network, reviews.reviewer, networks)]
    change = control.evidence_change(reviews.evidence_before, reviews.evidence, reviews.direction)
    reviews = reviews.assign(top=change, bottom=1.0).dropna(subset=["top"])
    images = reviews.image_id.astype(object)
    place = images.groupby([reviews.roi, reviews.direction]).rank(method="dense").astype(int)
    rows = reviews.assign(source=reviews.network, target=reviews.reviewer, image_id=place.astype("str"))
    rows = rows.assign(perturbation=reviews.control)
    rows = averaged(rows, ["perturbation", "source", "target", "step"])
    return rows[rows.source != BRAIN].assign(measure="evidence")
