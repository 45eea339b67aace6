"""Draw predicted against measured responses, held-out images (rule plot_predicted_vs_measured)."""

import pandas as pd

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import GROUP
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.readouts import PREDICTIONS, SCORES

LABEL = {"x": "Predicted response (SD)", "y": "Measured response (SD)"}
MARGIN = 0.2  # SD, around all dots


def main(run):
    """Draw one row for the first network of each family, one column for each region."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    chosen = networks.drop_duplicates("family").network.to_list()
    group = [("network", "in", chosen), ("subject", "=", GROUP)]
    scores = store.read(run.input["scores"], SCORES, filters=[*group, ("target", "=", "mean")])
    values = store.read(run.input["predictions"], PREDICTIONS, filters=group)
    regions = values.roi.unique()
    values = style.in_order(values, network=chosen, roi=regions)
    scores = scores.set_index(["network", "roi"])[["r", "ci_low", "ci_high", "ceiling", "n_test", "reason"]]
    figure, axes = style.grid(len(chosen), len(regions), 0.7 + 2.5 * len(chosen), sharex=True, sharey=True)
    for name, row in zip(chosen, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            rows = values[(values.network == name) & (values.roi == roi)]
            draw(axis, rows, scores.loc[(name, roi)], looks)
        row[0].set_ylabel(f"{looks.label[name]}\n{LABEL['y']}")
        row[0].yaxis.label.set_color(looks.ink[name])
    ends = values[["predicted", "measured"]]
    limits = ends.min().min() - MARGIN, ends.max().max() + MARGIN
    for axis in axes.flat:
        axis.set(xlim=limits, ylim=limits, aspect="equal")
    for roi, top, bottom in zip(regions, axes[0], axes[-1], strict=True):
        top.set_title(roi, pad=24)
        bottom.set_xlabel(LABEL["x"])
    note = "one dot: one held-out image; in brackets: 95% interval over images"
    marks.footnote(figure, note + words.missing(scores, "r", "ci_low"))
    style.save(run, figure, values.join(scores, on=["network", "roi"]))


def draw(axis, values, score, looks):
    """Draw one dot for each image, the identity, and the score above."""
    axis.axline((0, 0), slope=1, color="black", linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
    dots = {"area": 7.0, "alpha": 0.7, "linewidth": 0}
    marks.points(axis, values, "predicted", "measured", "network", looks.color.to_dict(), **dots)
    marks.above(axis, facts(score))


def facts(score):
    """Write what the reader needs beside the dots."""
    r, low, high = (words.decimal(score[name]) for name in ("r", "ci_low", "ci_high"))
    r = "r undefined" if pd.isna(score.r) else f"r = {r}"
    r += "" if pd.isna(score.ci_low) else f" [{low}, {high}]"
    ceiling = f"ceiling {words.decimal(score.ceiling)}" if pd.notna(score.ceiling) else "ceiling unknown"
    return f"{r}, {ceiling}\nn = {score.n_test:.0f} images"


if __name__ == "__main__":
    job.start(main, globals())
