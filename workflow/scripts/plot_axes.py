"""Draw what the leading axes of each model are like (rule plot_axes)."""

import pandas as pd
import seaborn as sns

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.spaces import AXES, SPECTRA

RATIO, SHARE = "participation_ratio", "attack_share"
WIDTH, INHERITED = "spectral_participation_ratio", "inherited_sensitivity"
LABELS = {
    RATIO: "Participation ratio\n(axes)",
    SHARE: "Share of the attack\nwithin {k} axes",
    WIDTH: "Spectral participation\nratio (annuli)",
    INHERITED: "Inherited sensitivity\nT",
}
EVERY = 5  # frequencies from one marker of a line to the next
LOWEST = 5e-4  # share of power at the foot of panel A


def main(run):
    """Draw A: spatial frequencies over all regions; below, for each region, B to E: one measure a row."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    values = store.read(run.input["axes"], AXES)
    names, regions = style.models(looks, values.network), list(values.roi.unique())
    values = style.in_order(values, measure=LABELS, roi=regions, network=names)
    lines = style.in_order(store.read(run.input["spectra"], SPECTRA), network=names)
    figure, axes = style.grid(1 + len(LABELS), len(regions), 8.8, sharey="row")
    top = style.join(figure, axes[0])
    draw_spectra(top, lines, looks)
    k = words.span(values[values.measure == SHARE].k)
    for measure, row in zip(LABELS, axes[1:], strict=True):
        for roi, axis in zip(regions, row, strict=True):
            rows = values[(values.measure == measure) & (values.roi == roi)]
            marks.named_points(axis, rows, "value", "low", "high", names, looks)
            marks.row_of_names(axis, names, looks, show=measure == INHERITED)
        row[0].set_ylabel(LABELS[measure].format(k=k))
    for roi, axis in zip(regions, axes[1], strict=True):
        axis.set_title(roi)
    style.plain_log(axes[1, 0])
    axes[2, 0].set_ylim(0, 1)
    axes[3, 0].set_ylim(bottom=0)
    style.plain_log(axes[4, 0], "y", (1.0,))
    marks.letters([top, *axes[1:, 0]])
    figure.align_ylabels([top, *axes[1:, 0]])
    marks.legend_below(figure, marks.key_of(looks, names), 4, describe(values, lines))
    shares = lines.rename(columns={"share": "value"}).assign(measure="share_of_power", roi="all")
    style.save(run, figure, pd.concat([shares, values]))


def draw_spectra(axis, lines, looks):
    """Draw one line for each model; the brain's is thick."""
    lines = lines[lines.frequency > 0]  # an axis of logarithms has no place for it
    widths = {name: 1.8 if name == BRAIN else 0.9 for name in lines.network.unique()}
    look = {"hue": "network", "palette": looks.color.to_dict(), "size": "network", "sizes": widths}
    markers = looks.marker[list(widths)].to_dict()
    look |= {"style": "network", "markers": markers, "dashes": False, "markersize": 3.5}
    raw = {"estimator": None, "errorbar": None, "legend": False}
    sns.lineplot(lines, x="frequency", y="share", ax=axis, **look, **raw)
    for place, line in enumerate(axis.lines):  # markers of the architectures, now and then
        line.set(markevery=(place % EVERY, EVERY), markeredgewidth=0)
    style.plain_log(axis, "x", (1.0, 2.0, 5.0))
    style.plain_log(axis, "y", (1.0, 3.0))
    axis.set_ylim(bottom=LOWEST)
    axis.set(xlabel="Spatial frequency (cycles per image)", ylabel="Share of the\naxes' power")


def describe(values, lines):
    """State n, what bars are, the radius of the attacks, and chance."""
    attacks = values[values.measure == SHARE]
    note = f"{words.probes(pd.concat([values.n_images, lines.n_images]))}; "
    note += "A: no intervals; B to E: median and interquartile range over images\n"
    note += (
        f"C: radius {words.span(attacks.radius, 3)}, both directions, chance {words.span(attacks.chance, 2)}"
    )
    return note


if __name__ == "__main__":
    job.start(main, globals())
