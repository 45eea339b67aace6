"""Draw how far attacks and controls of one size move each model (rule plot_sensitivity)."""

from dataclasses import dataclass

import pandas as pd

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import GROUP, LARGEST
from codingaxes.tables import store
from codingaxes.tables.changes import SENSITIVITIES
from codingaxes.tables.networks import NETWORKS


@dataclass(frozen=True)
class Mark:
    """Say how one kind of perturbation is drawn: in which columns, where beside the name, and as what."""

    panels: tuple
    shift: float
    marker: str
    filled: bool
    label: str


MARKS = {
    "attack": Mark(("attacks", "own"), -0.36, "o", True, "own attack, the larger of up and down"),
    "increase": Mark(("attacks", "own"), -0.2, "2", True, "own attack up (increase)"),
    "decrease": Mark(("attacks", "own"), -0.2, "1", True, "own attack down (decrease)"),
    "subjects": Mark(("attacks",), 0.0, "o", False, "the larger, each subject's own readout"),
    "subject": Mark(("attacks",), 0.14, ".", True, "the same, one subject"),
    "transferred": Mark(("attacks",), 0.32, "D", True, "attacks made on other networks"),
    "other_image": Mark(("controls",), -0.3, "s", False, "own attack made for another image"),
    "other_region": Mark(("controls",), -0.1, "^", False, "own attack made for another region"),
    "phase_scrambled": Mark(("controls",), 0.1, "x", True, "own attack, phases scrambled"),
    "random": Mark(("controls",), 0.3, "_", True, "white noise"),
}
MEASURED, OWN = "measured response", "own predictions"
PANELS = {  # column: its title, and the unit of the changes
    "attacks": ("Attacks, in SD of\nthe measured response", MEASURED),
    "own": ("Attacks, in SD of\nown predictions", OWN),
    "controls": ("Controls of the same\nsize, unit as in A", MEASURED),
}
IN_OWN = {"median_own": "median", "own_low": "ci_low", "own_high": "ci_high"}
LINEAR = 0.001  # SD; below it the scale is linear, because a median can be 0


