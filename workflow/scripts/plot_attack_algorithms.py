"""Do conclusions about transfer depend on the algorithm of the attack? (rule plot_attack_algorithms)."""

import pandas as pd

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.tables import store
from codingaxes.tables.changes import ALGORITHMS
from codingaxes.tables.networks import NETWORKS

MARKS = {  # label, marker, filled, height in the row of its kind
    "l2": ("ascent (ours)", "o", True, 0.26),
    "l2_pgd": ("PGD", "s", False, 0.0),
    "l2_apgd": ("APGD", "^", False, -0.26),
}
OWN, TRANSFER, RANKS = "own change", "relative transfer", "rank agreement"
KIND = ["family_source", "family_target", "architectures"]
LINEAR = 0.01  # relative transfer; below it the scale is linear


def main(run):
    """Draw above what each algorithm does to the attacked model, and below how it transfers."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    values = store.read(run.input["algorithms"], ALGORITHMS, filters=[("attack", "in", list(MARKS))])
    values["kind"] = words.kinds(values, KIND)
    own, transfer = (values[values.measure == measure] for measure in (OWN, TRANSFER))
    kinds = [list(own.kind.unique()), words.pair_order(transfer.kind, list(networks.family.unique()))]
    own, transfer = (
        style.in_order(part, kind=order, attack=MARKS)
        for part, order in zip((own, transfer), kinds, strict=True)
    )
    rows = [max(1, len(order)) for order in kinds if order]  # of a single model there is no transfer
    figure, axes = style.grid(len(rows), 1, 2.1 + 0.26 * sum(rows), gridspec_kw={"height_ratios": rows})
    above = axes[0, 0]
    draw(above, own, kinds[0], [words.family(kind[0]) for kind in kinds[0]], looks)
    radius = words.span(own.radius) if len(own) else "unknown"
    above.set(title="Change of the attacked model", xlabel=f"Own change (SD), l2 radius {radius}")
    above.set_xlim(left=min(0, 1.1 * own.ci_low.min()))
    if len(transfer):
        draw_transfer(axes[1, 0], transfer, kinds[1], looks)
    marks.letters(axes[:, 0])
    algorithms = [MARKS[name] for name in MARKS if name in set(values.attack)]
    handles = [marks.mark(marker, label, filled=filled) for label, marker, filled, _ in algorithms]
    handles.append(marks.line("95% bootstrap interval over images"))
    marks.legend_below(figure, handles, len(handles), describe(values))
    style.save(run, figure, pd.concat([own, transfer, values[values.measure == RANKS]]).drop(columns="kind"))


def draw_transfer(axis, transfer, kinds, looks):
    """Draw how attacks by each algorithm transfer, on a scale that is linear near 0."""
    axis.set_xscale("symlog", linthresh=LINEAR, linscale=0.4)
    axis.xaxis.set_major_formatter(lambda value, _: words.number(value))
    draw(axis, transfer, kinds, [words.pair(kind) for kind in kinds], looks)
    axis.set(title="Transfer to other models", xlabel="Change in target ÷ source's own change")
    axis.set_xlim(left=min(-0.2 * LINEAR, 1.3 * transfer.ci_low.min()))
    axis.axvline(0, color="black", linewidth=0.6, zorder=1)


def draw(axis, values, kinds, labels, looks):
    """Draw kinds of models or pairs below each other, and algorithms within each."""
    colors = style.family_colors(looks.family)
    for attack, (_, marker, filled, height) in MARKS.items():
        rows = values[values.attack == attack]
        rows = rows.assign(place=[height - kinds.index(kind) for kind in rows.kind])
        marks.intervals(axis, rows, "place", "ci_low", "ci_high", rows.family_source.map(colors), along="x")
        shape = {"markers": marker, "filled": filled, "area": 14.0}
        marks.points(axis, rows, "estimate", "place", "family_source", colors, **shape)
    for place in range(1, len(kinds)):
        axis.axhline(0.5 - place, color="#c8c8c8", linewidth=0.4, zorder=0)
    axis.set_axisbelow(True)
    axis.grid(axis="x", color=style.PALE, linewidth=0.5)
    counts = values.groupby("kind").n.max()
    names = [f"{label} [{counts[kind]}]" for label, kind in zip(labels, kinds, strict=True)]
    axis.set_yticks([-place for place in range(len(kinds))], names)
    for tick, kind in zip(axis.get_yticklabels(), kinds, strict=True):
        tick.set_color(style.ink(colors[kind[0]]))
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(0.5 - max(1, len(kinds)), 0.5)


def describe(values):
    """State n, what brackets hold, and whether pairs keep their order from one algorithm to another."""
    note = f"{words.probes(values.n_images)}; in brackets: number of models or of pairs; "
    note += f"B: linear scale below {words.number(LINEAR)}"
    ranks = values[(values.measure == RANKS) & (values.attack != "l2")].dropna(subset=["estimate"])
    texts = [
        f"{MARKS[row.attack][0]} {words.number(row.estimate)}"
        + ("" if pd.isna(row.ci_low) else f" ({words.number(row.ci_low)} to {words.number(row.ci_high)})")
        for row in ranks.itertuples()
    ]
    note += words.missing(values[values.measure != RANKS], "estimate")
    if texts:
        note += f"\nrank correlation over all pairs with {MARKS['l2'][0]}: {', '.join(texts)}"
    return note


if __name__ == "__main__":
    job.start(main, globals())
