"""Planted tables for tests of figures: three networks of a small world, with or without a brain."""

from itertools import combinations, product

import numpy as np
import pandas as pd

from codingaxes import tables
from codingaxes.job import Run

ZOO = [
    ("a_plain", "standard", "resnet", 0.0),
    ("b_tough", "robust", "resnet", 0.3),
    ("c_tough", "robust", "odd", 0.9),
]
BRAIN = "simulated_brain"
RADII, IMAGES, REGIONS = (0.3, 0.9), ("nsd_00001", "nsd_00002", "nsd_00003"), ("FFA", "PPA")
SIZE = 16


def plant_networks(folder):
    """The table networks, of `ZOO`."""
    frame = pd.DataFrame(ZOO, columns=["network", "family", "architecture", "training_radius"])
    shared = {
        "source": "zoo",
        "licence": "",
        "citation": "",
        "accuracy_of": "top-1 (made up)",
        "accuracy": 0.9,
    }
    shared |= {"parameters": 1, "adversarial_accuracy": 0.5, "attack_radius": 0.9, "n_images": 9}
    frame = frame.assign(display_name=frame.network.str.upper(), **shared)
    tables.write(folder / "networks.parquet", "networks", frame)
    return frame


def plant_transfer(folder, models):
    """One file for each target; a change is drawn, then turned where it is to fall; noise is drawn twice."""
    rng, paths = np.random.default_rng(0), []
    for target in models:
        rows = []
        for source in [*models, "none"]:
            for roi, radius, image in [(r, s, i) for r in REGIONS for s in RADII for i in IMAGES]:
                noise = source == "none"
                cases = [("none", 1), ("none", 2)] if noise else [("increase", 0), ("decrease", 0)]
                for direction, drawn in cases:
                    sign = {"increase": 1, "decrease": -1, "none": rng.choice([-1, 1])}[direction]
                    here, there = sign * radius * rng.uniform(1, 2), sign * radius * rng.uniform(0, 1)
                    row = ["random" if noise else "l2", source, target, roi, direction, radius, 0.0, drawn]
                    change = here if source == target else there
                    row += [image, radius, True, np.nan if noise else here, change, np.array([change] * 2)]
                    rows.append(row)
        frame = pd.DataFrame(rows, columns=list(tables.TABLES["transfer"].columns))
        paths.append(str(folder / f"to_{target}.parquet"))
        tables.write(paths[-1], "transfer", frame)
    return paths


def plant(folder, name, rows, file=None):
    """A table of rows in the order of its declared columns."""
    path = str(folder / f"{file or name}.parquet")
    tables.write(path, name, pd.DataFrame(rows, columns=list(tables.TABLES[name].columns)))
    return path


def plant_similarity(folder, models):
    """Gradients have a cosine of either sign, axes of voxels have none beyond the first."""
    rng, rows = np.random.default_rng(1), []
    for first, second in combinations(models, 2):
        for roi, image in product(REGIONS, IMAGES):
            for response, k in (("group", 1), ("voxels", 1), ("voxels", 4)):
                similarity, cosine = rng.uniform(0, 0.2), rng.uniform(-1, 1) if k == 1 else np.nan
                row = [first, second, response, roi, image, k, similarity, similarity / 4]
                rows.append([*row, np.sqrt(1 - similarity), 80.0, cosine, k / 768])
    return plant(folder, "similarity", rows)


def plant_means(folder, models, responses=("group", "voxels", "joint", "features")):
    """Four levels, each below the one before; the simulated brain has no features."""
    rng, rows = np.random.default_rng(5), []
    for first, second in combinations(models, 2):
        for response, k in product(responses, (1, 4)):
            if response == "features" and second == BRAIN:
                continue
            for roi in REGIONS if response in ("group", "voxels") else ("all",):
                similarity = rng.uniform(0.1, 0.2)
                row = [first, second, response, roi, k, similarity, similarity, similarity]
                rows.append([*row, *[similarity / 4] * 3, k / 768, similarity / 9, np.nan, len(IMAGES)])
    return plant(folder, "similarity_means", rows)


