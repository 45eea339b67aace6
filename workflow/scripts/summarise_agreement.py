"""Summarise how well networks agree with the simulated brain (rule summarise_agreement)."""

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.estimates import bootstrap, measures, undefined
from codingaxes.names import BRAIN, NOISE
from codingaxes.tables import store
from codingaxes.tables.similarity import SIMILARITY
from codingaxes.tables.summaries import AGREEMENT
from codingaxes.tables.transfer import TRANSFER

AXES = ["network_i", "network_j", "response", "roi", "k", "image_id", "similarity", "cosine", "chance"]
ATTACKS = ["attack", "source", "target", "roi", "direction", "radius", "image_id", "change_target"]


def main(run):
    """Give one row per network, region and measure: gradients, leading axes, attacks."""
    of_brain = [[(name, "=", BRAIN)] for name in ("network_i", "network_j")]
    pairs = with_brain(store.read(run.input["similarity"], SIMILARITY, AXES, of_brain))
    filters = [("attack", "=", measures.MAIN), ("target", "=", BRAIN)]
    transfer = store.read(run.input["transfer"], TRANSFER, ATTACKS, filters)
    transfer, radius = measures.at_main_radius(transfer[transfer.source != NOISE])
    voxels = pairs[pairs.response == "voxels"].iloc[0]
    rows = [
        *compare_axes(pairs, "cosine", "group", run),
        *(
            row | {"k": voxels.k, "chance": voxels.chance}
            for row in compare_axes(pairs, "similarity", "voxels", run)
        ),
        *(row | {"radius": radius} for row in compare_attacks(transfer, run)),
    ]
    table = pd.DataFrame(rows)
    unmoved = np.where(table.n_images > 0, undefined.TARGET_UNMOVED, undefined.NO_IMAGE)
    table["reason"] = undefined.of_estimate(table.value, table.ci_low, unmoved)
    store.write(run.output["agreement"], AGREEMENT, table)


def with_brain(pairs):
    """Select pairs with the simulated brain: of gradients, and of voxels' axes at the largest k.

    Raises
    ------
    ValueError
        If there are none, because the data are not simulated.
    """
    group, voxels = (pairs[pairs.response == kind] for kind in ("group", "voxels"))
    pairs = pd.concat([group, voxels[voxels.k == voxels.k.max()]])
    pairs = pairs[(pairs.network_i == BRAIN) | (pairs.network_j == BRAIN)]
    if pairs.empty:
        raise ValueError(f"the table similarity has no row with {BRAIN}: agreement needs the miniature")
    return pairs.assign(network=pairs.network_i.where(pairs.network_j == BRAIN, pairs.network_j))


def compare_axes(pairs, measure, response, run):
    """Average over images the gradients' cosine, or the axes' similarity; images without are left out."""
    pairs = pairs[pairs.response == response]
    for (roi, network), part in pairs.groupby(["roi", "network"], sort=False):
        values = part[measure].dropna().to_numpy()
        yield estimate(measure, roi, network, values, np.ones(len(values)), run)


def compare_attacks(transfer, run):
    """Compare what each network's attack does to the brain with what the brain's own attack does."""
    transfer = transfer.assign(brain=measures.attacked_change(transfer.change_target, transfer.direction))
    for roi, part in transfer.groupby("roi", sort=False):
        images = part.pivot_table(index="image_id", columns="source", values="brain", sort=False)
        for network in images.columns.drop(BRAIN):
            values = images[[network, BRAIN]].dropna().to_numpy()
            if len(values) and not undefined.moves(values[:, 1].mean()):
                values[:, 1] = np.nan
            yield estimate("transfer_of_brain", roi, network, values[:, 0], values[:, 1], run)


def estimate(measure, roi, network, numerator, denominator, run):
    """Give one row: a mean over images, or the ratio `measures.relative_transfer`, with its interval."""
    rng = np.random.default_rng(run.seed(measure, roi, network))
    value, low, high = bootstrap.bootstrap_mean_ratio(
        numerator[None], denominator[None], rng, run.params["bootstrap"]
    )
    row = {"measure": measure, "roi": roi, "network": network, "k": 0, "radius": 0.0, "chance": np.nan}
    return row | {"value": value, "ci_low": low, "ci_high": high, "n_images": len(numerator)}


if __name__ == "__main__":
    job.start(main, globals())
