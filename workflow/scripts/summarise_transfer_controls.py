"""Summarise what controls of each model's attacks do to every model (rule summarise_transfer_controls)."""

import numpy as np
import pandas as pd

from codingaxes import job, writing
from codingaxes.estimates import bootstrap, measures, undefined
from codingaxes.names import NOISE
from codingaxes.tables import compact, store
from codingaxes.tables.changes import TRANSFER_CONTROLS_SUMMARY
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.transfer import TRANSFER, TRANSFER_CONTROLS

COLUMNS = ["attack", "source", "target", "roi", "direction", "radius", "image_id", "change_target"]
CONTROLS = ["control", "source", "target", "roi", "direction", "radius", "image_id", "change"]
CELL = ["control", "roi", "source", "target"]
INDEX = [*CELL, "image_id"]
SUMS = ["signed", "absolute", "n", "n_signed"]
ATTACKS = {"l2": "attack", "random": "random"}  # in the table transfer, and what they are called here
MEASURES = {  # mean change above, and what it is divided by
    "signed": ("signed", "n_signed"),
    "absolute": ("absolute", "n"),
    "signed_of_target": ("signed", "own_signed"),
    "absolute_of_target": ("absolute", "own"),
}


def main(run):
    """Sum over directions, draws and other regions first; resample images, the same for all cells.

    The changes of some files, and the cells of some targets, are in memory at a time; of all pairs together
    there are the sums of each image, about 40 bytes a cell, and the means.
    """
    networks = store.read(run.input["networks"], NETWORKS).set_index("network")
    radii = store.read(run.input["perturbations"], TRANSFER, ["attack", "roi", "radius"], keep=drop_repeated)
    radius = measures.main_radius(radii)
    cells = compact.join(list(cells_of(run, radius)), ("source", "target"))
    cells = cells.sort_values(INDEX, ignore_index=True)
    images = cells.image_id.cat.categories
    rng = np.random.default_rng(run.seed())
    counts = bootstrap.draw_counts(len(images), rng, run.params["bootstrap"]).astype(float)
    tables = [describe(part, images, counts) for part in blocks_of_targets(cells, networks)]
    table = pd.concat(tables).assign(radius=radius).reset_index().sort_values(CELL, ignore_index=True)
    table = without_unmoved(table)
    order = [*dict.fromkeys(radii.roi), "all"]  # regions as they come in the tables, not by their names
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


def drop_repeated(rows):
    """Drop rows that are the same as one before."""
    return rows.drop_duplicates()


def cells_of(run, radius):
    """Yield sums within each image, region and pair, of main attacks, white noise and controls."""
    main = [("attack", "in", list(ATTACKS))]
    for block in compact.blocks(run.input["perturbations"]):
        rows = store.read(block, TRANSFER, COLUMNS, main)
        rows = rows[np.isclose(rows.radius, radius)].rename(columns={"change_target": "change"})
        yield sums(rows.assign(control=rows.attack.map(ATTACKS)))
    for block in compact.blocks(run.input["controls"]):
        yield sums(store.read(block, TRANSFER_CONTROLS, CONTROLS))


def sums(rows):
    """Sum changes within each image: signed (in the attacked direction) and absolute, and how many.

    White noise has no direction, so it has no signed change.
    """
    directed = rows.direction != NOISE
    signed = measures.attacked_change(rows.change, rows.direction).where(directed)
    rows = rows.assign(signed=signed, absolute=rows.change.abs(), n=1.0, n_signed=directed.astype(float))
    return compact.pack(rows.groupby(INDEX)[SUMS].sum().reset_index())


def blocks_of_targets(cells, networks):
    """Yield the sums of some targets at a time, with those of all sources (networks other than the target).

    Sums over all regions are added. Last come those over all targets (models other than the source).
    """
    others = cells[cells.source != cells.target]
    sources = total(others[others.source.isin(networks.index)], "source")
    names = list(cells.target.unique())
    step = max(1, compact.ROWS * len(names) // max(1, len(cells)))
    for place in range(0, len(names), step):
        chosen = names[place : place + step]
        rows = words(cells[cells.target.isin(chosen)])
        rows = pd.concat([rows, rows.assign(roi="all")]).groupby(INDEX, as_index=False)[SUMS].sum()
        yield with_own(pd.concat([rows, sources[sources.target.isin(chosen)]]))
    yield with_own(total(others, "target"))


def total(cells, over):
    """Sum over all sources, or all targets, of each region and of all regions together."""
    keys = [name for name in INDEX if name != over]
    each = words(cells.groupby(keys, as_index=False)[SUMS].sum())
    keys.remove("roi")
    every = words(cells.groupby(keys, as_index=False)[SUMS].sum()).assign(roi="all")
    return pd.concat([each, every]).assign(**{over: "all"})


def words(rows):
    """Turn categories back into words."""
    return rows.astype(dict.fromkeys(rows.select_dtypes("category"), "str"))


def with_own(cells):
    """Add, for as many values as each cell has, the mean change of the target by its own attack.

    All targets together have none.
    """
    own = cells[(cells.control == "attack") & (cells.source == cells.target)]
    own = own.set_index(["roi", "target", "image_id"])
    mean = (own.signed / own.n).rename("mean")
    rows = cells.join(mean, on=["roi", "target", "image_id"], validate="many_to_one")
    rows = rows.assign(own=rows["mean"] * rows.n, own_signed=rows["mean"] * rows.n_signed)
    return rows.drop(columns="mean").set_index(INDEX)


def describe(cells, images, counts):
    """Give the means of cells over images, with their intervals.

    Parameters
    ----------
    cells : DataFrame
        From `with_own`.
    images : Index
        All that any cell has.
    counts : array (draws, images)
        From `bootstrap.draw_counts`.
    """
    wide = cells.unstack("image_id")
    wide = {name: wide[name].reindex(columns=images).fillna(0.0) for name in [*SUMS, "own", "own_signed"]}
    table = pd.DataFrame(index=wide["n"].index)
    for name, (above, below) in MEASURES.items():
        estimate = bootstrap.bootstrap_ratios(wide[above].to_numpy(), wide[below].to_numpy(), counts)
        table[name], table[f"{name}_low"], table[f"{name}_high"] = estimate
    return table.assign(n_images=(wide["n"] > 0).sum(axis=1))


if __name__ == "__main__":
    job.start(main, globals())
