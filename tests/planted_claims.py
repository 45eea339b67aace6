"""Planted units of claims: worlds in which a claim is true by a stated amount, or just not true."""

import zlib
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from codingaxes.claims import definitions, evaluate
from codingaxes.names import BRAIN
from codingaxes.tables.claims import UNITS

CONFIG = Path(__file__).parents[1] / "config"
CLAIMS = definitions.read(CONFIG / "claims.yaml", CONFIG / "schemas")
# Architectures with so many standard and robust networks: those of the miniature.
ARCHITECTURES = {"resnet": (2, 4), "vgg": (2, 2), "densenet": (2, 2)}
IMAGES, ROIS = 12, ("FFA",)
SPREAD = 0.2  # SD, over networks, over images, and of what belongs to neither


def networks():
    """Make the table networks, with accuracies that differ."""
    rows = [
        {"network": f"{name}_{family}_{i}", "family": family, "architecture": name, "source": "zoo"}
        for name, counts in ARCHITECTURES.items()
        for family, n in zip(("standard", "robust"), counts, strict=True)
        for i in range(n)
    ]
    table = pd.DataFrame(rows).assign(accuracy_of="made up", training_radius=0.0)
    return table.assign(accuracy=np.linspace(0.5, 0.9, len(table))).set_index("network")


NETWORKS = networks()
NAMES, ROBUST = list(NETWORKS.index), (NETWORKS.family == "robust").to_numpy()
N = len(NAMES)


def alone(rng, mean, spread=SPREAD, images=IMAGES):
    """Draw values (networks, images) about means (networks,): networks, images and the rest vary alike."""
    mean = np.broadcast_to(mean, N)[:, None]
    return mean + spread * (
        rng.standard_normal((N, 1)) + rng.standard_normal(images) + rng.standard_normal((N, images))
    )


def paired(rng, mean, spread=SPREAD, images=IMAGES):
    """Draw values (sources, targets, images) about means; models, pairs, images and the rest vary."""
    mean = np.broadcast_to(mean, (N, N))[..., None]
    shapes = ((N, 1, 1), (1, N, 1), (N, N, 1), (1, 1, images), (N, N, images))
    return mean + spread * sum(rng.standard_normal(shape) for shape in shapes) / np.sqrt(5 / 3)


def units(measure, values, bottom=1.0, target="", **about):
    """Make rows of the table units from values (networks, images); top is the value times the bottom."""
    shape = values.shape
    rows = pd.DataFrame(
        {
            "source": np.repeat(NAMES, shape[1]),
            "family_source": np.repeat(NETWORKS.family.to_numpy(), shape[1]),
            "image_id": np.tile(np.arange(shape[1]).astype(str), shape[0]),
            "top": (values * bottom).ravel(),
            "bottom": np.broadcast_to(bottom, shape).ravel(),
        }
    )
    return filled(rows, measure, target, "itself", **about)


def units_of_pairs(measure, values, both_ways=True, targets=None, **about):
    """Make rows of the table units from values (sources, targets, images)."""
    one, other = np.nonzero(~np.eye(N, dtype=bool) if both_ways else np.triu(np.ones((N, N), bool), 1))
    images, names = values.shape[2], np.array(NAMES)
    architecture, family = NETWORKS.architecture.to_numpy(), NETWORKS.family.to_numpy()
    same = np.where(architecture[one] == architecture[other], "same", "different")
    rows = pd.DataFrame(
        {
            "source": np.repeat(names[one], images),
            "target": np.repeat(names[other], images),
            "family_source": np.repeat(family[one], images),
            "family_target": np.repeat(family[other], images),
            "architectures": np.repeat(same, images),
            "image_id": np.tile(np.arange(images).astype(str), len(one)),
            "top": values[one, other].ravel(),
            "bottom": 1.0,
        }
    )
    return filled(rows, measure, None, None, **about)


def filled(rows, measure, target, architectures, **about):
    """Add the columns that are the same in all rows."""
    rows["measure"], rows["roi"] = measure, ROIS[0]
    if target is not None:
        rows["target"], rows["architectures"] = target, architectures
        rows["family_target"] = target
    for name, value in {"perturbation": "", "wanted": 0.0, "step": 0, **about}.items():
        rows[name] = value
    return rows[list(UNITS.columns)]


def verdict_of(name, tables, permutations=199, seed=0, claims=CLAIMS, table_of_networks=NETWORKS):
    """Evaluate one claim alone on planted tables; the row of the table claims."""
    tables = {"units": None, "race_values": None, "network_measures": None} | tables
    given = evaluate.Given(
        networks=table_of_networks,
        tables=tables,
        permutations=permutations,
        rng=lambda *names: np.random.default_rng([seed, zlib.crc32(repr(names).encode())]),
    )
    return evaluate.evaluate({name: claims[name]}, given)[0]


