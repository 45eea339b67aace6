"""How well do the networks' coding axes and attacks agree with the simulated brain? (rule plot_agreement)."""

from itertools import groupby

import pandas as pd

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.summaries import AGREEMENT, NUMBERS

LABELS = {
    "cosine": "Cosine of\nthe gradients",
    "similarity": "Similarity of\n{k} leading axes",
    "transfer_of_brain": "Brain's change / that by\nthe brain's own attack",
}
NUMBER = {"cosine": "gradient_cosine", "similarity": "similarity", "transfer_of_brain": "transfer_of_target"}


def main(run):
    """Draw rows: gradients, leading axes, attacks; columns: regions; marks of networks and of families."""
    networks = store.read(run.input["networks"], NETWORKS)
    names, looks = networks.network.to_list(), style.look(networks)
    values = store.read(run.input["agreement"], AGREEMENT)
    if values.empty:
        raise ValueError(
            "the table agreement is empty: this figure needs the simulated brain of the miniature"
        )
    regions = values.roi.unique()
    values = style.in_order(values, measure=LABELS, roi=regions, network=names)
    similarity, attacks = (values[values.measure == name] for name in ("similarity", "transfer_of_brain"))
    means = families(run, similarity.k.iloc[0], attacks.radius.iloc[0])
    chance = similarity.chance.iloc[0]
    figure, axes = style.grid(3, len(regions), 6.3, sharex=True, sharey="row")
    for measure, row in zip(LABELS, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            rows = values[(values.measure == measure) & (values.roi == roi)]
            marks.named_points(axis, rows, "value", "ci_low", "ci_high", names, looks)
            marks.family_lines(axis, names, looks)
            draw_families(axis, means[(means.measure == measure) & (means.roi == roi)], looks.loc[names])
        row[0].set_ylabel(LABELS[measure].format(k=similarity.k.iloc[0]))
    for roi, top, middle, bottom in zip(regions, *axes, strict=True):
        top.set_title(roi)
        top.axhline(0, color="black", linewidth=0.5, zorder=0)
        middle.axhline(chance, color=style.GREY, linestyle=style.DASHES, zorder=1)
        bottom.axhline(0, color="black", linewidth=0.5, zorder=0)
        marks.row_of_names(bottom, names, looks)
    axes[1, 0].set_ylim(bottom=0)
    marks.letters(axes[:, 0])
    figure.align_ylabels(axes[:, 0])
    handles = [*marks.key_of(looks, names), marks.dashed(f"B: chance, {words.number(chance, 2)}")]
    handles.append(marks.line("mean of a family, with its interval", linewidth=1.4))
    note = f"{words.probes(values.n_images[values.value.notna()])}; {words.INTERVALS}; "
    note += f"shaded: 95% intervals over {' or '.join(sorted(set(means.resampled)))}; "
    note += f"C: radius {words.span(attacks.radius, 3)}, both directions{words.missing(values, 'value')}"
    marks.legend_below(figure, handles, 4, note)
    style.save(run, figure, with_means(values.assign(family=values.network.map(looks.family)), means))


def families(run, k, radius):
    """Read the mean of each family, with its interval over networks and images."""
    numbers = store.read(run.input["numbers"], NUMBERS, filters=[("family_target", "=", BRAIN)])
    numbers = numbers[(numbers.family_source != BRAIN) & (numbers.wanted == 0) & (numbers.roi != "all")]
    chosen = numbers.k.isin([0, k]) & numbers.radius.isin([0.0, radius])
    names = {number: name for name, number in NUMBER.items()}
    means = numbers[chosen & numbers.measure.isin(names)]
    return means.assign(measure=means.measure.map(names), family=means.family_source)


def with_means(values, means):
    """Put the means of families below the values of networks, as they are plotted."""
    columns = ["measure", "roi", "family", "k", "radius", "ci_low", "ci_high", "n_images", "reason"]
    rows = means[[*columns, "resampled"]].assign(network="mean", value=means.estimate)
    return pd.concat([values.assign(resampled="images"), rows], ignore_index=True)


def draw_families(axis, means, looks):
    """Draw the mean of each family as a line beside its networks, its interval shaded behind them.

    Where networks of a family do not stand together, the line and its interval stand beside each group.
    """
    colors, means = style.family_colors(looks.family), means.set_index("family")
    for family, group in groupby(enumerate(looks.family), key=lambda place: place[1]):
        places = [place for place, _ in group]
        if family in means.index:
            row, ends, color = means.loc[family], (places[0] - 0.42, places[-1] + 0.42), colors[family]
            axis.plot(ends, [row.estimate] * 2, color=color, linewidth=1.4, zorder=2)
            axis.fill_between(ends, row.ci_low, row.ci_high, color=color, alpha=0.15, linewidth=0, zorder=0)


if __name__ == "__main__":
    job.start(main, globals())
