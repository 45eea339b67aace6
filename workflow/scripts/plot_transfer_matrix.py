"""Does an attack made on one model move the others? (rule plot_transfer_matrix)."""

import pandas as pd

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import NOISE
from codingaxes.tables import store
from codingaxes.tables.changes import TRANSFER_CONTROLS_SUMMARY, TRANSFERS
from codingaxes.tables.networks import NETWORKS

COLUMNS = ["attack", "roi", "radius", "source", "target", "change", "of_target", "n_images", "reason"]
CHANGE, SHARE = "change", "of_target"
MEASURES = {  # measure: column of controls, and label of the colour bar
    CHANGE: ("absolute", "A: change in target (SD); controls: |change|"),
    SHARE: ("absolute_of_target", "B: change ÷ target's own attack; controls: |change| ÷ own attack"),
}
LOW = 9  # models; of so few a matrix is too low for a label on one line
CONTROLS = {  # rows below the gap, and their names
    "phase_scrambled": "Phases scrambled",
    "other_image": "Another image's",
    "other_region": "Another region's",
    "random": "Random noise",
}


def main(run):
    """Draw one column for each region: sources down, targets across; below a gap, controls."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    values = read_values(run)
    names = style.models(looks, values.target)
    regions = [roi for roi in run.params["regions"] if roi in set(values.roi)]
    for name, label in CONTROLS.items():  # they look like random noise
        looks.loc[name] = looks.loc[NOISE].replace({looks.label[NOISE]: label})
    order = {"measure": MEASURES, "roi": regions, "source": [*names, *CONTROLS], "target": names}
    values = style.in_order(values, **order)
    ratios = {"height_ratios": [len(names), len(CONTROLS)] * 2}
    height = 2.6 + 2 * 0.145 * (max(7, len(names)) + len(CONTROLS))
    figure, axes = style.grid(4, len(regions), height, gridspec_kw=ratios)
    figure.get_layout_engine().set(hspace=0.01)
    for place, (measure, (_, label)) in enumerate(MEASURES.items()):
        rows, panels = values[values.measure == measure], axes[2 * place : 2 * place + 2]
        norm = style.root_scale(0, rows.value.max() if measure == CHANGE else 1)
        cells = draw(panels, rows, names, looks, norm, last=place == 1)
        taller = panels[int(len(names) < len(CONTROLS)), 0]  # so that the label has room beside it
        taller.set_ylabel("Source of the attack" if len(names) > LOW else "Source of\nthe attack")
        beyond = {"low": (rows.value < 0).any(), "high": (rows.value > norm.vmax + 1e-6).any()}
        ticks = style.root_ticks(norm) if measure == CHANGE else style.SHARES
        marks.color_bar(figure, cells, label, ticks, **beyond, ax=panels)
    for roi, top in zip(regions, axes[0], strict=True):
        top.set_title(roi)
    marks.letters(axes[::2, 0])
    note = f"{words.probes(values.n_images)}, both directions; radius {words.span(values.radius, 3)}; "
    note += "no intervals; controls: mean over attacks on the networks other than the target"
    marks.footnote(figure, note + words.missing(values, "value"))
    style.save(run, figure, values)


def read_values(run):
    """Read what the main attacks and their controls do to each target, by measure."""
    chosen = [("attack", "=", "l2"), ("main_radius", "=", True), ("roi", "!=", "all")]
    transfers = store.read(run.input["transfers"], TRANSFERS, columns=COLUMNS, filters=chosen)
    chosen = [("source", "in", ["all", NOISE]), ("roi", "!=", "all"), ("target", "!=", "all")]
    controls = store.read(run.input["transfer_controls"], TRANSFER_CONTROLS_SUMMARY, filters=chosen)
    controls = controls[controls.control != "attack"].assign(source=controls.control)
    parts = []
    for measure, (column, _) in MEASURES.items():
        parts.append(transfers.assign(measure=measure, value=transfers[measure]))
        parts.append(controls.assign(measure=measure, value=controls[column]))
    columns = ["measure", "roi", "source", "target", "value", "radius", "n_images", "reason"]
    return pd.concat([part[columns] for part in parts], ignore_index=True)


def draw(axes, rows, names, looks, norm, last):
    """Draw the matrices of one measure, and below them the controls; give the coloured cells."""
    for column, (roi, (above, below)) in enumerate(zip(rows.roi.unique(), axes.T, strict=True)):
        matrix = rows[rows.roi == roi].pivot(index="source", columns="target", values="value")
        matrix = matrix.reindex(index=[*names, *CONTROLS], columns=names)
        options = {"looks": looks, "norm": norm, "rows": column == 0}
        cells = marks.heatmap(above, matrix.loc[names], columns=False, **options)
        marks.heatmap(below, matrix.loc[list(CONTROLS)], columns=last, **options)
        if last:
            below.set_xlabel("Target")
    return cells


if __name__ == "__main__":
    job.start(main, globals())
