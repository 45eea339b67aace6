"""Does an attack made on one model move the others? (rule plot_transfer_matrix)."""

import numpy as np

from codingaxes import job, plots, tables

COLUMNS = [
    "attack",
    "source",
    "target",
    "roi",
    "direction",
    "radius",
    "image_id",
    "change_source",
    "change_target",
]
TICKS = [0, 0.01, 0.05, 0.1, 0.2, 0.5, 1]


def main(run):
    """One panel for each region: sources down, targets across; below a gap, random noise."""
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    shown = [("attack", "in", ["l2", "random"])]
    changes = tables.read(run.input["transfer"], "transfer", columns=COLUMNS, filters=shown)
    changes, radius = plots.strongest(changes)
    names = [name for name in [*networks.network, plots.BRAIN] if name in set(changes.target)]
    regions = changes.roi.unique()
    values = relate(changes)
    values = plots.in_order(values, roi=regions, source=[*names, plots.RANDOM], target=names).assign(
        radius=radius
    )
    ratios = {"height_ratios": [len(names), 1]}
    figure, axes = plots.grid(2, len(regions), 2.1 + 0.17 * len(names), gridspec_kw=ratios)
    norm = plots.root_scale(0, 1)
    for column, (roi, (above, below)) in enumerate(zip(regions, axes.T, strict=True)):
        these = values[values.roi == roi].pivot(index="source", columns="target", values="relative")
        shown = {"looks": looks, "norm": norm, "rows": column == 0}
        image = plots.heatmap(above, these.loc[names, names], columns=False, **shown)
        plots.heatmap(below, these.loc[[plots.RANDOM], names], **shown)
        above.set_title(roi)
        below.set_xlabel("Target")
    figure.get_layout_engine().set(hspace=0.01)
    axes[0, 0].set_ylabel("Source of the attack")
    label = "Change in target ÷ source's own change (noise: |change| ÷ target's own attack)"
    plots.color_bar(
        figure, image, axes, label, TICKS, (values.relative < 0).any(), (values.relative > 1 + 1e-6).any()
    )
    n = values.n_images.min()
    plots.footnote(
        figure,
        f"n = {n} probe images, both directions; radius {plots.number(radius)}; colours clipped to 0 to 1",
    )
    plots.save(run, figure, values)


def relate(changes):
    """Mean change in the target over mean change in the source; for noise, over the target's own attack.

    Of noise it is the mean of |change| over images and draws, of which each image has the same number.
    """
    directed = changes.assign(
        in_target=plots.signed(changes.change_target, changes.direction),
        in_source=plots.signed(changes.change_source, changes.direction),
    )
    grouped = directed.groupby(["roi", "source", "target"], sort=False)
    means = grouped.agg(
        change_target=("in_target", "mean"),
        change_source=("in_source", "mean"),
        n_images=("image_id", "nunique"),
    ).reset_index()
    own = (
        means[means.source == means.target].set_index(["roi", "target"]).change_target.rename("own_of_target")
    )
    means = means.join(own, on=["roi", "target"])
    noise = means.source == plots.RANDOM
    means["relative"] = means.change_target / np.where(noise, means.own_of_target, means.change_source)
    return means


if __name__ == "__main__":
    job.start(main, globals())
