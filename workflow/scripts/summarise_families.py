"""Compare standard with robust networks by every measure, with a verdict each (rule summarise_families)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import families, measures, permutations, undefined
from codingaxes.names import BRAIN, GROUP, NOISE
from codingaxes.tables import compact, store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.readouts import PREDICTIONS, TARGETS
from codingaxes.tables.sensitivity import NATURAL_RESPONSES
from codingaxes.tables.similarity import SIMILARITY
from codingaxes.tables.summaries import FAMILIES
from codingaxes.tables.transfer import TRANSFER

COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "wanted", "image_id", "size"]
COLUMNS += ["reached", "change_target"]
AXES = ["network_i", "network_j", "response", "roi", "k", "image_id", "similarity", "cosine"]
OF_AXES = [("response", "in", ["voxels", GROUP])]
CELL = ["one", "other", "roi", "image_id", "top", "bottom"]
PLACE = ["roi", "image_id"]
NOT_ALL = "a family has no value, or no image has one of all networks"


def main(run):
    """Give one row per measure and region; none where one of the two families is missing."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    networks = networks[networks.family.isin(["standard", "robust"])]
    table = pd.DataFrame(columns=list(FAMILIES.columns))
    if networks.family.nunique() < 2:
        job.log.warning("no comparison of families: there are no standard, or no robust networks")
    else:
        rng = np.random.default_rng(run.seed("labels"))
        robust = (networks.family == "robust").to_numpy()
        labels = families.permute_labels(robust, networks.architecture, run.params["permutations"], rng)
        table = pd.DataFrame(
            row for about, cells in measured(run, networks) for row in compare(about, cells, labels, networks)
        )
        table["p_adjusted"] = permutations.adjust(table.p)
        table["reason"] = undefined.of_estimate(table.difference, table.ci_low, NOT_ALL)
        ends = zip(table.ci_low, table.ci_high, table.p_adjusted, strict=True)
        table["verdict"] = [families.verdict(*row) for row in ends]
    table = table[list(FAMILIES.columns)]
    store.write(run.output["families"], FAMILIES, table)
    writing.write_csv(run.output["csv"], table, digits=5)


def measured(run, networks):
    """Yield each measure, and a function that makes its cells of one region, or of all."""
    names = list(networks.index)
    own, white, brought = attacks_of(run, networks)
    wanted = [("attack", "=", "l2_effect")]
    variants = store.read(run.input["variants"], TRANSFER, COLUMNS, wanted, measures.own_attacks)
    similarity = store.read(run.input["similarity"], SIMILARITY, AXES, OF_AXES)
    predictions = store.read(run.input["predictions"], PREDICTIONS, filters=[("subject", "=", GROUP)])
    natural = store.read(run.input["natural"], NATURAL_RESPONSES, filters=[("subject", "=", GROUP)])
    targets = store.read(run.input["targets"], TARGETS, filters=[("subject", "=", GROUP)])
    ceilings = targets.set_index("roi").ceiling
    unit = "ratio" if ceilings.notna().any() else "Pearson r"
    yield about("r_over_ceiling", unit), by_region(families.correlation_cells, predictions, ceilings, names)
    frames = [
        *own_responses(own, white, natural.set_index(["network", "roi"]).sd),
        *sizes(variants),
        *transfers(brought),
        *similarities(similarity, networks),
    ]
    for identity, frame, within in frames:
        frame = frame[frame.one.isin(names)]
        if len(frame):
            yield identity, by_region(families.ratio_cells, frame, names, within)


def about(measure, unit, wanted=0.0):
    """Identify a measure."""
    return {"measure": measure, "unit": unit, "wanted": wanted}


def by_region(make, frame, *settings):
    """List regions, all first, with the cells that `make` makes of their rows."""
    regions = list(dict.fromkeys(frame.roi))
    parts = [("all", frame), *((roi, frame[frame.roi == roi]) for roi in regions)]
    return [(roi, make(part, *settings)) for roi, part in parts]


def attacks_of(run, networks):
    """Read main attacks of the main radius: those on the model itself, white noise, and means of all others.

    The pairs of some files are in memory at a time.

    Returns
    -------
    own, white : DataFrame
    brought : DataFrame
        From `brought_to_others`, of all pairs.
    """
    radii = store.read(run.input["perturbations"], TRANSFER, ["attack", "radius"], keep=drop_repeated)
    radius = measures.main_radius(radii)
    wanted = [("attack", "in", [measures.MAIN, "random"])]

    def at_radius(rows):
        return rows[np.isclose(rows.radius, radius)]

    def to_itself(rows):
        return at_radius(rows[(rows.source == rows.target) | (rows.source == NOISE)])

    shared = store.read(run.input["perturbations"], TRANSFER, COLUMNS, wanted, to_itself)
    white = shared[shared.attack == "random"]
    own = shared[(shared.attack == measures.MAIN) & (shared.source != NOISE)]
    moved = own.assign(change=measures.attacked_change(own.change_target, own.direction))
    moved = moved.assign(own=undefined.reference(moved, ["target", "roi"]))
    moved = moved.set_index(["target", "direction", *PLACE]).own
    parts = []
    for block in compact.blocks(run.input["perturbations"]):
        rows = store.read(block, TRANSFER, COLUMNS, [("attack", "=", measures.MAIN)], at_radius)
        parts.append(compact.pack(brought_to_others(rows, moved, networks)))
    return own, white, compact.join(parts, ("one", "other"))


