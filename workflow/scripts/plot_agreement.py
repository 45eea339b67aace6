"""How well do the networks' coding axes and attacks agree with the simulated brain? (rule plot_agreement)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.summaries import AGREEMENT

LABELS = {
    "cosine": "Cosine of\nthe gradients",
    "similarity": "Similarity of\n{k} leading axes",
    "relative_change": "Brain's change /\nsource's own change",
}


def main(run):
    """Draw rows: gradients, leading axes, attacks; columns: regions; one mark for each network."""
    networks = store.read(run.input["networks"], NETWORKS)
    names, looks = networks.network.to_list(), style.look(networks)
    values = store.read(run.input["agreement"], AGREEMENT)
    if values.empty:
        raise ValueError(
            "the table agreement is empty: this figure needs the simulated brain of the miniature"
        )
    regions = values.roi.unique()
    values = style.in_order(values, measure=LABELS, roi=regions, network=names)
    similarity, attacks = (values[values.measure == name] for name in ("similarity", "relative_change"))
    chance = similarity.chance.iloc[0]
    figure, axes = style.grid(3, len(regions), 6.3, sharex=True, sharey="row")
    for measure, row in zip(LABELS, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            rows = values[(values.measure == measure) & (values.roi == roi)]
            marks.named_points(axis, rows, "value", "ci_low", "ci_high", names, looks)
            marks.family_lines(axis, names, looks)
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
    note = f"{words.probes(values.n_images)}; {words.INTERVALS}; "
    note += f"C: radius {words.span(attacks.radius, 3)}, both directions"
    marks.legend_below(figure, handles, 4, note)
    style.save(run, figure, values)


if __name__ == "__main__":
    job.start(main, globals())