def plant_axes(folder, models):
    """Profiles, alignment and Jacobians of voxels, and of other responses, that a figure must leave out."""
    rng, profiles, alignment, jacobians = np.random.default_rng(6), [], [], []
    for model in models:
        rows = []
        for roi, response in product(REGIONS, ("group", "voxels")):
            share = rng.dirichlet(np.ones(9))
            profiles += [[model, response, roi, f, s, 0.01, len(IMAGES)] for f, s in enumerate(share)]
            for image in IMAGES:
                ratio = rng.uniform(1, 9) if response == "voxels" else 1.0
                rows.append([model, response, roi, image, 9, "exact", 9, 1.0, 1 / ratio, ratio])
                for direction, radius, k in product(("increase", "decrease"), RADII, (1, 4)):
                    row = ["l2", model, roi, direction, radius, image, response, k]
                    alignment.append([*row, rng.uniform(), k / 768])
        jacobians.append(plant(folder, "jacobians", rows, f"jacobians_{model}"))
    paths = {"profiles": plant(folder, "profiles", profiles), "jacobians": jacobians}
    return paths | {"alignment": plant(folder, "alignment", alignment)}


def plant_scores(folder, ceiling=0.8):
    """The first network predicts best on held-out images and worst in folds; others by their rank in ZOO."""
    paths = []
    for place, network in enumerate(names(brain=False)):
        rows = []
        for roi, subject, target in [
            (r, s, t) for r in REGIONS for s in ("group", "subj01") for t in ("mean", "0")
        ]:
            r = 0.6 - 0.1 * place if (subject, target) == ("group", "mean") else 0.01
            row = {"network": network, "subject": subject, "roi": roi, "target": target}
            row |= {"r": r, "ci_low": r - 0.1, "ci_high": r + 0.1, "r2": r**2, "r_k_fold": 0.3 + 0.1 * place}
            rows.append(
                row | {"ceiling": ceiling, "r_over_ceiling": r / ceiling, "n_train": 30, "n_test": 10}
            )
        frame = pd.DataFrame(rows)
        paths.append(str(folder / f"scores_{network}.parquet"))
        tables.write(paths[-1], "scores", frame)
    return paths


def plant_attacks(folder):
    """Attacks on the networks of ZOO; those on the first image have not converged."""
    rng, paths = np.random.default_rng(2), []
    for place, network in enumerate(names(brain=False)):
        rows = []
        for roi, radius, image in [(r, s, i) for r in REGIONS for s in RADII for i in IMAGES]:
            for direction, sign in (("increase", 1), ("decrease", -1)):
                before = rng.normal()
                after = before + sign * radius * (1 + place) * rng.uniform(1, 2)
                row = ["l2", "ascent", network, roi, direction, image, "l2", radius, 0.0, 0, radius]
                row += [before, after, 9.0, abs(after - before) / 9, 5, image != IMAGES[0], True]
                rows.append([*row, np.zeros(3)])
        frame = pd.DataFrame(rows, columns=list(tables.TABLES["perturbations"].columns))
        paths.append(str(folder / f"attacks_{network}.parquet"))
        tables.write(paths[-1], "perturbations", frame)
    return paths


def plant_layers(folder):
    """Readouts and representations: FFA reads the layer late, PPA early; the norm differs by region."""
    readouts, representations = [], []
    for place, network in enumerate(names(brain=False)):
        rows = []
        for roi, layer, norm in (("FFA", "late", 0.2), ("PPA", "early", 0.5)):
            for subject, target in (("group", "mean"), ("group", "0"), ("subj01", "mean")):
                length = norm if (subject, target) == ("group", "mean") else 99.0
                rows.append([network, subject, roi, target, layer, 1.0, False, 0.0, length, np.zeros(3)])
        frame = pd.DataFrame(rows, columns=list(tables.TABLES["readouts"].columns))
        readouts.append(str(folder / f"readouts_{network}.parquet"))
        tables.write(readouts[-1], "readouts", frame)
        rows = [
            [network, "early", 9, 0.1 + place, 0.2, 30.0 - place, 10.0 + place, 40],
            [network, "late", 4, 0.5, 0.6, np.nan if place == 0 else 7.0 + place, 20.0, 40],
        ]
        frame = pd.DataFrame(rows, columns=list(tables.TABLES["representations"].columns))
        representations.append(str(folder / f"representations_{network}.parquet"))
        tables.write(representations[-1], "representations", frame)
    return {"readouts": readouts, "representations": representations}


def draw(script, folder, name="figure", params=None, **inputs):
    """Run one script by hand; returns the paths of what it wrote."""
    output = {kind: str(folder / f"{name}.{kind}") for kind in ("pdf", "png", "csv")}
    inputs = {"networks": str(folder / "networks.parquet")} | inputs
    script.main(Run(script.__name__, inputs, output, params or {}, {}, str(folder / "log")))
    return output


def names(brain=True):
    return [row[0] for row in ZOO] + ([BRAIN] if brain else [])


def content(path):
    with open(path, "rb") as file:
        return file.read()
