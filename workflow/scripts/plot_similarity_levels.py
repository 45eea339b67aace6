"""How much of the similarity of axes is structure, and of the same image? (rule plot_similarity_levels)."""

import math

import numpy as np

from codingaxes import job
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN
from codingaxes.tables import store
from codingaxes.tables.networks import NETWORKS
from codingaxes.tables.spaces import SIMILARITY_LEVELS

TITLES = {"voxels": "{roi}", "joint": "All regions jointly", "features": "Features that are read"}
LEVELS = {  # marker, filled, size in square points, height in the row of its kind
    "same_image": ("D", True, 19.0, 0.27),
    "different_images": ("D", False, 19.0, 0.0),
    "matched_random": ("|", True, 22.0, -0.27),
}
KIND = ["family_i", "family_j", "architectures"]
MIXED = "#4d4d4d"  # pairs of two kinds of training have the colour of neither


def main(run):
    """Draw a panel for each region, one for all jointly, one for features; rows: kinds of pairs of models."""
    networks = store.read(run.input["networks"], NETWORKS)
    looks = style.look(networks)
    values = store.read(run.input["similarity_levels"], SIMILARITY_LEVELS)
    # without an estimate: fewer axes than k, where units are silent
    values = values[values.response.isin(list(TITLES))].dropna(subset=["similarity"])
    values = values[values.k == values.groupby("response").k.transform("max")]
    panel = [TITLES[row.response].format(roi=row.roi) for row in values.itertuples()]
    values = values.assign(panel=panel, kind=words.kinds(values, KIND))
    panels = list(style.in_order(values, response=TITLES).panel.unique())
    kinds = words.pair_order(values.kind, list(networks.family.unique()))
    values = style.in_order(values, panel=panels, kind=kinds, level=LEVELS)
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    height = 1.2 + rows * (0.4 + 0.3 * len(kinds))
    figure, axes = style.grid(rows, columns, height, sharex=True, sharey=True)
    for panel, axis in zip(panels, axes.flat, strict=False):
        draw(axis, values[values.panel == panel], kinds, looks)
    name_kinds(axes, values, kinds, looks)
    add_key(figure, axes.flat[len(panels) :], values)
    style.save(run, figure, values.drop(columns="kind"))


def color_of(kind, looks):
    """Give pairs within a family its colour, pairs with the brain that of the brain, others a neutral one."""
    one, other, _ = kind
    if BRAIN in (one, other):
        return style.COLORS[BRAIN]
    return style.family_colors(looks.family)[one] if one == other else MIXED


def draw(axis, values, kinds, looks):
    """Draw three levels below each other for each kind of pair, and chance across all of them."""
    style.plain_log(axis, "x", (1.0,))
    axis.grid(axis="x", color=style.PALE, linewidth=0.5)
    axis.axvline(values.chance.iloc[0], color=style.GREY, linestyle=style.DASHES, zorder=1)
    colors = {kind: color_of(kind, looks) for kind in kinds}
    places = np.array([-kinds.index(kind) for kind in values.kind])
    values = values.assign(place=places + [LEVELS[level][3] for level in values.level])
    singles = values[values.network_i != "mean"]
    dots = {"orient": "h", "size": 2.7, "alpha": 0.4}
    marks.dots(axis, singles, "similarity", "place", "kind", colors, **dots)
    for level, (marker, filled, area, _) in LEVELS.items():
        means = values[(values.network_i == "mean") & (values.level == level)]
        shape = {"markers": marker, "filled": filled, "area": area, "linewidth": 1.0}
        marks.points(axis, means, "similarity", "place", "kind", colors, **shape)
    for place in range(1, len(kinds)):
        axis.axhline(0.5 - place, color="black", linewidth=0.3)
    for kind in [kind for kind in kinds if kind not in set(values.kind)]:
        where = {"transform": axis.get_yaxis_transform(), "ha": "center", "va": "center"}
        axis.text(0.5, -kinds.index(kind), "no such pair", color="#8a8a8a", fontsize=6.5, **where)
    axis.set(title=values.panel.iloc[0], xlabel="Similarity (0 to 1)", ylim=(0.5 - len(kinds), 0.5))
    axis.tick_params(labelbottom=True)
    axis.tick_params(axis="y", length=0)


def name_kinds(axes, values, kinds, looks):
    """Write kinds of pairs at the left, each on two lines, in their colours, with the number of pairs."""
    counts = values[values.network_i == "mean"].groupby("kind").n_pairs.max()
    names = [f"{words.pair(kind, 'and')} [{counts[kind]}]" for kind in kinds]
    names = [name.replace(", ", ",\n").replace(" and ", " and\n") for name in names]
    axes[0, 0].set_yticks([-place for place in range(len(kinds))], names)
    for axis in axes[:, 0]:
        for tick, kind in zip(axis.get_yticklabels(), kinds, strict=True):
            tick.set_color(style.ink(color_of(kind, looks)))


def add_key(figure, free, values):
    """State n and explain the marks, in a panel that is left over if there is one."""
    note = (
        f"Similarity of {words.span(values.k)} leading axes; {words.probes(values.n_images)}; no intervals; "
    )
    note += "in brackets: number of pairs of models"
    handles = [
        marks.mark("o", "same image, one pair", color="#b0b0b0"),
        marks.mark("D", "same image, mean of pairs"),
        marks.mark("D", "different images, mean of pairs", filled=False),
        marks.mark("|", "random axes with the spectra\nof both models, mean of pairs"),
        marks.dashed(f"random axes: {words.span(values.chance, 2)}"),
    ]
    if len(free):
        marks.footnote(figure, note)
        marks.legend_in(free[0], handles)
    else:
        marks.legend_below(figure, handles, 2, note)
    for axis in free[1:]:
        axis.remove()


if __name__ == "__main__":
    job.start(main, globals())
