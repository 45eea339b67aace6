"""Draw the sizes that wanted changes need, and what such perturbations do (rule plot_fixed_effect)."""

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.changes import FIXED_EFFECT, SIZES
from codingaxes.tables.networks import NETWORKS

NEEDED, CHANGE, SHARE = "size_needed", "change", "of_target"
KIND = ["family_source", "family_target", "architectures"]
LABELS = {  # measure of pairs: label of its axis
    CHANGE: "Change in target (SD)",
    SHARE: "Change ÷ target's own attack",
}
LEAST = {CHANGE: "least_change", SHARE: "least_of_target"}
VALUES = ["measure", "wanted", "roi", "network", *KIND, "value", "low", "high", "least", "least_source"]
VALUES += ["least_target", "noise", "moved", "reached", "n_pairs", "n_images", "reason"]
ITSELF = {"color": style.GREY, "linestyle": style.DASHES, "linewidth": 0.8, "zorder": 0}
SHIFT, LINEAR = 0.26, 0.01  # between the marks of one model; SD below which the scale is linear


def main(run):
    """Draw above the sizes that each model needs, one column a region; below what they do, one an effect."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    sizes = store.read(run.input["sizes"], SIZES)
    names, regions = style.models(looks, sizes.network), sizes.roi.unique()
    effects = sorted(sizes.wanted.unique())
    pairs = store.read(run.input["fixed_effect"], FIXED_EFFECT, filters=[("roi", "=", "all")])
    sizes = style.in_order(needed(sizes), roi=regions, network=names, wanted=effects)
    pairs = pd.concat([measured(pairs, measure) for measure in LABELS], ignore_index=True)
    kinds = kinds_of(pairs, networks)
    pairs = pairs[words.kinds(pairs, KIND).isin(kinds)]
    columns = max(len(regions), len(effects) if kinds else 0)
    if kinds:
        height = 4.6 + 2 * 0.17 * max(3, len(kinds))
        figure, axes = style.grid(3, columns, height, gridspec_kw={"height_ratios": [1.5, 1.2, 1.2]})
    else:  # of a single model there are sizes, but no transfer
        figure, axes = style.grid(1, columns, 3.6)
    limits = limits_of(sizes)
    for place, (roi, axis) in enumerate(zip(regions, axes[0], strict=False)):
        draw_sizes(axis, sizes[sizes.roi == roi], names, looks, limits, effects)
        axis.set_title(roi)
        axis.tick_params(labelleft=place == 0)
    for measure, row in zip(LABELS, axes[1:], strict=bool(kinds)):
        rows = pairs[pairs.measure == measure]
        ends = rows[["value", "low", "high", "least", "noise"]].to_numpy(float)
        limits = ends_of(ends, 1.2 * (max(effects) if measure == CHANGE else 1.0))
        for place, (wanted, axis) in enumerate(zip(effects, row, strict=False)):
            draw_pairs(axis, rows[rows.wanted == wanted], kinds, place == 0)
            axis.axvline(wanted if measure == CHANGE else 1.0, **ITSELF)
            axis.set(xlabel=LABELS[measure], xlim=limits, title=f"{words.number(wanted)} SD wanted")
    for axis in [*axes[0, len(regions) :], *axes[1:, len(effects) :].ravel()]:
        axis.set_axis_off()
    axes[0, 0].set_ylabel("Size needed (l2 norm)")
    marks.letters(axes[:, 0])
    note = describe(sizes, looks, effects, bool(kinds)) + words.missing(pairs, "value")
    if kinds and len(effects) < columns:  # a panel is left over
        marks.legend_in(axes[1, -1], handles())
        marks.footnote(figure, note)
    else:
        marks.legend_below(figure, handles() if kinds else [], 2, note)
    style.save(run, figure, pd.concat([sizes, pairs])[VALUES])


def needed(sizes):
    """Turn sizes into rows of the figure: of each model."""
    sizes = sizes.rename(columns={"size": "value", "size_low": "low", "size_high": "high"})
    return sizes.assign(measure=NEEDED)


def measured(effects, measure):
    """Turn what fixed effects do to other models into rows of the figure, by one measure."""
    names = {measure: "value", f"{measure}_low": "low", f"{measure}_high": "high", LEAST[measure]: "least"}
    rows = effects.drop(columns=[name for name in LABELS if name != measure]).rename(columns=names)
    noise = rows.noise if measure == CHANGE else np.nan
    return rows.assign(measure=measure, noise=noise)


def kinds_of(pairs, networks):
    """List the kinds of pairs that there are, from the top: within and between families, then all targets.

    Of more than two families there is no room for all pairs between them.
    """
    rows = list(dict.fromkeys(words.kinds(pairs, KIND)))
    whole = [kind for kind in rows if kind[1] == "all"]
    families = list(dict.fromkeys(networks.family))
    if len(families) > 2:
        rows = [kind for kind in rows if kind[1] in (kind[0], BRAIN, "all")]
    return words.pair_order([kind for kind in rows if kind not in whole], families) + whole


def limits_of(sizes):
    """Choose ends of the axis of sizes, beyond all that are finite."""
    ends = sizes[["low", "value", "high"]].to_numpy(float)
    ends = ends[np.isfinite(ends)]
    return (0.8 * ends.min(), 1.4 * ends.max()) if len(ends) else (0.1, 10.0)


def ends_of(values, least):
    """Choose ends of the axis of changes, among them 0 and `least`."""
    known = values[np.isfinite(values)]
    return (min(-LINEAR / 2, 1.3 * known.min()), max(1.5 * known.max(), least)) if len(known) else (0.0, 1.0)


def draw_sizes(axis, sizes, names, looks, limits, effects):
    """Draw median and middle half of each model; sizes larger than any tried lie at the upper edge, open."""
    middle = (len(effects) - 1) / 2
    for place, wanted in enumerate(effects):
        rows = sizes[np.isclose(sizes.wanted, wanted)]
        ends = rows[["value", "low", "high"]].clip(upper=limits[1])
        known, rows = np.isfinite(rows.value), rows.assign(**ends)
        shift = SHIFT * (place - middle) if len(effects) > 1 else 0.0
        look = {"low": "low", "high": "high", "names": names, "looks": looks, "area": 9.0, "shift": shift}
        marks.named_points(axis, rows[known], "value", **look)
        marks.named_points(axis, rows[~known], "value", **look, filled=False, clip_on=False, zorder=9)
    style.plain_log(axis)
    marks.row_of_names(axis, names, looks)
    axis.set(xlim=(-0.5, len(names) - 0.5), ylim=limits)


def draw_pairs(axis, rows, kinds, labelled):
    """Draw, for each kind of pair, the mean with its interval, the least pair, and white noise."""
    place = {kind: float(number) for number, kind in enumerate(kinds)}
    rows = rows.assign(place=words.kinds(rows, KIND).map(place).astype(float), kind=rows.family_source)
    colors = style.family_colors(rows.family_source)
    style.plain_symlog(axis, LINEAR, "x")
    axis.axvline(0, color="black", linewidth=0.5, zorder=0)
    marks.intervals(axis, rows, "place", "low", "high", rows.kind.map(colors), along="x")
    marks.points(axis, rows, "value", "place", "kind", colors, area=18.0)
    marks.points(axis, rows, "least", "place", "kind", colors, "<", area=14.0, filled=False)
    grey = dict.fromkeys(rows.kind, style.GREY)
    marks.points(axis, rows, "noise", "place", "kind", grey, "|", area=20.0)
    axis.set_yticks(list(place.values()), [name_of(kind) if labelled else "" for kind in kinds])
    axis.set(ylim=(len(kinds) - 0.5, -0.5), ylabel="")
    axis.tick_params(axis="x", labelsize=6.5)


def name_of(kind):
    """Name a kind of pairs; the targets may be all other models."""
    if kind[1] == "all":
        return f"{words.family(kind[0])} to every other"
    name = words.pair(kind).replace(" architecture", "")
    return name.replace(words.family(BRAIN), "brain")


def handles():
    """List what the marks of pairs are; sizes have the colours and markers of all figures."""
    return [
        marks.mark("o", "mean over pairs"),
        marks.mark("<", "pair that is moved least", filled=False),
        marks.mark("|", "white noise of equal size,\n|change|", color=style.GREY),
        marks.dashed("wanted of the source (B),\ntarget's own attack (C)"),
    ]


def describe(sizes, looks, effects, pairs=True):
    """State n, units, and the share of attacks of each family that reached each wanted change."""
    listed = ", ".join(map(words.number, effects))
    note = f"{words.probes(sizes.n_images)}, both directions; A: median and middle half, of each model from "
    note += f"left to right for {listed} SD"
    note += "; B, C: all regions, 95% bootstrap intervals over images" if pairs else ""
    for wanted in effects:
        rows = sizes[np.isclose(sizes.wanted, wanted)]
        note += f"\nattacks that reached {words.number(wanted)} SD: {words.by_family(rows, 'reached', looks)}"
    note += "; the others count as larger in A (to the edge, open)"
    return note + (" and are left out of B and C" if pairs else "")


if __name__ == "__main__":
    job.start(main, globals())
