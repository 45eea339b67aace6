"""Planted stimulus sets for ranking and power: makers of one architecture, judges of two others, a brain.

Predictions are planted as numbers; there are no pictures. A standard network changes by `STANDARD` SD for
each SD of a stimulus' strength, a robust one by `ROBUST`, and the simulated brain as the robust ones do.
"""

from itertools import product

import numpy as np
import pandas as pd

from codingaxes.job import Run
from codingaxes.names import BRAIN, GROUP, SIGNS
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.nsd import REGIONS
from codingaxes.tables.readouts import TARGETS
from codingaxes.tables.stimulus_sets import SET_PREDICTIONS, SET_RANKING, SET_REFITS, SET_STIMULI

ROIS, SUBJECTS = ("FFA", "PPA"), {"subj01": 0.9, "subj02": 1.1}
IMAGES = [f"nsd_{number:05d}" for number in range(10)]
MAKERS = {"standard": "plain_resnet", "robust": "tough_resnet"}
JUDGES = [f"{kind}_{name}" for kind in ("plain", "tough") for name in ("vgg_1", "vgg_2", "dense")]
STANDARD, ROBUST = 0.2, 1.0
OF_MAKER = {"standard": 0.3, "robust": 1.0}  # strength of a maker's stimuli
NOISE, SD, GROUP_SD = 0.4, 0.5, 0.8  # z of one trial; z, and SD of subjects, of responses to training images
SPREAD = 0.1  # SD by which networks of a family differ
REFITS = 30
EXPERIMENT = {"power": 0.8, "subjects": [1, 2, 4], "repetitions": [1, 4, 16], "simulations": 400}
DESIGN = {"compare": {"with": "robust", "against": "standard"}, "choose": "all", "number": 0}


def networks():
    """Give the table networks."""
    names = [*MAKERS.values(), *JUDGES]
    table = pd.DataFrame({"network": names, "display_name": [name.replace("_", " ") for name in names]})
    table["family"] = np.where(table.network.str.startswith("plain"), "standard", "robust")
    table["architecture"] = [name.split("_")[1] for name in names]
    table["training_radius"] = np.where(table.family == "robust", 0.9, 0.0)
    blank = {"source": "zoo", "parameters": 1, "accuracy": np.nan, "accuracy_of": "", "n_images": 0}
    blank |= {"adversarial_accuracy": np.nan, "attack_radius": np.nan, "licence": "", "citation": ""}
    return table.assign(**blank).astype({"parameters": "int32", "n_images": "int32"})[list(NETWORKS.columns)]


def stimuli(makers=MAKERS, images=IMAGES):
    """Give the table set_stimuli: natural images, each perturbed for each maker, region and direction."""
    rows = [{"role": "original", "image_id": image} for image in images]
    for image, roi, direction, (role, maker) in product(images, ROIS, SIGNS, makers.items()):
        row = {"role": "perturbed", "maker": maker, "maker_role": role, "roi": roi, "direction": direction}
        rows.append(row | {"image_id": image, "step": 1, "radius": 0.9})
    table = pd.DataFrame(rows)
    words = {"maker": "none", "maker_role": "none", "roi": "all", "direction": "none"}
    table = table.fillna(words | {"step": 0}).assign(control="none", draw=0, matched="norm")
    table.insert(0, "stimulus_id", [f"stim-{number:04d}" for number in range(len(table))])
    blank = {"effect": np.nan, "wanted_level": np.nan, "l2": 0.9, "linf": 0.1, "rms": 1.0, "evaluations": 10}
    table = table.assign(**blank, converged=True, reached=True, file="f.png", sha256="0")
    return table.astype({"step": "int32", "draw": "int32", "evaluations": "int32"})[list(SET_STIMULI.columns)]


def strength(rows, roi):
    """Give the strength of stimuli in one region, SD: half as large in another than their own; by image."""
    share = np.where(rows.roi == roi, 1.0, np.where(rows.roi == "all", 0.0, 0.5))
    image = 0.8 + 0.4 * rows.image_id.str[-1].astype(int) / (len(IMAGES) - 1)
    sign = rows.direction.map(SIGNS).fillna(0.0)
    return (share * image * sign * rows.maker_role.map(OF_MAKER).fillna(0.0)).to_numpy()


def predictions(rows, brain=ROBUST, subjects=SUBJECTS):
    """Give the table set_predictions; `brain` is the simulated brain's change for each SD of strength."""
    rng, made = np.random.default_rng(3), (rows.role != "original").to_numpy()
    models = {name: ROBUST if "tough" in name else STANDARD for name in (*MAKERS.values(), *JUDGES)}
    models, readers = {**models, BRAIN: brain}, {GROUP: 1.0, **subjects}
    strengths, changes = {roi: strength(rows, roi) for roi in ROIS}, []
    for (model, slope), roi in product(models.items(), ROIS):
        own = np.where(rows.maker == model, 5.0, 1.0)
        noise = SPREAD * rng.standard_normal(len(rows)) * (made & (model != BRAIN))
        changes += [share * (slope * own * strengths[roi] + noise) for share in readers.values()]
    cells = product(models, ROIS, readers, rows.stimulus_id)
    table = pd.DataFrame(cells, columns=["network", "roi", "subject", "stimulus_id"])
    table["change"] = np.concatenate(changes)
    table = table.assign(before=0.3, response=0.3 + table.change, super_stimulus=False)
    blank = dict.fromkeys(("response_low", "response_high", "change_low", "change_high", "level", "distance"))
    return table.assign(**blank).astype(dict.fromkeys(blank, "float64"))[list(SET_PREDICTIONS.columns)]


