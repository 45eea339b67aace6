"""Draw how far each network controls the brain, and what goes with it (rule plot_control_slopes)."""

from codingaxes import job
from codingaxes.figures import made, marks, style, words
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.control import CONTROL_SLOPES
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.spaces import AXES, PREDICTORS
from codingaxes.tables.summaries import NETWORK_MEASURES

COLUMNS = ["network", "roi", "arm", "control", "slope", "ci_low", "ci_high", "n_images", "reason"]
KINDS = {  # arm and control: how far right of the name a mark lies, its look, and what it is
    ("pixels", "none"): (-0.3, {"area": 18.0}, "filled: images made for it, no prior"),
    ("fourier", "none"): (-0.1, {"filled": False, "area": 18.0}, "open: the same, Fourier prior"),
    ("pixels", "blend"): (0.12, {"markers": "x", "area": 11.0}, "blend with the best natural image"),
    ("pixels", "phase_scrambled"): (0.32, {"markers": "_", "area": 16.0}, "same spectrum, random phases"),
}
MEASURES = {
    "sensitivity": "Sensitivity (SD)",
    "spectral_participation_ratio": "Spectral participation ratio",
}
MARGIN = 0.15  # of the axis of slopes, beyond all slopes and 1; intervals of few images can be far wider
PALE = 0.45  # how much of its colour a control keeps


def main(run):
    """Draw rows: control slopes, and these against two measures of the networks; columns: regions."""
    networks = store.read(run.input["networks"], NETWORKS)
    names, looks = networks.network.to_list(), style.look(networks)
    chosen = [("reviewer", "=", BRAIN), ("roi", "!=", "all"), ("network", "!=", BRAIN)]
    values = store.read(run.input["control_slopes"], CONTROL_SLOPES, COLUMNS, chosen)
    values = values.assign(kind=list(zip(values.arm, values.control, strict=True)))
    regions = [roi for roi in run.params["regions"] if roi in set(values.roi)]
    kinds = [kind for kind in KINDS if kind in set(values.kind)]
    values = style.in_order(values, roi=regions, network=names, kind=kinds)
    values = values.merge(measures(run), on=["network", "roi"], how="left", validate="many_to_one")
    ranks = read_ranks(run)
    figure, axes = style.grid(3, len(regions), 7.0, sharey=True, sharex="row")
    axes[0, 0].set_ylim(values.slope.min() - MARGIN, max(values.slope.max(), 1.0) + MARGIN)
    for roi, column in zip(regions, axes.T, strict=True):
        rows = values[values.roi == roi]
        draw_slopes(column[0], rows, names, looks)
        main_kind = rows[rows.kind == kinds[0]]
        for axis, (measure, label) in zip(column[1:], MEASURES.items(), strict=True):
            colors = main_kind.network.map(looks.color)
            marks.intervals(axis, main_kind, measure, "ci_low", "ci_high", colors)
            look = looks.color.to_dict(), looks.marker.to_dict()
            marks.points(axis, main_kind, measure, "slope", "network", *look, area=18.0)
            style.plain_log(axis, "x", (1.0, 3.0))
            axis.set_xlabel(label)
            marks.above(axis, words.ranks(*ranks.loc[roi, measure]))
        column[0].set_title(roi)
        for axis in column:
            axis.axhline(0, color="black", linewidth=0.5, zorder=0)
            axis.axhline(1, color=style.GREY, linestyle=style.DASHES, linewidth=0.8, zorder=0)
    for row in axes:
        row[0].set_ylabel("Control slope of\nthe simulated brain")
    marks.letters(axes[:, 0])
    handles = [*marks.key_of(looks, names), *[handle(kind) for kind in kinds]]
    handles.append(marks.dashed("the brain follows as predicted"))
    note = f"n = {words.span(values.n_images)} images for each region; {made.INTERVALS}; "
    note += "bars that leave a panel are cut, those of the CSV are not; B and C: no prior, ρ: Spearman"
    marks.legend_below(figure, handles, 3, note + words.missing(values, "slope"))
    style.save(run, figure, values.drop(columns="kind"))


def measures(run):
    """Read what the slopes are compared with: columns network, roi, and those of `MEASURES`."""
    columns = ["network", "roi", "sensitivity"]
    sensitivity = store.read(run.input["network_measures"], NETWORK_MEASURES, columns)
    chosen = [("measure", "=", "spectral_participation_ratio")]
    ratios = store.read(run.input["axes"], AXES, ["network", "roi", "measure", "value"], chosen)
    ratios = ratios.rename(columns={"value": "spectral_participation_ratio"}).drop(columns="measure")
    return sensitivity.merge(ratios, on=["network", "roi"], how="outer", validate="one_to_one")


def read_ranks(run):
    """Read rank correlations of the slopes without prior, by roi and predictor; n_networks first."""
    chosen = [("outcome", "=", "control_pixels"), ("among", "=", "all")]
    chosen.append(("predictor", "in", list(MEASURES)))
    columns = ["outcome", "roi", "predictor", "among", "n_networks", "rank_correlation"]
    rows = store.read(run.input["predictors"], PREDICTORS, columns, chosen)
    return rows.set_index(["roi", "predictor"])[["n_networks", "rank_correlation"]]


def draw_slopes(axis, rows, names, looks):
    """Draw up to four marks for each network: of both arms, and paler ones of the controls."""
    for kind, (shift, shape, _) in KINDS.items():
        colors = looks.color.to_dict()
        if kind[1] != "none":
            colors = {name: style.pale(color, PALE) for name, color in colors.items()}
        ends = "slope", "ci_low", "ci_high"
        some = rows[rows.kind == kind]
        marks.named_points(axis, some, *ends, names, looks, shift=shift, colors=colors, **shape)
    marks.row_of_names(axis, names, looks)


def handle(kind):
    """Make the legend handle of one kind of images."""
    _, shape, label = KINDS[kind]
    color = "black" if kind[1] == "none" else style.GREY
    return marks.mark(shape.get("markers", "o"), label, shape.get("filled", True), color)


if __name__ == "__main__":
    job.start(main, globals())