def family_step(effect):
    """Give means (networks,) of which the robust ones are higher by an effect."""
    return effect * ROBUST


# ---------------------------------------- worlds: rng, amount -> tables; at 0 a claim is just not true


def targeted(rng, amount):
    """Let one control move models by 1 - amount of the attack, and the others by a twentieth."""
    attack = np.exp(alone(rng, 0.0))
    shares = {"random": 0.05, "phase_scrambled": 0.05, "other_image": 1 - amount}
    rows = [
        units("share_of_attack", alone(rng, share), attack, perturbation=name)
        for name, share in shares.items()
    ]
    return {"units": pd.concat(rows)}


def plateau(rng, amount):
    """Let r rise with accuracy by the margin, less a share of it."""
    slope = 0.03 / 0.1 * (1 - amount)
    mean = 0.6 + slope * NETWORKS.accuracy.to_numpy()
    return {"units": units("r_over_ceiling", alone(rng, mean, 0.03))}


def measures_of(**columns):
    """Make the table network_measures of one region."""
    return pd.DataFrame({"network": NAMES, "roi": ROIS[0], **columns})


def equal_prediction(rng, amount):
    """Let log sensitivity differ by an amount between families, and go with r, in which they also differ."""
    r = 0.8 + 0.03 * rng.standard_normal(N) + family_step(0.03)
    logs = alone(rng, family_step(-amount) + 5 * (r - 0.8))
    return {"units": units("sensitivity", np.exp(logs)), "network_measures": measures_of(r_over_ceiling=r)}


def transfer(family, at_margin, far):
    """Make a world whose transfer among a family lies at the margin, and by an amount 1 far from it."""

    def world(rng, amount):
        return {"units": units_of_pairs("transfer_of_target", paired(rng, at_margin + amount * far, 0.05))}

    return world


def reach(rng, amount):
    """Let one target be moved by the margin, and the others by far more."""
    mean = np.full((N, N), 0.4)
    mean[:, 3] = 0.1 + amount
    noise = rng.standard_normal((N, N, 1)) + rng.standard_normal((N, N, IMAGES))
    source = alone(rng, 0.0, 0.05)[:, None]  # a claim about every target leaves no target to chance
    values = mean[..., None] + source + 0.03 * noise
    rows = units_of_pairs("effect_transfer", values, perturbation="l2_effect", wanted=1.5)
    return {"units": rows[rows.target.isin(NAMES[:5])]}


def sizes(rng, amount):
    """Let robust networks need sizes that are larger by exp(amount)."""
    inverse = np.exp(-alone(rng, family_step(amount)))
    rows = units("size_needed", 1 / inverse, inverse, perturbation="l2_effect", wanted=1.5)
    return {"units": rows}


def shared_subspaces(rng, amount):
    """Let log similarity of robust networks be higher by an amount, and go with level and architecture."""
    level = -1.5 * ROBUST + 0.6 * rng.standard_normal(N)
    node = 0.3 * rng.standard_normal(N)
    same = NETWORKS.architecture.to_numpy()[:, None] == NETWORKS.architecture.to_numpy()
    mean = -3 + amount * np.outer(ROBUST, ROBUST) - 0.5 * (level[:, None] + level) / 2 + 0.3 * same
    mean = mean + node[:, None] + node
    noise = 0.2 * rng.standard_normal((N, N, 1)) + 0.1 * rng.standard_normal((N, N, IMAGES))
    values = np.exp(mean[..., None] + noise + 0.1 * rng.standard_normal(IMAGES))
    own = units("sensitivity", np.exp(alone(rng, level, 0.02)))
    return {"units": pd.concat([units_of_pairs("similarity", values, both_ways=False), own])}


def above_spectrum(rng, amount):
    """Let similarity lie above that of the spectrum by an amount."""
    return {"units": units_of_pairs("similarity_above_spectrum", paired(rng, amount, 0.05), both_ways=False)}


def agreement(rng, amount):
    """Let families differ in two measures of agreement for certain, and in the third by an amount."""
    steps = {"brain_cosine": 1.0, "brain_similarity": 1.0, "brain_transfer_of_target": amount}
    rows = [
        units(name, alone(rng, family_step(step), 0.1), target=BRAIN, perturbation="")
        for name, step in steps.items()
    ]
    return {"units": pd.concat(rows)}


