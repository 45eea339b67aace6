"""Draw for every source a strip of the changes that its attacks make (rule plot_transfer_strips)."""

import pandas as pd

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN, NOISE
from codingaxes.tables import store
from codingaxes.tables.changes import TRANSFER_CONTROLS_SUMMARY, TRANSFERS
from codingaxes.tables.networks import NETWORKS

COLUMNS = ["attack", "roi", "radius", "source", "target", "change", "n_images", "reason"]
CONTROLS = {  # marker and label; they lie below the targets of a strip
    "phase_scrambled": ("x", "with scrambled phases"),
    "other_image": ("s", "its attack on another image"),
    "other_region": ("D", "its attack on another region"),
}
VALUES = ["roi", "kind", "source", "target", "change", "radius", "n_images", "reason"]
LANES = {"target": -0.12, "own": -0.12, "control": 0.28}  # how far below its name a mark lies
LINEAR = 0.01  # SD; below it the scale is linear


def main(run):
    """Draw one column for each region, and in it one strip for each source, in the order of the table."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    values = read_values(run)
    names = style.models(looks, values.target)
    regions = [roi for roi in run.params["regions"] if roi in set(values.roi)]
    kinds = ["target", "own", *CONTROLS, "random"]
    values = style.in_order(values, roi=regions, source=[*names, NOISE], kind=kinds)
    figure, axes = style.grid(1, len(regions), 1.9 + 0.24 * max(5, len(names)), sharex=True, sharey=True)
    for roi, axis in zip(regions, axes[0], strict=True):
        draw(axis, values[values.roi == roi], names, looks)
        axis.set(title=roi, xlabel="Change (SD)")
    marks.name_axis(axes[0, 0], names, looks, which="y")
    axes[0, 0].set(ylabel="Source of the attack", ylim=(len(names) - 0.5, -0.5))
    handles = marks.key_of(looks, list(networks.network))
    if BRAIN in names:
        handles.append(marks.mark(looks.marker[BRAIN], "Simulated brain", color=looks.color[BRAIN]))
    handles.append(marks.mark("o", "own attack: black edge", filled=False, size=6.5))
    handles += [marks.mark(marker, label, False, style.GREY, 4.0) for marker, label in CONTROLS.values()]
    handles.append(marks.dashed("white noise"))
    note = f"{words.probes(values.n_images)}, both directions; radius {words.span(values.radius, 3)}; "
    note += f"no intervals; linear scale below {words.number(LINEAR)} SD; colour and marker: target; "
    note += "controls and noise: |change|, mean over targets"
    marks.legend_below(figure, handles, 3, note + words.missing(values, "change"))
    style.save(run, figure, values[VALUES])


def read_values(run):
    """Read what the main attacks of every source do to every target, and what its controls do to all."""
    chosen = [("attack", "=", "l2"), ("main_radius", "=", True), ("roi", "!=", "all")]
    transfers = store.read(run.input["transfers"], TRANSFERS, columns=COLUMNS, filters=chosen)
    kind = pd.Series("target", transfers.index).where(transfers.source != transfers.target, "own")
    chosen = [("target", "=", "all"), ("roi", "!=", "all"), ("control", "!=", "attack")]
    controls = store.read(run.input["transfer_controls"], TRANSFER_CONTROLS_SUMMARY, filters=chosen)
    controls = controls.assign(kind=controls.control, change=controls.absolute)
    return pd.concat([transfers.assign(kind=kind)[VALUES], controls[VALUES]], ignore_index=True)


def draw(axis, values, names, looks):
    """Draw the strips of one region: every target, the source itself, and below them its controls."""
    style.plain_symlog(axis, LINEAR, "x")
    axis.axvline(0, color="black", linewidth=0.5, zorder=0)
    for place in range(1, len(names)):
        axis.axhline(place - 0.5, color=style.PALE, linewidth=0.5, zorder=0)
    marks.family_lines(axis, names, looks, x=False, y=True)
    colors, markers = looks.color.to_dict(), looks.marker.to_dict()
    for kind, area in (("target", 14.0), ("own", 26.0)):
        rows = on_lane(values[values.kind == kind], names, "target" if kind == "target" else "own")
        marks.points(axis, rows, "change", "place", "target", colors, markers, area)
        if kind == "own" and len(rows):
            axis.collections[-1].set_edgecolor("black")
    for kind, (marker, _) in CONTROLS.items():
        rows = on_lane(values[values.kind == kind], names, "control")
        grey = dict.fromkeys(names, style.GREY)
        marks.points(axis, rows, "change", "place", "source", grey, marker, 9.0, filled=marker == "x")
    for change in values.change[values.kind == "random"]:
        axis.axvline(change, color=style.GREY, linestyle=style.DASHES, linewidth=0.8, zorder=1)


def on_lane(rows, names, lane):
    """Give the marks of a kind their place in the strip of their source."""
    return rows.assign(place=rows.source.map(marks.places(names, LANES[lane])))


if __name__ == "__main__":
    job.start(main, globals())
