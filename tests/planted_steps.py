"""Planted tables of every step before the summaries, of a study of any size; and all summaries of them."""

import contextlib
from itertools import combinations, product
from pathlib import Path

import numpy as np
import planted
from planted import ZOO, plant, plant_each
from planted_control import plant_synthesis, synthesised

from codingaxes.names import BRAIN, GROUP, NOISE, SIGNS
from codingaxes.tables import store
from codingaxes.tables.axes import EIGENVECTORS

SIDE = 4  # pixels of an image
SIZE = 3 * SIDE**2
RADIUS, LARGE, WANTED = 0.5, 5.0, 1.0
IMAGES = [f"nsd_{number:05d}" for number in range(6)]
ATTACKS = (("l2", RADIUS, 0.0), ("l2_pgd", RADIUS, 0.0), ("l2_large", LARGE, 0.0), ("l2_effect", 0.0, WANTED))
NOISES = (("random", RADIUS, 0.0), ("random_large", LARGE, 0.0), ("random_effect", 0.0, WANTED))
MAIN = ("l2", "random")  # stand in perturbations, the others in variants
CONTROLS = ("phase_scrambled", "other_image")
# Of each script: tables that it reads, and tables that it writes, in the order in which they run. After a
# colon stands what is planted for an input of another name.
SUMMARIES = {
    "compare_subspaces": (
        "stimuli eigenvectors jacobians remainders attacks",
        "similarity similarity_means profiles alignment",
    ),
    "summarise_sensitivity": ("sensitivity natural transfer:perturbations", "sensitivities"),
    "summarise_transfer": (
        "networks perturbations variants similarity",
        "transfers changes transfer_asymmetry fixed_effect",
    ),
    "summarise_transfer_controls": ("networks perturbations controls", "transfer_controls"),
    "summarise_sizes": ("variants:variant_attacks transfers", "sizes"),
    "compare_algorithms": ("networks perturbations variants", "algorithms"),
    "summarise_networks": (
        "networks scores split_scores readouts representations sensitivities",
        "network_measures network_correlations",
    ),
    "summarise_axes": ("jacobians inherited alignment profiles", "axes spectra"),
    "summarise_similarity": ("networks similarity_means", "similarity_levels similarity_clusters"),
    "explain_similarity": ("networks similarity sensitivities", "regression reliability"),
    "summarise_agreement": ("similarity transfer:perturbations", "agreement"),
    "summarise_control": (
        "networks perturbations:synthesis peer_review",
        "control_slopes ladder_changes category_evidence",
    ),
    "race_predictors": (
        "networks network_measures axes similarity_means transfers control_slopes",
        "predictors race_values",
    ),
    "summarise_families": (
        "networks perturbations variants natural similarity predictions targets",
        "families",
    ),
    "summarise_predictivity": ("networks perturbations predictions targets", "predictivity"),
    "summarise_numbers": (
        "networks perturbations variants sensitivity similarity similarity_means families predictivity",
        "numbers",
    ),
    "collect_units": (
        "networks sensitivity perturbations variants similarity similarity_means predictions targets "
        "peer_review held_out",
        "units",
    ),
}
SETTINGS = {"k": [1, 2], "null_draws": 9, "image_size": SIDE, "bootstrap": 20, "permutations": 19}
WITH_BRAIN = ("summarise_agreement", "race_predictors")


def plant_steps(folder, names, brain, regions, subjects, images=IMAGES, zoo=ZOO, **made):
    """Write the tables that summaries read; returns their paths by name.

    Parameters
    ----------
    folder : Path
    names : list of str
        Networks of `zoo`.
    brain : bool
        Whether there is a simulated brain.
    regions, subjects, images : lists of str
    zoo : DataFrame
        Rows of the table networks.
    made : dict
        Other arguments of `planted_control.synthesised`.
    """
    rng, models = np.random.default_rng(11), [*names, *([BRAIN] if brain else [])]
    paths = {"networks": plant(folder, "networks", zoo[zoo.network.isin(names)])}
    paths["stimuli"] = plant(folder, "stimuli", [{"image_id": image, "probe": True} for image in images])
    paths |= plant_changes(folder, models, regions, subjects, images, rng)
    paths |= plant_readouts(folder, names, regions, subjects, images, rng)
    paths["held_out"] = plant_held_out(folder, names, regions, images)
    (folder / "synthesis").mkdir()
    made = plant_synthesis(folder / "synthesis", *synthesised(models, regions, **made))
    paths |= {"synthesis": made["perturbations"], "peer_review": made["peer_review"]}
    return paths | plant_axes(folder, models, names, regions, images, rng)


