"""Planted stimulus sets whose truth is known: two images, two regions, two makers, controls.

`plant` writes a whole working folder, as the rules before the export do. `follows` says how much every model
changes with every image; all predictions are made of it.
"""

import hashlib
from io import BytesIO
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image
from safetensors.numpy import save_file

from codingaxes.names import BRAIN, GROUP, SIGNS
from codingaxes.tables import stimulus_sets as tables
from codingaxes.tables import store

SIZE = 32  # pixels, side of an image
IMAGES, REGIONS = ("nsd_00003", "nsd_00005"), ("FFA", "PPA")
MAKERS = {"standard": "plain_resnet", "robust": "tough_resnet"}
# Independent of both makers are the two vgg and the simulated brain.
ZOO = pd.DataFrame(
    {
        "network": ["plain_resnet", "tough_resnet", "plain_vgg", "tough_vgg"],
        "family": ["standard", "robust", "standard", "robust"],
        "architecture": ["resnet", "resnet", "vgg", "vgg"],
        "training_radius": [0.0, 0.9, 0.0, 0.9],
    }
)
MODELS = [*ZOO.network, BRAIN]
FAMILIES = {**dict(zip(ZOO.network, ZOO.family, strict=True)), BRAIN: BRAIN}
SUBJECTS = {"subj01": 0.9, "subj02": 1.1}  # how much they change, of the group's change
OF_IMAGE = dict(zip(IMAGES, (0.8, 1.2), strict=True))  # by which images differ; the mean is 1
RADII = (0.4, 1.2)  # l2, of the steps
CONTROLS = ("blend", "phase_scrambled", "random", "other_image")
OWN = 4.0  # SD per l2: how a maker changes with its own perturbations
# SD per l2: how models change with perturbations of a maker, by role of the maker and family of the model.
SLOPES = {
    "standard": {"standard": 0.2, "robust": 0.1, BRAIN: 0.0},
    "robust": {"standard": 0.8, "robust": 2.0, BRAIN: 1.5},
}
BLEND = 0.3  # SD per l2, of all models
OF_OTHER_REGION = 0.25  # of the change in the region that a stimulus was made for
LOWEST, WIDTH = -1.0, 2.0  # quantile 0.01 of natural responses, and 0.99 less it, SD
HALF = 0.1  # SD: half the width of every interval over readouts that were fitted again
REFITS = 20
DESIGN = {
    "name": "planted",
    "title": "Planted perturbations",
    "question": "Does the brain follow perturbations that were made for a robust model?",
    "seed": 1,
    "images": {"choose": "list", "number": 2, "list": list(IMAGES)},
    "regions": [],
    "directions": list(SIGNS),
    "match": "norm",
    "radii": list(RADII),
    "effects": [],
    "levels": [],
    "makers": list(MAKERS),
    "controls": list(CONTROLS),
    "compare": {"with": "robust", "against": "standard"},
    "choose": "all",
    "number": 0,
    "experiment": {"power": 0.8, "subjects": [1, 2, 4], "repetitions": [1, 4, 16], "simulations": 200},
    "upscale": {"pixels": 0, "filter": "nearest"},
    "public": False,
    "terms_read": "",
    "licence": "",
    "steps": 10,
    "limit": 70,
    "tolerance": 0.005,
    "batch_size": 144,
}


def follows(stimulus, model):
    """Say how much a model changes with a stimulus in the region it was made for, SD per l2, mean of images.

    Parameters
    ----------
    stimulus : row of SET_STIMULI
    model : str
    """
    if stimulus.control == "blend":
        return BLEND
    if stimulus.role == "original" or stimulus.control in ("phase_scrambled", "random"):
        return 0.0
    share = 0.1 if stimulus.control == "other_image" else 1.0
    slope = SLOPES[stimulus.maker_role][FAMILIES[model]]
    return share * (OWN if stimulus.maker == model else slope)


def changes(stimuli, model, roi):
    """Give the change (SD) of one model in one region by every stimulus, as planted."""
    sizes = stimuli.radius.fillna(0.0) * stimuli.direction.map(SIGNS).fillna(0.0)
    slopes = np.array([follows(row, model) for row in stimuli.itertuples()])
    share = np.where(stimuli.roi == roi, 1.0, np.where(stimuli.roi == "all", 0.0, OF_OTHER_REGION))
    return sizes.to_numpy() * slopes * share * stimuli.image_id.map(OF_IMAGE).to_numpy()