def drop_repeated(rows):
    """Drop rows that are the same as one before."""
    return rows.drop_duplicates()


def brought_to_others(attacks, own, networks):
    """Average over directions what attacks do to networks of other architectures, and to the brain.

    Parameters
    ----------
    attacks : DataFrame
        Rows of the table transfer.
    own : Series
        Change by the target's own attack in the same place and direction; missing where it does not move.
    networks : DataFrame

    Returns
    -------
    DataFrame
        one, other, roi, image_id, and the mean `change` and `own`.
    """
    attacks = attacks[attacks.source.isin(networks.index)]
    architecture = attacks.source.map(networks.architecture), attacks.target.map(networks.architecture)
    others = architecture[1].notna() & (architecture[0] != architecture[1])
    attacks = attacks[others | (attacks.target == BRAIN)]
    attacks = attacks.assign(change=measures.attacked_change(attacks.change_target, attacks.direction))
    rows = attacks.join(own, on=list(own.index.names), validate="many_to_one")
    rows = rows.rename(columns={"source": "one", "target": "other"})
    return rows.groupby(CELL[:4], sort=False, as_index=False)[["change", "own"]].mean()


def own_responses(own, white, sd):
    """Yield the change by the larger of each image's two attacks, in two units, and by white noise."""
    own = own.rename(columns={"change_target": "change"})
    own = measures.largest_changes(own, ["target", *PLACE])
    own = own.assign(one=own.target, other="", top=own.s.abs(), bottom=1.0)
    yield about("sensitivity", "SD"), own[CELL], False
    change = measures.in_own_units(own.top, own.join(sd, on=["one", "roi"]).sd)
    yield about("sensitivity_own", "own SD"), own.assign(top=change).dropna(subset=["top"])[CELL], False
    noise = white.assign(one=white.target, other="", top=white.change_target.abs(), bottom=1.0)
    yield about("noise", "SD"), noise[CELL], False


def sizes(variants):
    """Yield, for each wanted change, sizes of own attacks as a harmonic mean.

    A harmonic mean, because a change that was not reached needs an infinite size, whose inverse is 0.
    """
    inverse = np.where(variants.reached, 1 / variants["size"].where(variants["size"] > 0), 0.0)
    own = variants.assign(one=variants.target, other="", top=1.0, bottom=inverse)
    for wanted, part in own.groupby("wanted"):
        yield about("size_needed", "l2 norm", wanted), part[CELL], False


def transfers(brought):
    """Yield changes of networks of other architectures, and of the brain, in SD and as shares of their own.

    Of other architectures, because all networks of one architecture then have the same targets: labels can
    be permuted among them, and a family is not favoured by having more relatives.
    """
    for prefix, chosen in (("", brought.other != BRAIN), ("brain_", brought.other == BRAIN)):
        part = brought[chosen].rename(columns={"change": "top"})
        yield about(f"{prefix}transfer", "SD"), part.assign(bottom=1.0)[CELL], False
        shares = part.assign(bottom=part.own).dropna(subset=["bottom"])  # of targets that do not move: none
        yield about(f"{prefix}transfer_of_target", "ratio"), shares[CELL], False


def similarities(similarity, networks):
    """Yield gradients and axes beside the brain's, and axes within a family, of different architectures."""
    turned = similarity.rename(columns={"network_i": "other", "network_j": "one"})
    rows = [similarity.rename(columns={"network_i": "one", "network_j": "other"}), turned]
    rows = pd.concat(rows, ignore_index=True).assign(bottom=1.0)
    axes = rows[rows.response == "voxels"]
    axes = axes[axes.k == axes.k.max()].assign(top=axes.similarity)
    gradients = rows[(rows.response == "group") & (rows.k == 1)].assign(top=rows.cosine)
    yield about("brain_cosine", "cosine"), gradients[gradients.other == BRAIN][CELL], False
    yield about("brain_similarity", "ratio"), axes[axes.other == BRAIN][CELL], False
    pairs = axes[axes.one.map(networks.architecture) != axes.other.map(networks.architecture)]
    places = {name: place for place, name in enumerate(networks.index)}
    pairs = pairs[pairs.one.map(places) < pairs.other.map(places)]  # each pair once; none with the brain
    yield about("similarity", "ratio"), pairs[CELL], True


def compare(identity, regions, labels, networks):
    """Yield a row for each region: both means, their difference, its interval and its test."""
    robust = (networks.family == "robust").to_numpy()
    for roi, cells in regions:
        sides = cells.of(robust), cells.of(~robust)
        means = [families.contrast(cells.value, [(1, side)]) for side in sides]
        low, high, resampled = families.interval(
            cells, [(1, sides[0]), (-1, sides[1])], networks.family.to_numpy()
        )
        size = sum(map(abs, means)) / 2
        difference = means[0] - means[1]
        known = undefined.moves(size) if identity["unit"] == "SD" else size > 0
        relative = [value / size if known else np.nan for value in (difference, low, high)]
        yield identity | {
            "roi": roi,
            "robust": means[0],
            "standard": means[1],
            "difference": difference,
            "ci_low": low,
            "ci_high": high,
            "resampled": resampled,
            **dict(zip(("relative", "relative_low", "relative_high"), relative, strict=True)),
            "p": families.difference_p(cells, labels),
            "smallest_p": labels.smallest_p,
            "n_robust": cells.count(sides[0]),
            "n_standard": cells.count(sides[1]),
            "n_images": cells.without.shape[1],
        }


if __name__ == "__main__":
    job.start(main, globals())
