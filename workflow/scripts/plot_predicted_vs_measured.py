"""Predicted against measured responses of the group on held-out images (rule plot_predicted_vs_measured)."""

import pandas as pd

from codingaxes import job, plots, tables

LABEL = {"x": "Predicted response (SD)", "y": "Measured response (SD)"}


def main(run):
    """One row for the first standard and one for the first robust network, one column for each region."""
    networks = tables.read(run.input["networks"], "networks")
    chosen = networks.drop_duplicates("family").network.to_list()
    looks = plots.look(networks)
    ours = [("network", "in", chosen), ("subject", "=", "group")]
    scores = tables.read(run.input["scores"], "scores", filters=[*ours, ("target", "=", "mean")])
    points = tables.read(run.input["predictions"], "predictions", filters=ours)
    scores = scores.set_index(["network", "roi"])
    regions = points.roi.unique()
    figure, axes = plots.grid(len(chosen), len(regions), 0.3 + 2.3 * len(chosen), sharex=True, sharey=True)
    low, high = points[["predicted", "measured"]].min().min(), points[["predicted", "measured"]].max().max()
    for name, row in zip(chosen, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            these = points[(points.network == name) & (points.roi == roi)]
            axis.axline((0, 0), slope=1, color="black", linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
            axis.plot(
                these.predicted,
                these.measured,
                "o",
                color=looks.color[name],
                markersize=2.6,
                alpha=0.7,
                mew=0,
            )
            axis.set(xlim=(low - 0.2, high + 0.2), ylim=(low - 0.2, high + 0.2), aspect="equal")
            axis.text(
                0.03, 0.98, facts(scores.loc[(name, roi)]), transform=axis.transAxes, va="top", fontsize=7
            )
        row[0].set_ylabel(f"{looks.label[name]}\n{LABEL['y']}")
        row[0].yaxis.label.set_color(looks.ink[name])
    for roi, top, bottom in zip(regions, axes[0], axes[-1], strict=True):
        top.set_title(roi)
        bottom.set_xlabel(LABEL["x"])
    found = scores[["r", "ci_low", "ci_high", "ceiling", "n_test"]]
    plots.save(run, figure, points.join(found, on=["network", "roi"]))


def facts(score):
    """What the reader needs beside the cloud of points."""
    r, low, high = (f"{score[name]:.2f}".replace("-", "−") for name in ("r", "ci_low", "ci_high"))
    ceiling = f"ceiling {score.ceiling:.2f}" if pd.notna(score.ceiling) else "ceiling unknown"
    return f"r = {r} [{low}, {high}]\n{ceiling}\nn = {score.n_test} images"


if __name__ == "__main__":
    job.start(main, globals())
