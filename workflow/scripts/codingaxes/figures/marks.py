"""Draw the rows of a table on axes: marks with intervals, matrices, cluster maps, names, keys and notes."""

import math
from contextlib import contextmanager
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from scipy.cluster.hierarchy import is_valid_linkage

from codingaxes.figures import style, words
from codingaxes.names import BRAIN

NAME = 0.065  # inches that a name needs along x
CELLS = {"linewidths": 0.25, "linecolor": "white", "xticklabels": False, "yticklabels": False}


def points(axis, frame, x, y, hue, colors, markers="o", area=20.0, filled=True, **options):
    """Draw one mark for each row that has both values.

    Parameters
    ----------
    axis : Axes
    frame : DataFrame
    x, y, hue : str
        Columns: the place of a mark, and the name that gives it colour and marker.
    colors : dict
        Colour of each name.
    markers : str or dict
        Marker of all, or of each name; either all have an area (o, s, *) or none has (x, _).
    area : float
        Size of a mark in square points; that of a star is larger.
    filled : bool
        Whether marks are filled; else they are white within.
    options
        Passed on to `seaborn.scatterplot`.
    """
    frame = frame.dropna(subset=[x, y])
    if frame.empty:
        return
    if isinstance(markers, dict):
        markers = {name: markers[name] for name in frame[hue].unique()}
        sizes = {name: area * (2.4 if marker == "*" else 1.0) for name, marker in markers.items()}
        shape = {"style": hue, "markers": markers, "size": hue, "sizes": sizes}
    else:
        shape = {"marker": markers, "s": area}
    options = {"linewidth": 0.9, "zorder": 3} | shape | options
    with own_labels(axis):
        sns.scatterplot(frame, x=x, y=y, hue=hue, palette=colors, ax=axis, legend=False, **options)
    collection = axis.collections[-1]
    collection.set_edgecolor(collection.get_facecolor())
    if not filled:
        collection.set_facecolor("white")


def dots(axis, frame, x, y, hue, colors, **options):
    """Draw a small dot for each row, as `points`; `options` are passed on to `seaborn.stripplot`."""
    if frame.empty:
        return
    options = {"jitter": False, "native_scale": True, "linewidth": 0, "legend": False} | options
    with own_labels(axis):
        sns.stripplot(frame, x=x, y=y, hue=hue, palette=colors, ax=axis, **options)


@contextmanager
def own_labels(axis):
    """Keep the labels of an axis, which seaborn sets to names of columns."""
    labels = [
        (label, label.get_text(), label.get_visible()) for label in (axis.xaxis.label, axis.yaxis.label)
    ]
    yield
    for label, text, visible in labels:
        label.set(text=text, visible=visible)


def intervals(axis, frame, at, low, high, colors, along="y"):
    """Draw a thin line for each row from its column `low` to its column `high`.

    Parameters
    ----------
    axis : Axes
    frame : DataFrame
    at, low, high : str
        Columns: the place of the line on the other axis, and its ends.
    colors : Series
        Of each row, by the index of `frame`.
    along : str
        x or y, the axis that the values are on.
    """
    frame = frame.dropna(subset=[low, high])
    draw = axis.vlines if along == "y" else axis.hlines
    draw(frame[at], frame[low], frame[high], colors=colors[frame.index], linewidth=0.8, zorder=2)


def places(names, shift=0.0):
    """Give each name its place along an axis, moved by `shift`; neighbours are 1 apart."""
    return {name: place + shift for place, name in enumerate(names)}


def named_points(axis, frame, y, low, high, names, looks, shift=0.0, **options):
    """Draw marks with vertical intervals above the names of an axis, each in colour and marker of its name.

    Parameters
    ----------
    axis : Axes
    frame : DataFrame
        With the columns network, `y`, `low` and `high`.
    y, low, high : str
    names : list of str
        The networks along the axis.
    looks : DataFrame
        From `style.look`.
    shift : float
        How far right of its name a mark lies; see `places`.
    options
        As `points`; `colors` and `markers` replace those of the names.
    """
    frame = frame.assign(place=frame.network.map(places(names, shift)))
    colors = options.pop("colors", looks.color.to_dict())
    markers = options.pop("markers", looks.marker.to_dict())
    intervals(axis, frame, "place", low, high, frame.network.map(colors))
    points(axis, frame, "place", y, "network", colors, markers, **options)


def family_lines(axis, names, looks, x=True, y=False, at=-0.5):
    """Draw thin lines between neighbouring names of different families, `at` their place before a name."""
    families = looks.family[names].to_list()
    for place in range(1, len(families)):
        if families[place] != families[place - 1]:
            if x:
                axis.axvline(place + at, color="black", linewidth=0.6)
            if y:
                axis.axhline(place + at, color="black", linewidth=0.6)


