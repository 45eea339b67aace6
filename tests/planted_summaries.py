"""Planted summaries for tests of figures: any networks, with or without a brain; and their figures."""

import importlib
from itertools import combinations, product
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import planted_methods
import planted_ranking
import planted_synthesis
from matplotlib.text import Text
from PIL import Image
from planted_changes import (
    RADII,
    WANTED,
    plant_algorithms,
    plant_attacks,
    sensitivity_of,
)
from planted_tables import TABLES, frame, interval, read, write
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from codingaxes.figures import style
from codingaxes.job import Run
from codingaxes.names import BRAIN
from codingaxes.tables import store

CONFIG = Path(__file__).parents[1] / "config"
REGIONS = ("FFA", "PPA")
SUBJECTS = ("subj01", "subj02")
SIZE, PROBE = 8, "nsd_00001"
ZOO = (  # name, family, architecture, training radius
    ("a_plain", "standard", "resnet", 0.0),
    ("b_tough", "robust", "resnet", 0.3),
    ("c_tough", "robust", "odd", 0.9),
)
INPUTS = {  # figure: tables that it reads, beside networks
    "predicted_vs_measured": ("scores", "predictions"),
    "predictivity_vs_accuracy": ("network_measures", "network_correlations"),
    "predictivity_vs_sensitivity": ("network_measures", "sensitivities"),
    "sensitivity_vs_representation": ("network_measures", "network_correlations"),
    "attack_effects": ("changes",),
    "sensitivity": ("sensitivities",),
    "transfer_matrix": ("transfers", "transfer_controls"),
    "transfer_strips": ("transfers", "transfer_controls"),
    "fixed_effect": ("sizes", "fixed_effect"),
    "attack_algorithms": ("algorithms",),
    "similarity_matrix": ("similarity_means",),
    "similarity_clusters": ("similarity_means", "similarity_clusters"),
    "similarity_levels": ("similarity_levels",),
    "axes": ("axes", "spectra"),
    "example_perturbations": ("stimuli", "perturbations", "sensitivity"),
    "agreement": ("agreement", "numbers"),
    "predictors": ("predictors",),
    "families": ("families",),
    "large_perturbations": ("stimuli", "chosen_images", "synthesis", "peer_review"),
    "noise_patterns": ("stimuli", "chosen_images", "synthesis"),
    "ladder_strips": ("stimuli", "chosen_images", "synthesis", "peer_review"),
    "exciting_images": ("synthesis", "peer_review"),
    "peer_review": ("control_slopes",),
    "control_slopes": ("control_slopes", "network_measures", "axes", "predictors"),
    "response_against_radius": ("ladder_changes",),
    "category_evidence": ("category_evidence",),
    "stimulus_ranking": ("selection_curves",),
    "power": ("set_ranking", "set_power", "set_experiments"),
    "method_scores": ("method_curves",),
}
ARCHITECTURES = ("resnet", "vgg", "densenet", "vit", "convnext", "swin", "cornet")
NORMS = (0.3, 0.9, 0.0, 3.0)  # l2 radii of training; 0: of a network that is robust in another norm


def networks_of(number):
    """Make up a number of networks as those of `ZOO`: the first half standard, the others robust."""
    half = (number + 1) // 2
    family = [("standard", place) for place in range(half)]
    family += [("robust", place) for place in range(number - half)]
    return [
        (
            f"{ARCHITECTURES[place % 7]}_{name}_{place // 7 + 1}",
            name,
            ARCHITECTURES[place % 7],
            NORMS[place % 4] if name == "robust" else 0.0,
        )
        for name, place in family
    ]


def plant(
    folder,
    file=None,
    brain=True,
    regions=REGIONS,
    responses=("voxels", "joint", "features"),
    zoo=ZOO,
    subjects=SUBJECTS,
):
    """Write all tables that figures read; returns the table networks.

    Parameters
    ----------
    folder : Path
    file : str, optional
        Table of networks of config/; those of `zoo` if not given.
    brain : bool
        Whether there is a simulated brain.
    regions, responses, subjects : tuples of str
    zoo : tuples
        As `ZOO`.
    """
    zoo = plant_networks(folder, file, zoo)
    models = [*zoo.network, *([BRAIN] if brain else [])]
    families = {**zoo.set_index("network").family, BRAIN: BRAIN}
    rng = np.random.default_rng(7)
    plant_readouts(folder, zoo, regions, rng)
    plant_attacks(folder, zoo, models, families, regions, subjects, rng)
    plant_algorithms(folder, models, families, rng)
    plant_similarity(folder, models, families, zoo, regions, responses, rng)
    plant_axes(folder, models, regions, zoo, rng)
    starts = planted_synthesis.plant(folder, write, zoo, models, regions, SIZE, np.random.default_rng(8))
    plant_example(folder, models, regions, starts, rng)
    planted_ranking.plant_summaries(folder, write, zoo, models, regions)
    planted_methods.plant(folder, write, zoo, models, regions)
    return zoo


