"""What do robust networks have more of than standard ones? (rule plot_families)."""

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.tables import store
from codingaxes.tables.summaries import FAMILIES

LABELS = {
    "r_over_ceiling": "Prediction (r / ceiling)",
    "sensitivity": "Change by own attack (SD)",
    "sensitivity_own": "Change by own attack (SD of own predictions)",
    "noise": "Change by white noise (SD)",
    "size_needed": "Size that changes by {wanted} SD",
    "transfer": "Transfer to other architectures (SD)",
    "transfer_of_target": "Transfer (share of the target's own attack)",
    "similarity": "Axes' similarity within the family",
    "brain_transfer": "Transfer to the brain (SD)",
    "brain_transfer_of_target": "Transfer to the brain (share of its own attack)",
    "brain_cosine": "Gradient's cosine with the brain's",
    "brain_similarity": "Axes' similarity with the brain's",
}
COLORS = {"robust higher": "robust", "standard higher": "standard"}
UNDECIDED = "#555555"
LIMIT = 2.4  # the relative difference lies between -2 and 2; wider intervals are cut


def main(run):
    """Draw a row for each measure, a panel for each region: the relative difference, coloured by verdict."""
    values = store.read(run.input["families"], FAMILIES)
    if values.empty:
        raise ValueError("the table families is empty: this figure needs standard and robust networks")
    regions = values.roi.unique()
    values = style.in_order(values, measure=LABELS, roi=regions)
    rows = list(dict.fromkeys(zip(values.measure, values.wanted, strict=True)))
    places = {row: -place for place, row in enumerate(rows)}
    values["place"] = [places[row] for row in zip(values.measure, values.wanted, strict=True)]
    figure, axes = style.grid(1, len(regions), 1.5 + 0.24 * len(rows), sharex=True, sharey=True)
    for roi, axis in zip(regions, axes[0], strict=True):
        draw(axis, values[values.roi == roi])
        axis.set(title="All regions" if roi == "all" else roi, xlabel="(robust − standard)\n/ mean of both")
    names = [LABELS[measure].format(wanted=words.number(wanted)) for measure, wanted in rows]
    axes[0, 0].set_yticks([places[row] for row in rows], names)
    axes[0, 0].set_xlim(-LIMIT, LIMIT)
    colors = style.family_colors([])
    handles = [marks.mark("o", verdict.capitalize(), color=colors[name]) for verdict, name in COLORS.items()]
    handles.append(marks.mark("o", "Undecided", filled=False, color=UNDECIDED))
    counts = f"{words.span(values.n_standard)} standard, {words.span(values.n_robust)} robust networks"
    over = " or ".join(sorted(set(values.resampled) - {""}, reverse=True))
    note = f"n = {counts}; {words.span(values.n_images)} images; bars: 95% intervals over {over}\n"
    note += "verdict: interval without 0, and p < 0.05 by permutation within architectures, adjusted; "
    note += f"smallest attainable p {words.span(values.smallest_p, 2)}{words.missing(values, 'relative')}"
    marks.legend_below(figure, handles, 3, note)
    style.save(run, figure, values.drop(columns="place"))


def draw(axis, values):
    """Draw one mark with its interval for each measure."""
    axis.axvline(0, color="black", linewidth=0.6, zorder=0)
    colors = style.family_colors([])
    shades = {
        verdict: colors[COLORS[verdict]] if verdict in COLORS else UNDECIDED for verdict in values.verdict
    }
    lines = values.assign(
        relative_low=values.relative_low.clip(-LIMIT, LIMIT),
        relative_high=values.relative_high.clip(-LIMIT, LIMIT),
    )
    drawn = values.verdict.map(shades)
    marks.intervals(axis, lines, "place", "relative_low", "relative_high", drawn, along="x")
    for decided in (True, False):
        part = values[values.verdict.isin(COLORS) == decided]
        marks.points(axis, part, "relative", "place", "verdict", shades, filled=decided)


if __name__ == "__main__":
    job.start(main, globals())
