"""Do networks that are better at their own task predict better? (rule plot_predictivity_vs_accuracy)."""

import pandas as pd

from codingaxes import job, plots, tables

COLUMNS = ["network", "roi", "r", "ci_low", "ci_high", "ceiling", "r_k_fold", "n_train", "n_test"]


def main(run):
    """One panel for each region: accuracy of a network on its own task, and how well it predicts."""
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    group = [("subject", "=", tables.GROUP), ("target", "=", "mean")]
    values = tables.read(run.input["scores"], "scores", columns=COLUMNS, filters=group)
    values, label = plots.over_ceiling(values, ["r", "ci_low", "ci_high", "r_k_fold"])
    about = networks.set_index("network")[["accuracy", "accuracy_of"]]
    values = values.join(about, on="network").dropna(subset=["accuracy"])
    regions = values.roi.unique()
    values = plots.in_order(values, roi=regions, network=networks.network)
    values = values.merge(correlate(values), on="roi", how="left")
    figure, axes = plots.grid(1, len(regions), 3.3, sharex=True, sharey=True)
    for roi, axis in zip(regions, axes[0], strict=True):
        draw(axis, roi, values[values.roi == roi], looks)
    axes[0, 0].set_ylabel(label)
    handles = plots.key_of(looks, list(networks.network))
    handles.append(plots.mark("o", "Held-out images, 95% interval"))
    handles.append(plots.mark("o", "Folds of all images, mean", filled=False))
    tested, images = values.n_test.min(), (values.n_train + values.n_test).min()
    kinds = values.accuracy_of.str.replace(r" \(.*\)$", "", regex=True).unique()  # without sources
    note = f"Accuracy: {'; '.join(kinds)}; n = {tested} held-out images, {images} images in folds\n"
    note += "ρ: Spearman's rank correlation over networks, filled marks (hollow marks); descriptive"
    if gone := len(networks) - values.network.nunique():
        note += f"; {gone} networks of unknown accuracy are left out"
    plots.legend_below(figure, handles, 4, note)
    plots.save(run, figure, values)


def correlate(values):
    """A row for each region: accuracy ranked against both estimates, over the networks that have both."""
    rows = []
    for roi, part in values.dropna(subset=["r_over_ceiling", "r_k_fold_over_ceiling"]).groupby("roi"):
        held, n = plots.rank_correlation(part.accuracy, part.r_over_ceiling)
        folds, _ = plots.rank_correlation(part.accuracy, part.r_k_fold_over_ceiling)
        rows.append([roi, held, folds, n])
    return pd.DataFrame(rows, columns=["roi", "rank_correlation", "rank_correlation_k_fold", "n_networks"])


def draw(axis, roi, values, looks):
    """Two marks for each network: held-out images with their interval, and hollow the mean over folds."""
    for row in values.itertuples():
        ends = {"low": row.ci_low_over_ceiling, "high": row.ci_high_over_ceiling}
        plots.point(axis, row.accuracy, row.r_over_ceiling, looks, row.network, size=5.0, **ends)
        hollow = {"filled": False, "size": 4.0, "zorder": 4}
        plots.point(axis, row.accuracy, row.r_k_fold_over_ceiling, looks, row.network, **hollow)
    axis.set(title=roi, xlabel="Accuracy on its own task\n(0 to 1)")
    shown = values.iloc[0]
    text = f"ρ = {plots.rank_text(shown.rank_correlation)} ({plots.rank_text(shown.rank_correlation_k_fold)})"
    plots.above(axis, f"{text}, n = {shown.n_networks:.0f} networks")


if __name__ == "__main__":
    job.start(main, globals())
