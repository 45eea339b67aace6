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
    "information": ("Information, without redundancy", "black", "o"),
    "list": ("Each by its own information", "#8c6bb1", "s"),
    "difference": ("|A − B|", "#c2478c", "^"),
    "random": ("Random", style.COLORS["random"], "v"),
}
COLUMNS = 3  # panels in a row
ENOUGH = 0.95


def main(run):
    """Draw one panel for each truth, one line for each strategy."""
    looks = style.look(store.read(run.input["networks"], NETWORKS))
    values = store.read(run.input["curves"], SELECTION_CURVES)
    truths = style.models(looks, values.truth)
    values = style.in_order(values, truth=truths, strategy=STRATEGIES)
    rows = max(1, ceil(len(truths) / COLUMNS))
    figure, axes = style.grid(rows, COLUMNS, 1.2 + 1.45 * rows, sharex=True, sharey=True)
    for axis, truth in zip(axes.flat, truths, strict=False):
        draw(axis, values[values.truth == truth])
        axis.set_title(title(looks, truth, values), color=looks.ink[truth])
    for axis in axes.flat[len(truths) :]:
        axis.set_axis_off()
    for column in range(COLUMNS):
        shown = [axis for place, axis in enumerate(axes[:, column]) if place * COLUMNS + column < len(truths)]
        for axis in shown[-1:]:
            axis.set_xlabel("Stimuli shown")
            axis.tick_params(labelbottom=True)
    for axis in axes[:, 0]:
        axis.set_ylabel("Right family told")
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
    return f"{name} (told: {words.family(values[values.truth == truth].truth_family.iloc[0])})"


def draw(axis, values):
    """Draw one line with intervals for each strategy."""
    axis.set_xscale("log", base=2)
    axis.axhline(ENOUGH, color=style.GREY, linestyle=style.DASHES, linewidth=0.8, zorder=0)
    for strategy, (_, color, marker) in STRATEGIES.items():
        line = values[values.strategy == strategy].dropna(subset=["right"])
        axis.plot(line.n_stimuli, line.right, color=color, marker=marker, markersize=2.5, linewidth=0.9)
        axis.vlines(line.n_stimuli, line.low, line.high, colors=color, linewidth=0.6)
    numbers = sorted({number for number in values.n_stimuli if number > 0 and not number & (number - 1)})
    axis.set_xticks(numbers, [words.number(number) for number in numbers])
    axis.minorticks_off()


def describe(values):
    """State n, what intervals are, and what is missing."""
    known = values.dropna(subset=["right"])
    if known.empty:
        return f"nothing is known{words.missing(values, 'right')}"
    fixed = known[known.strategy != "random"].n_experiments
    drawn = known[known.strategy == "random"].n_experiments
    note = f"n = {words.span(fixed)} simulated experiments for each point"
    note += f" (random: {words.span(drawn)})" if len(drawn) else ""
    note += "; bars: exact binomial 95% intervals of the simulation, not over networks"
    return note + words.missing(values, "right")


if __name__ == "__main__":
    job.start(main, globals())
