"""Draw how far the levels that one model predicts arrive in every other (rule plot_peer_review)."""

from matplotlib.colors import Normalize

from codingaxes import job
from codingaxes.figures import made, marks, style, words
from codingaxes.tables import store
from codingaxes.tables.control import CONTROL_SLOPES
from codingaxes.tables.networks import NETWORKS

VALUES = ["arm", "roi", "network", "reviewer", "highest", "n_images"]
LOW = 9  # models; of so few a matrix is too low for a label on one line


def main(run):
    """Draw one row of matrices for each arm, one column for each region: makers down, reviewers across."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    chosen = [("control", "=", "none"), ("roi", "!=", "all")]
    values = store.read(run.input["control_slopes"], CONTROL_SLOPES, VALUES, chosen)
    names = style.models(looks, values.reviewer)
    regions = [roi for roi in run.params["regions"] if roi in set(values.roi)]
    arms = [name for name in made.ARMS if name in set(values.arm)]
    values = style.in_order(values, arm=arms, roi=regions, network=names, reviewer=names)
    norm = Normalize(0, run.params["highest"], clip=True)
    height = 2.1 + len(arms) * 0.15 * max(7, len(names))
    figure, axes = style.grid(len(arms), len(regions), height)
    for arm, row in zip(arms, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            matrix = values[(values.arm == arm) & (values.roi == roi)]
            matrix = matrix.pivot(index="network", columns="reviewer", values="highest")
            matrix = matrix.reindex(index=names, columns=names)
            shown = {"rows": roi == regions[0], "columns": arm == arms[-1]}
            cells = marks.heatmap(axis, matrix, looks, norm, **shown)
        label = "Image made for" if len(names) > LOW else "Image\nmade for"
        row[0].set_ylabel(f"{made.ARMS[arm].capitalize()}\n{label}")
    for roi, top, bottom in zip(regions, axes[0], axes[-1], strict=True):
        top.set_title(roi)
        bottom.set_xlabel("Shown to")
    marks.letters(axes[:, 0])
    beyond = {"low": values.highest.min() < 0, "high": values.highest.max() > norm.vmax + 1e-6}
    label = f"Natural level reached where {words.number(norm.vmax)} was wanted"
    marks.color_bar(figure, cells, label, sorted({0, 0.5, 1, norm.vmax}), **beyond, ax=axes)
    note = f"n = {words.span(values.n_images)} images for each region; no intervals; "
    note += "level: 0 and 1 are quantiles 0.01 and 0.99 of the responses of the model that it is shown to"
    marks.footnote(figure, note)
    style.save(run, figure, values)


if __name__ == "__main__":
    job.start(main, globals())