def name_axis(axis, names, looks, show=True, which="x", at=0.0):
    """Write names along an axis, in their colours; without `show` only their ticks.

    Along x, where there is no room for all names, families are written instead, each once, below its middle,
    with the number of its models.
    """
    set_ticks = axis.set_xticks if which == "x" else axis.set_yticks
    labels = looks.label[names] if show else [""] * len(names)
    if show and which == "x" and _is_crowded(axis, names):
        labels = _middle_labels(looks.family[names].to_list())
    set_ticks([place + at for place in range(len(names))], labels, rotation=90 if which == "x" else 0)
    ticks = axis.get_xticklabels() if which == "x" else axis.get_yticklabels()
    for tick, name in zip(ticks, names, strict=True):
        tick.set_color(looks.ink[name])


def _is_crowded(axis, names):
    """Tell whether a panel is too narrow for names that stand upright side by side."""
    return len(names) * NAME > axis.get_position().width * axis.get_figure().get_figwidth()


def _middle_labels(families):
    """Name each family at the middle one of its places that follow each other, with their number."""
    labels, begin = [""] * len(families), 0
    for name, run in groupby(families):
        number = len(list(run))
        several = f" ({number})" if number > 1 else ""
        labels[begin + (number - 1) // 2] = words.family(name) + several
        begin += number
    return labels


def row_of_names(axis, names, looks, show=True):
    """Give a panel one place along x for each name, and lines between families."""
    family_lines(axis, names, looks)
    name_axis(axis, names, looks, show)
    axis.set_xlim(-0.6, len(names) - 0.4)


def heatmap(axis, matrix, looks, norm, rows=True, columns=True):
    """Draw a matrix of models by models; cells without a value are grey.

    Parameters
    ----------
    axis : Axes
    matrix : DataFrame
        Row and column labels are names of `looks`.
    looks : DataFrame
        From `style.look`.
    norm : matplotlib norm
        From value to colour; see `style.root_scale`.
    rows, columns : bool
        Whether the names are written.

    Returns
    -------
    the coloured cells, for a colour bar
    """
    sns.heatmap(matrix.astype(float), ax=axis, cmap=style.SCALE, norm=norm, cbar=False, **CELLS)
    dress_matrix(axis, list(matrix.index), list(matrix.columns), looks, rows, columns)
    family_lines(axis, list(matrix.columns), looks, at=0)
    family_lines(axis, list(matrix.index), looks, x=False, y=True, at=0)
    return axis.collections[0]


def dress_matrix(axis, rows, columns, looks, show_rows=True, show_columns=True):
    """Write the names of a matrix in their colours, and let cells without a value be grey."""
    name_axis(axis, columns, looks, show=show_columns, at=0.5)
    name_axis(axis, rows, looks, show=show_rows, which="y", at=0.5)
    axis.tick_params(length=0, labelsize=6.5)
    axis.set(xlabel="", ylabel="", facecolor=style.MISSING)


class Layer(Artist):
    """A whole figure drawn upon another of the same size; seaborn gives a cluster map a figure of its own."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def draw(self, renderer):
        """Draw all that the layer holds, at the resolution of the figure that it is drawn upon."""
        self.layer.set_dpi(self.figure.dpi)
        for axis in self.layer.axes:
            axis.draw(renderer)


def cluster_map(figure, cell, matrix, mergers, looks, norm):
    """Draw a matrix in the order of its clusters, their tree to its left, within a cell of a figure.

    Parameters
    ----------
    figure : matplotlib Figure
    cell : Axes
        Its place in the figure is that of the map; it shows nothing but its title.
    matrix : DataFrame
        Similarity, symmetric, names of `looks` by the same names; grey where missing.
    mergers : array (n - 1, 4)
        Of the n rows: cluster, cluster, 1 - similarity, size; as in `scipy.cluster.hierarchy.linkage`.
    looks : DataFrame
        From `style.look`.
    norm : matplotlib norm
        From similarity to colour; its lower end is chance, which is marked in the tree.

    Returns
    -------
    names : list of str
        In the order of the clusters.

    Raises
    ------
    ValueError
        If `mergers` are no tree, for instance because a cluster is joined twice.
    """
    is_valid_linkage(mergers, throw=True, name="mergers")
    grid = sns.clustermap(
        matrix.astype(float),
        row_linkage=mergers,
        col_linkage=mergers,
        row_colors=looks.color[matrix.index].to_list(),
        figsize=figure.get_size_inches(),
        dendrogram_ratio=(0.3, 0.01),
        colors_ratio=0.035,
        cbar_pos=None,
        tree_kws={"linewidths": 0.7},
        cmap=style.SCALE,
        norm=norm,
        **CELLS,
    )
    names = [matrix.index[place] for place in grid.dendrogram_row.reordered_ind]
    grid.ax_col_dendrogram.set_visible(False)  # the matrix is symmetric: it would repeat the other
    dress_matrix(grid.ax_heatmap, names, names, looks, show_columns=False)
    _scale_tree(grid.ax_row_dendrogram, mergers, norm.vmin)
    grid.figure.tight_layout(rect=cell.get_position().extents, pad=0.1, h_pad=0.0, w_pad=0.1)
    plt.close(grid.figure)
    figure.add_artist(Layer(grid.figure))
    return names


def _scale_tree(axis, mergers, chance):
    """Give a tree a logarithmic axis of similarity, and mark chance."""
    similarity = 1 - mergers[:, 2]
    low, high = 0.7 * min(chance, similarity.min()), min(2 * similarity.max(), 1.0)
    scale = (lambda distance: -np.log10(np.maximum(1 - distance, low)), lambda log: 1 - 10**-log)
    axis.set_axis_on()
    axis.spines["bottom"].set_visible(True)
    axis.set_xscale("function", functions=scale)
    ticks = [tick for tick in (1.0, 0.1, 0.01, 0.001, 0.0001) if low < tick <= high]
    axis.set_xticks([1 - tick for tick in ticks], [words.number(tick) for tick in ticks])
    axis.set(xlim=(1 - low, 1 - high), yticks=[])
    axis.set_xlabel("similarity", fontsize=6.5, labelpad=1)
    axis.tick_params(axis="x", labelsize=6.5)
    axis.axvline(1 - chance, color=style.GREY, linestyle=style.DASHES, linewidth=0.8, zorder=0)


def color_bar(figure, cells, label, ticks, low=False, high=False, **place):
    """Draw one colour bar, below the axes `ax` that share it, or in the axes `cax`.

    `low` and `high` say that values lie beyond its ends.
    """
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((low, high), "neither")
    if "ax" in place:
        place |= {"location": "bottom", "aspect": 45, "pad": 0.02, "shrink": 0.7}
    else:
        place |= {"orientation": "horizontal"}
    bar = figure.colorbar(cells, label=label, extend=extend, **place)
    bar.set_ticks(ticks, labels=[words.number(tick, 2) for tick in ticks])
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)


def key_of(looks, names, markers=True):
    """Make legend handles: a colour for each kind of training, then (`markers`) one for each architecture."""
    rows, handles = looks.loc[names], []
    kinds = rows.drop_duplicates("color").assign(place=lambda kinds: pd.factorize(kinds.family)[0])
    for _, row in kinds.sort_values(["place", "training_radius"]).iterrows():
        label = words.family(row.family).capitalize()
        if row.family == "robust":
            label = f"Robust, training radius {words.number(row.training_radius)}"
            if row.training_radius == 0:  # the table has l2 radii only
                label = "Robust, in another norm"
        handles.append(mark("s", label, color=row.color))
    networks = rows[rows.family != BRAIN].drop_duplicates("architecture") if markers else rows[:0]
    return handles + [mark(row.marker, words.architecture(row.architecture)) for row in networks.itertuples()]


def mark(marker, label, filled=True, color="black", size=5.0):
    """Make a legend handle that is one marker."""
    face = color if filled else "white"
    shape = {"marker": marker, "linestyle": "", "markersize": size, "markerfacecolor": face}
    return Line2D([], [], color=color, label=label, **shape)


def line(label, color="black", **options):
    """Make a legend handle that is a line."""
    return Line2D([], [], color=color, label=label, **({"linewidth": 0.8} | options))


def dashed(label, color=style.GREY):
    """Make a legend handle that is a dashed line."""
    return line(label, color, linestyle=style.DASHES, linewidth=1.0)


def legend_below(figure, handles, columns, note):
    """Write below all panels what every figure states (n, sizes, what was left out), and one legend."""
    note, spacing = words.note(note), {"columnspacing": 1.4, "handletextpad": 0.4, "borderaxespad": 0.2}
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.16 * max(0, math.ceil(len(handles) / columns) - 3))
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns, title=note, **spacing)
    legend.set_title(note, {"size": 7})
    legend.get_title().set_multialignment("center")


def legend_in(axis, handles):
    """Use a panel that is left over for the legend; the statement goes to `footnote`."""
    axis.set_axis_off()
    legend = axis.legend(handles=handles, loc="center", handletextpad=0.4, labelspacing=0.8, fontsize=7)
    legend.set_in_layout(False)  # however wide it is, all panels of a column stay equally wide


def footnote(figure, note):
    """Write the same statement below a figure without a legend there."""
    figure.supxlabel(words.note(note), fontsize=7)


def above(axis, text):
    """Write a statement about one panel above it, where no mark can lie; set its title before."""
    axis.set_title(axis.get_title(), pad=6 + 9 * len(text.split("\n")))
    place = {"xycoords": "axes fraction", "xytext": (0, 4), "textcoords": "offset points"}
    axis.annotate(text, (0.5, 1.0), **place, ha="center", va="bottom", fontsize=7, color="#4d4d4d")


def letters(axes):
    """Letter panels from A, at their left."""
    for letter, axis in zip("ABCDEF", axes, strict=False):
        axis.set_title(letter, loc="left", fontweight="bold")
