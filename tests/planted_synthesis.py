"""Planted synthesised images, what models answer to them, and their summaries, for tests of figures."""

import hashlib
from itertools import product

import numpy as np
import pandas as pd
from PIL import Image

BRAIN = "simulated_brain"
BICUBIC = Image.Resampling.BICUBIC
DIRECTIONS = {"increase": 1, "decrease": -1}
AT_SIDE = (1, 3, 10, 30)  # l2 radii of images of 224 x 224 pixels
ARMS = ("pixels", "fourier")
STARTS = (("natural", 0), ("grey", 0), ("noise", 1), ("noise", 2))
PLACE = ["network", "kind", "arm", "control", "roi", "direction", "start", "image_id", "draw", "limited"]


def plant(folder, write, zoo, models, regions, size, rng):
    """Write starts, synthesised images with their files, the review of peers, and summaries.

    Parameters
    ----------
    folder : Path
    write : callable (folder, name of a table, rows) -> table
    zoo : DataFrame
        The table networks.
    models, regions : lists of str
    size : int
        Side of the images in pixels.
    rng : numpy Generator
    """
    families = {**zoo.set_index("network").family, BRAIN: BRAIN}
    starts, stimuli = plant_starts(folder, regions, size, rng)
    write(folder, "chosen_images", starts)
    excited = models if len(models) <= 4 else [models[0], *models[-2:]]
    made = []
    for name in models:
        made += images_of(folder, name, families[name], starts, size, rng)
        made += exciting_of(folder, name, starts, size, rng) if name in excited else []
    made = write(folder, "synthesis", made)
    write(folder, "peer_review", reviews(made, models, rng))
    write(folder, "control_slopes", slopes(models, families, regions, rng))
    write(folder, "ladder_changes", ladder(models, families, regions, size, rng))
    present = list(dict.fromkeys(families[name] for name in models))
    write(folder, "category_evidence", evidence(present, regions, size))
    return stimuli


def plant_starts(folder, regions, size, rng):
    """Write two natural images for each region and direction; returns their rows of two tables."""
    starts, stimuli = [], []
    for number, (roi, direction, rank) in enumerate(product(regions, DIRECTIONS, (1, 2)), start=100):
        row = {"roi": roi, "direction": direction, "image_id": f"nsd_{number:05d}", "rank": rank}
        starts.append({"purpose": "perturbation", **row, "measured": -rank * DIRECTIONS[direction]})
        file = save(folder / "images" / f"nsd_{number:05d}.png", smooth(size, rng))
        stimuli.append({"image_id": row["image_id"], **file, "probe": False, "split": "test"})
    return starts, stimuli


def smooth(size, rng):
    """Draw a picture of low frequencies in [0, 1]."""
    coarse = rng.uniform(0, 1, (4, 4, 3))
    return np.asarray(Image.fromarray((255 * coarse).astype(np.uint8)).resize((size, size), BICUBIC)) / 255


def save(path, picture):
    """Write a picture; returns the columns file and sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.clip(picture, 0, 1) * 255).round().astype(np.uint8)).save(path)
    return {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def images_of(folder, name, family, starts, size, rng):
    """Make the perturbations of one model: of both arms, one control, and one level."""
    number = 0
    for arm, start in product(ARMS, starts):
        sign = DIRECTIONS[start["direction"]]
        picture = np.asarray(Image.open(folder / "images" / f"{start['image_id']}.png")) / 255
        noise = rng.normal(size=(size, size, 3)) if family == "standard" else smooth(size, rng) - 0.5
        noise *= sign / np.linalg.norm(noise)
        row = {"network": name, "arm": arm, "control": "none", "roi": start["roi"]}
        row |= {"direction": start["direction"], "draw": 0, "response_before": -0.5 * sign}
        changed = {"kind": "perturbation", "start": "natural", "image_id": start["image_id"], "limited": True}
        for step, radius in enumerate(np.array(AT_SIDE) * size / 224, start=1):
            number += 1
            file = save(folder / "made" / name / f"{number}.png", picture + radius * noise)
            sizes = {"step": step, "radius": radius, "l2": radius, "rms": 255 * radius / np.sqrt(noise.size)}
            response = sign * (4.0 if family == "standard" else 1.5) * np.sqrt(radius)
            yield {**row, **changed, **sizes, **file, "wanted_level": np.nan, "response": response}
        others = {**row, **changed, **sizes, **file, "wanted_level": np.nan, "response": 0.0}
        yield {**others, "control": "phase_scrambled"}
        yield {**others, "kind": "accentuation", "step": 1, "wanted_level": 1.5, "radius": np.nan}


def exciting_of(folder, name, starts, size, rng):
    """Make the exciting images of one model: of both arms, from all starts, with and without a limit."""
    cases = product(ARMS, [start for start in starts if start["rank"] == 1], STARTS, (True, False))
    for number, (arm, start, (origin, draw), limited) in enumerate(cases):
        sign = DIRECTIONS[start["direction"]]
        file = save(folder / "made" / name / f"exciting_{number}.png", smooth(size, rng))
        row = {"network": name, "arm": arm, "control": "none", "roi": start["roi"], "kind": "exciting"}
        row |= {"direction": start["direction"], "start": origin, "draw": draw, "step": 1}
        row |= {"image_id": start["image_id"] if origin == "natural" else "none", "wanted_level": np.nan}
        row |= {"limited": limited, "radius": 3.0 if limited else np.nan, "l2": 3.0, "rms": 9.0}
        yield {**row, **file, "response_before": -0.5 * sign, "response": sign * rng.uniform(2, 6)}


def reviews(made, models, rng):
    """Make the response of every model to every image: the maker's own, and a share of it."""
    columns = [*PLACE, "step", "radius", "wanted_level", "l2", "file", "response_before", "response"]
    rows = made[columns].merge(pd.DataFrame({"reviewer": models}), how="cross")
    share = np.where(rows.network == rows.reviewer, 1.0, rng.uniform(0, 0.7, len(rows)))
    rows = rows.assign(before=rows.response_before, response=share * rows.response)
    rows = rows.assign(level_before=0.5 + 0.2 * rows.before, level=0.5 + 0.2 * rows.response)
    return rows.drop(columns="response_before").assign(super_stimulus=(rows.level > 1) | (rows.level < 0))


