"""Which property of a network tells how far its attacks drive the brain? (rule plot_predictors)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.spaces import PREDICTORS

ALL = "all"
NAMES = {
    "r": "Prediction, r",
    "r_over_ceiling": "Prediction, r / ceiling",
    "accuracy": "Accuracy",
    "adversarial_accuracy": "Accuracy under attack",
    "training_radius": "Radius of training",
    "sensitivity": "Sensitivity (log)",
    "noise": "Change under noise (log)",
    "spectral_participation_ratio": "Spectral participation ratio",
    "inherited_sensitivity": "Inherited sensitivity T (log)",
    "participation_ratio": "Participation ratio of JᵀJ",
    "axis_similarity": "Axes' similarity to others",
    "effective_dimensionality": "Effective dimensionality",
}
MEASURES = {
    "rank_correlation": "Rank correlation with the change\nof the simulated brain (Spearman)",
    "r2_left_out": "Explained variance of networks\nleft out one at a time (R²)",
}


def main(run):
    """Draw one row of panels for each measure, one column for each set of networks; rows: predictors."""
    networks = store.read(run.input["networks"], NETWORKS)
    values = store.read(run.input["predictors"], PREDICTORS, filters=[("outcome", "=", "transfer")])
    known = values.dropna(subset=list(MEASURES), how="all")
    # with too few networks for any correlation, that there is none is what the figure shows
    sets = [name for name in [ALL, *networks.family.unique()] if name in set(known.among)] or [ALL]
    regions = [roi for roi in values.roi.unique() if roi != ALL]
    values = style.in_order(values, among=sets, roi=[*regions, ALL], predictor=NAMES)
    figure, axes = style.grid(len(MEASURES), len(sets), 2.0 + 0.34 * len(NAMES), sharey=True, sharex="row")
    for (measure, label), row in zip(MEASURES.items(), axes, strict=True):
        for name, axis in zip(sets, row, strict=True):
            draw(axis, values[values.among == name], measure, regions)
            axis.set_xlabel(label)
        if measure == "rank_correlation":
            row[0].set_xlim(-1.08, 1.08)
        else:
            style.plain_symlog(row[0], 1.0, "x")
    for name, axis in zip(sets, axes[0], strict=True):
        count = words.span(values[values.among == name].n_networks)
        axis.set_title(f"{'All networks' if name == ALL else words.family(name).capitalize()} [{count}]")
    marks.letters(axes[:, 0])
    handles = [marks.mark("D", "Means over regions")]
    handles += [marks.mark(style.SPARE_MARKERS[i], roi, color=style.GREY) for i, roi in enumerate(regions)]
    marks.legend_below(figure, handles, len(handles), describe(values))
    style.save(run, figure, values)


def draw(axis, values, measure, regions):
    """Draw one mark for each predictor: black over all regions, grey for each of them."""
    places = {name: -place for place, name in enumerate(NAMES)}
    values = values.assign(place=values.predictor.map(places))
    for place in places.values():
        axis.axhline(place, color=style.PALE, linewidth=0.5, zorder=0)
    axis.axvline(0, color=style.GREY, linestyle=style.DASHES, zorder=1)
    single = values[values.roi != ALL]
    shapes = {roi: style.SPARE_MARKERS[i] for i, roi in enumerate(regions)}
    marks.points(axis, single, measure, "place", "roi", dict.fromkeys(regions, style.GREY), shapes, area=9.0)
    means = values[values.roi == ALL]
    marks.points(axis, means, measure, "place", "roi", {ALL: "black"}, "D", area=20.0)
    axis.set(yticks=list(places.values()), yticklabels=list(NAMES.values()), ylabel="")
    axis.tick_params(axis="y", length=0)


def describe(values):
    """State what numbers are, and how small an adjusted p became."""
    smallest = values.dropna(subset=["p_adjusted"])
    images = words.probes(values.n_images[values.n_networks > 0])
    low = words.number(smallest.p_adjusted.min(), 2) if len(smallest) else "unknown"
    return (
        f"{images}; in brackets: number of networks; no intervals; "
        f"smallest adjusted p of all correlations: {low}\n"
        "R² of 0: no better than the mean of the other networks; below 0 the predictor misleads"
    ) + words.missing(values, "rank_correlation")


if __name__ == "__main__":
    job.start(main, globals())
