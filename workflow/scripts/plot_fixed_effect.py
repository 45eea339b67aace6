"""Draw the size that a wanted change needs, and how it transfers (rule plot_fixed_effect)."""

import numpy as np
import pandas as pd

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import NOISE
from codingaxes.tables import store
from codingaxes.tables.changes import SIZES, TRANSFERS
from codingaxes.tables.networks import NETWORKS

COLUMNS = ["attack", "roi", "radius", "wanted", "source", "target"]
COLUMNS += ["of_source", "of_source_low", "of_source_high", "reached", "n_images"]
NEEDED, MOVED = "size_needed", "change_of_source"
VALUES = ["measure", "roi", "source", "target", "value", "low", "high", "reached", "n_images", "wanted"]
LABEL = "B: change in target ÷ source's own change (noise: |change| ÷ wanted change)"


def main(run):
    """Draw above the size that each model needs, and below what it does to the others; columns: regions."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    chosen = [("attack", "=", "l2_effect"), ("roi", "!=", "all")]
    table, wanted = style.largest(store.read(run.input["sizes"], SIZES), "wanted")
    transfers = store.read(run.input["transfers"], TRANSFERS, columns=COLUMNS, filters=chosen)
    transfers = transfers[np.isclose(transfers.wanted, wanted)]
    names, regions = style.models(looks, table.network), table.roi.unique()
    order = {"roi": regions, "source": [*names, NOISE], "target": names}
    sizes, matrix = style.in_order(needed(table), **order), style.in_order(moved(table, transfers), **order)
    ratios = {"height_ratios": [max(5, 0.55 * len(names)), len(names), 1]}
    figure, axes = style.grid(3, len(regions), 3.6 + 0.17 * max(7, len(names)), gridspec_kw=ratios)
    limits = limits_of(sizes)
    for roi, axis in zip(regions, axes[0], strict=True):
        draw_sizes(axis, sizes[sizes.roi == roi], names, looks, limits)
        axis.set_title(roi)
    cells = draw_matrices(axes[1:], matrix, names, looks)
    for top, bottom in zip(axes[0], axes[2], strict=True):
        top.tick_params(labelleft=top is axes[0, 0])
        bottom.set_xlabel("A: attacked model; B: target")
    figure.get_layout_engine().set(hspace=0.01)
    axes[0, 0].set_ylabel(f"Size needed (l2 norm)\nfor {words.number(wanted)} SD")
    axes[1, 0].set_ylabel("Source of the attack")
    marks.letters(axes[:2, 0])
    beyond = {"low": (matrix.value < 0).any(), "high": (matrix.value > 1 + 1e-6).any()}
    marks.color_bar(figure, cells, LABEL, style.SHARES, **beyond, ax=axes)
    marks.footnote(figure, describe(sizes, looks))
    style.save(run, figure, pd.concat([sizes, matrix])[VALUES])


def needed(sizes):
    """Turn sizes into rows of the figure: of each model, by itself."""
    names = {"size": "value", "size_low": "low", "size_high": "high"}
    return sizes.rename(columns=names).assign(measure=NEEDED, source=sizes.network, target=sizes.network)


def moved(sizes, transfers):
    """Turn transfer and noise into rows of the figure: of each source and target."""
    names = {"of_source": "value", "of_source_low": "low", "of_source_high": "high"}
    noise = sizes.rename(columns={"noise_of_wanted": "value", "network": "target"}).assign(source=NOISE)
    return pd.concat([transfers.rename(columns=names), noise.drop(columns="reached")]).assign(measure=MOVED)


def limits_of(sizes):
    """Choose ends of the axis of sizes, beyond all that are finite."""
    ends = sizes[["low", "value", "high"]].to_numpy(float)
    ends = ends[np.isfinite(ends)]
    return (0.8 * ends.min(), 1.4 * ends.max()) if len(ends) else (0.1, 10.0)


def draw_sizes(axis, sizes, names, looks, limits):
    """Draw median and middle half of each model; sizes larger than any tried lie at the upper edge, open."""
    ends = sizes[["value", "low", "high"]].clip(upper=limits[1])
    known, rows = np.isfinite(sizes.value), sizes.assign(**ends, network=sizes.source)
    area = {"low": "low", "high": "high", "names": names, "looks": looks, "area": 16.0}
    marks.named_points(axis, rows[known], "value", **area)
    marks.named_points(axis, rows[~known], "value", **area, filled=False, clip_on=False, zorder=9)
    style.plain_log(axis)
    marks.row_of_names(axis, names, looks, show=False)
    axis.set(xlim=(-0.5, len(names) - 0.5), ylim=limits)


def draw_matrices(axes, matrix, names, looks):
    """Draw what each source does to each target, and below noise; give the coloured cells."""
    norm = style.root_scale(0, 1)
    for column, (roi, (above, below)) in enumerate(zip(matrix.roi.unique(), axes.T, strict=True)):
        rows = matrix[matrix.roi == roi].pivot(index="source", columns="target", values="value")
        rows = rows.reindex(index=[*names, NOISE], columns=names)
        options = {"looks": looks, "norm": norm, "rows": column == 0}
        cells = marks.heatmap(above, rows.loc[names], columns=False, **options)
        marks.heatmap(below, rows.loc[[NOISE]], **options)
    return cells


def describe(sizes, looks):
    """State n, units, and the share of attacks of each family that reached the wanted change."""
    shares = words.by_family(sizes.assign(network=sizes.source), "reached", looks)
    note = f"{words.probes(sizes.n_images)}, both directions; A: median and middle half, pixels in [0, 1]; "
    note += f"B: no intervals, colours clipped to 0 to 1\nattacks that reached the wanted change: {shares}; "
    note += "the others are left out of B"
    if np.isfinite(sizes.high).all():
        return note
    return (
        f"{note}\nin A they count as larger: bars to the edge, an open mark where the median is one of them"
    )


if __name__ == "__main__":
    job.start(main, globals())
