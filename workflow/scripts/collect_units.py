"""Collect the values that claims average, of every network or pair, region and image (rule collect_units)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.claims import units
from codingaxes.estimates import measures
from codingaxes.names import GROUP
from codingaxes.tables import compact, store
from codingaxes.tables.claims import HELD_OUT_GRADIENTS, HELD_OUT_PREDICTIONS, UNITS
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.readouts import PREDICTIONS, TARGETS
from codingaxes.tables.sensitivity import SENSITIVITY
from codingaxes.tables.similarity import SIMILARITY, SIMILARITY_MEANS
from codingaxes.tables.synthesis import PEER_REVIEW
from codingaxes.tables.transfer import TRANSFER

TRANSFERRED = ["attack", "source", "target", "roi", "direction", "radius", "wanted", "image_id", "size"]
TRANSFERRED += ["reached", "change_target"]
CHANGED = ["network", "roi", "kind", "made_for", "norm", "radius", "direction", "image_id", "change"]
REVIEWED = ["network", "reviewer", "roi", "direction", "control", "step", "image_id", "evidence_before"]
REVIEWED += ["evidence"]
COMPARED = ["network_i", "network_j", "roi", "k", "image_id"]
OF_GROUP = [("subject", "=", GROUP)]
OF_MAIN = [("attack", "=", measures.MAIN)]
EFFECT = "l2_effect"
OF_VARIANTS = [("attack", "in", [*units.ALGORITHMS, EFFECT])]
LADDER = [("kind", "=", "perturbation"), ("arm", "=", "pixels")]
TRANSFER_BY, SAME_IMAGES = "algorithm_transfer", "algorithm_reference"
# What the table consists of, in its order.
STEPS = ["controls", "sensitivity", "transfer"]
STEPS += [(measure, name) for name in units.ALGORITHMS for measure in (TRANSFER_BY, SAME_IMAGES)]
STEPS += ["effects", "sizes", "similarity", "above_spectrum", "brain_similarity", "brain_cosine"]
STEPS += ["predictions", "held_out_predictions", "held_out_sensitivity", "held_out_transfer", "evidence"]
PLACES = ["roi", "direction", "image_id"]
distinct = pd.DataFrame.drop_duplicates


@dataclass(frozen=True)
class Source:
    """Say what is read, some of it at a time, and what each block is reduced to."""

    steps: list  # of `STEPS`
    blocks: list
    reduce: Callable  # block -> iterable of frames, one for each step


def main(run):
    """Take the group's responses, at the main radius; what was not measured has no rows.

    A block of files, regions or reviewers is in memory at a time (`compact.ROWS`). Of all together there are
    only own attacks, which grow with networks, and means of pairs. Finished parts of the table are kept.
    """
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    shards = run.shards(UNITS)
    found = list(sources(run, networks))
    names = [
        (step, number)
        for step in STEPS
        for source in found
        if step in source.steps
        for number in range(len(source.blocks))
    ]
    missing = set(shards.missing(names))
    blocks = [(source, number) for source in found for number in range(len(source.blocks))]
    blocks = [(source, number) for source, number in blocks if missing & set(parts(source, number))]
    for source, number in run.track(blocks, unit="block"):
        frames = source.reduce(source.blocks[number])
        for part, frame in zip(parts(source, number), frames, strict=True):
            shards.save(part, units.complete([frame], networks, UNITS.columns))
    shards.write(run.output["units"], names)
    shards.remove()
    counts = compact.tally(run.output["units"], "measure")
    job.log.info(", ".join(f"{measure}: {n} values" for measure, n in counts.items()))


def parts(source, number):
    """Name the parts of the table that a block gives."""
    return [(step, number) for step in source.steps]


def sources(run, networks):
    """Yield everything that is read."""
    yield controls(run, networks)
    own, radius = own_attacks(run)
    yield from transfers(run, networks, own, radius)
    yield from similarities(run)
    ceilings = store.read(run.input["targets"], TARGETS, filters=OF_GROUP).set_index("roi").ceiling

    def predictions(block):
        yield units.of_predictions(store.read(block, PREDICTIONS, filters=OF_GROUP), ceilings)

    yield Source(["predictions"], compact.blocks(run.input["predictions"]), predictions)
    if run.input["held_out"]:
        yield from held_out(*run.input["held_out"], ceilings, radius)
    if run.input["peer_review"]:
        yield evidence(run.input["peer_review"], networks)


def controls(run, networks):
    """Read controls of each model's own attacks."""
    files = run.input["sensitivity"]
    sizes = store.read(files, SENSITIVITY, ["network", "norm", "radius"], OF_GROUP, distinct)
    radius = measures.main_radius(sizes[sizes.network.isin(networks.index)])

    def reduce(block):
        changes = store.read(block, SENSITIVITY, CHANGED, OF_GROUP)
        changes = changes[changes.network.isin(networks.index) & (changes.norm == measures.MAIN)]
        yield units.of_controls(changes[np.isclose(changes.radius, radius)])

    return Source(["controls"], compact.blocks(files), reduce)


def own_attacks(run):
    """Read the main attacks on each model itself, at the main radius; and say which radius it is."""
    own, radii = [], set()
    for block in compact.blocks(run.input["perturbations"]):
        rows = store.read(block, TRANSFER, TRANSFERRED, OF_MAIN)
        own.append(measures.own_attacks(rows))
        radii.update(rows.radius)
    own, radius = pd.concat(own, ignore_index=True), max(radii, default=np.nan)
    return attacked(own[np.isclose(own.radius, radius)]), radius