def plant_networks(folder, file=None, zoo=ZOO):
    """Write the table networks, in the order of a study: by family."""
    if file:
        table = pd.read_csv(CONFIG / file, sep="\t", keep_default_na=False).rename(
            columns={"name": "network"}
        )
        table["training_radius"] = pd.to_numeric(table.training_radius).astype(float)
    else:
        table = pd.DataFrame(zoo, columns=["network", "family", "architecture", "training_radius"])
        table["display_name"] = table.network.str.upper().str.replace("_", " ")
    order = list(table.family.unique())
    table = table.sort_values("family", key=lambda names: names.map(order.index), kind="stable")
    accuracy = np.linspace(0.9, 0.6, len(table))
    return write(folder, "networks", table.assign(accuracy=accuracy, accuracy_of="top-1 (made up)"))


def plant_readouts(folder, zoo, regions, rng):
    """Write scores, predictions, and what networks are compared by."""
    scores, predictions, measures = [], [], []
    for roi, (place, network) in product(regions, enumerate(zoo.itertuples())):
        name = {"network": network.network, "roi": roi}
        r = 0.6 - 0.02 * place
        scores.append({**name, "subject": "group", "target": "mean", "r": r, "ceiling": 0.8, **interval(r)})
        for image, (x, y) in enumerate(rng.normal(size=(12, 2))):
            row = {"subject": "group", "image_id": f"nsd_{image:05d}", "measured": x, "predicted": y}
            predictions.append({**name, **row})
        row = {"r": r, "ceiling": 0.8, "r_over_ceiling": r / 0.8, "r_k_fold": r - 0.1, "radius": RADII[-1]}
        row |= {"r_low": r - 0.1, "r_high": r + 0.1, "r_k_fold_over_ceiling": (r - 0.1) / 0.8}
        row |= {"r_over_ceiling_low": (r - 0.1) / 0.8, "r_over_ceiling_high": (r + 0.1) / 0.8}
        row |= {"accuracy": network.accuracy, "accuracy_of": network.accuracy_of, "layer": f"layer of {roi}"}
        row |= {name: rng.uniform(0.1, 0.9) for name in ("sparseness", "normalised_variance", "unconverged")}
        row |= {"effective_dimensionality": rng.uniform(5, 30), "relative_norm": rng.uniform(2, 9)}
        measures.append(
            {**name, **row, "sensitivity": sensitivity_of(network.family) * rng.uniform(0.8, 1.2)}
        )
    write(folder, "scores", scores)
    write(folder, "predictions", predictions)
    write(folder, "network_measures", measures)
    columns = ["sparseness", "normalised_variance", "effective_dimensionality", "relative_norm"]
    pairs = [("accuracy", y) for y in ("r", "r_over_ceiling", "r_k_fold", "r_k_fold_over_ceiling")]
    pairs += [(x, "sensitivity") for x in columns]
    n = len(zoo)
    rows = [
        {"roi": roi, "x": x, "y": y, "rank_correlation": rng.uniform(-1, 1) if n > 2 else np.nan}
        | {"n_networks": n, "reason": "" if n > 2 else "fewer than 3 networks have both"}
        for roi in regions
        for x, y in pairs
    ]
    write(folder, "network_correlations", rows)


