"""How large a perturbation must be for a wanted effect, and how it transfers (rule plot_fixed_effect)."""

import numpy as np
import pandas as pd

from codingaxes import job, plots, tables

COLUMNS = ["attack", "network", "roi", "direction", "wanted", "image_id", "size", "reached"]
SHOWN = ("attack", "=", "l2_effect")
TICKS = [0, 0.01, 0.05, 0.1, 0.2, 0.5, 1]
QUARTERS = {"low": 0.25, "value": 0.5, "high": 0.75}
KEPT = ["measure", "roi", "source", "target", "value", "low", "high", "reached", "n_images"]


def main(run):
    """Above, the size that each model needs; below, what it does to the others; columns: regions."""
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    attacks = tables.read(run.input["variants"], "perturbations", columns=COLUMNS, filters=[SHOWN])
    transfers = tables.read(run.input["transfers"], "transfers", filters=[SHOWN, ("roi", "!=", "all")])
    if attacks.empty:
        raise ValueError("the tables of variants have no attack l2_effect: this figure needs a wanted effect")
    wanted = attacks.wanted.max()
    attacks, transfers = (part[np.isclose(part.wanted, wanted)] for part in (attacks, transfers))
    names = [name for name in [*networks.network, plots.BRAIN] if name in set(attacks.network)]
    attacks, regions = attacks[attacks.network.isin(names)], attacks.roi.unique()
    values = pd.concat([needed(attacks), relate(transfers, names, wanted)])[KEPT].assign(wanted=wanted)
    values = plots.in_order(
        values, measure=values.measure.unique(), roi=regions, source=[*names, plots.RANDOM], target=names
    )
    ratios = {"height_ratios": [max(5, 0.55 * len(names)), len(names), 1]}
    height = 3.6 + 0.17 * len(names)
    figure, axes = plots.grid(3, len(regions), height, gridspec_kw=ratios)
    sizes, matrix = (values[(values.measure == "size_needed") == needs] for needs in (True, False))
    norm, limits = plots.root_scale(0, 1), limits_of(sizes)
    for column, (roi, (top, middle, bottom)) in enumerate(zip(regions, axes.T, strict=True)):
        draw_sizes(top, sizes[sizes.roi == roi], names, looks, limits)
        these = matrix[matrix.roi == roi].pivot(index="source", columns="target", values="value")
        shown = {"looks": looks, "norm": norm, "rows": column == 0}
        image = plots.heatmap(middle, these.reindex(index=names, columns=names), columns=False, **shown)
        plots.heatmap(bottom, these.reindex(index=[plots.RANDOM], columns=names), **shown)
        top.tick_params(labelleft=column == 0)
        top.set_title(roi)
        bottom.set_xlabel("A: attacked model; B: target")
    figure.get_layout_engine().set(hspace=0.01)
    axes[0, 0].set_ylabel(f"Size needed (l2 norm)\nfor {plots.number(wanted)} SD")
    axes[1, 0].set_ylabel("Source of the attack")
    for letter, axis in zip("AB", axes[:2, 0], strict=True):
        axis.set_title(letter, loc="left", fontweight="bold")
    label = "B: change in target ÷ source's own change (noise: |change| ÷ wanted change)"
    below, beyond = (matrix.value < 0).any(), (matrix.value > 1 + 1e-6).any()
    plots.color_bar(figure, image, list(axes.flat), label, TICKS, below, beyond)
    plots.footnote(figure, describe(attacks, sizes, looks))
    plots.save(run, figure, values)


def needed(attacks):
    """Quartiles, over images and directions, of the size that reached the wanted change.

    The size that did not reach it is smaller than the one needed, which counts as infinite; a quartile is the
    smallest size that suffices for this share of the attacks.
    """
    rows = []
    for (roi, name), group in attacks.groupby(["roi", "network"], sort=False):
        sizes = group["size"].where(group.reached, np.inf)
        quartiles = {key: np.quantile(sizes, q, method="inverted_cdf") for key, q in QUARTERS.items()}
        row = {"measure": "size_needed", "roi": roi, "source": name, "target": name}
        rows.append(row | quartiles | {"reached": group.reached.mean(), "n_images": group.image_id.nunique()})
    return pd.DataFrame(rows)


def relate(transfers, names, wanted):
    """Change in the target over that in the source; of noise over the wanted change, mean over sources."""
    pairs = transfers[transfers.source.isin(names) & transfers.target.isin(names)]
    columns = {"of_source": "value", "of_source_low": "low", "of_source_high": "high"}
    attacks = pairs.rename(columns=columns)
    noise = pairs.assign(value=pairs.noise / wanted).groupby(["roi", "target"], sort=False)
    noise = noise.agg(value=("value", "mean"), n_images=("n_images", "min")).reset_index()
    noise = noise.assign(source=plots.RANDOM, low=np.nan, high=np.nan, reached=np.nan)
    return pd.concat([attacks[KEPT[1:]], noise[KEPT[1:]]]).assign(measure="change_of_source")


def limits_of(sizes):
    """Ends of the axis of sizes, beyond all that are finite."""
    found = sizes[["low", "value", "high"]].to_numpy(float)
    found = found[np.isfinite(found)]
    return (0.8 * found.min(), 1.4 * found.max()) if len(found) else (0.1, 10.0)


def draw_sizes(axis, values, names, looks, limits):
    """Median and middle half of each model; what was not reached lies at the upper edge, its median open."""
    for row in values.itertuples():
        known, low, high = np.isfinite(row.value), min(row.low, limits[1]), min(row.high, limits[1])
        place = {"filled": known, "clip_on": known, "zorder": 3 if known else 9}
        x, y = names.index(row.source), min(row.value, limits[1])
        plots.point(axis, x, y, looks, row.source, low, high, size=4, **place)
    plots.families(axis, names, looks)
    plots.plain_log(axis)
    axis.set(xlim=(-0.5, len(names) - 0.5), ylim=limits, xticks=range(len(names)), xticklabels=[])


def describe(attacks, sizes, looks):
    """n, units and the share of attacks of each family that did not reach the wanted change."""
    missed = (~attacks.reached).groupby(attacks.network.map(looks.family), sort=False).mean()
    shares = ", ".join(f"{share:.0%} {family.replace('_', ' ')}" for family, share in missed.items())
    note = f"n = {plots.span(sizes.n_images)} probe images, both directions; "
    note += "A: median and middle half, pixels in [0, 1]; B: colours clipped to 0 to 1\n"
    note += f"wanted change not found (left out of B): {shares}"
    if np.isfinite(sizes.high).all():
        return note
    return f"{note}\nin A these count as larger: bars up to the edge, an open mark where it is the median"


if __name__ == "__main__":
    job.start(main, globals())
