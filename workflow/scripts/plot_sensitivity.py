"""How far attacks, transferred attacks and controls of one size move each model (rule plot_sensitivity)."""

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D

from codingaxes import job, plots, tables


@dataclass(frozen=True)
class Mark:
    """How one kind of perturbation is drawn: in which column, where beside the name, and as what."""

    panel: str
    place: float
    marker: str
    filled: bool
    label: str


MARKS = {
    "attack": Mark("attacks", -0.3, "o", True, "own attack, mean readout of the group"),
    "subjects": Mark("attacks", -0.05, "o", False, "attack on each subject's own readout"),
    "subject": Mark("attacks", 0.1, ".", True, "the same, one subject"),
    "transferred": Mark("attacks", 0.29, "D", True, "attacks made on other networks"),
    "other_image": Mark("controls", -0.3, "s", False, "own attack made for another image"),
    "other_region": Mark("controls", -0.1, "^", False, "own attack made for another region"),
    "phase_scrambled": Mark("controls", 0.1, "x", False, "own attack, phases scrambled"),
    "random": Mark("controls", 0.3, "_", True, "white noise"),
}
TITLES = {"attacks": "Attacks", "controls": "Controls of the same size"}
LINEAR = 0.001  # SD; below it the scale is linear, because a median can be 0


def main(run):
    """One row for each region; left attacks, right controls, both of the largest l2 radius."""
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    values, radius = plots.strongest(
        tables.read(
            run.input["sensitivities"], "sensitivities", filters=[("norm", "=", "l2"), ("roi", "!=", "all")]
        )
    )
    values = values.assign(mark=[mark_of(row.kind, row.subject) for row in values.itertuples()])
    values = values[values.mark.isin(list(MARKS))]
    names = [name for name in [*networks.network, plots.BRAIN] if name in set(values.network)]
    values = values[values.network.isin(names)]
    regions = values.roi.unique()
    values = plots.in_order(values, roi=regions, network=names, mark=MARKS)
    figure, axes = plots.grid(len(regions), 2, 2.2 + 1.45 * len(regions), sharex=True, sharey=True)
    for roi, row in zip(regions, axes, strict=True):
        for panel, axis in zip(TITLES, row, strict=True):
            draw(axis, values[values.roi == roi], panel, names, looks)
        row[0].set_ylabel(f"{roi}\nmedian |change| (SD)")
    for letter, panel, top, bottom in zip("AB", TITLES, axes[0], axes[-1], strict=True):
        top.set_title(TITLES[panel])
        top.set_title(letter, loc="left", fontweight="bold")
        plots.name_axis(bottom, names, looks)
    axes[0, 0].set_yscale("symlog", linthresh=LINEAR, linscale=0.4)
    low, high = limits_of(values[["median", "ci_low", "ci_high"]].to_numpy(float))
    axes[0, 0].set_ylim(low, high)
    axes[0, 0].yaxis.set_major_formatter(lambda value, _: plots.number(value))
    scale = f"; linear scale below {plots.number(LINEAR)} SD" if low < LINEAR else ""
    note = describe(values, looks, radius, scale)
    plots.legend_below(figure, handles(set(values.dropna(subset=["median"]).mark)), 2, note)
    plots.save(run, figure, values)


def limits_of(found):
    """Ends of the axis of medians: beyond all that is drawn, with 0 only where something is nearly 0."""
    low, high = np.nanmin(found), np.nanmax(found)
    return 0.7 * low if low > LINEAR else -0.2 * LINEAR, max(1.5 * high, 2 * LINEAR)


def mark_of(kind, subject):
    """The key of `MARKS` of a row: of single subjects and of all of them, only own attacks are shown."""
    if subject == tables.GROUP:
        return kind
    return {True: "subjects", False: "subject"}[subject == "subjects"] if kind == "attack" else ""


def draw(axis, values, panel, names, looks):
    """The marks of one column beside each name; beside controls the own attack as a faint line."""
    for row in values.itertuples():
        mark, place = MARKS[row.mark], names.index(row.network)
        color = plots.COLORS["random"] if row.kind == "random" else looks.color[row.network]
        if mark.panel == panel:
            draw_mark(axis, place + mark.place, row, mark, color)
        elif row.mark == "attack":
            ends = [place - 0.45, place + 0.45]
            axis.plot(ends, [row.median] * 2, color=color, alpha=0.55, linewidth=1.2, zorder=1)
    for place in range(1, len(names)):
        axis.axvline(place - 0.5, color="#e4e4e4", linewidth=0.5, zorder=0)
    plots.families(axis, names, looks)
    axis.set_xlim(-0.6, len(names) - 0.4)


def draw_mark(axis, x, row, mark, color):
    """One median with its interval; a single subject is a small dot without."""
    if row.mark == "subject":
        axis.plot([x], [row.median], "o", color=color, markersize=1.8, markeredgewidth=0, zorder=2)
        return
    axis.plot([x, x], [row.ci_low, row.ci_high], color=color, linewidth=0.8, zorder=2)
    face = color if mark.filled else "white"
    size = 3.0 if mark.marker == "D" else 3.6
    axis.plot([x], [row.median], mark.marker, color=color, markerfacecolor=face, markersize=size, zorder=3)


def handles(shown):
    """Attacks in the first column of the key, controls in the second; only what the table holds."""
    kinds = {panel: [name for name in MARKS if MARKS[name].panel == panel] for panel in TITLES}
    keys = {panel: [key_of(MARKS[name]) for name in names if name in shown] for panel, names in kinds.items()}
    keys["attacks"].append(Line2D([], [], color="black", linewidth=0.8, label="95% interval"))
    keys["controls"].append(Line2D([], [], color="black", alpha=0.55, label="own attack, as in A"))
    longest = max(map(len, keys.values()))
    for listed in keys.values():
        blank = [Line2D([], [], linestyle="", label=" ") for _ in range(longest - len(listed))]
        listed.extend(blank)
    return [*keys["attacks"], *keys["controls"]]


def key_of(mark):
    """The legend handle of one kind of perturbation."""
    color = plots.COLORS["random"] if mark.marker == "_" else "black"
    key = plots.mark(mark.marker, mark.label, filled=mark.filled, color=color)
    key.set_markersize(4 if mark.marker == "." else 4.5)
    return key


def describe(values, looks, radius, scale):
    """n, the radius, the scale and the share of attacks that have not converged, by family."""
    attacks, group = values[values.mark == "attack"], values[values.subject == tables.GROUP]
    subjects = values[values.mark == "subjects"]
    note = f"n = {plots.span(group.n_images)} probe images"
    if len(subjects):
        note += f", {plots.span(subjects.n_subjects)} subjects"
    note += f"; l2 radius {plots.number(radius)}, pixels in [0, 1]{scale}\n"
    missed = attacks.unconverged.groupby(attacks.network.map(looks.family), sort=False).mean()
    shares = ", ".join(f"{share:.0%} {family.replace('_', ' ')}" for family, share in missed.items())
    return f"{note}attacks not converged (kept): {shares}"


if __name__ == "__main__":
    job.start(main, globals())
