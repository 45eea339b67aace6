"""How well do the networks' coding axes and attacks agree with the simulated brain? (rule plot_agreement)."""

import numpy as np
import pandas as pd

from codingaxes import job, plots, statistics, tables

LABELS = {
    "cosine": "Cosine of\nthe gradients",
    "similarity": "Similarity of\n{k} leading axes",
    "relative_change": "Brain's change /\nsource's own change",
}


def main(run):
    """Rows: gradients, leading axes, attacks; columns: regions; one mark for each network."""
    networks = tables.read(run.input["networks"], "networks")
    names, looks = networks.network.to_list(), plots.look(networks)
    pairs = with_brain(tables.read(run.input["similarity"], "similarity"))
    shown = [("attack", "=", "l2"), ("target", "=", plots.BRAIN)]
    moved, radius = plots.strongest(tables.read(run.input["transfer"], "transfer", filters=shown))
    regions = pairs.roi.unique()
    voxels = pairs[pairs.response == "voxels"].iloc[0]
    k, chance = voxels.k, voxels.chance
    values = pd.concat([*compare_axes(pairs, run), compare_attacks(moved[moved.source.isin(names)], run)])
    values = plots.in_order(values, measure=LABELS, roi=regions, network=names).assign(
        k=k, chance=chance, radius=radius
    )
    figure, axes = plots.grid(3, len(regions), 6.3, sharex=True, sharey="row")
    for letter, measure, row in zip("ABC", LABELS, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            draw(axis, values[(values.measure == measure) & (values.roi == roi)], names, looks)
        row[0].set_ylabel(LABELS[measure].format(k=k))
        row[0].set_title(letter, loc="left", fontweight="bold")
    for roi, top, middle, bottom in zip(regions, *axes, strict=True):
        top.set_title(roi)
        top.axhline(0, color="black", linewidth=0.5, zorder=0)
        bottom.axhline(0, color="black", linewidth=0.5, zorder=0)
        middle.axhline(chance, color=plots.COLORS["random"], linestyle=(0, (4, 2)), zorder=1)
        plots.name_axis(bottom, names, looks)
    axes[1, 0].set_ylim(bottom=0)
    figure.align_ylabels(axes[:, 0])
    handles = plots.key_of(looks, names)
    handles.append(plots.dashed(f"B: chance, {plots.number(chance, 2)}", plots.COLORS["random"]))
    note = f"n = {values.n_images.min()} probe images; bars: 95% bootstrap intervals over images; "
    plots.legend_below(figure, handles, 4, f"{note}C: radius {plots.number(radius)}, both directions")
    plots.save(run, figure, values)


def with_brain(pairs):
    """Pairs with the simulated brain: of gradients, and of voxels' axes at the largest k; and the partner."""
    group, voxels = (pairs[pairs.response == kind] for kind in ("group", "voxels"))
    pairs = pd.concat([group, voxels[voxels.k == voxels.k.max()]])
    pairs = pairs[(pairs.network_i == plots.BRAIN) | (pairs.network_j == plots.BRAIN)]
    if pairs.empty:
        raise ValueError(
            f"the similarity table has no row with {plots.BRAIN}: this figure needs the miniature"
        )
    return pairs.assign(network=pairs.network_i.where(pairs.network_j == plots.BRAIN, pairs.network_j))


def compare_axes(pairs, run):
    """Means over images of the gradients' cosine and of the axes' similarity; images without are dropped."""
    for measure, kind in (("cosine", "group"), ("similarity", "voxels")):
        rows, mine = [], pairs[pairs.response == kind].dropna(subset=[measure])
        for (roi, name), group in mine.groupby(["roi", "network"], sort=False):
            found = group[measure].to_numpy()
            rows.append(estimate(measure, roi, name, found, np.ones(len(found)), run))
        yield pd.DataFrame(rows)


def compare_attacks(moved, run):
    """What each network's attack does to the simulated brain, relative to what it does to the network."""
    moved = moved.assign(
        brain=plots.signed(moved.change_target, moved.direction),
        own=plots.signed(moved.change_source, moved.direction),
    )
    rows = []
    for (roi, name), group in moved.groupby(["roi", "source"], sort=False):
        images = group.groupby("image_id")[["brain", "own"]].mean()
        rows.append(
            estimate("relative_change", roi, name, images.brain.to_numpy(), images.own.to_numpy(), run)
        )
    return pd.DataFrame(rows)


def estimate(measure, roi, name, numerator, denominator, run):
    """One row: a mean over images, or a ratio of two, with its bootstrap interval."""
    rng = np.random.default_rng(run.seed(measure, roi, name))
    value, low, high = statistics.bootstrap_mean_ratio(
        numerator[None], denominator[None], rng, run.params["bootstrap"]
    )
    row = {"measure": measure, "roi": roi, "network": name, "value": value}
    return row | {"ci_low": low, "ci_high": high, "n_images": len(numerator)}


def draw(axis, values, names, looks):
    """One mark for each network."""
    for row in values.itertuples():
        plots.point(axis, names.index(row.network), row.value, looks, row.network, row.ci_low, row.ci_high)
    plots.families(axis, names, looks)
    axis.set_xlim(-0.6, len(names) - 0.4)


if __name__ == "__main__":
    job.start(main, globals())
