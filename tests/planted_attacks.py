"""Planted attacks whose truth is known: what they do to their model and to others, and what noise does."""

from itertools import product

import numpy as np
import pandas as pd
from planted import IMAGES, MODELS, REGIONS, SUBJECTS, plant, plant_each

from codingaxes.names import NOISE, SIGNS

SHARE = 0.25  # of the source's change, that a target makes


def own_change(model, image, roi):
    """Say how far a model's own attack moves it; this depends on all three."""
    return (1.0 + MODELS.index(model)) * (1 + 0.3 * IMAGES.index(image)) * (2.0 if roi == "PPA" else 1.0)


def attacked(attack="l2", radius=0.5, wanted=0.0, models=MODELS, share=SHARE):
    """Make rows of transfer: each attack moves every target by a share of what it does to its source."""
    rows = []
    for source, target, roi, direction, image in product(models, models, REGIONS, SIGNS, IMAGES):
        own = SIGNS[direction] * own_change(source, image, roi)
        change = own if source == target else share * own
        row = {"attack": attack, "radius": radius, "wanted": wanted, "source": source, "target": target}
        row |= {"roi": roi, "direction": direction, "image_id": image, "draw": 0}
        changes = change * np.arange(2, 2 + len(SUBJECTS))
        rows.append(row | {"change_source": own, "change_target": change, "change_subjects": changes})
    return pd.DataFrame(rows)


def drawn(attack="random", radius=0.5, draws=2, models=MODELS):
    """Make rows of white noise in transfer: changes of 0.1 and of -0.3 in turn."""
    rows = []
    for target, roi, image, draw in product(models, REGIONS, IMAGES, range(1, draws + 1)):
        change = 0.1 if draw % 2 else -0.3
        row = {"attack": attack, "radius": radius, "wanted": 0.0, "source": NOISE, "target": target}
        row |= {"roi": roi, "direction": "none", "image_id": image, "draw": draw, "change_target": change}
        rows.append(row | {"change_subjects": np.full(len(SUBJECTS), change)})
    return pd.DataFrame(rows)


def matched(wanted, change):
    """Make rows of noise of the mean size of each source's perturbations; its sign must not matter."""
    rows = attacked("random_effect", radius=0.0, wanted=wanted)
    rows = rows[rows.direction == "increase"]
    return rows.assign(direction=NOISE, draw=1, change_source=np.nan, change_target=-change)


def unreached():
    """Make attacks with a wanted effect; where one failed, on the first image, it did something absurd."""
    rows = pd.concat([attacked("l2_effect", radius=0.0, wanted=1.0), matched(1.0, 0.7)])
    failed = (rows.attack == "l2_effect") & (rows.source == "a_plain") & (rows.image_id == IMAGES[0])
    absurd = {name: rows[name].mask(failed, 1e6) for name in ("change_source", "change_target")}
    return rows.assign(reached=~failed, size=np.where(failed, 1e6, 0.5), **absurd)


def noisy(rows, seed, scale=1.0):
    """Vary changes of targets from pair to pair, and scale what attacks do to their sources."""
    rng = np.random.default_rng(seed)
    factor = rng.uniform(0.5, 1.5, len(rows)) * (1 + rows.source.map(MODELS.index))
    change = rows.change_target * np.where(rows.source == rows.target, scale, factor)
    return rows.assign(change_source=scale * rows.change_source, change_target=change)


def plant_transfer(folder, rows=None, file="transfer", turn=1):
    """Write rows of transfer, one file for each target, perhaps in the opposite order; returns the paths."""
    rows = pd.concat([attacked(), drawn()]) if rows is None else rows
    return plant_each(folder, "transfer", rows, "target", file)[::turn]


def plant_cosines(folder, models=MODELS):
    """Write the cosine of the gradients of every two models: 0.1 times the number of the image, less 0.3."""
    rows = []
    for (i, one), (j, other), roi, image in product(enumerate(models), enumerate(models), REGIONS, IMAGES):
        row = {"network_i": one, "network_j": other, "response": "group", "roi": roi, "k": 1}
        cosine = 0.1 * IMAGES.index(image) - 0.3 if roi == "FFA" else 0.5
        rows += [row | {"image_id": image, "cosine": cosine}] if i < j else []
        rows += [row | {"response": "voxels", "image_id": image, "cosine": 0.99}] if i < j else []
    return plant(folder, "similarity", rows)


def control_rows(control="phase_scrambled", share=0.1, models=MODELS):
    """Make rows of controls: they change the source and every target by a share of the source's change.

    Half of the images follow the direction of the source's attack, the others go against it.
    """
    rows = attacked(models=models)
    sign = rows.image_id.map(IMAGES.index) % 2 * 2 - 1
    rows = rows.assign(control=control, made_for=rows.roi, change=share * sign * rows.change_source)
    if control == "other_region":
        rows["made_for"] = rows.roi.map(dict(zip(REGIONS, reversed(REGIONS), strict=True)))
    return rows.drop(columns=["attack", "wanted", "change_source", "change_target", "change_subjects"])


def plant_natural(folder, subjects=SUBJECTS, models=MODELS):
    """Write how predictions to natural images are spread: in FFA by 0.5 SD, in PPA by 2 SD."""
    rows = [
        {"network": model, "roi": roi, "subject": subject, "sd": 2.0 if roi == "PPA" else 0.5}
        for model, roi, subject in product(models, REGIONS, ("group", *subjects))
    ]
    return plant_each(folder, "natural_responses", rows, "network")


def plant_sensitivity(folder, subjects=SUBJECTS, models=MODELS, turn=1):
    """Write own changes: of the group 1 (attack) and 0.5 (another image), of a subject by its number.

    Attacks on the first image have not converged. On the last four of the eight images, attacks that decrease
    a response are 1.2 times as strong.
    """
    rows = []
    for model, subject, roi, kind in product(
        models, ("group", *subjects), REGIONS, ("attack", "other_image")
    ):
        scale = (1.0 if kind == "attack" else -0.5) * (10.0 if roi == "PPA" else 1.0)
        scale *= 1 if subject == "group" else 1 + subjects.index(subject)
        for direction, image in product(SIGNS, IMAGES):
            row = {"network": model, "subject": subject, "roi": roi, "kind": kind, "made_for": roi}
            strength = 1.2 if direction == "decrease" and image in IMAGES[4:] and kind == "attack" else 1.0
            change = SIGNS[direction] * scale * strength
            row |= {"direction": direction, "image_id": image, "change": change}
            rows.append(row | {"converged": kind != "attack" or image != IMAGES[0]})
    return plant_each(folder, "sensitivity", rows, "network")[::turn]
