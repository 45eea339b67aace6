"""Draw the change of responses against the size of images made elsewhere (rule plot_method_scores)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.scoring import METHOD_CURVES

COLUMNS = [
    "method",
    "seen_as",
    "seen_by",
    "roi",
    "measure",
    "at",
    "step",
    "l2",
    "change",
    "ci_low",
    "ci_high",
]
COLUMNS += ["noise_q95", "common", "front", "n_images", "reason"]
NOISE = "all"  # as a method: white noise, on the originals of all methods
# Unlike the colours of families of networks, because methods are no networks.
COLORS = ("#7a4fa3", "#b03a5b", "#3aa6a0", "#6b4f2a", "#c9a200", "#00a6d6", "#7fae3f", "#d77fb4")
HIGHEST = 9.0  # inches, of all panels
LETTERS = 130  # of a line of the legend, with 6 for each mark
MARGIN = 0.12  # of the range of a row of panels, beyond what it holds
LABELS = {
    "wanted": "change in the wanted direction",
    "size": "|change|, as some methods wanted no direction",
}


def main(run):
    """Draw rows: families of networks and the simulated brain; columns: regions; one curve a method."""
    networks = store.read(run.input["networks"], NETWORKS)
    chosen = [("seen_as", "in", ["family", "brain"]), ("at", "in", ["norm", "own", "noise"])]
    values = choose(store.read(run.input["method_curves"], METHOD_CURVES, COLUMNS, chosen))
    regions = [roi for roi in run.params["regions"] if roi in set(values.roi)]
    seen = [name for name in (*dict.fromkeys(networks.family), BRAIN) if name in set(values.seen_by)]
    methods = [name for name in dict.fromkeys(values.method) if name != NOISE]
    values = style.in_order(values, seen_by=seen, roi=regions, method=[NOISE, *methods])
    if not regions:
        return draw_nothing(run, values)
    looks = {name: COLORS[i % len(COLORS)] for i, name in enumerate(methods)}
    shapes = {name: style.SPARE_MARKERS[i % len(style.SPARE_MARKERS)] for i, name in enumerate(methods)}
    height = 1.3 + min(1.75 * len(seen), HIGHEST)
    figure, axes = style.grid(len(seen), len(regions), height, sharex=True, sharey="row")
    for name, row in zip(seen, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            draw(axis, values[(values.seen_by == name) & (values.roi == roi)], looks, shapes)
        limit(row[0], values[values.seen_by == name])
        whose = "Simulated brain" if name == BRAIN else words.family(name).capitalize()
        row[0].set_ylabel(f"{whose}\n(SD)")
    for roi, top, bottom in zip(regions, axes[0], axes[-1], strict=True):
        top.set_title(roi)
        bottom.set_xlabel("l2 size, pixels in [0, 1]")
    style.plain_log(axes[0, 0], "x", (1.0, 3.0))
    marks.letters(axes[:, 0])
    handles = [marks.line(name, looks[name], marker=shapes[name], markersize=4) for name in methods]
    handles.append(marks.mark("s", "white noise of the same size (95%)", color=style.MISSING))
    handles.append(marks.mark("o", "no method beats it (Pareto)", False))
    handles.append(marks.dashed("between: sizes that all have"))
    longest = max(len(handle.get_label()) for handle in handles)
    marks.legend_below(figure, handles, max(1, min(3, LETTERS // (longest + 6))), describe(values))
    style.save(run, figure, values)


def choose(rows):
    """Select the wanted change, if all methods have it, and single points only of methods without a curve."""
    known = rows[rows.change.notna() & (rows["at"] != "noise")]
    directed = set(known.method[known.measure == "wanted"]) == set(known.method)
    rows = rows[rows.measure == ("wanted" if directed else "size")]
    with_curve = set(rows.method[(rows["at"] == "norm") & rows.change.notna()])
    return rows[(rows["at"] != "own") | ~rows.method.isin(with_curve)]


def draw_nothing(run, values):
    """Draw an empty panel, and say why: no image has an original, so that no size is known."""
    figure, axes = style.grid(1, 1, 2.0)
    axes[0, 0].set_xlabel("l2 size, pixels in [0, 1]")
    axes[0, 0].set_ylabel("Change (SD)")
    marks.footnote(figure, "n = 0 images with an original and another size than 0")
    style.save(run, figure, values)


def draw(axis, rows, looks, shapes):
    """Draw the noise, each method with its interval, and rings around what no method beats."""
    noise = rows[rows["at"] == "noise"]
    below = -noise.noise_q95 if (rows.measure == "wanted").all() else 0 * noise.noise_q95
    axis.fill_between(noise.l2, below, noise.noise_q95, color=style.MISSING, alpha=0.6, linewidth=0, zorder=0)
    axis.axhline(0, color="black", linewidth=0.5, zorder=0)
    for name in looks:
        curve = rows[(rows.method == name) & (rows["at"] == "norm")]
        axis.fill_between(
            curve.l2, curve.ci_low, curve.ci_high, color=looks[name], alpha=0.15, linewidth=0, zorder=1
        )
        look = {"color": looks[name], "marker": shapes[name], "markersize": 3, "markevery": 6}
        axis.plot(curve.l2, curve.change, linewidth=1.0, zorder=2, **look)
    point = rows[rows["at"] == "own"]
    marks.intervals(axis, point, "l2", "ci_low", "ci_high", point.method.map(looks))
    marks.points(axis, point, "l2", "change", "method", looks, shapes, area=18.0)
    front = rows[rows.front]
    marks.points(
        axis, front, "l2", "change", "method", looks, "o", area=11.0, filled=False, linewidth=0.7, zorder=4
    )
    both = rows[rows.common & (rows["at"] == "norm")]
    for size in both.l2[[both.l2.idxmin(), both.l2.idxmax()]] if len(both) else ():
        axis.axvline(size, color=style.GREY, linestyle=style.DASHES, linewidth=0.7, zorder=0)


def limit(axis, rows):
    """Let a row of panels hold all means and the noise; intervals of few images can be far wider."""
    noise = rows.noise_q95[rows["at"] == "noise"]
    low, high = min(0.0, rows.change.min()), max(rows.change.max(), noise.max())
    if (rows.measure == "wanted").all():
        low = min(low, -noise.max())
    axis.set_ylim(low - MARGIN * (high - low), high + MARGIN * (high - low))


def describe(values):
    """State what is drawn, n, what the intervals are, and what is missing."""
    shown = values[values.method != NOISE]
    note = f"{LABELS[values.measure.iloc[0]]}, mean over images; families: mean over their networks; "
    note += f"n = {words.span(shown.n_images)} images; "
    note += "shaded: 95% intervals over images, cut where they leave a panel"
    few = shown.change.notna() & shown.ci_low.isna()
    if few.any():
        note += "; none of fewer than three images"
    return note + words.missing(shown, "change")


if __name__ == "__main__":
    job.start(main, globals())
