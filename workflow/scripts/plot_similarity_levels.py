"""How much of the similarity of axes is structure, and of the same image? (rule plot_similarity_levels)."""

import math

import pandas as pd

from codingaxes import job, plots, tables

TITLES = {"voxels": "{roi}", "joint": "All regions jointly", "features": "Features that are read"}
LEVELS = {"similarity": "same image", "across": "different images", "matched_chance": "matched random"}
MARKS = {
    "same image": ("D", True, 0.27),
    "different images": ("D", False, 0),
    "matched random": ("|", True, -0.27),
}
KEYS = ["panel", "response", "roi", "k", "chance", "group", "level"]
MIXED = "#4d4d4d"  # pairs of two kinds of training have the colour of neither


def main(run):
    """A panel for each region, one for all jointly, one for features; rows: kinds of pairs of models."""
    networks = tables.read(run.input["networks"], "networks")
    looks = plots.look(networks)
    pairs = tables.read(run.input["similarity_means"], "similarity_means")
    # without an estimate: fewer axes than k, where units are silent
    pairs = pairs[pairs.response.isin(list(TITLES))].dropna(subset=["similarity"])
    pairs = pairs[pairs.k == pairs.groupby("response").k.transform("max")]
    panel = [TITLES[row.response].format(roi=row.roi) for row in pairs.itertuples()]
    pairs = plots.in_order(pairs.assign(panel=panel, group=group_of(pairs, looks)), response=TITLES)
    panels, groups = list(pairs.panel.unique()), sorted(set(pairs.group), key=groups_of(looks).index)
    values = plots.in_order(tidy(pairs), panel=panels, group=groups, level=LEVELS.values())
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    height = 1.2 + rows * (0.4 + 0.3 * len(groups))
    figure, axes = plots.grid(rows, columns, height, sharex=True, sharey=True)
    for panel, axis in zip(panels, axes.flat, strict=False):
        draw(axis, values[values.panel == panel], groups, looks)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    name_groups(axes, values, groups, looks)
    grey, k, chance = plots.COLORS["random"], plots.span(values.k), plots.span(values.chance, 2)
    handles = [
        plots.mark("o", "same image, one pair of models", color="#b0b0b0"),
        plots.mark("D", "same image, mean over pairs"),
        plots.mark("D", "different images, mean over pairs", filled=False),
        plots.mark("|", "random axes with the spectra of the two models, mean over pairs"),
        plots.dashed(f"random axes: {chance}", grey),
    ]
    note = f"Similarity of {k} leading axes; n = {plots.span(values.n_images)} probe images; "
    note += "in brackets: number of pairs of models"
    plots.legend_below(figure, handles, 2, note)
    plots.save(run, figure, values)


def groups_of(looks):
    """All kinds of pairs, in the order of the figure; families in that of the table of networks."""
    families = [family for family in looks.family.unique() if family not in (plots.BRAIN, "random")]
    kinds = ("same architecture", "different architecture")
    within = [f"within {family}, {kind}" for family in families for kind in kinds]
    mixed = [f"{one} and {other}" for i, one in enumerate(families) for other in families[i + 1 :]]
    return [*within, *mixed, *(f"{family} and {plots.BRAIN}" for family in families)]


def group_of(pairs, looks):
    """The kind of each pair, whichever of its two models comes first."""
    order, found = looks.family.unique().tolist(), []
    for one, other in zip(pairs.network_i, pairs.network_j, strict=True):
        first, second = sorted(looks.family[[one, other]], key=order.index)
        same = looks.architecture[one] == looks.architecture[other]
        within = f"within {first}, {'same' if same else 'different'} architecture"
        found.append(within if first == second else f"{first} and {second}")
    return found


def tidy(pairs):
    """One row for each mark: every pair on the same image, and the mean over pairs of each level."""
    kept = [*KEYS[:-1], "network_i", "network_j", "n_images"]
    long = pairs.rename(columns=LEVELS).melt(kept, list(LEVELS.values()), var_name="level")
    long = long.dropna(subset=["value"]).assign(n_pairs=1)
    means = long.groupby(KEYS, sort=False, as_index=False).agg(
        value=("value", "mean"), n_pairs=("value", "size"), n_images=("n_images", "min")
    )
    means = means.assign(network_i="mean", network_j="mean")
    return pd.concat([long[long.level == "same image"], means])[[*means]]


def draw(axis, values, groups, looks):
    """Three levels below each other for each kind of pair; chance across all of them."""
    plots.plain_log(axis, "x", (1.0,))
    axis.set(title=values.panel.iloc[0], xlabel="Similarity (0 to 1)")
    axis.tick_params(labelbottom=True)
    axis.grid(axis="x", color="#e4e4e4", linewidth=0.5)
    axis.axvline(values.chance.iloc[0], color=plots.COLORS["random"], linestyle=(0, (4, 2)), zorder=1)
    for row in values.itertuples():
        marker, filled, above = MARKS[row.level]
        place, color = above - groups.index(row.group), color_of(row.group, looks)
        if row.network_i == "mean":
            face = {"markerfacecolor": color if filled else "white", "markeredgewidth": 1.0}
            axis.plot([row.value], [place], marker, color=color, markersize=4.5, zorder=3, **face)
        else:
            axis.plot([row.value], [place], "o", color=color, alpha=0.4, markersize=2.6, markeredgewidth=0)
    for place in range(1, len(groups)):
        axis.axhline(0.5 - place, color="black", linewidth=0.3)
    for group in set(groups) - set(values.group):
        where = {"transform": axis.get_yaxis_transform(), "ha": "center", "va": "center"}
        axis.text(0.5, -groups.index(group), "no such pair", color="#8a8a8a", fontsize=6.5, **where)
    axis.set_ylim(0.5 - len(groups), 0.5)
    axis.tick_params(axis="y", length=0)


def name_groups(axes, values, groups, looks):
    """Kinds of pairs at the left, each on two lines, in their colours, with the number of pairs."""
    pairs = values[values.network_i == "mean"].groupby("group").n_pairs.max()
    names = [f"{name.replace('_', ' ')} [{pairs[name]}]" for name in groups]
    names = [name.replace(", ", ",\n").replace(" and ", " and\n") for name in names]
    axes[0, 0].set_yticks([-place for place in range(len(groups))], names)
    for axis in axes[:, 0]:
        for tick, group in zip(axis.get_yticklabels(), groups, strict=True):
            tick.set_color(plots.ink(color_of(group, looks)))


def color_of(group, looks):
    """That of the family within one, of the brain with it, else of neither."""
    if plots.BRAIN in group:
        return plots.COLORS[plots.BRAIN]
    family = group.removeprefix("within ").split(",")[0]
    return plots.family_colors(looks.family)[family] if group.startswith("within") else MIXED


if __name__ == "__main__":
    job.start(main, globals())