def attacked(transfer):
    """Add the change in the attacked direction."""
    return transfer.assign(change=measures.attacked_change(transfer.change_target, transfer.direction))


def transfers(run, networks, own, radius):
    """Yield main attacks on the models themselves, and attacks of all kinds on others.

    Parameters
    ----------
    run : job.Run
    networks : DataFrame
        Indexed by network.
    own : DataFrame
    radius : float
        Both from `own_attacks`.
    """

    def sensitivity(block):
        yield units.of_sensitivity(own[own.source.isin(networks.index)])

    yield Source(["sensitivity"], [()], sensitivity)
    algorithms = survey(run, own, radius)
    changes = units.own_changes(own)

    def main_attacks(block):
        rows = attacked(store.read(block, TRANSFER, TRANSFERRED, OF_MAIN))
        rows = rows[np.isclose(rows.radius, radius) & rows.source.isin(networks.index)]
        yield units.of_transfer(rows, changes).assign(perturbation=measures.MAIN)
        for name, (places, same, _) in algorithms.items():
            yield units.of_algorithm(rows.merge(places, on=PLACES), same, SAME_IMAGES, name)

    steps = ["transfer", *((SAME_IMAGES, name) for name in algorithms)]
    yield Source(steps, compact.blocks(run.input["perturbations"]), main_attacks)

    def variants(block):
        rows = attacked(store.read(block, TRANSFER, TRANSFERRED, OF_VARIANTS))
        for name, (_, _, moved) in algorithms.items():
            part = rows[(rows.attack == name) & np.isclose(rows.radius, radius)]
            yield units.of_algorithm(part, moved, TRANSFER_BY, name)
        effects = rows[(rows.attack == EFFECT) & rows.source.isin(networks.index)]
        yield units.of_effects(effects)
        yield units.of_sizes(effects)

    steps = [*((TRANSFER_BY, name) for name in algorithms), "effects", "sizes"]
    yield Source(steps, compact.blocks(run.input["variants"]), variants)


def survey(run, own, radius):
    """Read where attacks by other algorithms were made, and what they do to the attacked models themselves.

    Returns
    -------
    dict, algorithm -> (places, same, moved)
        Regions, directions and images; `units.own_changes` by the main attack there, and by the algorithm.
    """
    parts, places = [], []
    for block in compact.blocks(run.input["variants"]):
        rows = store.read(block, TRANSFER, TRANSFERRED, [("attack", "in", list(units.ALGORITHMS))])
        rows = rows[np.isclose(rows.radius, radius)]
        parts.append(measures.own_attacks(rows))
        places.append(rows[["attack", *PLACES]].drop_duplicates())
    moved, places = attacked(pd.concat(parts, ignore_index=True)), pd.concat(places, ignore_index=True)
    algorithms = {}
    for name in units.ALGORITHMS:
        there = places[places.attack == name][PLACES].drop_duplicates()
        changes = [units.own_changes(rows) for rows in (own.merge(there), moved[moved.attack == name])]
        algorithms[name] = there, *changes
    return algorithms


def similarities(run):
    """Yield axes of voxels, as many as were compared, and gradients of the group's response."""
    file, voxels = run.input["similarity"], [("response", "=", "voxels")]
    means = store.read(run.input["similarity_means"], SIMILARITY_MEANS, filters=voxels)
    k = store.read(file, SIMILARITY, ["k"], voxels).k.max()
    of_axes = [*voxels, ("k", "=", k)]
    of_gradients = [("response", "=", GROUP), ("k", "=", 1)]

    def axes(regions):
        rows = store.read(file, SIMILARITY, [*COMPARED, "similarity"], [*of_axes, ("roi", "in", regions)])
        yield from units.of_axes(rows, means)

    def gradients(regions):
        rows = store.read(file, SIMILARITY, [*COMPARED, "cosine"], [*of_gradients, ("roi", "in", regions)])
        yield units.of_gradients(rows)

    blocks = compact.split(file, SIMILARITY, "roi", of_axes) if pd.notna(k) else []
    yield Source(["similarity", "above_spectrum", "brain_similarity"], blocks, axes)
    yield Source(["brain_cosine"], compact.split(file, SIMILARITY, "roi", of_gradients), gradients)


def held_out(predictions, gradients, ceilings, radius):
    """Yield readouts that were fitted without a category: two files."""

    def predicted(block):
        yield units.of_predictions(store.read(block, HELD_OUT_PREDICTIONS), ceilings, "held_out_r")

    yield Source(["held_out_predictions"], [predictions], predicted)

    def moved(regions):
        rows = store.read(gradients, HELD_OUT_GRADIENTS, filters=[("roi", "in", regions)])
        yield from units.of_held_out(rows, radius)

    blocks = compact.split(gradients, HELD_OUT_GRADIENTS, "roi")
    yield Source(["held_out_sensitivity", "held_out_transfer"], blocks, moved)


def evidence(file, networks):
    """Read what judges find in large perturbations, some judges at a time."""

    def judged(judges):
        reviews = store.read(file, PEER_REVIEW, REVIEWED, [*LADDER, ("reviewer", "in", judges)])
        return units.judged(reviews, networks)

    blocks = compact.split(file, PEER_REVIEW, "reviewer", LADDER)
    starts = [judged(judges)[units.START].drop_duplicates() for judges in blocks]
    places = units.places_of(pd.concat(starts)) if starts else None

    def reduce(judges):
        yield units.of_evidence(judged(judges), places)

    return Source(["evidence"], blocks, reduce)


if __name__ == "__main__":
    job.start(main, globals())
