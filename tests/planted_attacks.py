"""Planted tables for tests of figures of attacks: any networks, with or without a brain."""

from itertools import combinations_with_replacement, product
from pathlib import Path

import numpy as np
import pandas as pd
from planted import BRAIN, IMAGES, RADII, REGIONS, plant

from codingaxes import tables

CONFIG = Path(__file__).parents[1] / "config"
SUBJECTS = ("subj01", "subj02", "subj03", "subj04")
CONTROLS = {"transferred": 0.1, "other_image": 0.3, "other_region": 0.2, "phase_scrambled": 0.05}
KINDS = {"attack": 1.0} | CONTROLS | {"random": 0.02}
WANTED = 0.5  # SD
ALGORITHMS = {"l2": 1.0, "l2_pgd": 0.95, "l2_apgd": 0.98}


def plant_study(folder, file):
    """The table networks with the names of zoo.tsv or networks.tsv, in the order of a study."""
    found = pd.read_csv(CONFIG / file, sep="\t", keep_default_na=False).rename(columns={"name": "network"})
    kept = ["network", "display_name", "family", "architecture", "training_radius", "source"]
    frame = found[kept].assign(
        licence="",
        citation="",
        accuracy_of="top-1 (made up)",
        accuracy=0.9,
        parameters=1,
        adversarial_accuracy=0.5,
        attack_radius=0.9,
        n_images=9,
    )
    frame["training_radius"] = pd.to_numeric(frame.training_radius).astype(float)
    frame = frame.sort_values(
        "family", key=lambda names: names.map(list(names.unique()).index), kind="stable"
    )
    tables.write(folder / "networks.parquet", "networks", frame)
    return frame


def sizes_of(networks, brain):
    """How far each model moves in these tables, in SD."""
    found = {row.network: 0.4 if row.family == "robust" else 1.8 for row in networks.itertuples()}
    return found | ({BRAIN: 0.8} if brain else {})


def plant_sensitivities(folder, sizes, regions=REGIONS, subjects=SUBJECTS):
    """Medians of each kind at two radii and in another norm; those of noise are smallest."""
    rng, rows = np.random.default_rng(7), []
    for (model, size), roi, (norm, radius) in product(
        sizes.items(), (*regions, "all"), (*(("l2", radius) for radius in RADII), ("linf", 8.0))
    ):
        for subject in ("group", *subjects, *(["subjects"] if subjects else [])):
            for kind, share in KINDS.items():
                many = len(subjects) if subject == "subjects" else 1
                median = size * share * radius * rng.uniform(0.8, 1.2)
                bounds = [0.8 * median, 1.3 * median]
                row = [model, subject, roi, norm, radius, kind, median, *bounds, len(IMAGES), many]
                rows.append([*row, 2 * many * len(IMAGES), 0.25 if kind == "attack" else 0.0])
    return plant(folder, "sensitivities", rows)


def plant_variants(folder, sizes, regions=REGIONS, images=IMAGES, unreached=()):
    """Attacks with a wanted effect, and others; models in `unreached` reach it on no image but the first."""
    rng, paths = np.random.default_rng(8), []
    for model, moved in sizes.items():
        rows = []
        for roi, image, direction in product(regions, images, ("increase", "decrease")):
            for attack, norm, radius, wanted in (
                ("l2_effect", "l2", 0.0, WANTED),
                ("l2_effect", "l2", 0.0, WANTED / 2),
                ("linf", "linf", 0.1, 0.0),
            ):
                size = (wanted or 1.0) / moved * rng.uniform(0.7, 1.4)
                reached = model not in unreached or image == images[0]
                row = [attack, "ascent", model, roi, direction, image, norm, radius, wanted, 0, size]
                rows.append([*row, 0.0, 1.0, 2.0, 0.5, 5, True, reached, np.zeros(3)])
        paths.append(plant(folder, "perturbations", rows, f"variants_{model}"))
    return paths


def plant_transfers(folder, sizes, regions=REGIONS):
    """Ratios of attacks with a wanted effect, and of others that a figure of these must leave out."""
    rng, rows = np.random.default_rng(9), []
    for roi, source, target in product((*regions, "all"), sizes, sizes):
        for attack, radius, wanted in (("l2_effect", 0.0, WANTED), ("l2", RADII[1], 0.0)):
            ratio = 1.0 if source == target else rng.uniform(-0.01, 0.3) / (1 + sizes[source])
            of_source = [ratio, ratio - 0.05, ratio + 0.05]
            changes = [WANTED * value for value in of_source]
            row = [attack, roi, radius, wanted, source, target, *changes, *of_source]
            rows.append([*row, np.nan, np.nan, np.nan, 0.01 * rng.uniform(1, 2), 0.3, 1.0, len(IMAGES)])
    return plant(folder, "transfers", rows)


def plant_algorithms(folder, families, brain=True):
    """Own effects, relative transfer of every kind of pair, and agreement of ranks, for three algorithms."""
    families, rows = list(dict.fromkeys(families)), []
    groups = {("own effect", name): 0.4 if name == "robust" else 1.8 for name in families}
    for one, other in combinations_with_replacement(families, 2):
        if one == other:
            for kind, value in (("same", 0.1), ("different", 0.03)):
                groups["relative transfer", f"within {one}, {kind} architecture"] = value
        else:
            groups["relative transfer", f"{one} to {other}"] = 0.015
            groups["relative transfer", f"{other} to {one}"] = 0.3
    if brain:
        groups["own effect", BRAIN] = 0.8
        groups |= {("relative transfer", f"{name} to {BRAIN}"): 0.004 for name in families}
    for attack, share in ALGORITHMS.items():
        for (measure, group), value in groups.items():
            unit, value = ("SD" if measure == "own effect" else "ratio"), value * share
            row = [attack, group, measure, RADII[1], value, 0.8 * value, 1.25 * value]
            rows.append([*row, 0.0, -0.1, 0.1, 6, len(IMAGES), unit])
        row = [attack, "all pairs", "rank agreement of all pairs", RADII[1], share, share - 0.1, 1.0]
        rows.append([*row, 0.0, -0.1, 0.1, 30, len(IMAGES), "Spearman r"])
    return plant(folder, "algorithms", rows)
