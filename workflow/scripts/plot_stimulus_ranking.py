"""Draw how many stimuli tell the right family, by how they are chosen (rule plot_stimulus_ranking)."""

from math import ceil

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.stimulus_sets import SELECTION_CURVES

# name in the table: label, colour, marker
STRATEGIES = {
    "information": ("information, without redundancy", "black", "o"),
    "list": ("each by its own information", "#8c6bb1", "s"),
    "difference": ("|A − B|", "#c2478c", "^"),
    "random": ("random", style.COLORS["random"], "v"),
}
FEW = 9  # truths; more are drawn in rows of four panels
ENOUGH = 0.95
TICKS = (1, 4, 16, 64)


def main(run):
    """Draw one panel for each truth, one line for each strategy."""
    looks = style.look(store.read(run.input["networks"], NETWORKS))
    values = store.read(run.input["selection_curves"], SELECTION_CURVES)
    truths = style.models(looks, values.truth)
    values = style.in_order(values, truth=truths, strategy=STRATEGIES)
    columns = 3 if len(truths) <= FEW else 4
    rows = max(1, ceil(len(truths) / columns))
    figure, axes = style.grid(rows, columns, 1.3 + 1.45 * rows, sharex=True, sharey=True)
    for place, axis in enumerate(axes.flat):
        if place >= len(truths):
            axis.set_axis_off()
            continue
        draw(axis, values[values.truth == truths[place]])
        axis.set_title(title(looks, truths[place], values), color=looks.ink[truths[place]])
        if place + columns >= len(truths):
            axis.set_xlabel("Stimuli shown")
            axis.tick_params(labelbottom=True)
    for axis in axes[:, 0]:
        axis.set_ylabel("Right family\ntold (share)")
    axes[0, 0].set_ylim(-0.04, 1.04)
    handles = [marks.mark(marker, label, color=color) for label, color, marker in STRATEGIES.values()]
    handles += [marks.dashed(f"{ENOUGH:g}")]
    marks.legend_below(figure, handles, len(handles), describe(values))
    style.save(run, figure, values)


def title(looks, truth, values):
    """Name the truth; of a simulated brain also the family that is counted."""
    name = looks.label[truth]
    if truth != BRAIN:
        return name
    return f"{name}: {words.family(values[values.truth == truth].truth_family.iloc[0])}"


def draw(axis, values):
    """Draw one line with intervals for each strategy."""
    axis.set_xscale("log", base=2)
    axis.axhline(ENOUGH, color=style.GREY, linestyle=style.DASHES, linewidth=0.8, zorder=0)
    for strategy, (_, color, marker) in STRATEGIES.items():
        line = values[values.strategy == strategy].dropna(subset=["right"])
        axis.plot(line.n_stimuli, line.right, color=color, marker=marker, markersize=2.5, linewidth=0.9)
        axis.vlines(line.n_stimuli, line.low, line.high, colors=color, linewidth=0.6)
    axis.set_xticks(TICKS, [words.number(number) for number in TICKS])
    axis.minorticks_off()


def describe(values):
    """State n, what intervals are, and what is missing."""
    known = values.dropna(subset=["right"])
    if known.empty:
        return f"n = 0 experiments with images of the set; no intervals{words.missing(values, 'right')}"
    drawn = known.strategy == "random"
    note = f"n = {words.span(known[~drawn].n_experiments)} simulated experiments for each point"
    note += f" (random: {words.span(known[drawn].n_experiments)})" if drawn.any() else ""
    note += "; stimuli are images of the set; bars: exact binomial 95% intervals of the simulation, "
    note += "not over networks"
    return note + words.missing(values, "right")


if __name__ == "__main__":
    job.start(main, globals())
