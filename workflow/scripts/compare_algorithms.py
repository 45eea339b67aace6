"""Compare what attacks by several algorithms say about transfer (rule compare_algorithms)."""

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import rankdata

from codingaxes import job, writing
from codingaxes.estimates import bootstrap, measures, undefined
from codingaxes.names import BRAIN
from codingaxes.tables import compact, store
from codingaxes.tables.changes import ALGORITHMS
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.transfer import TRANSFER

REFERENCE = measures.MAIN
OTHERS = ("l2_pgd", "l2_apgd")
COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "image_id"]
COLUMNS += ["change_source", "change_target"]
PLACE = ["roi", "direction", "image_id"]
KIND = ["family_source", "family_target", "architectures"]
ALIKE = "fewer than 3 pairs, or all alike"
UNITS = {"own change": "SD", "relative transfer": "ratio", "rank agreement": "Spearman r"}


def main(run):
    """Take the same pairs, regions, directions and images of all algorithms; resample images alike."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    transfer, radius = attacks_of(run)
    transfer = comparable(transfer)
    transfer["change"] = measures.attacked_change(transfer.change_target, transfer.direction)
    transfer["own"] = measures.attacked_change(transfer.change_source, transfer.direction)
    images = transfer.image_id.nunique()
    counts = bootstrap.draw_counts(images, np.random.default_rng(run.seed()), run.params["bootstrap"])
    counts = np.vstack([np.ones(images), counts])  # the first: all images once, for the estimate
    own = by_algorithm(transfer[transfer.source == transfer.target])
    other = of_moved_sources(by_algorithm(between(transfer)))
    changes = {attack: means(change, counts) for attack, (change, _) in own.items()}
    ratios = {
        attack: measures.relative_transfer(means(change, counts), means(source, counts))
        for attack, (change, source) in other.items()
    }
    rows = [
        *compare("own change", changes, families(own[REFERENCE][0], networks)),
        *compare("relative transfer", ratios, pairs(other[REFERENCE][0], networks)),
        *rank_agreement(ratios, other[REFERENCE][0]),
    ]
    table = pd.DataFrame(rows).assign(radius=radius, n_images=images)
    table["unit"] = table.measure.map(UNITS)
    table["reason"] = undefined.of_estimate(table.estimate, table.ci_low, ALIKE)
    table = table[list(ALGORITHMS.columns)]
    store.write(run.output["algorithms"], ALGORITHMS, table)
    writing.write_csv(run.output["csv"], table, digits=5)


def attacks_of(run):
    """Read the attacks of all algorithms, some files at a time: of all pairs together 50 bytes an attack.

    Raises
    ------
    ValueError
        If attacks by other algorithms have several radii, or there are none.
    """
    others = [("attack", "in", list(OTHERS))]
    radii = store.read(run.input["variants"], TRANSFER, ["radius"], others, pd.DataFrame.drop_duplicates)
    radii = sorted(set(radii.radius))
    if len(radii) != 1:
        raise ValueError(f"attacks by other algorithms have the radii {radii}, expected one")
    wanted = [("attack", "in", [REFERENCE, *OTHERS]), ("radius", "=", radii[0])]
    blocks = compact.blocks([*run.input["perturbations"], *run.input["variants"]])
    parts = [compact.pack(store.read(block, TRANSFER, COLUMNS, wanted)) for block in blocks]
    return compact.join(parts, ("source", "target")), radii[0]


def comparable(transfer):
    """Select the rows in the places that all pairs and algorithms have.

    Raises
    ------
    ValueError
        If there is no such place.
    """
    attacks = transfer.attack.nunique()
    pair = transfer.groupby(["source", "target"])
    transfer = transfer[pair.attack.transform("nunique") == attacks]
    cells = attacks * len(transfer[["source", "target"]].drop_duplicates())
    transfer = transfer[transfer.groupby(PLACE).attack.transform("size") == cells]
    if REFERENCE not in set(transfer.attack):
        raise ValueError(
            f"no image was attacked by {REFERENCE} and by {', '.join(OTHERS)} on the same models"
        )
    return transfer.copy()


def between(transfer):
    """Select attacks made on networks and shown to others, and to the simulated brain."""
    return transfer[(transfer.source != transfer.target) & (transfer.source != BRAIN)]


def by_algorithm(transfer):
    """Average changes over directions.

    Returns
    -------
    dict
        By attack: changes of the target and of the source, frames (pairs and regions, images).
    """
    frames = {}
    for attack in [REFERENCE, *(name for name in OTHERS if name in set(transfer.attack))]:
        part = transfer[transfer.attack == attack]
        tables = [
            part.pivot_table(index=["source", "target", "roi"], columns="image_id", values=name)
            for name in ("change", "own")
        ]
        frames[attack] = tuple(table.set_axis(compact.unpack(table.index)) for table in tables)
    return frames


def of_moved_sources(frames):
    """Leave out pairs whose source is moved by rounding alone, by an attack of any algorithm."""
    moved = np.logical_and.reduce([undefined.moves(own.mean(axis=1)) for _, own in frames.values()])
    return {attack: (change[moved], own[moved]) for attack, (change, own) in frames.items()}


def means(frame, counts):
    """Average over the images of each sample (samples, images): (samples, pairs and regions).

    A frame without a pair, as of a single model, has no images either.
    """
    return counts @ frame.to_numpy(float).reshape(len(frame), counts.shape[1]).T / counts.shape[1]


def families(frame, networks):
    """Yield each kind of model, its places in the frame, and how many models it has."""
    models = frame.index.get_level_values("target")
    family = measures.families(networks)
    for name in dict.fromkeys(family.values()):
        places = np.flatnonzero(models.map(family) == name)
        if len(places):
            yield (name, name, "itself"), places, models[places].nunique()


def pairs(frame, networks):
    """Yield each kind of pair, its places in the frame, and how many pairs it has."""
    index = frame.index.to_frame(index=False)
    for kind, part in measures.kinds_of_pairs(index, "source", "target", networks):
        yield kind, part.index.to_numpy(), len(part[["source", "target"]].drop_duplicates())


def compare(measure, samples, kinds):
    """Yield a row for each kind and algorithm: a measure, and its difference from the reference.

    Parameters
    ----------
    measure : str
    samples : dict of str to array (samples, pairs and regions)
        By attack; the first sample has all images once.
    kinds : iterable
        From `families` or `pairs`.
    """
    for kind, places, n in kinds:
        averages = {attack: values[:, places].mean(axis=1) for attack, values in samples.items()}
        for attack, values in averages.items():
            row = {"attack": attack, "measure": measure, "n": n} | dict(zip(KIND, kind, strict=True))
            yield row | describe(values, averages[REFERENCE] if attack in OTHERS else None)


def describe(samples, reference=None):
    """Give the estimate (the first sample) with its interval, and the same of its difference from another."""
    low, high = map(float, bootstrap.percentiles(samples[1:]))
    row = {"estimate": samples[0], "ci_low": low, "ci_high": high}
    difference = np.full(len(samples), np.nan) if reference is None else samples - reference
    low, high = map(float, bootstrap.percentiles(difference[1:]))
    return row | {"difference": difference[0], "difference_low": low, "difference_high": high}


def rank_agreement(ratios, frame):
    """Yield Spearman's correlation over pairs of relative transfer by each algorithm with the reference."""
    codes, names = pd.factorize(frame.index.droplevel("roi"))
    if len(names) < 2:
        return
    average = sparse.csr_array((1 / np.bincount(codes)[codes], (np.arange(len(codes)), codes)))
    # rank correlations of all samples at once, which scipy.stats.spearmanr does one by one
    ranks = {attack: rankdata(values @ average, axis=1) for attack, values in ratios.items()}
    for attack in ranks:
        if attack != REFERENCE:
            row = {"attack": attack, "measure": "rank agreement", "n": len(names)}
            row |= {"family_source": "all", "family_target": "all", "architectures": "any"}
            yield row | describe(bootstrap.correlation(ranks[attack], ranks[REFERENCE], axis=1))


if __name__ == "__main__":
    job.start(main, globals())
