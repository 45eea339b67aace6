"""Planted summaries of attacks: what they do to their model and to others, and the sizes that are needed."""

from itertools import combinations_with_replacement, product

import numpy as np
import pandas as pd
from planted_tables import interval, write

from codingaxes.names import BRAIN

RADII, WANTED = (0.3, 0.9), 0.5
EFFECTS = (WANTED, 3 * WANTED, 6 * WANTED)
KINDS = ("attack", "transferred", "other_image", "other_region", "phase_scrambled", "random")
DIRECTIONS = {"attack": ("largest", "increase", "decrease"), "random": ("none",)}
CONTROLS = ("phase_scrambled", "other_image", "other_region")
ALGORITHMS = ("l2", "l2_pgd", "l2_apgd")


def sensitivity_of(family):
    """Say how far a model's own attack moves it in these tables, in SD."""
    return {"robust": 0.4, BRAIN: 0.8}.get(family, 1.8)


def plant_attacks(folder, zoo, models, families, regions, subjects, rng):
    """Write what attacks and controls do to the model itself and to others, and the sizes that are needed."""
    own = {name: sensitivity_of(families[name]) for name in models}
    write(folder, "sensitivities", list(sensitivity_rows(own, regions, subjects, rng)))
    write(folder, "transfers", list(transfer_rows(own, families, regions, rng)))
    write(folder, "transfer_controls", list(control_rows(own, families, regions, rng)))
    write(folder, "fixed_effect", list(effect_rows(models, families, regions, rng)))
    changes, sizes = [], []
    for roi, name in product(regions, models):
        size = WANTED / own[name] * rng.uniform(0.7, 1.4)
        ends = {"size": size, "size_low": 0.8 * size, "size_high": 1.3 * size, "reached": 1.0}
        row = {"network": name, "roi": roi, "wanted": WANTED, "noise_of_wanted": 0.01 * rng.uniform(1, 2)}
        for times, wanted in enumerate(EFFECTS, start=1):
            grown = {column: times * ends[column] for column in ("size", "size_low", "size_high")}
            sizes.append({**row, **ends, **grown, "wanted": wanted})
        for radius, (kind, share) in product(RADII, (("own", 1), ("transferred", 0.1), ("noise", 0.01))):
            change = own[name] * radius * share * rng.uniform(0.8, 1.2)
            row = {"network": name, "roi": roi, "radius": radius, "perturbation": kind, "change": change}
            changes += [{**row, **interval(change)}] if name != BRAIN else []
    write(folder, "changes", changes)
    write(folder, "sizes", sizes)


def sensitivity_rows(own, regions, subjects, rng):
    """Make medians of each kind at two radii and in another norm; those of noise are smallest."""
    sizes = dict(zip(KINDS, (1.0, 0.1, 0.3, 0.2, 0.05, 0.02), strict=True))
    radii = [*(("l2", radius) for radius in RADII), ("linf", 8.0)]
    readers = ("group", *subjects, "subjects")
    for (name, size), roi, (norm, radius), subject, kind in product(
        own.items(), (*regions, "all"), radii, readers, KINDS
    ):
        for direction in DIRECTIONS.get(kind, ("both",)):
            median = size * sizes[kind] * radius * rng.uniform(0.8, 1.2)
            row = {"network": name, "subject": subject, "roi": roi, "norm": norm, "radius": radius}
            row |= {"main_radius": radius == RADII[-1], "median": median, **interval(median)}
            row |= {"median_own": 1.5 * median, **interval(1.5 * median, "own_low", "own_high")}
            row |= {"kind": kind, "direction": direction}
            n = len(subjects) if subject == "subjects" else 1
            yield {**row, "n_subjects": n, "unconverged": 0.25 if kind == "attack" else 0.0}