def plant_changes(folder, models, regions, subjects, images, rng):
    """Write attacks on every model, what they do to all, noise, controls, and the spread of responses."""
    attacks, changes, controls = [], [], []
    for (attack, radius, wanted), roi, image in product((*ATTACKS, *NOISES), regions, images):
        white = attack in dict((name, 0) for name, *_ in NOISES)
        sources = [NOISE] if attack in ("random", "random_large") else models
        for source, direction in product(sources, [NOISE] if white else SIGNS):
            row = {"attack": attack, "radius": radius, "wanted": wanted, "roi": roi, "image_id": image}
            row |= {"direction": direction, "draw": int(white)}
            sign = SIGNS.get(direction, rng.choice([-1, 1]))
            own = sign * rng.uniform(1, 2) * (0.05 if white else 1.0)
            if not white:
                delta = rng.normal(size=SIZE)
                attacks.append({**row, "network": source, "delta": delta, "response_before": 0.0})
                attacks[-1]["response_after"] = own
            for target in models:
                change = own if target == source else 0.3 * own * rng.uniform(0.5, 1.5)
                row |= {"source": source, "target": target, "change_target": change}
                row |= {"change_source": np.nan if white else own}
                changes.append(row | {"change_subjects": change * np.arange(1.0, 1 + len(subjects))})
                if attack == "l2" and target != source:
                    about = {name: row[name] for name in ("source", "target", "roi", "image_id", "direction")}
                    about |= {"made_for": roi, "radius": radius, "draw": 1}
                    controls += [
                        {**about, "control": name, "change": 0.1 * rng.normal()} for name in CONTROLS
                    ]
    main = [row for row in changes if row["attack"] in MAIN]
    others = [row for row in changes if row["attack"] not in MAIN]
    paths = {
        "perturbations": plant_each(folder, "transfer", main, "target", "perturbations"),
        "variants": plant_each(folder, "transfer", others, "target", "variants"),
        "controls": plant_controls(folder, controls),
    }
    main = [row for row in attacks if row["attack"] in MAIN]
    others = [row for row in attacks if row["attack"] not in MAIN]
    paths["attacks"] = plant_each(folder, "perturbations", main, "network", "attacks")
    paths["variant_attacks"] = plant_each(folder, "perturbations", others, "network", "variant_attacks")
    return paths | plant_sensitivity(folder, models, regions, subjects, images, rng)


def plant_controls(folder, rows):
    """Write controls of transfer, one file for each target; of a single model there is one without rows."""
    name = "transfer_control_changes"
    return plant_each(folder, name, rows, "target") if rows else [plant(folder, name, rows)]


def plant_sensitivity(folder, models, regions, subjects, images, rng):
    """Write what own attacks, and attacks for another image, do to every reader, and natural responses."""
    changes, natural = [], []
    for model, roi, subject in product(models, regions, (GROUP, *subjects)):
        row = {"network": model, "roi": roi, "subject": subject}
        natural.append({**row, "sd": 0.8})
        for image, direction, kind in product(images, SIGNS, ("attack", "other_image")):
            change = SIGNS[direction] * rng.uniform(1, 2) * (1.0 if kind == "attack" else 0.1)
            about = {"image_id": image, "direction": direction, "kind": kind, "made_for": roi}
            changes.append({**row, **about, "radius": RADIUS, "change": change})
    return {
        "sensitivity": plant_each(folder, "sensitivity", changes, "network"),
        "natural": plant_each(folder, "natural_responses", natural, "network"),
    }