def plant(folder, size=SIZE, design=None):
    """Write all working tables of a set, its pictures and its perturbations, as the rules before export do.

    Parameters
    ----------
    folder : Path
    size : int
        Side of the images in pixels.
    design : dict, optional
        Keys that differ from `DESIGN`; they change the design that is given back, and no file.

    Returns
    -------
    SimpleNamespace
        Paths as str: stimuli, predictions, refits, ranking, curves, power, experiments, perturbations,
        pictures; and design, a dict.
    """
    rows, deltas = plant_images(folder / "pictures", size)
    answers = predictions(rows)
    paths = {"pictures": str(folder / "pictures"), "perturbations": str(folder / "perturbations.safetensors")}
    order = {"stimulus_ids": " ".join(rows.stimulus_id)}
    save_file({"delta": deltas}, paths["perturbations"], metadata=order)
    frames = {
        "stimuli": (tables.SET_STIMULI, rows),
        "predictions": (tables.SET_PREDICTIONS, answers),
        "refits": (tables.SET_REFITS, refits(answers)),
        "ranking": (tables.SET_RANKING, ranking(rows)),
        "curves": (tables.SELECTION_CURVES, curves()),
        "power": (tables.SET_POWER, power()),
        "experiments": (tables.SET_EXPERIMENTS, experiments()),
    }
    for name, (table, frame) in frames.items():
        paths[name] = str(folder / f"{name}.parquet")
        store.write(paths[name], table, frame[list(table.columns)])
    return SimpleNamespace(**paths, design=DESIGN | (design or {}))


def stimuli():
    """List the stimuli, without their files: originals, perturbed images, and controls."""
    rows = [{"role": "original", "image_id": image} for image in IMAGES]
    where = list(product(IMAGES, REGIONS, SIGNS, enumerate(RADII, start=1)))
    for control in ("none", "phase_scrambled", "other_image"):
        for role, (image, roi, direction, (step, radius)) in product(MAKERS, where):
            row = {"role": "perturbed" if control == "none" else "control", "control": control}
            row |= {"maker": MAKERS[role], "maker_role": role, "roi": roi, "direction": direction}
            rows.append(row | {"image_id": image, "step": step, "radius": radius})
    for image, roi, direction, (step, radius) in where:
        row = {"role": "control", "control": "blend", "roi": roi, "direction": direction}
        rows.append(row | {"image_id": image, "step": step, "radius": radius})
    for image, (step, radius) in product(IMAGES, enumerate(RADII, start=1)):
        row = {"role": "control", "control": "random", "image_id": image, "step": step, "radius": radius}
        rows.append(row | {"draw": 1})
    rows = pd.DataFrame(rows)
    words = {"maker": "none", "maker_role": "none", "control": "none", "roi": "all", "direction": "none"}
    rows = rows.fillna(words | {"draw": 0, "step": 0}).astype({"draw": "int32", "step": "int32"})
    rows.loc[rows.control == "phase_scrambled", "draw"] = 1
    rows.insert(0, "stimulus_id", [f"stim-{number:04d}" for number in range(1, len(rows) + 1)])
    blank = {"matched": "norm", "effect": np.nan, "wanted_level": np.nan, "converged": True, "reached": True}
    return rows.assign(**blank, evaluations=np.where(rows.role == "perturbed", 10, 0))


def plant_images(folder, size):
    """Write the pictures of all stimuli; gives their table, and perturbations (n, 3, size, size) float32.

    Perturbations are of noise, of the size of their row, before rounding; those of originals are 0.
    """
    rng, rows, deltas = np.random.default_rng(7), stimuli(), []
    natural = {image: smooth(size, rng) for image in IMAGES}
    folder.mkdir(parents=True, exist_ok=True)
    for place, row in zip(rows.index, rows.itertuples(), strict=True):
        noise = rng.standard_normal((size, size, 3))
        radius = 0.0 if row.role == "original" else row.radius
        delta = (radius * noise / np.linalg.norm(noise)).astype(np.float32)
        picture = np.rint(255 * (natural[row.image_id] / 255 + delta)).astype(np.uint8)
        file = folder / f"{row.stimulus_id.removeprefix('stim-')}.png"
        rows.loc[place, ["file", "sha256"]] = [str(file), save(picture, file)]
        change = (picture.astype(float) - natural[row.image_id]) / 255
        l2 = np.linalg.norm(change)
        rows.loc[place, ["l2", "linf", "rms"]] = [l2, np.abs(change).max(), 255 * l2 / change.size**0.5]
        deltas.append(delta.transpose(2, 0, 1))
    return rows, np.ascontiguousarray(np.stack(deltas))


