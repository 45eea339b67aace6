"""table -> Axes: one style, and one colour for a name in every figure.

Figures are drawn without pyplot, so nothing is shared between two of them but the style.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

WIDTH = 7.2  # inches, two columns of a journal
DOTS = 200  # per inch, of the PNG
COLORS = {"standard": "#2a6fb0", "robust": "#e8851c", "simulated_brain": "#14613a", "random": "#7f7f7f"}
MARKERS = {"resnet": "o", "densenet": "s", "vgg": "^", "simulated_brain": "*"}
SPARE_MARKERS = "DvPXp<>hd8H"  # for other architectures, in the order of the table
SPARE_COLORS = ("#7a4fa3", "#b03a5b", "#3aa6a0", "#6b4f2a")  # for other families, in the order of the table
BRAIN, RANDOM = "simulated_brain", "none"  # their names in the tables
SCALE = LinearSegmentedColormap.from_list("ink", ["#f7f7f2", "#cfdcc8", "#7fb3a3", "#2f7f8a", "#16365c"])
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a figure is the same on every machine
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,  # text stays text in a drawing program
    "svg.hashsalt": "codingaxes",
    "savefig.dpi": DOTS,
    "figure.dpi": DOTS,
    "image.interpolation": "nearest",
}


def use_style():
    """Set the one style of all figures."""
    mpl.rcParams.update(mpl.rcParamsDefault | STYLE)


def grid(rows, columns, height, width=WIDTH, **options):
    """A figure in the style and its axes, always an array (rows, columns); sizes in inches."""
    use_style()
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def join(figure, axes):
    """One panel in the place of a row of them."""
    first, last = (axis.get_subplotspec() for axis in (axes[0], axes[-1]))
    whole = first.get_gridspec()[first.rowspan.start, first.colspan.start : last.colspan.stop]
    for axis in axes:
        axis.remove()
    return figure.add_subplot(whole)


def save(run, figure, values):
    """Write a figure as PDF and PNG and its plotted values as CSV; the same figure gives the same bytes.

    Parameters
    ----------
    run : job.Run
        Its outputs pdf, png and csv say where.
    figure : matplotlib Figure
    values : DataFrame
        What is plotted, one row per mark.
    """
    for kind in ("pdf", "png", "csv"):
        Path(run.output[kind]).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(run.output["png"], dpi=DOTS, metadata={"Software": None})
    figure.savefig(run.output["pdf"], metadata={"CreationDate": None, "Producer": None, "Creator": None})
    values.to_csv(run.output["csv"], index=False, float_format="%.8g", lineterminator="\n")


def look(networks):
    """How each name looks in every figure.

    Parameters
    ----------
    networks : DataFrame
        The table networks; the order of its rows is the order of the figures.

    Returns
    -------
    DataFrame, indexed by network, simulated_brain and none (the random control)
        label, family, architecture, training_radius, color, ink (for text), marker. A robust network
        is darker the larger the radius that it was trained with.
    """
    found = networks[["network", "display_name", "family", "architecture", "training_radius"]]
    found = found.rename(columns={"display_name": "label"}).set_index("network")
    others = [name for name in found.architecture.unique() if name not in MARKERS]
    markers = MARKERS | {name: SPARE_MARKERS[i % len(SPARE_MARKERS)] for i, name in enumerate(others)}
    colors = family_colors(found.family)
    radii = sorted(set(found.training_radius[found.family == "robust"]))
    found["color"] = [
        _shade(colors["robust"], radii.index(radius), len(radii)) if family == "robust" else colors[family]
        for family, radius in zip(found.family, found.training_radius, strict=True)
    ]
    found["ink"] = [ink(colors[family]) for family in found.family]
    found["marker"] = found.architecture.map(markers)
    found.loc[BRAIN] = ["Simulated brain", BRAIN, BRAIN, 0.0, COLORS[BRAIN], COLORS[BRAIN], MARKERS[BRAIN]]
    found.loc[RANDOM] = ["Random noise", "random", "random", 0.0, COLORS["random"], "#4d4d4d", "_"]
    return found


def family_colors(families):
    """The colour of each family, of the simulated brain and of random controls, by name."""
    others = [name for name in dict.fromkeys(families) if name not in COLORS]
    return COLORS | {name: SPARE_COLORS[i % len(SPARE_COLORS)] for i, name in enumerate(others)}


def ink(color):
    """A colour dark enough for text."""
    return to_hex(0.72 * np.array(to_rgb(color)))


def strongest(frame):
    """The rows of the largest radius, and that radius (l2 norm, pixels in [0, 1])."""
    radius = frame.radius.max()
    return frame[np.isclose(frame.radius, radius)], float(radius)


def over_ceiling(values, names):
    """Scores relative to their noise ceilings; as they are where the data have no repetitions, so no ceiling.

    Parameters
    ----------
    values : DataFrame
        With the column ceiling and the columns `names`.

    Returns
    -------
    values : DataFrame
        With a column {name}_over_ceiling for each of `names`.
    label : str
        What they are.
    """
    known = values.ceiling.notna().any()
    unit = values.ceiling.where(values.ceiling > 0) if known else 1.0
    found = {f"{name}_over_ceiling": values[name] / unit for name in names}
    return values.assign(**found), "r / ceiling" if known else "r (ceiling unknown)"


def signed(change, direction):
    """Changes as wanted: positive where an attack moved the response its way; noise counts by its size."""
    return np.where(direction == "none", np.abs(change), np.where(direction == "decrease", -change, change))


def families(axis, names, looks, vertical=True, horizontal=False):
    """Thin lines between neighbouring names of different families."""
    kinds = looks.family[names].to_list()
    for place in range(1, len(kinds)):
        if kinds[place] != kinds[place - 1]:
            if vertical:
                axis.axvline(place - 0.5, color="black", linewidth=0.6)
            if horizontal:
                axis.axhline(place - 0.5, color="black", linewidth=0.6)


def name_axis(axis, names, looks, show=True, which="x"):
    """Names along an axis, in their colours; without `show` only their ticks."""
    set_ticks = axis.set_xticks if which == "x" else axis.set_yticks
    turn = {"rotation": 90} if which == "x" else {}
    set_ticks(range(len(names)), looks.label[names] if show else [""] * len(names), **turn)
    ticks = axis.get_xticklabels() if which == "x" else axis.get_yticklabels()
    for tick, name in zip(ticks, names, strict=True):
        tick.set_color(looks.ink[name])


def point(axis, x, y, looks, name, low=None, high=None, filled=True, size=4.5, **options):
    """One mark in the colour and marker of its name, with a thin interval from `low` to `high` if given."""
    color, marker = looks.color[name], looks.marker[name]
    if low is not None:
        vertical = options.pop("interval", "y") == "y"
        ends = ([x, x], [low, high]) if vertical else ([low, high], [y, y])
        axis.plot(*ends, color=color, linewidth=0.8, zorder=2)
    face = color if filled else "white"
    size = size * 1.6 if marker == "*" else size
    options = {"zorder": 3} | options
    axis.plot(
        [x], [y], marker, color=color, markerfacecolor=face, markersize=size, markeredgewidth=0.9, **options
    )


def heatmap(axis, matrix, looks, norm, rows=True, columns=True, color_map=SCALE):
    """A matrix of networks by networks; missing cells are grey.

    Parameters
    ----------
    axis : Axes
    matrix : DataFrame
        Row and column labels are names of `looks`.
    looks : DataFrame
        From `look`.
    norm : matplotlib norm
        From value to colour; see `root_scale`.
    rows, columns : bool
        Whether the names are written.

    Returns
    -------
    the image, for a colour bar
    """
    color_map = color_map.with_extremes(bad="#b9b9b9")
    image = axis.imshow(
        np.ma.masked_invalid(matrix.to_numpy(float)), cmap=color_map, norm=norm, aspect="auto"
    )
    name_axis(axis, list(matrix.columns), looks, show=columns)
    name_axis(axis, list(matrix.index), looks, show=rows, which="y")
    families(axis, list(matrix.columns), looks)
    families(axis, list(matrix.index), looks, vertical=False, horizontal=True)
    axis.tick_params(length=0, labelsize=6.5)
    axis.spines[:].set_visible(False)
    return image


def root_scale(low, high):
    """Colours that follow the square root above `low`, so that small values differ; clipped at the ends."""
    return PowerNorm(0.5, vmin=low, vmax=high, clip=True)


def root_ticks(norm):
    """Ticks of a `root_scale`: its lower end, round numbers within, at most six."""
    steps = [base * 10.0**power for power in range(-6, 1) for base in (1, 2, 5)]
    within = [step for step in steps if 0.08 < float(norm(step)) and step <= norm.vmax][-12:]
    kept = [step for place, step in enumerate(reversed(within)) if place % 2 == 0][:5]
    return [norm.vmin, *sorted(kept)]


def color_bar(figure, image, axes, label, ticks, low=False, high=False):
    """One colour bar below the axes that share it; `low` and `high` say that values lie beyond its ends."""
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((low, high), "neither")
    place = {"location": "bottom", "aspect": 45, "pad": 0.02, "shrink": 0.7}
    bar = figure.colorbar(image, ax=axes, label=label, extend=extend, **place)
    bar.set_ticks(ticks, labels=[number(tick, 2) for tick in ticks])
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)


def plain_log(axis, which="y", steps=(1.0, 2.0, 3.0, 5.0)):
    """A logarithmic axis whose ticks are plain numbers, at `steps` times powers of ten."""
    axis.set(**{f"{which}scale": "log"})
    ticks = axis.yaxis if which == "y" else axis.xaxis
    ticks.set_major_locator(LogLocator(subs=steps, numticks=5))  # many decades: not each has a tick
    ticks.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    ticks.set_minor_formatter(NullFormatter())


def number(value, digits=3):
    """A number as a reader writes it, with a true minus sign."""
    return f"{value:.{digits}g}".replace("-", "−")


def signed_number(value):
    """A change with its sign and two decimals."""
    return f"{value:+.2f}".replace("-", "−")


def span(values, digits=6):
    """The one value of a column, or its least and largest, as a text."""
    low, high = values.min(), values.max()
    return number(low, digits) if low == high else f"{number(low, digits)} to {number(high, digits)}"


def key_of(looks, names):
    """Legend handles: a colour for each kind of training, then a marker for each architecture."""
    shown, handles = looks.loc[names], []
    for _, row in shown.drop_duplicates("color").iterrows():
        label = (
            row.family.replace("_", "-").capitalize() if row.family not in (BRAIN, "random") else row.label
        )
        if row.family == "robust":
            label = f"Robust, training radius {number(row.training_radius)}"
        handles.append(Line2D([], [], color=row.color, marker="s", linestyle="", markersize=5, label=label))
    nets = shown[~shown.family.isin([BRAIN, "random"])]
    for name, marker in nets.drop_duplicates("architecture").set_index("architecture").marker.items():
        handles.append(mark(marker, name))
    return handles


def mark(marker, label, filled=True, color="black"):
    """A legend handle that is one marker."""
    face = color if filled else "white"
    return Line2D(
        [], [], color=color, marker=marker, linestyle="", markersize=5, markerfacecolor=face, label=label
    )


def dashed(label, color):
    """A legend handle that is a dashed line."""
    return Line2D([], [], color=color, linestyle=(0, (4, 2)), label=label)


def legend_below(figure, handles, columns, note):
    """Below all panels what every figure states (n, sizes, what was left out), and one legend."""
    spacing = {"columnspacing": 1.4, "handletextpad": 0.4, "borderaxespad": 0.2}
    keys = figure.legend(handles=handles, loc="outside lower center", ncols=columns, title=note, **spacing)
    keys.set_title(note, {"size": 7})
    keys.get_title().set_multialignment("center")


def footnote(figure, note):
    """The same statement below a figure without a legend."""
    figure.supxlabel(note, fontsize=7)


def above(axis, text):
    """A statement about one panel, in small letters above it, where no mark can lie; call it after `set`."""
    axis.set_title(axis.get_title(), pad=15)
    place = {"xycoords": "axes fraction", "xytext": (0, 4), "textcoords": "offset points"}
    axis.annotate(text, (0.5, 1.0), **place, ha="center", va="bottom", fontsize=7, color="#4d4d4d")


def sensitivity(attacks):
    """How far the strongest attacks of each model move its own prediction.

    Parameters
    ----------
    attacks : DataFrame
        Rows of the table perturbations, all of one radius.

    Returns
    -------
    DataFrame, indexed by roi and network
        sensitivity: median over images and directions of the signed change, in SD over training images;
        n_probes: images.
    """
    change = signed(attacks.response_after - attacks.response_before, attacks.direction)
    groups = attacks.assign(sensitivity=change).groupby(["roi", "network"], sort=False)
    return groups.agg(sensitivity=("sensitivity", "median"), n_probes=("image_id", "nunique"))


def unconverged(attacks, looks):
    """The share of attacks of each family that have not converged, as a text."""
    missed = (~attacks.converged).groupby(attacks.network.map(looks.family), sort=False).mean()
    return ", ".join(f"{share:.0%} {family.replace('_', ' ')}" for family, share in missed.items())


def rank_correlation(x, y):
    """Spearman's rank correlation of two columns and the number of rows that have both.

    NaN for fewer than three rows, or where one of the columns is constant.
    """
    both = x.notna() & y.notna()
    x, y = x[both].rank(), y[both].rank()
    defined = len(x) > 2 and x.nunique() > 1 and y.nunique() > 1
    return (float(x.corr(y)) if defined else float("nan")), len(x)


def rank_text(correlation):
    """A rank correlation as it stands in a panel."""
    return "undefined" if np.isnan(correlation) else signed_number(correlation)


def per_image(frame, value, keys):
    """Mean of `value` for each image within `keys`: images are sampled, the rest is averaged first."""
    return frame.groupby([*keys, "image_id"], sort=False)[value].mean().reset_index()


def in_order(frame, **orders):
    """Rows sorted by the given order of the values of each column, first column first."""
    sorted_by = {
        name: pd.Categorical(frame[name], list(values), ordered=True) for name, values in orders.items()
    }
    return frame.iloc[pd.DataFrame(sorted_by).sort_values(list(orders), kind="stable").index].reset_index(
        drop=True
    )


def _shade(color, place, count):
    """From a lighter to a darker tone of a colour, by rank."""
    middle = np.array(to_rgb(color))
    light, dark = middle + 0.4 * (1 - middle), 0.52 * middle
    share = 1.0 if count == 1 else 2 * place / (count - 1)  # 0: light, 1: the colour itself, 2: dark
    return to_hex(light + share * (middle - light) if share <= 1 else middle + (share - 1) * (dark - middle))
