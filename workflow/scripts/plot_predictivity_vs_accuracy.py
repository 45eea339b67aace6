"""Do networks that are better at their own task predict better? (rule plot_predictivity_vs_accuracy)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.summaries import NETWORK_CORRELATIONS, NETWORK_MEASURES

HELD, FOLDS = "r_over_ceiling", "r_k_fold_over_ceiling"
COLUMNS = ["network", "roi", "accuracy", "accuracy_of", "r", "r_low", "r_high", "ceiling", "r_k_fold"]
COLUMNS += ["n_train", "n_test", "reason"]


def main(run):
    """Draw one panel for each region: accuracy of a network on its own task, and how well it predicts."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    values = store.read(run.input["network_measures"], NETWORK_MEASURES)
    columns, label = words.score(values)
    values = style.in_order(values, roi=values.roi.unique(), network=networks.network)
    values = values.dropna(subset=["accuracy"]).reset_index(drop=True)
    values = values[COLUMNS].assign(**{name: values[column] for name, column in columns.items()})
    values = values.merge(correlations(run, columns), on="roi", how="left")
    regions = values.roi.unique()
    figure, axes = style.grid(1, len(regions), 3.3, sharex=True, sharey=True)
    for roi, axis in zip(regions, axes[0], strict=True):
        draw(axis, roi, values[values.roi == roi], looks)
    axes[0, 0].set_ylabel(label)
    handles = marks.key_of(looks, list(networks.network))
    handles.append(marks.mark("o", "Held-out images, 95% interval"))
    handles.append(marks.mark("o", "Folds of all images, mean", filled=False))
    left_out = len(networks) - values.network.nunique()
    marks.legend_below(figure, handles, 3, describe(values, left_out))
    style.save(run, figure, values)


def correlations(run, columns):
    """Read for each region how accuracy is ranked against both estimates, and over how many networks."""
    table = store.read(run.input["network_correlations"], NETWORK_CORRELATIONS)
    table = table[table.x == "accuracy"].set_index("roi")
    held, folds = (table[table.y == columns[name]] for name in (HELD, FOLDS))
    held = held[["rank_correlation", "n_networks"]]
    return held.assign(rank_correlation_k_fold=folds.rank_correlation).reset_index()


def draw(axis, roi, values, looks):
    """Draw two marks for each network: held-out images with their interval, and open the mean over folds."""
    colors, markers = looks.color.to_dict(), looks.marker.to_dict()
    marks.intervals(axis, values, "accuracy", f"{HELD}_low", f"{HELD}_high", values.network.map(colors))
    marks.points(axis, values, "accuracy", HELD, "network", colors, markers, area=25.0)
    rest = {"area": 16.0, "filled": False, "zorder": 4}
    marks.points(axis, values, "accuracy", FOLDS, "network", colors, markers, **rest)
    axis.set(title=roi, xlabel="Accuracy on its own task\n(0 to 1)")
    row = values.iloc[0]
    marks.above(axis, words.ranks(row.n_networks, row.rank_correlation, row.rank_correlation_k_fold))


def describe(values, left_out):
    """State what accuracy is, n, what ρ is, and how many networks are left out."""
    kinds = "; ".join(values.accuracy_of.str.replace(r" \(.*\)$", "", regex=True).unique())  # without sources
    held, folds = words.span(values.n_test), words.span(values.n_train + values.n_test)
    statements = [
        f"Accuracy: {kinds}; n = {held} held-out images, {folds} images in folds; "
        "bars: 95% intervals over images"
    ]
    if values.rank_correlation.notna().any():
        statements.append("ρ: Spearman's rank correlation over n networks, filled (open) marks; descriptive")
    if left_out:
        statements.append(f"{words.count(left_out, 'network')} of unknown accuracy left out")
    return "\n".join(filter(None, [statements[0], "; ".join(statements[1:])])) + words.missing(values, HELD)


if __name__ == "__main__":
    job.start(main, globals())
