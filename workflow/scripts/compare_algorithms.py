"""Whether conclusions about transfer depend on the algorithm that attacks (rule compare_algorithms)."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from codingaxes import groups, job, statistics, tables

REFERENCE = "l2"
OTHERS = ("l2_pgd", "l2_apgd")
SHOWN = ["attack", "source", "target", "roi", "direction", "radius", "image_id"]
SHOWN += ["change_source", "change_target"]
PLACE = ["roi", "direction", "image_id"]
UNITS = {"own effect": "SD", "relative transfer": "ratio", "rank agreement of all pairs": "Spearman r"}


def main(run):
    """All algorithms on the same pairs, regions, directions and images, which are resampled for all alike."""
    networks = tables.read(run.input["networks"], "networks").set_index("network")
    files = [*run.input["transfer"], *run.input["variants"]]
    shown, radius = comparable(tables.read(files, "transfer", SHOWN))
    shown["change"] = groups.attacked_way(shown.change_target, shown.direction)
    shown["own"] = groups.attacked_way(shown.change_source, shown.direction)
    images = shown.image_id.nunique()
    counts = statistics.draw_counts(images, np.random.default_rng(run.seed()), run.params["bootstrap"])
    counts = np.vstack([np.ones(images), counts])  # the first: all images once, for the estimate
    own, other = by_algorithm(shown[shown.source == shown.target]), by_algorithm(between(shown))
    effects = {attack: means(top, counts) for attack, (top, _) in own.items()}
    shares = {attack: means(top, counts) / means(bottom, counts) for attack, (top, bottom) in other.items()}
    rows = []
    for measure, samples, members in [
        ("own effect", effects, by_family(own[REFERENCE][0], networks)),
        ("relative transfer", shares, by_pair(other[REFERENCE][0], networks)),
    ]:
        for group, places, n in members:
            averaged = {attack: found[:, places].mean(axis=1) for attack, found in samples.items()}
            for attack, found in averaged.items():
                row = {"attack": attack, "measure": measure, "group": group, "n": n}
                rows.append(row | described(found, averaged[REFERENCE] if attack in OTHERS else None))
    rows += rank_agreement(shares, other[REFERENCE][0])
    table = pd.DataFrame(rows).assign(radius=radius, n_images=images)
    table["unit"] = table.measure.map(UNITS)
    tables.write(run.output["algorithms"], "algorithms", table)
    table.to_csv(run.output["csv"], index=False, float_format="%.5g")


def comparable(shown):
    """Rows of all algorithms at one radius, in the places that all pairs and algorithms have; that radius.

    Raises
    ------
    ValueError
        If there are several radii, or no place that all have.
    """
    shown = shown[shown.attack.isin([REFERENCE, *OTHERS])]
    found = sorted(set(shown.radius[shown.attack.isin(OTHERS)]))
    if len(found) != 1:
        raise ValueError(f"attacks by other algorithms have the radii {found}, expected one")
    shown = shown[shown.radius == found[0]]
    attacks = shown.attack.nunique()
    pair = shown.groupby(["source", "target"])
    shown = shown[pair.attack.transform("nunique") == attacks]
    cells = attacks * len(shown[["source", "target"]].drop_duplicates())
    shown = shown[shown.groupby(PLACE).attack.transform("size") == cells]
    if REFERENCE not in set(shown.attack):
        raise ValueError(
            f"no image was attacked by {REFERENCE} and by {', '.join(OTHERS)} on the same models"
        )
    return shown.copy(), found[0]


def between(shown):
    """Attacks made on networks, shown to others and to the simulated brain."""
    return shown[(shown.source != shown.target) & (shown.source != tables.BRAIN)]


def by_algorithm(shown):
    """Attack -> changes of target and source, mean over directions: frames (pairs and regions, images)."""
    found = {}
    for attack in [REFERENCE, *(name for name in OTHERS if name in set(shown.attack))]:
        part = shown[shown.attack == attack]
        found[attack] = tuple(
            part.pivot_table(index=["source", "target", "roi"], columns="image_id", values=name)
            for name in ("change", "own")
        )
    return found


def means(frame, counts):
    """Means over images (samples, pairs and regions) in each sample of images (samples, images)."""
    return counts @ frame.to_numpy().T / counts.shape[1]


def by_family(frame, networks):
    """Group, its places in the frame, how many models."""
    models = frame.index.get_level_values("target")
    family = groups.families(networks)
    for name in dict.fromkeys(family.values()):
        places = np.flatnonzero(models.map(family) == name)
        if len(places):
            yield name, places, models[places].nunique()


def by_pair(frame, networks):
    """Group, its places in the frame, how many pairs."""
    for label, part in groups.by_pair(frame.index.to_frame(index=False), "source", "target", networks):
        yield label, part.index.to_numpy(), len(part[["source", "target"]].drop_duplicates())


def described(samples, reference=None):
    """Estimate (the first sample) with its interval, and its difference from the reference with its own."""
    low, high = map(float, statistics.percentiles(samples[1:]))
    row = {"estimate": samples[0], "ci_low": low, "ci_high": high}
    apart = np.full(len(samples), np.nan) if reference is None else samples - reference
    low, high = map(float, statistics.percentiles(apart[1:]))
    return row | {"difference": apart[0], "difference_low": low, "difference_high": high}


def rank_agreement(shares, frame):
    """Spearman correlation over pairs between relative transfer by each algorithm and by the reference."""
    pairs = frame.index.droplevel("roi")
    codes, names = pd.factorize(pairs)
    if len(names) < 2:
        return []
    average = np.zeros((len(codes), len(names)))
    average[np.arange(len(codes)), codes] = 1 / np.bincount(codes)[codes]
    ranks = {attack: rankdata(found @ average, axis=1) for attack, found in shares.items()}
    rows = []
    for attack in ranks:
        if attack != REFERENCE:
            found = statistics.correlation(ranks[attack], ranks[REFERENCE], axis=1)
            row = {"attack": attack, "measure": "rank agreement of all pairs", "group": "all pairs"}
            rows.append(row | {"n": len(names)} | described(found))
    return rows


if __name__ == "__main__":
    job.start(main, globals())
