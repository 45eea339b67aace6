"""Summarise what controls of each model's attacks do to every model (rule summarise_transfer_controls)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import bootstrap, measures, undefined
from codingaxes.names import NOISE
from codingaxes.tables import store
from codingaxes.tables.changes import TRANSFER_CONTROLS_SUMMARY
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.transfer import TRANSFER, TRANSFER_CONTROLS

COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "image_id", "change_target"]
CONTROLS = ["control", "source", "target", "roi", "direction", "radius", "image_id", "change"]
CELL = ["control", "roi", "source", "target"]
ATTACKS = {"l2": "attack", "random": "random"}  # in the table transfer, and what they are called here
MEASURES = {  # mean change above, and what it is divided by
    "signed": ("signed", "n_signed"),
    "absolute": ("absolute", "n"),
    "signed_of_target": ("signed", "own_signed"),
    "absolute_of_target": ("absolute", "own"),
}


def main(run):
    """Sum over directions, draws and other regions first; resample images, the same for all cells."""
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    transfer = store.read(
        run.input["perturbations"], TRANSFER, COLUMNS, [("attack", "in", [measures.MAIN, "random"])]
    )
    radius = measures.main_radius(transfer)
    attacks = transfer[np.isclose(transfer.radius, radius)]
    attacks = attacks.assign(control=attacks.attack.map(ATTACKS), change=attacks.change_target)
    controls = store.read(run.input["controls"], TRANSFER_CONTROLS, CONTROLS)
    cells = sums(pd.concat([attacks[CONTROLS], controls], ignore_index=True))
    cells = with_own(with_totals(cells, networks))
    wide = cells.unstack("image_id").fillna(0.0)
    rng = np.random.default_rng(run.seed())
    counts = bootstrap.draw_counts(wide["n"].shape[1], rng, run.params["bootstrap"]).astype(float)
    table = pd.DataFrame(index=wide.index)
    for name, (above, below) in MEASURES.items():
        estimate = bootstrap.bootstrap_ratios(wide[above].to_numpy(), wide[below].to_numpy(), counts)
        table[name], table[f"{name}_low"], table[f"{name}_high"] = estimate
    table = table.assign(n_images=(wide["n"] > 0).sum(axis=1), radius=radius).reset_index()
    table = without_unmoved(table)
    order = [*dict.fromkeys(transfer.roi), "all"]  # regions as they come in the tables, not by their names
    table = table.sort_values("roi", key=lambda roi: roi.map(order.index), kind="stable")
    table = table.sort_values("control", kind="stable")
    family = measures.families(networks) | {NOISE: NOISE, "all": "all"}
    table["family_source"] = table.source.map(family)
    table["family_target"] = table.target.map(family)
    table = table[list(TRANSFER_CONTROLS_SUMMARY.columns)]
    store.write(run.output["transfer_controls"], TRANSFER_CONTROLS_SUMMARY, table)
    writing.write_csv(run.output["csv"], table, digits=5)


def without_unmoved(table):
    """Take away shares of own changes that are rounding, and say why values are missing."""
    own = table[(table.control == "attack") & (table.source == table.target)].set_index(["roi", "target"])
    own = table.join(own.signed.rename("own"), on=["roi", "target"]).own
    unmoved = own.notna() & ~undefined.moves(own)
    for name in ("signed_of_target", "absolute_of_target"):
        table.loc[unmoved, [name, f"{name}_low", f"{name}_high"]] = np.nan
    shares = undefined.say({undefined.TARGET_UNMOVED: unmoved})
    reason = undefined.join(undefined.of_estimate(table.absolute, table.absolute_low), shares)
    return table.assign(reason=reason)


def sums(rows):
    """Sum changes within each image: signed (in the attacked direction) and absolute, and how many.

    White noise has no direction, so it has no signed change.
    """
    directed = rows.direction != NOISE
    signed = measures.attacked_change(rows.change, rows.direction).where(directed)
    rows = rows.assign(signed=signed, absolute=rows.change.abs(), n=1.0, n_signed=directed.astype(float))
    return rows.groupby([*CELL, "image_id"])[["signed", "absolute", "n", "n_signed"]].sum()


def with_totals(cells, networks):
    """Add sums over all sources (networks other than the target), all targets (other models), all regions."""
    rows = cells.reset_index()
    others = rows[rows.source != rows.target]
    sources = others[others.source.isin(networks.index)].assign(source="all")
    rows = pd.concat([rows, sources, others.assign(target="all")])
    rows = pd.concat([rows, rows.assign(roi="all")])
    return rows.groupby([*CELL, "image_id"]).sum()


def with_own(cells):
    """Add, for as many values as each cell has, the mean change of the target by its own attack.

    All targets together have none.
    """
    rows = cells.reset_index()
    own = rows[(rows.control == "attack") & (rows.source == rows.target)].set_index(
        ["roi", "target", "image_id"]
    )
    mean = (own.signed / own.n).rename("mean")
    rows = rows.join(mean, on=["roi", "target", "image_id"], validate="many_to_one")
    rows = rows.assign(own=rows["mean"] * rows.n, own_signed=rows["mean"] * rows.n_signed)
    return rows.drop(columns="mean").set_index([*CELL, "image_id"])


if __name__ == "__main__":
    job.start(main, globals())