def main(run):
    """Draw one row for each region: attacks in two units, and controls, all of the main radius."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    chosen = [("main_radius", "=", True), ("roi", "!=", "all")]
    values = store.read(run.input["sensitivities"], SENSITIVITIES, filters=chosen)
    values = values.assign(mark=[mark_of(row) for row in values.itertuples()])
    names, regions = style.models(looks, values.network), values.roi.unique()
    order = {"unit": (MEASURED, OWN), "roi": regions, "network": names, "mark": MARKS}
    values = style.in_order(in_two_units(values), **order)
    ratios = {"width_ratios": [1.25, 0.9, 1.1]}
    shape = len(regions), 3, 2.4 + 1.45 * len(regions)
    figure, axes = style.grid(*shape, sharex=True, sharey=True, gridspec_kw=ratios)
    ends = values[["median", "ci_low", "ci_high"]]
    low, high = limits_of(ends.min().min(), ends.max().max())
    style.plain_symlog(axes[0, 0], LINEAR)
    for roi, row in zip(regions, axes, strict=True):
        for panel, axis in zip(PANELS, row, strict=True):
            draw(axis, values[values.roi == roi], panel, names, looks)
        row[0].set_ylabel(f"{roi}\nmedian change (SD)")
    for (title, _), top, bottom in zip(PANELS.values(), axes[0], axes[-1], strict=True):
        top.set_title(title)
        marks.row_of_names(bottom, names, looks)
    marks.letters(axes[0])
    axes[0, 0].set_ylim(low, high)
    scale = f"; linear scale below {words.number(LINEAR)} SD" if low < LINEAR else ""
    handles = handles_of(set(values.dropna(subset=["median"]).mark))
    marks.legend_below(figure, handles, 2, describe(values, looks, scale))
    style.save(run, figure, values)


def in_two_units(values):
    """Repeat attacks on the group's readout in units of the model's own predictions."""
    values = values.assign(unit=MEASURED)
    own = values[values.mark.isin([name for name, mark in MARKS.items() if "own" in mark.panels])]
    own = own.drop(columns=["median", "ci_low", "ci_high"]).rename(columns=IN_OWN).assign(unit=OWN)
    return pd.concat([values.drop(columns=list(IN_OWN)), own], ignore_index=True)


def limits_of(low, high):
    """Choose ends of the axis of medians: beyond all that is drawn; 0 only where something is nearly 0."""
    return 0.7 * low if low > LINEAR else -0.2 * LINEAR, max(1.5 * high, 2 * LINEAR)


def mark_of(row):
    """Give the key of `MARKS` of a row: of single subjects and all of them, only the larger own attacks."""
    if row.subject == GROUP:
        return row.direction if row.kind == "attack" and row.direction != LARGEST else row.kind
    drawn = row.kind == "attack" and row.direction == LARGEST
    return {True: "subjects", False: "subject"}[row.subject == "subjects"] if drawn else ""


def draw(axis, values, panel, names, looks):
    """Draw the marks of one column beside each name; beside controls the own attack as a faint line."""
    marks.family_lines(axis, names, looks)
    for place in range(1, len(names)):
        axis.axvline(place - 0.5, color=style.PALE, linewidth=0.5, zorder=0)
    values = values[values.unit == PANELS[panel][1]]
    for kind, mark in MARKS.items():
        rows = values[values.mark == kind]
        if panel in mark.panels:
            draw_marks(axis, rows, kind, mark, names, looks)
        elif kind == "attack":
            ends = [rows.network.map(marks.places(names, shift)) for shift in (-0.45, 0.45)]
            color = rows.network.map(looks.color)
            axis.hlines(rows["median"], *ends, color=color, alpha=0.55, linewidth=1.2, zorder=1)


def draw_marks(axis, rows, kind, mark, names, looks):
    """Draw medians with their intervals; single subjects, and attacks up and down, without."""
    colors = dict.fromkeys(names, style.GREY) if mark.marker == "_" else looks.color.to_dict()
    if mark.marker != ".":
        shape = {"markers": mark.marker, "filled": mark.filled, "area": 9.0 if mark.marker == "D" else 13.0}
        look = {"names": names, "looks": looks, "colors": colors, "shift": mark.shift}
        if kind in ("increase", "decrease"):
            rows, shape = rows.assign(ci_low=float("nan")), shape | {"area": 18.0}
        marks.named_points(axis, rows, "median", "ci_low", "ci_high", **look, **shape)
    else:
        rows = rows.assign(place=rows.network.map(marks.places(names, mark.shift)))
        marks.dots(axis, rows, "place", "median", "network", colors, size=1.9, zorder=2)


def handles_of(drawn):
    """List attacks, then controls; only what is drawn."""
    handles = [
        key_of(mark)
        for panel in ("attacks", "controls")
        for kind, mark in MARKS.items()
        if panel in mark.panels and kind in drawn
    ]
    handles += [marks.line("the larger own attack, as in A", alpha=0.55)]
    return [*handles, marks.line("95% bootstrap interval")]


def key_of(mark):
    """Make the legend handle of one kind of perturbation."""
    color, size = style.GREY if mark.marker == "_" else "black", 4.0 if mark.marker == "." else 4.5
    return marks.mark(mark.marker, mark.label, mark.filled, color, size)


def describe(values, looks, scale):
    """State n, the radius, the scale and the share of attacks that have not converged, by family."""
    attacks, group = values[values.mark == "attack"], values[values.subject == GROUP]
    subjects = values[values.mark == "subjects"]
    note = words.probes(group.n_images)
    if len(subjects):
        note += f", {words.span(subjects.n_subjects)} subject{'s' if subjects.n_subjects.max() > 1 else ''}"
    note += f"; l2 radius {words.span(values.radius)}, pixels in [0, 1]{scale}\n"
    return note + words.unconverged(attacks, looks) + words.missing(values, "median")


if __name__ == "__main__":
    job.start(main, globals())
