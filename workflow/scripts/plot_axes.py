"""What the leading axes of each model are like (rule plot_axes)."""

import pandas as pd

from codingaxes import job, plots, tables

KEYS = ["measure", "roi", "network"]
LABELS = {
    "participation_ratio": "Participation ratio\n(axes)",
    "share": "Share of the attack\nwithin {k} axes",
}
LOWEST = 5e-4  # share of power at the foot of panel A


def main(run):
    """A: spatial frequencies, over all regions; below it, for each region, B: number of axes, C: attacks."""
    networks = tables.read(run.input["networks"], "networks")
    looks, voxels = plots.look(networks), [("response", "=", "voxels")]
    profiles = tables.read(run.input["profiles"], "profiles", filters=voxels)
    jacobians = tables.read(run.input["jacobians"], "jacobians", filters=voxels)
    attacks = tables.read(run.input["alignment"], "alignment", filters=voxels)
    attacks, radius = plots.strongest(attacks[attacks.k == attacks.k.max()])
    k, chance = attacks.k.iloc[0], attacks.chance.iloc[0]
    present = set(jacobians.network)
    names = [name for name in [*networks.network, plots.BRAIN] if name in present]
    regions = list(jacobians.roi.unique())
    shares = over_images(attacks, "share").assign(k=k, radius=radius, chance=chance)
    marks = pd.concat([over_images(jacobians, "participation_ratio"), shares])
    marks = plots.in_order(marks, measure=LABELS, roi=regions, network=names)
    lines = plots.in_order(spectrum(profiles), network=names)
    figure, axes = plots.grid(3, len(regions), 6.6, sharey="row")
    top = plots.join(figure, axes[0])
    draw_spectra(top, lines, looks)
    for letter, axis in zip("ABC", (top, *axes[1:, 0]), strict=True):
        axis.set_title(letter, loc="left", fontweight="bold")
    for measure, row in zip(LABELS, axes[1:], strict=True):
        for roi, axis in zip(regions, row, strict=True):
            draw(axis, marks[(marks.measure == measure) & (marks.roi == roi)], names, looks)
            plots.name_axis(axis, names, looks, show=measure == "share")
        row[0].set_ylabel(LABELS[measure].format(k=k))
    for roi, axis in zip(regions, axes[1], strict=True):
        axis.set_title(roi)
    plots.plain_log(axes[1, 0])
    axes[2, 0].set_ylim(0, 1)
    figure.align_ylabels([top, *axes[1:, 0]])
    note = f"n = {plots.span(pd.concat([marks, lines]).n_images)} probe images; "
    note += "B, C: median and interquartile range "
    note += (
        f"over images; C: radius {plots.number(radius)}, both directions, chance {plots.number(chance, 2)}"
    )
    plots.legend_below(figure, plots.key_of(looks, names), 4, note)
    plots.save(run, figure, pd.concat([lines.assign(measure="share_of_power", roi="all"), marks]))


def over_images(frame, measure):
    """Median and quartiles over images for each model and region; directions are averaged first."""
    images = plots.per_image(frame.dropna(subset=[measure]), measure, ["roi", "network"])
    groups = images.groupby(["roi", "network"], sort=False)[measure]
    found = groups.quantile([0.25, 0.5, 0.75]).unstack().set_axis(["low", "value", "high"], axis=1)
    return found.assign(measure=measure, n_images=groups.size()).reset_index()


def spectrum(profiles):
    """Share of power at each spatial frequency for each model: mean over regions."""
    groups = profiles.groupby(["network", "frequency"], as_index=False)
    return groups.agg(value=("share", "mean"), n_images=("n_images", "min"))


def draw_spectra(axis, lines, looks):
    """One line for each model."""
    for name, line in lines[lines.frequency > 0].groupby("network", sort=False):
        width = 1.8 if name == plots.BRAIN else 0.9
        axis.plot(line.frequency, line.value, color=looks.color[name], linewidth=width)
    plots.plain_log(axis, "x", (1.0, 2.0, 5.0))
    plots.plain_log(axis, "y", (1.0, 3.0))
    axis.set_ylim(bottom=LOWEST)
    axis.set(xlabel="Spatial frequency (cycles per image)", ylabel="Share of the\naxes' power")


def draw(axis, marks, names, looks):
    """One mark for each model."""
    for row in marks.itertuples():
        plots.point(axis, names.index(row.network), row.value, looks, row.network, row.low, row.high)
    plots.families(axis, names, looks)
    axis.set_xlim(-0.6, len(names) - 0.4)


if __name__ == "__main__":
    job.start(main, globals())