def interval(estimate):
    """Put an interval around an estimate."""
    return {"ci_low": estimate - 0.2 * abs(estimate), "ci_high": estimate + 0.3 * abs(estimate)}


def pairs(models, families):
    """Make every maker with every reviewer."""
    for one, other in product(models, models):
        row = {"network": one, "reviewer": other, "family": families[one], "family_reviewer": families[other]}
        yield {**row, "architectures": "itself" if one == other else "different", "twin": False}


def slopes(models, families, regions, rng):
    """Make control slopes of both arms and of two controls: robust networks control others better."""
    cases = [("pixels", "none"), ("fourier", "none"), ("pixels", "blend"), ("pixels", "phase_scrambled")]
    for pair, roi, (arm, control) in product(pairs(models, families), (*regions, "all"), cases):
        slope = 1.0 if pair["network"] == pair["reviewer"] else {"standard": 0.1}.get(pair["family"], 0.6)
        slope *= rng.uniform(0.8, 1.2) * (1.0 if control == "none" else 0.3)
        row = {**pair, "roi": roi, "arm": arm, "control": control, "slope": slope, **interval(slope)}
        yield {**row, "lowest": 0.4 - 0.65 * slope, "highest": 0.4 + 1.1 * slope}


def ladder(models, families, regions, size, rng):
    """Make changes along the ladder, of both arms and of one control."""
    cases = [("pixels", "none"), ("fourier", "none"), ("pixels", "phase_scrambled")]
    keys = product(pairs(models, families), (*regions, "all"), DIRECTIONS, cases)
    for pair, roi, direction, (arm, control) in keys:
        own = {"standard": 8.0}.get(pair["family"], 2.0) * rng.uniform(0.8, 1.2)
        own *= 1.0 if pair["network"] == pair["reviewer"] else 0.2
        own *= 1.0 if control == "none" else 0.1
        for step, radius in enumerate(np.array(AT_SIDE) * size / 224, start=1):
            change = own * np.tanh(radius)
            row = {**pair, "roi": roi, "direction": direction, "arm": arm, "control": control, "step": step}
            yield {**row, "radius": radius, "l2": radius, "change": change, **interval(change)}


def evidence(present, regions, size):
    """Make evidence of independent judges before and after, of attacks and of two controls."""
    cases = [("pixels", "none"), ("fourier", "none"), ("pixels", "blend"), ("pixels", "phase_scrambled")]
    keys = product(present, present, (*regions, "all"), DIRECTIONS, cases)
    for family, judges, roi, direction, (arm, control) in keys:
        gain = {"standard": 0.3}.get(family, 1.5) if control == "none" else 0.2
        for step, radius in enumerate(np.array(AT_SIDE) * size / 224, start=1):
            row = {"family": family, "judges": judges, "roi": roi, "direction": direction, "arm": arm}
            row |= {"control": control, "step": step, "radius": radius, "n_makers": 3, "n_judges": 4}
            change, before = gain * np.tanh(radius), -1.0 * DIRECTIONS[direction]
            row |= {"evidence_before": before, "evidence": before + DIRECTIONS[direction] * change}
            yield {**row, "change": change, **interval(change)}