def not_inherited(rng, amount):
    """Let log sensitivity go with the norm, in which families differ, and differ by an amount more."""
    norm = 0.5 * rng.standard_normal(N) - family_step(0.5)
    columns = {"sparseness": rng.standard_normal(N), "normalised_variance": rng.standard_normal(N)}
    logs = alone(rng, 2 * norm - family_step(amount))
    measures = measures_of(relative_norm=norm, **columns)
    return {"units": units("sensitivity", np.exp(logs)), "network_measures": measures}


def meaningful(rng, amount):
    """Let two families of judges find much evidence, and the third as much as the margin and more."""
    means = np.where(ROBUST, 3.0, 1.0 + amount) * np.ones((N, 1))
    values = paired(rng, means, 0.2, images=6)
    brain = units("evidence", alone(rng, 3.0, images=6), target=BRAIN, perturbation="none", step=4)
    judged = units_of_pairs("evidence", values, perturbation="none", step=4)
    return {"units": pd.concat([judged, brain[judged.columns]])}


def control(rng, amount):
    """Let both properties go with the outcome alike (0), or only stability (1); none of them at None."""
    hidden = rng.standard_normal(N)
    weights = (0.0, 0.0) if amount is None else (1.5 * (1 + amount), 1.5 * (1 - amount))
    rows = []
    for name, weight in zip(("sensitivity", "r_over_ceiling"), weights, strict=True):
        value = weight * hidden + rng.standard_normal(N)
        about = {"outcome": "control_pixels", "roi": "all", "predictor": name, "n_images": 9}
        rows.append(pd.DataFrame({"network": NAMES, "value": value, "change": hidden, **about}))
    return {"race_values": pd.concat(rows)}


def attackers(rng, amount):
    """Let an algorithm find other transfer, by the margin less a share of it, of robust sources."""
    base, shift = paired(rng, 0.3, 0.05, 6), 0.05 * (1 - amount) * ROBUST[:, None]
    rows = [
        units_of_pairs(name, values, perturbation="l2_apgd")
        for name, values in (
            ("algorithm_reference", base),
            ("algorithm_transfer", base + paired(rng, shift, 0.02, 6)),
        )
    ]
    return {"units": pd.concat(rows)}


def without_faces(rng, amount):
    """Let robust attacks of readouts without faces transfer by the margin and an amount; the rest is true."""
    mean = np.where(np.outer(ROBUST, ROBUST), 0.1 + amount, 0.0)
    sensitivity = np.exp(alone(rng, family_step(-2.0)))
    rows = [
        units("held_out_sensitivity", sensitivity),
        units("held_out_r", alone(rng, 0.5)),
        units_of_pairs("held_out_transfer", paired(rng, mean, 0.04)),
    ]
    return {"units": pd.concat(rows)}


# of each claim: the world, and an amount that must be found in four runs of five
WORLDS = {
    "targeted_beats_controls": (targeted, 0.3),
    "prediction_has_plateaued": (plateau, 1.0),
    "sensitivity_differs_at_equal_prediction": (equal_prediction, 0.8),
    "standard_attacks_stay_at_home": (transfer("standard", 0.1, -0.1), 1.0),
    "robust_attacks_transfer": (transfer("robust", 0.1, 0.1), 1.0),
    "robust_attacks_reach_all_models": (reach, 0.2),
    "robust_networks_need_larger_perturbations": (sizes, 0.5),
    "robust_subspaces_are_similar": (shared_subspaces, 2.0),
    "similarity_exceeds_spectrum": (above_spectrum, 0.13),
    "robust_networks_agree_with_the_brain": (agreement, 0.25),
    "sensitivity_is_not_inherited": (not_inherited, 1.5),
    "large_perturbations_are_meaningful": (meaningful, 0.5),
    "stability_tells_control": (control, 1.0),
    "attackers_agree": (attackers, 1.0),
    "conclusions_hold_without_faces": (without_faces, 0.2),
}


def permuted(tables, rng):
    """Permute the labels of families within architectures: of networks, and wherever units name families."""
    table = NETWORKS.copy()
    for _, members in table.groupby("architecture", sort=False):
        table.loc[members.index, "family"] = rng.permutation(members.family.to_numpy())
    rows = tables["units"].copy()
    for name, label in product(("source", "target"), ("family",)):
        known = rows[name].map(table.family)
        rows[f"{label}_{name}"] = known.fillna(rows[f"{label}_{name}"])
    return tables | {"units": rows}, table


def supported(name, amount, runs, permutations=199):
    """Count how many of some runs support a claim."""
    world = WORLDS[name][0]
    return sum(
        verdict_of(name, world(np.random.default_rng([17, seed]), amount), permutations, seed)["verdict"]
        == "supported"
        for seed in range(runs)
    )
