"""Do conclusions about transfer depend on the algorithm of the attack? (rule plot_attack_algorithms)."""

from matplotlib.lines import Line2D

from codingaxes import job, plots, tables

MARKS = {  # label, marker, filled, height in the row of its group
    "l2": ("ascent (ours)", "o", True, 0.26),
    "l2_pgd": ("PGD", "s", False, 0.0),
    "l2_apgd": ("APGD", "^", False, -0.26),
}
MEASURES = ["own effect", "relative transfer"]
RANKS = "rank agreement of all pairs"
LINEAR = 0.01  # relative transfer; below it the scale is linear


def main(run):
    """Above, what each algorithm does to the attacked model; below, how it transfers, by kinds of pairs."""
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    values = tables.read(run.input["algorithms"], "algorithms", filters=[("attack", "in", list(MARKS))])
    order = values.group.unique()
    values = plots.in_order(values, measure=[*MEASURES, RANKS], group=order, attack=MARKS)
    parts = [values[values.measure == measure] for measure in MEASURES]
    rows = [max(1, part.group.nunique()) for part in parts]
    ratios = {"height_ratios": rows}
    figure, axes = plots.grid(2, 1, 2.1 + 0.26 * sum(rows), gridspec_kw=ratios)
    for letter, part, axis in zip("AB", parts, axes[:, 0], strict=True):
        draw(axis, part, looks)
        axis.set_title(letter, loc="left", fontweight="bold")
    above, below = axes[:, 0]
    radius = plots.span(parts[0].radius) if len(parts[0]) else "unknown"
    above.set(title="Effect on the attacked model", xlabel=f"Own change (SD), l2 radius {radius}")
    above.set_xlim(left=min(0, 1.1 * parts[0].ci_low.min()))
    below.set(title="Transfer to other models", xlabel="Change in target ÷ source's own change")
    below.set_xscale("symlog", linthresh=LINEAR, linscale=0.4)
    below.set_xlim(left=min(-0.2 * LINEAR, 1.3 * parts[1].ci_low.min()))
    below.xaxis.set_major_formatter(lambda value, _: plots.number(value))
    below.axvline(0, color="black", linewidth=0.6, zorder=1)
    shown = [MARKS[name] for name in MARKS if name in set(values.attack)]
    handles = [plots.mark(marker, label, filled=filled) for label, marker, filled, _ in shown]
    handles.append(Line2D([], [], color="black", linewidth=0.8, label="95% interval"))
    plots.legend_below(figure, handles, len(handles), describe(values))
    plots.save(run, figure, values)


def draw(axis, values, looks):
    """Groups below each other, algorithms within each."""
    groups = list(values.group.unique())
    for row in values.itertuples():
        _, marker, filled, shift = MARKS[row.attack]
        color, place = color_of(row.group, looks), shift - groups.index(row.group)
        axis.plot([row.ci_low, row.ci_high], [place, place], color=color, linewidth=0.8, zorder=2)
        face = {"markerfacecolor": color if filled else "white", "markersize": 3.6}
        axis.plot([row.estimate], [place], marker, color=color, zorder=3, **face)
    for place in range(1, len(groups)):
        axis.axhline(0.5 - place, color="#c8c8c8", linewidth=0.4, zorder=0)
    axis.set_axisbelow(True)
    axis.grid(axis="x", color="#e4e4e4", linewidth=0.5)
    axis.set_yticks([-place for place in range(len(groups))], named(values, groups))
    for label, group in zip(axis.get_yticklabels(), groups, strict=True):
        label.set_color(plots.ink(color_of(group, looks)))
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(0.5 - max(1, len(groups)), 0.5)


def named(values, groups):
    """Names of groups in words, with their number of networks or pairs."""
    counts = values.groupby("group").n.max()
    return [f"{group.replace('_', ' ')} [{counts[group]}]" for group in groups]


def source_of(group):
    """The family whose networks are attacked: robust of 'within robust, ...' and of 'robust to standard'."""
    return group.removeprefix("within ").split(",")[0].split(" to ")[0]


def color_of(group, looks):
    """That of the family of the source; black for a group of no family."""
    return plots.family_colors(looks.family).get(source_of(group), "#000000")


def describe(values):
    """n, the brackets, and whether pairs keep their order from one algorithm to another."""
    note = f"n = {plots.span(values.n_images)} probe images; in brackets: number of models or of pairs; "
    note += f"B: linear scale below {plots.number(LINEAR)}"
    ranks = values[(values.measure == RANKS) & (values.attack != "l2")]
    texts = [
        f"{MARKS[row.attack][0]} {plots.number(row.estimate)} "
        f"({plots.number(row.ci_low)} to {plots.number(row.ci_high)})"
        for row in ranks.itertuples()
    ]
    return (
        f"{note}\nrank correlation over all pairs with {MARKS['l2'][0]}: {', '.join(texts)}"
        if texts
        else note
    )


if __name__ == "__main__":
    job.start(main, globals())
