"""Draw the power of an experiment against its size, and the plan that it leads to (rule plot_power)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.stimulus_sets import SET_EXPERIMENTS, SET_POWER, SET_RANKING

# Marker of a planned experiment that found the difference, or did not, and its size.
FOUND = {True: ("*", 8), False: ("X", 5.5)}
NO_JUDGE = "nothing was planned: no judge of another architecture than the makers is there to predict it"
NO_PAIRS = (
    "nothing was planned: of the {made} images that were made for models, the set keeps the {kept} that tell "
    "most of the\nright family, and hardly a pair of them differs in the maker alone"
)


def main(run):
    """Draw rows: who predicts; columns: regions; one line for each number of subjects."""
    wanted = run.params["experiment"]["power"]
    networks = store.read(run.input["networks"], NETWORKS)
    ranking = store.read(run.input["set_ranking"], SET_RANKING)
    values = with_plans(
        store.read(run.input["set_power"], SET_POWER),
        store.read(run.input["set_experiments"], SET_EXPERIMENTS),
    )
    if run.params["choose"] == "information" and ranking.gain.notna().any():
        why = NO_PAIRS.format(made=len(ranking), kept=ranking.chosen.sum())
        return style.save(run, words_alone(why), values.head(0))
    if values.empty:
        return style.save(run, words_alone(NO_JUDGE), values)
    families = [name for name in [*networks.family.unique(), BRAIN] if name in set(values.predicted_by)]
    regions = [roi for roi in run.params["regions"] if roi in set(values.roi)]
    values = style.in_order(values, predicted_by=families, roi=regions)
    colors = style.family_colors(networks.family)
    subjects = sorted(values.n_subjects.unique())
    height = 1.3 + 1.7 * len(families)
    figure, axes = style.grid(len(families), len(regions), height, sharex=True, sharey=True)
    for family, row in zip(families, axes, strict=True):
        for roi, axis in zip(regions, row, strict=True):
            rows = values[(values.predicted_by == family) & (values.roi == roi)]
            draw(axis, rows, shades(colors[family], subjects), wanted)
        whose = "of the simulated brain" if family == BRAIN else f"by {words.family(family)} networks"
        row[0].set_ylabel(f"Power\n{whose}")
    for roi, top, bottom in zip(regions, axes[0], axes[-1], strict=True):
        top.set_title(roi)
        bottom.set_xlabel("Trials of each stimulus and subject")
    axes[0, 0].set_ylim(-0.04, 1.04)
    marks.letters(axes[:, 0])
    tones = shades("#000000", subjects)
    handles = [marks.mark("o", words.count(number, "subject"), color=tones[number]) for number in subjects]
    handles.append(marks.dashed(f"wanted: {words.number(wanted)}"))
    if values.planned.any():
        for found, label in ((True, "planned; found in the simulated brain"), (False, "planned; not found")):
            marker, size = FOUND[found]
            handles.append(marks.mark(marker, label, size=size))
    marks.legend_below(figure, handles, 4, describe(values))
    return style.save(run, figure, values)


def with_plans(values, plans):
    """Put what planned experiments found beside the power of their size."""
    columns = ["roi", "predicted_by", "n_subjects", "n_repetitions", "found", "measured", "low", "high", "p"]
    plans = plans[[*columns, "true_power"]].assign(planned=True)
    plans = plans.rename(columns={"low": "measured_low", "high": "measured_high"})
    values = values.merge(plans, how="left", on=columns[:4], validate="one_to_one")
    return values.assign(planned=values.planned.eq(True), found=values.found.eq(True))


def words_alone(why):
    """Make a figure that says why there is nothing to draw."""
    figure, axes = style.grid(1, 1, 0.7)
    axes[0, 0].set_axis_off()
    marks.footnote(figure, why)
    return figure


def shades(color, subjects):
    """Give each number of subjects a tone of a colour: darker for more."""
    return {
        number: style.pale(color, (place + 1) / len(subjects)) if len(subjects) > 1 else color
        for place, number in enumerate(subjects)
    }


def draw(axis, rows, colors, wanted):
    """Draw power against repetitions, and mark the planned experiment."""
    axis.set_xscale("log", base=2)
    axis.axhline(wanted, color=style.GREY, linestyle=style.DASHES, linewidth=0.8, zorder=0)
    for number, color in colors.items():
        line = rows[rows.n_subjects == number].dropna(subset=["power"])
        axis.plot(line.n_repetitions, line.power, color=color, marker="o", markersize=2.5)
        axis.vlines(line.n_repetitions, line.low, line.high, colors=color, linewidth=0.6)
    for row in rows[rows.planned].itertuples():
        marker, size = FOUND[row.found]
        axis.plot([row.n_repetitions], [row.power], marker, color="black", markersize=size, zorder=4)
    ticks = sorted(rows.n_repetitions.unique())
    axis.set_xticks(ticks, [words.number(tick) for tick in ticks])
    axis.minorticks_off()


def describe(values):
    """State the contrast, n, false alarms, and what is missing."""
    known = values.dropna(subset=["power"])
    note = f"{values.contrast.iloc[0]}, n = {words.span(values.n_pairs)} pairs of "
    note += f"{words.span(values.n_images)} images for each region"
    if len(known):
        note += f"; false alarms {words.percent(known.false_alarms)}"
        note += "; bars: exact binomial 95% intervals of the simulation"
    return note + words.missing(values, "power")


if __name__ == "__main__":
    job.start(main, globals())