def plant_similarity(folder, models, families, zoo, regions, responses, rng):
    """Write similarity of pairs at two dimensions, levels of chance, and clusters of the larger dimension."""
    architectures = zoo.set_index("network").architecture
    pairs, levels, mergers = [], [], []
    for response, k in product(responses, (1, 4)):
        kinds = {}
        for roi in regions if response == "voxels" else ("all",):
            for one, other in combinations(models, 2):
                if response == "features" and BRAIN in (one, other):
                    continue
                similarity = rng.uniform(0.05, 0.2)
                name = {"response": response, "roi": roi, "k": k, "network_i": one, "network_j": other}
                pairs.append({**name, "similarity": similarity, "chance": k / 768})
                same = families[one] == families[other] and architectures[one] == architectures[other]
                kind = families[one], families[other], "same" if same else "different"
                kind = kind if kind[0] == kind[1] else (*kind[:2], "any")
                kinds.setdefault((roi, kind), []).append(similarity)
                levels.append(level_row(name, kind, "same_image", similarity))
        for (roi, kind), values in kinds.items():
            name = {"response": response, "roi": roi, "k": k, "network_i": "mean", "network_j": "mean"}
            for level, share in (("same_image", 1), ("different_images", 0.25), ("matched_random", 0.1)):
                levels.append(level_row(name, kind, level, share * sum(values) / len(values), len(values)))
    for roi in regions:
        rows = [row for row in pairs if (row["response"], row["roi"], row["k"]) == ("voxels", roi, 4)]
        if not rows:
            continue
        square = pd.DataFrame(rows).pivot(index="network_i", columns="network_j", values="similarity")
        square = square.reindex(index=models, columns=models).to_numpy()
        distance = 1 - np.where(np.isnan(square), np.nan_to_num(square.T, nan=1.0), square)
        for step, (left, right, height, size) in enumerate(linkage(squareform(distance), "average")):
            row = {"roi": roi, "k": 4, "step": step, "left": left, "right": right, "size": size}
            names = {
                f"{side}_network": dict(enumerate(models)).get(row[side], "") for side in ("left", "right")
            }
            mergers.append({**row, **names, "distance": height})
    write(folder, "similarity_means", pairs)
    write(folder, "similarity_levels", levels)
    write(folder, "similarity_clusters", mergers)


def level_row(name, kind, level, similarity, n_pairs=1):
    """Make a row of similarity_levels."""
    row = dict(zip(("family_i", "family_j", "architectures"), kind, strict=True))
    return {
        **name,
        **row,
        "level": level,
        "similarity": similarity,
        "chance": name["k"] / 768,
        "n_pairs": n_pairs,
    }


def plant_axes(folder, models, regions, zoo, rng):
    """Write number of axes, share of attacks, spectra, and agreement with the brain."""
    axes, agreement = [], []
    for roi, name in product(regions, models):
        row = {"network": name, "roi": roi}
        ratio, share = rng.uniform(1, 9), rng.uniform(0.1, 0.9)
        axes.append({**row, "measure": "participation_ratio", "k": 0, "radius": 0.0, "value": ratio})
        axes[-1] |= {"low": 0.8 * ratio, "high": 1.2 * ratio, "chance": np.nan}
        axes.append({**row, "measure": "attack_share", "k": 4, "radius": 0.9, "value": share})
        axes[-1] |= {"low": 0.8 * share, "high": 1.1 * share, "chance": 4 / 768}
        for measure in ("spectral_participation_ratio", "inherited_sensitivity"):
            if name != BRAIN or measure != "inherited_sensitivity":
                value = rng.uniform(1, 40)
                axes.append({**row, "measure": measure, "k": 0, "radius": 0.0, "value": value})
                axes[-1] |= {"low": 0.8 * value, "high": 1.2 * value, "chance": np.nan}
        for measure, k, radius in (("cosine", 0, 0.0), ("similarity", 4, 0.0), ("transfer_of_brain", 0, 0.9)):
            value = rng.uniform(0.01, 0.1)
            row |= {"measure": measure, "k": k, "radius": radius, "value": value, **interval(value)}
            agreement += [{**row, "chance": k / 768 if k else np.nan}] if name != BRAIN else []
    write(folder, "axes", axes)
    plant_families(folder, regions, zoo, rng)
    write(folder, "agreement", agreement if BRAIN in models else frame("agreement", agreement)[:0])
    shares = {name: rng.dirichlet(np.ones(9)) for name in models}
    rows = [
        {"network": name, "frequency": float(frequency), "share": share}
        for name in models
        for frequency, share in enumerate(shares[name])
    ]
    write(folder, "spectra", rows)
    predictors = ("r", "r_over_ceiling", "accuracy", "adversarial_accuracy", "training_radius", "sensitivity")
    predictors += ("noise", "spectral_participation_ratio", "inherited_sensitivity", "participation_ratio")
    predictors += ("axis_similarity", "effective_dimensionality")
    few = len(zoo) < 3
    rows = [
        {"outcome": outcome, "roi": roi, "predictor": predictor, "among": among}
        | {"rank_correlation": rng.uniform(-1, 1)}
        | {"r2_left_out": rng.uniform(-3, 1), "p": rng.uniform(), "n_networks": len(zoo)}
        | (dict.fromkeys(("rank_correlation", "r2_left_out", "p", "p_adjusted"), np.nan) if few else {})
        for outcome in ("transfer", "control_pixels")
        for roi, predictor, among in product((*regions, "all"), predictors, ("all", "robust"))
    ]
    write(folder, "predictors", rows)


