"""Collect the values that claims average, of every network or pair, region and image (rule collect_units)."""

import numpy as np

from codingaxes import job
from codingaxes.claims import units
from codingaxes.estimates import measures
from codingaxes.names import GROUP
from codingaxes.tables import store
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


def main(run):
    """Take the group's responses, at the main radius; what was not measured has no rows."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    frames = list(collected(run, networks))
    table = units.complete(frames, networks, UNITS.columns)
    store.write(run.output["units"], UNITS, table)
    counts = table.groupby("measure", sort=False).size()
    job.log.info(", ".join(f"{measure}: {n} values" for measure, n in counts.items()))


def collected(run, networks):
    """Yield the rows of every measure."""
    wanted = [("subject", "=", GROUP)]
    changes = store.read(run.input["sensitivity"], SENSITIVITY, CHANGED, wanted)
    changes = changes[changes.network.isin(networks.index) & (changes.norm == measures.MAIN)]
    yield units.of_controls(changes[np.isclose(changes.radius, measures.main_radius(changes))])
    transfer = attacked(store.read(run.input["perturbations"], TRANSFER, TRANSFERRED))
    attacks, radius = measures.at_main_radius(transfer)
    attacks = attacks[attacks.source.isin(networks.index) | (attacks.source == attacks.target)]
    yield units.of_sensitivity(attacks[attacks.source.isin(networks.index)])
    yield units.of_transfer(attacks).assign(perturbation=measures.MAIN)
    kinds = [*units.ALGORITHMS, "l2_effect"]
    variants = attacked(store.read(run.input["variants"], TRANSFER, TRANSFERRED, [("attack", "in", kinds)]))
    yield from units.of_algorithms(attacks, variants[np.isclose(variants.radius, radius)])
    yield from units.of_effects(variants[variants.source.isin(networks.index)])
    similarity = store.read(run.input["similarity"], SIMILARITY)
    yield from units.of_similarity(similarity, store.read(run.input["similarity_means"], SIMILARITY_MEANS))
    predictions = store.read(run.input["predictions"], PREDICTIONS, filters=wanted)
    ceilings = store.read(run.input["targets"], TARGETS, filters=wanted).set_index("roi").ceiling
    yield units.of_predictions(predictions, ceilings)
    if run.input["held_out"]:
        predictions, gradients = (
            store.read(file, table)
            for file, table in zip(
                run.input["held_out"], (HELD_OUT_PREDICTIONS, HELD_OUT_GRADIENTS), strict=True
            )
        )
        yield from units.of_held_out(predictions, gradients, ceilings, radius)
    if run.input["peer_review"]:
        ladder = [("kind", "=", "perturbation"), ("arm", "=", "pixels")]
        yield units.of_evidence(store.read(run.input["peer_review"], PEER_REVIEW, REVIEWED, ladder), networks)


def attacked(transfer):
    """Add the change in the attacked direction."""
    return transfer.assign(change=measures.attacked_change(transfer.change_target, transfer.direction))


if __name__ == "__main__":
    job.start(main, globals())