def plant_readouts(folder, names, regions, subjects, images, rng):
    """Write scores, readouts and predictions of every network."""
    places = list(product(names, regions, (GROUP, *subjects)))
    scores = [dict(zip(("network", "roi", "subject"), place, strict=True)) for place in places]
    predictions = [
        {**row, "image_id": image, "measured": value, "predicted": value + rng.normal()}
        for row in scores
        for image, value in zip(images, np.random.default_rng(3).normal(size=len(images)), strict=True)
    ]
    targets = [
        {"roi": roi, "subject": subject, "ceiling": 0.9}
        for roi, subject in product(regions, (GROUP, *subjects))
    ]
    return {
        "scores": plant_each(folder, "scores", scores, "network"),
        "split_scores": plant_each(folder, "split_scores", scores, "network"),
        "readouts": plant_each(folder, "readouts", scores, "network"),
        "representations": plant_each(
            folder, "representations", [{"network": name} for name in names], "network"
        ),
        "predictions": plant_each(folder, "predictions", predictions, "network"),
        "targets": plant(folder, "targets", targets),
    }


def plant_held_out(folder, names, regions, images):
    """Write predictions and gradients of readouts that were fitted without a category; two paths."""
    rng, predictions, gradients = np.random.default_rng(7), [], []
    for roi in regions:
        places = [{"roi": roi, "image_id": image} for image in images]
        for name, row in product(names, places):
            predictions.append({"network": name, **row, "measured": rng.normal(), "predicted": rng.normal()})
            gradients.append({"network_i": name, "network_j": "", **row, "cosine": np.nan})
        for (one, other), row in product(combinations(names, 2), places):
            gradients.append({"network_i": one, "network_j": other, **row, "cosine": rng.uniform(-1, 1)})
    return [
        plant(folder, "held_out_predictions", predictions),
        plant(folder, "held_out_gradients", gradients),
    ]


def plant_axes(folder, models, names, regions, images, rng):
    """Write two axes of voxels and one of the group, their sizes and sketches, and what is inherited."""
    axes, sizes, sketches = [], [], []
    for model, (response, rank), roi, image in product(
        models, (("voxels", 2), ("group", 1)), regions, images
    ):
        row = {"network": model, "response": response, "roi": roi, "image_id": image}
        vectors = np.linalg.qr(rng.normal(size=(SIZE, 3)))[0].T
        for place in range(rank):
            axes.append({**row, "rank": place + 1, "eigenvalue": 4.0 / (place + 1), "vector": vectors[place]})
        sizes.append({**row, "trace": 8.0, "participation_ratio": 3.0, "spectral_participation_ratio": 2.0})
        sketches.append({**row, "draw": 1, "length": 0.5, "vector": vectors[2]})
    inherited = [
        {"network": name, "roi": roi, "image_id": image, "inherited_sensitivity": rng.uniform(1, 2)}
        for name, roi, image in product(names, regions, images)
    ]
    return {
        "eigenvectors": plant_each(folder, "eigenvectors", axes, "network"),
        "jacobians": plant_each(folder, "jacobians", sizes, "network"),
        "remainders": plant_each(folder, "remainders", sketches, "network"),
        "inherited": plant_each(folder, "inherited", inherited, "network"),
    }


def share_no_image(paths, one, other):
    """Let the axes of two models converge on different images only: those of the first on the first half."""
    for name, half in ((one, IMAGES[len(IMAGES) // 2 :]), (other, IMAGES[: len(IMAGES) // 2])):
        file = next(file for file in paths["eigenvectors"] if Path(file).stem == f"eigenvectors_{name}")
        rows = store.read(file, EIGENVECTORS)
        store.write(file, EIGENVECTORS, rows.assign(converged=~rows.image_id.isin(half)))


def summaries(folder, paths, brain, **settings):
    """Run every script of `SUMMARIES` that a study asks for; returns the tables that they write, by name."""
    paths, tables, settings = dict(paths), {}, SETTINGS | settings
    for script, (inputs, outputs) in SUMMARIES.items():
        if script in WITH_BRAIN and not brain:
            continue
        names = outputs.split()
        read = dict((name.split(":")[0], paths[name.split(":")[-1]]) for name in inputs.split())
        with contextlib.chdir(folder):  # where jobs keep their parts
            written = planted.run(script, folder, *names, settings=settings, **read)
        tables |= dict(zip(names, written if len(names) > 1 else [written], strict=True))
        paths |= {name: str(folder / f"{name}.parquet") for name in names}
    return tables