def plant_families(folder, regions, zoo, rng):
    """Write what families of networks differ in, and their agreement with the brain."""
    rows, means = [], []
    agreement = {"gradient_cosine": (0, 0.0), "similarity": (4, 0.0), "transfer_of_target": (0, 0.9)}
    families = list(dict.fromkeys(zoo.family))
    for family, roi, measure in product(families, ("all", *regions), agreement):
        k, radius = agreement[measure]
        row = {"measure": measure, "family_source": family, "family_target": BRAIN, "roi": roi, "k": k}
        row |= {"radius": radius, "wanted": 0.0, "architectures": "any", "resampled": "networks and images"}
        means.append(row | {"estimate": 0.05, **interval(0.05)})
    verdicts = {"sensitivity": (-1.2, "standard higher"), "brain_cosine": (1.1, "robust higher")}
    verdicts |= {"r_over_ceiling": (-0.01, "undecided"), "size_needed": (1.0, "robust higher")}
    for roi, (measure, (relative, verdict)) in product(("all", *regions), verdicts.items()):
        row = {"measure": measure, "roi": roi, "verdict": verdict, "relative": relative}
        row |= {"wanted": WANTED if measure == "size_needed" else 0.0, "resampled": "networks and images"}
        rows.append(row | interval(relative, "relative_low", "relative_high"))
    write(folder, "families", rows if len(families) > 1 else frame("families", rows)[:0])
    write(folder, "numbers", means)


def plant_example(folder, models, regions, starts, rng):
    """Write stimuli, a probe image among them, its perturbations at two radii, and what they do."""
    file = folder / "images" / f"{PROBE}.png"
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (SIZE, SIZE, 3), np.uint8)).save(file)
    probe = {"image_id": PROBE, "file": str(file), "sha256": "", "probe": True, "split": "test"}
    write(folder, "stimuli", [probe, *starts])
    perturbations, changes = [], []
    for name, roi, direction, radius in product(models, regions, ("increase", "decrease"), RADII):
        row = {"network": name, "roi": roi, "direction": direction, "radius": radius, "image_id": PROBE}
        change = radius * rng.uniform(1, 2) * (1 if direction == "increase" else -1)
        perturbations.append(
            {**row, "attack": "l2", "norm": "l2", "wanted": 0.0, "draw": 0, "response_before": 0.5}
        )
        perturbations[-1] |= {"delta": 0.02 * rng.normal(size=3 * SIZE**2), "response_after": 0.5 + change}
        row |= {"subject": "group", "kind": "attack", "made_for": roi, "norm": "l2", "draw": 0}
        changes += [{**row, "change": change}, {**row, "kind": "random", "draw": 1, "change": 0.001}]
    write(folder, "perturbations", perturbations)
    write(folder, "sensitivity", changes)


def edit(folder, name, change):
    """Replace a planted table by what `change` makes of it."""
    store.write(folder / f"{name}.parquet", TABLES[name], change(read(folder, name)))


def draw(folder, figure, name=None, **params):
    """Draw a figure from planted tables, as its script does; returns the paths of what it wrote."""
    output = {kind: str(folder / f"{name or figure}.{kind}") for kind in ("pdf", "png", "csv")}
    inputs = {table: str(folder / f"{table}.parquet") for table in ("networks", *INPUTS[figure])}
    regions = list(dict.fromkeys(read(folder, "network_measures").roi))
    params = {"image_size": SIZE, "regions": regions, "highest": 1.5} | params
    params = {"choose": "all", "experiment": planted_ranking.EXPERIMENT} | params
    script = importlib.import_module(f"plot_{figure}")
    script.main(Run(script.__name__, inputs, output, params, {}, str(folder / "log")))
    return output


def page_of(folder, figure, **params):
    """Draw a figure without writing it; returns the matplotlib figure and the values that it plots."""
    with mock.patch.object(style, "save") as save:
        draw(folder, figure, **params)
    _, page, values = save.call_args.args
    return page, values


def statements(page):
    """All texts of a figure."""
    return [text.get_text() for text in page.findobj(Text)]


def words_of(page):
    """Join all that a figure says."""
    return " ".join(statements(page))