def smooth(size, rng):
    """Draw an 8-bit picture of low frequencies, whose pixels leave room for perturbations."""
    coarse = Image.fromarray(rng.integers(70, 186, (4, 4, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def save(picture, file):
    """Write an 8-bit picture (h, w, 3) as PNG; gives its sha256."""
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    file.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def predictions(rows):
    """Give the table SET_PREDICTIONS: what every model, region and reader answers to the stimuli."""
    parts = []
    for model, roi in product(MODELS, REGIONS):
        for subject, share in {GROUP: 1.0, **SUBJECTS}.items():
            change = share * changes(rows, model, roi)
            before = share * (rows.image_id.map(OF_IMAGE).to_numpy() - 1.0)
            part = pd.DataFrame({"stimulus_id": rows.stimulus_id, "network": model, "roi": roi})
            part = part.assign(subject=subject, before=before, change=change, response=before + change)
            half = HALF if model != BRAIN and subject == GROUP else np.nan
            for name in ("response", "change"):
                part = part.assign(**{f"{name}_low": part[name] - half, f"{name}_high": part[name] + half})
            level = (part.response - LOWEST) / WIDTH
            up, down = ((rows.direction == way).to_numpy() for way in SIGNS)
            part["super_stimulus"] = (level > 1) & up | (level < 0) & down
            part["level"] = level if subject == GROUP else np.nan
            part["super_stimulus"] &= subject == GROUP
            part["distance"] = 0.1 * np.abs(change) if subject == GROUP else np.nan
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def refits(answers):
    """Give the table SET_REFITS: changes of the group, with noise whose central 95% is that of `HALF`."""
    rng = np.random.default_rng(11)
    rows = answers[(answers.subject == GROUP) & (answers.network != BRAIN)]
    noise = HALF / 1.96 * rng.standard_normal((len(rows), REFITS))
    lists = list((rows.change.to_numpy()[:, None] + noise).astype(np.float32))
    return rows[["stimulus_id", "network", "roi"]].assign(change=lists).reset_index(drop=True)


def ranking(rows):
    """Give the table SET_RANKING of perturbed images: larger sizes teach more; all are chosen."""
    ranked = rows[rows.role == "perturbed"].sort_values("radius", ascending=False, kind="stable")
    gain = 1.0 / np.arange(1, len(ranked) + 1)
    difference = np.abs(changes(ranked, "tough_vgg", "FFA") - changes(ranked, "plain_vgg", "FFA"))
    columns = {"rank": np.arange(1, len(ranked) + 1), "gain": gain, "total": np.cumsum(gain)}
    columns |= {"alone": np.ones(len(ranked)), "difference": difference, "chosen": True, "reason": ""}
    return ranked[["stimulus_id"]].assign(**columns).reset_index(drop=True)


def curves():
    """Give the table SELECTION_CURVES: information needs the fewest stimuli, random choice the most."""
    speeds = {"information": 1.0, "list": 0.7, "difference": 0.5, "random": 0.2}
    rows = []
    for (strategy, speed), number in product(speeds.items(), (1, 2, 4, 8, 16)):
        right = 1 - 0.5 * np.exp(-speed * number)
        row = {"truth": BRAIN, "truth_family": "robust", "strategy": strategy, "n_stimuli": number}
        rows.append(row | {"right": right, "low": right - 0.02, "high": right + 0.02, "n_experiments": 200})
        rows[-1] |= {"needed": {"information": 4.0, "list": 4.0, "difference": 8.0, "random": 16.0}[strategy]}
        rows[-1] |= {"reason": ""}
    return pd.DataFrame(rows)


def power():
    """Give the table SET_POWER: only the prediction of robust models is found, with 4 trials of 2 subjects.

    Standard models predict no difference in PPA, so that no power is defined there.
    """
    rows = []
    sizes = product(DESIGN["experiment"]["subjects"], DESIGN["experiment"]["repetitions"])
    for roi, family, (subjects, trials) in product(REGIONS, ("robust", "standard", BRAIN), list(sizes)):
        effect = {"robust": 1.5, "standard": 0.2, BRAIN: 1.2}[family]
        undefined = family == "standard" and roi == "PPA"
        found = 1 - np.exp(-0.3 * effect * subjects * trials**0.5)
        row = {"contrast": "robust - standard", "roi": roi, "predicted_by": family, "n_pairs": 8}
        row |= {"n_subjects": subjects, "n_repetitions": trials, "effect": 0.0 if undefined else effect}
        row |= {"effect_size": np.nan if undefined else effect / 2, "power": 0.05 if undefined else found}
        row |= {"low": row["power"] - 0.02, "high": row["power"] + 0.02, "false_alarms": 0.05, "n_images": 2}
        rows.append(row | {"enough": row["power"] >= 0.8, "reason": "no difference" if undefined else ""})
    return pd.DataFrame(rows)


def experiments():
    """Give the table SET_EXPERIMENTS: the planned experiment finds the difference in both regions."""
    rows = []
    for roi, family in product(REGIONS, ("robust", "standard")):
        row = {"contrast": "robust - standard", "roi": roi, "predicted_by": family, "n_subjects": 2}
        row |= {"n_repetitions": 16, "predicted": {"robust": 1.5, "standard": 0.2}[family], "true": 1.2}
        row |= {"measured": 1.1, "low": 0.7, "high": 1.5, "p": 0.004, "found": True, "reason": ""}
        rows.append(row | {"planned_power": 0.83 if family == "robust" else np.nan, "true_power": 0.76})
    return pd.DataFrame(rows)
