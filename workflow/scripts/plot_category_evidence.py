"""Draw what independent judges see in perturbed images, before and after (rule plot_category_evidence)."""

from itertools import product

from codingaxes import job
from codingaxes.figures import made, marks, pictures, style, words
from codingaxes.names import BRAIN, SIGNS
from codingaxes.tables import store
from codingaxes.tables.control import EVIDENCE
from codingaxes.tables.networks import NETWORKS

COLUMNS = ["family", "judges", "roi", "direction", "arm", "control", "radius", "evidence_before", "evidence"]
COLUMNS += ["change", "ci_low", "ci_high", "n_makers", "n_judges", "n_images", "reason"]
LABELS = {"evidence": "evidence\nfor the category", "change": "change of it in\nthat direction"}
TEXTS = {"none": "{}", "blend": "blend with natural image", "phase_scrambled": "{}, random phases"}
MARKERS = "os^DvPX"  # of families of judges
WIDTH = 0.72  # of the place that the judges of one kind of images share


def main(run):
    """Draw rows: evidence before and after, and its change, up and down; columns: regions."""
    size = run.params["image_size"]
    networks = store.read(run.input["networks"], NETWORKS)
    chosen = [("roi", "!=", "all"), ("family", "!=", "all")]
    values = store.read(run.input["category_evidence"], EVIDENCE, [*COLUMNS, "step"], chosen)
    values = pictures.nearest(made.first_arm(values), pictures.LARGE, size).drop(columns="step")
    order = list(dict.fromkeys([*networks.family, BRAIN]))
    judges = [name for name in order if name in set(values.judges)]
    kinds = list_kinds(values, [name for name in order if name in set(values.family)])
    regions = [roi for roi in run.params["regions"] if roi in set(values.roi)]
    values = values.assign(kind=list(zip(values.family, values.control, strict=True)))
    values = style.in_order(values, direction=SIGNS, roi=regions, kind=kinds, judges=judges)
    shapes = dict(zip(judges, MARKERS, strict=False)) | {BRAIN: style.MARKERS[BRAIN]}
    shifts = {name: WIDTH * ((place + 0.5) / len(judges) - 0.5) for place, name in enumerate(judges)}
    values["place"] = values.kind.map(marks.places(kinds)) + values.judges.map(shifts)
    colors = style.family_colors(networks.family)
    colors = {kind: colors[kind[0]] if kind[1] == "none" else style.GREY for kind in kinds}
    values["color"] = values.kind.map(colors)
    panels = list(product(SIGNS, LABELS))
    figure, axes = style.grid(len(panels), len(regions), 8.6, sharex=True, sharey="row")
    for (direction, what), row in zip(panels, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            rows = values[(values.direction == direction) & (values.roi == roi)]
            draw(axis, rows, what, shapes)
        row[0].set_ylabel(f"{made.ARROWS[direction].capitalize()}: {LABELS[what]}")
    for roi, top, bottom in zip(regions, axes[0], axes[-1], strict=True):
        top.set_title(roi)
        name_kinds(bottom, kinds, colors)
    marks.letters(axes[:, 0])
    figure.align_ylabels(axes[:, 0])
    handles = [marks.mark(shapes[name], f"judged by: {words.family(name)}") for name in judges]
    handles.append(marks.mark("_", "before", color=style.GREY))
    if values.ci_low.notna().any():
        handles.append(marks.line("95% interval over images"))
    marks.legend_below(figure, handles, 3, describe(values, size))
    style.save(run, figure, values.drop(columns=["kind", "place", "color"]))


def list_kinds(values, families):
    """List family and control of what is drawn: each family's images, one blend, and random phases.

    A blend differs between families in its size alone, so that only that of the robust networks is drawn.
    """
    trained = [name for name in families if name != BRAIN]
    blend = "robust" if "robust" in trained else next(iter(families))
    kinds = [(name, "none") for name in families] + [(blend, "blend")]
    kinds += [(name, "phase_scrambled") for name in trained]
    present = set(zip(values.family, values.control, strict=True))
    return [kind for kind in kinds if kind in present]


def draw(axis, rows, what, shapes):
    """Draw evidence as lines from before to after, or changes with their intervals."""
    axis.axhline(0, color="black", linewidth=0.5, zorder=0)
    if what == "evidence":
        marks.intervals(axis, rows, "place", "evidence_before", "evidence", rows.color)
        axis.scatter(rows.place, rows.evidence_before, marker="_", s=12, color=style.GREY, zorder=2)
    else:
        marks.intervals(axis, rows, "place", "ci_low", "ci_high", rows.color)
    for name, marker in shapes.items():
        some = rows[rows.judges == name]
        colors = {color: color for color in some.color}
        marks.points(axis, some, "place", what, "color", colors, marker, 13.0)


def name_kinds(axis, kinds, colors):
    """Write along an axis what made the images, in their colours."""
    labels = [TEXTS[control].format(words.family(family)) for family, control in kinds]
    axis.set_xticks(range(len(kinds)), [f"{label[0].upper()}{label[1:]}" for label in labels], rotation=90)
    for tick, kind in zip(axis.get_xticklabels(), kinds, strict=True):
        tick.set_color(style.ink(colors[kind]))
    axis.set_xlim(-0.6, len(kinds) - 0.4)


def describe(values, size):
    """State n, the size of all images, and who judges."""
    missing = words.missing(values, "evidence_before", "evidence", "change")
    values = values.dropna(subset=["evidence"])
    if values.empty:
        return f"no model judges the categories of these regions{missing}"
    note = f"n = {words.span(values.n_images)} images for each region and direction; all of one size: "
    note += f"{made.radius_text(values, size)}; {made.ARMS[values.arm.iloc[0]]}; means over "
    note += f"{words.span(values.n_makers)} makers and {words.span(values.n_judges)} judges; "
    note += "judges have another architecture than the maker"
    note += "" if values.ci_low.notna().any() else "; no intervals: too few images"
    return note + missing


if __name__ == "__main__":
    job.start(main, globals())