def transfer_rows(own, families, regions, rng):
    """Make ratios of attacks of two radii, of random noise, and of attacks with a wanted effect."""
    cases = [("l2", radius, 0.0) for radius in RADII] + [("l2_effect", 0.0, WANTED), ("l2_large", 9.0, 0.0)]
    for roi, source, target in product((*regions, "all"), own, own):
        row = {"roi": roi, "source": source, "target": target, "architectures": "any"}
        row |= {"family_source": families[source], "family_target": families[target]}
        for attack, radius, wanted in cases:
            ratio = 1.0 if source == target else rng.uniform(-0.01, 0.3) / (1 + own[source])
            row |= {"attack": attack, "radius": radius, "wanted": wanted, "change": ratio * own[source]}
            share = 1.0 if source == target else rng.uniform(-0.05, 0.5)
            row |= interval(ratio, "of_source_low", "of_source_high") | {"of_source": ratio}
            row |= {"of_target": share}
            yield {**row, "main_radius": attack == "l2" and radius == RADII[-1], "reached": 1.0}
    for roi, target, radius in product((*regions, "all"), own, RADII):
        row = {
            "attack": "random",
            "roi": roi,
            "radius": radius,
            "wanted": 0.0,
            "source": "none",
            "target": target,
        }
        row |= {"family_source": "none", "family_target": families[target], "architectures": "any"}
        row |= {"reached": 1.0, "change": 0.01, "of_source": np.nan, "of_target": rng.uniform(0, 0.1)}
        yield {**row, "main_radius": radius == RADII[-1]}


def control_rows(own, families, regions, rng):
    """Make what controls of every source, and of all, do to every target, and to all; and white noise."""
    families = families | {"all": "all"}
    for roi, control in product((*regions, "all"), ("attack", *CONTROLS)):
        for source, target in product((*own, "all"), (*own, "all")):
            row = {"control": control, "roi": roi, "source": source, "target": target, "radius": RADII[-1]}
            row |= {"family_source": families[source], "family_target": families[target]}
            change, share = rng.uniform(0.001, 0.05), rng.uniform(0, 0.1)
            yield {**row, "signed": -0.3 * change, "absolute": change, "absolute_of_target": share}
    for roi, target in product((*regions, "all"), (*own, "all")):
        row = {"control": "random", "roi": roi, "source": "none", "target": target, "radius": RADII[-1]}
        row |= {"family_source": "none", "family_target": families[target], "signed": np.nan}
        yield {**row, "absolute": rng.uniform(0.001, 0.01), "absolute_of_target": rng.uniform(0, 0.01)}


def effect_rows(models, families, regions, rng):
    """Make what fixed effects do to others, by kind of pair: every kind that there may be."""
    if len(models) < 2:
        return
    names = list(dict.fromkeys(families[name] for name in models))
    networks = [name for name in names if name != BRAIN]
    several = [name for name in networks if [families[model] for model in models].count(name) > 1]
    kinds = [(name, name, split) for name in several for split in ("same", "different")]
    kinds += [(one, other, "any") for one in networks for other in (*names, "all") if one != other]
    for wanted, roi, kind in product(EFFECTS, (*regions, "all"), kinds):
        row = {"wanted": wanted, "roi": roi}
        row |= dict(zip(("family_source", "family_target", "architectures"), kind, strict=True))
        change, share = wanted * rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.5)
        row |= {"change": change, **interval(change, "change_low", "change_high")}
        row |= {"of_target": share, **interval(share, "of_target_low", "of_target_high")}
        row |= {"least_change": 0.3 * change, "least_of_target": 0.3 * share, "noise": 0.01 * wanted}
        yield {**row, "least_source": "b_tough", "least_target": "a_plain", "reached": 1.0}


def plant_algorithms(folder, models, families, rng):
    """Write own change, transfer of every kind of pair, and agreement of ranks, for three algorithms."""
    counts = pd.Series(models).map(families).value_counts()
    families = list(dict.fromkeys(families[name] for name in models))
    kinds = [("own change", name, name, "itself", sensitivity_of(name)) for name in families]
    for one, other in combinations_with_replacement(families, 2):
        if one == other != BRAIN and counts[one] > 1:
            kinds += [("relative transfer", one, one, kind, 0.05) for kind in ("same", "different")]
        elif one != other:
            kinds += [("relative transfer", one, other, "any", 0.015)]
            kinds += [("relative transfer", other, one, "any", 0.3)] if other != BRAIN else []
    rows = []
    for attack, (measure, one, other, architectures, value) in product(ALGORITHMS, kinds):
        row = {"attack": attack, "measure": measure, "family_source": one, "family_target": other}
        value *= rng.uniform(0.9, 1.1)
        rows.append(
            {**row, "architectures": architectures, "radius": 0.9, "estimate": value, **interval(value)}
        )
    for attack, value in (("l2_pgd", 0.95), ("l2_apgd", 0.98)) if len(models) > 2 else ():
        row = {"attack": attack, "measure": "rank agreement", "family_source": "all", "family_target": "all"}
        ends = {"ci_low": value - 0.1, "ci_high": 1.0}
        rows.append({**row, "architectures": "any", "radius": 0.9, "estimate": value, **ends})
    write(folder, "algorithms", rows)