def refits(answers):
    """Give the table set_refits: changes of the group with a little noise."""
    rng = np.random.default_rng(4)
    rows = answers[(answers.subject == GROUP) & (answers.network != BRAIN)]
    draws = rows.change.to_numpy()[:, None] + 0.05 * rng.standard_normal((len(rows), REFITS))
    return rows[["stimulus_id", "network", "roi"]].assign(change=list(draws.astype(np.float32)))


def ranking(rows, left_out=()):
    """Give the table set_ranking in the order of the set; stimuli `left_out` are not kept."""
    table = rows[rows.role == "perturbed"][["stimulus_id"]].reset_index(drop=True)
    blank = dict.fromkeys(("gain", "total", "alone", "difference"), 0.5)
    ranks = np.arange(1, len(table) + 1, dtype="int32")
    return table.assign(**blank, rank=ranks, chosen=~table.stimulus_id.isin(left_out), reason="")


def noise_tables(noise=NOISE, subjects=SUBJECTS):
    """Give the tables regions and targets."""
    pairs = list(product(subjects, ROIS))
    regions = pd.DataFrame(pairs, columns=["subject", "roi"]).assign(noise_sd=noise, repeats=3.0, n_voxels=9)
    targets = pd.DataFrame([*pairs, *product([GROUP], ROIS)], columns=["subject", "roi"])
    targets = targets.assign(mean=0.0, sd=np.where(targets.subject == GROUP, GROUP_SD, SD), ceiling=0.8)
    return regions.astype({"n_voxels": "int32"}), targets


def plant(folder, frames=None, **params):
    """Write the tables before ranking, some replaced by `frames`, and give a run of a rule that reads them.

    Returns
    -------
    function of a rule's name -> Run
        Its outputs are ranking, curves, power and experiments in `folder`.
    """
    frames = frames or {}
    rows = frames["stimuli"] if "stimuli" in frames else stimuli()
    answers = frames["predictions"] if "predictions" in frames else predictions(rows)
    regions, targets = noise_tables()
    content = {
        "networks": (NETWORKS, networks()),
        "stimuli": (SET_STIMULI, rows),
        "predictions": (SET_PREDICTIONS, answers),
        "refits": (SET_REFITS, refits(answers)),
        "regions": (REGIONS, regions),
        "targets": (TARGETS, targets),
        "ranking": (SET_RANKING, ranking(rows)),
    }
    paths = {name: str(folder / f"{name}.parquet") for name in content}
    for name, (table, frame) in content.items():
        store.write(paths[name], table, frames.get(name, frame)[list(table.columns)])
    outputs = {
        name: str(folder / f"{name}.parquet") for name in ("ranking", "curves", "power", "experiments")
    }
    params = DESIGN | {"experiment": EXPERIMENT, "brain_family": "", "seed": 1} | params
    return lambda rule: Run(rule, paths, outputs, params, {"set": "planted"}, str(folder / "log"))


def plant_summaries(folder, write, zoo, models, regions):
    """Write what figures of ranking and power show: curves and powers that rise as planted do, and ranks.

    Parameters
    ----------
    folder : Path
    write : callable (folder, name, rows)
    zoo : DataFrame
        The table networks.
    models, regions : lists of str
    """
    families = dict(zip(zoo.network, zoo.family, strict=True))
    speeds = {"information": 0.9, "list": 0.6, "difference": 0.4, "random": 0.15}
    rows = []
    for place, truth in enumerate(models):
        for strategy, speed in speeds.items():
            row = {"truth": truth, "truth_family": families.get(truth, "robust"), "strategy": strategy}
            row |= {"n_experiments": 400 if strategy == "random" else 2000, "needed": np.nan}
            for number in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128):
                right = 1 - 0.5 * np.exp(-speed * number / (1 + place % 3))
                ends = {"low": right - 0.02, "high": min(1.0, right + 0.02)}
                rows.append({**row, "n_stimuli": number, "right": right, **ends})
    write(folder, "selection_curves", rows)
    write(folder, "set_ranking", ranking(stimuli(), left_out=("stim-0010", "stim-0011")))
    brain = [name for name in models if name not in families]
    powers, plans = [], []
    for roi, name in product(regions, [*dict.fromkeys(zoo.family), *brain]):
        row = {"contrast": "robust - standard", "roi": roi, "predicted_by": name}
        about = row | {"n_pairs": 32, "n_images": 8, "effect": 1.0, "false_alarms": 0.05}
        effect = {"standard": 0.03}.get(name, 0.2)
        for subjects, trials in product((1, 2, 4, 8), (1, 2, 4, 8, 16, 32)):
            power = 1 - np.exp(-effect * subjects * trials)
            ends = {"low": max(0.0, power - 0.02), "high": min(1.0, power + 0.02), "enough": power >= 0.8}
            powers.append({**about, "n_subjects": subjects, "n_repetitions": trials, "power": power, **ends})
        if brain and name not in brain:
            plans.append(row | {"n_subjects": 1, "n_repetitions": 32, "found": roi == regions[0]})
    write(folder, "set_power", powers)
    columns = ["contrast", "roi", "predicted_by", "n_subjects", "n_repetitions", "found"]
    write(folder, "set_experiments", pd.DataFrame(plans, columns=columns))
