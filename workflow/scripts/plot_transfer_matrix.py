"""Does an attack made on one model move the others? (rule plot_transfer_matrix)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import NOISE
from codingaxes.tables import store
from codingaxes.tables.changes import TRANSFERS
from codingaxes.tables.networks import NETWORKS

COLUMNS = ["attack", "roi", "radius", "wanted", "source", "target"]
COLUMNS += ["change", "of_source", "of_target", "n_images"]
LABEL = "Change in target ÷ source's own change (noise: |change| ÷ target's own attack)"


def main(run):
    """Draw one panel for each region: sources down, targets across; below a gap, random noise."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    chosen = [("attack", "in", ["l2", "random"]), ("main_radius", "=", True), ("roi", "!=", "all")]
    transfers = store.read(run.input["transfers"], TRANSFERS, columns=COLUMNS, filters=chosen)
    names = style.models(looks, transfers.target)
    regions = [roi for roi in run.params["regions"] if roi in set(transfers.roi)]
    relative = transfers.of_source.where(transfers.source != NOISE, transfers.of_target)
    values = transfers.assign(relative=relative).drop(columns=["wanted", "of_source", "of_target"])
    values = style.in_order(values, roi=regions, source=[*names, NOISE], target=names)
    ratios = {"height_ratios": [len(names), 1]}
    figure, axes = style.grid(2, len(regions), 2.1 + 0.17 * max(7, len(names)), gridspec_kw=ratios)
    norm = style.root_scale(0, 1)
    for column, (roi, (above, below)) in enumerate(zip(regions, axes.T, strict=True)):
        matrix = values[values.roi == roi].pivot(index="source", columns="target", values="relative")
        options = {"looks": looks, "norm": norm, "rows": column == 0}
        matrix = matrix.reindex(index=[*names, NOISE], columns=names)
        cells = marks.heatmap(above, matrix.loc[names], columns=False, **options)
        marks.heatmap(below, matrix.loc[[NOISE]], **options)
        above.set_title(roi)
        below.set_xlabel("Target")
    figure.get_layout_engine().set(hspace=0.01)
    axes[0, 0].set_ylabel("Source of the attack")
    beyond = {"low": (values.relative < 0).any(), "high": (values.relative > 1 + 1e-6).any()}
    marks.color_bar(figure, cells, LABEL, style.SHARES, **beyond, ax=axes)
    note = f"{words.probes(values.n_images)}, both directions; radius {words.span(values.radius, 3)}; "
    marks.footnote(figure, f"{note}no intervals; colours clipped to 0 to 1")
    style.save(run, figure, values)


if __name__ == "__main__":
    job.start(main, globals())
