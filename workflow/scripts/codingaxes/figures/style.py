"""Give all figures one look: theme, grid, one colour and marker for a name, colour scales; and write them.

Figures become files and no window is ever opened. A figure script reads tables, selects and orders rows
(`largest`, `in_order`), and draws. It computes nothing.
"""

from itertools import cycle

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LinearSegmentedColormap, PowerNorm, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullFormatter

from codingaxes import writing
from codingaxes.figures import words
from codingaxes.names import BRAIN, NOISE

WIDTH = 7.2  # inches, two columns of a journal
DOTS = 200  # per inch, of the PNG
GREY = "#7f7f7f"  # random noise, chance
PALE = "#e4e4e4"  # lines that guide the eye
MISSING = "#b9b9b9"  # a cell of a matrix without a value
SHARES = [0, 0.01, 0.05, 0.1, 0.2, 0.5, 1]  # ticks of a colour bar of shares
DASHES = (0, (4, 2))
COLORS = {"standard": "#2a6fb0", "robust": "#e8851c", BRAIN: "#14613a", "random": GREY}
MARKERS = {"resnet": "o", "densenet": "s", "vgg": "^", BRAIN: "*"}
SPARE_MARKERS = "os^DvPXp<>hd8H"  # for other architectures, in the order of the table: those that are free
SPARE_COLORS = ("#7a4fa3", "#b03a5b", "#3aa6a0", "#6b4f2a")  # for other families, in the order of the table
SCALE = LinearSegmentedColormap.from_list("ink", ["#f7f7f2", "#cfdcc8", "#7fb3a3", "#2f7f8a", "#16365c"])
# Natural levels: blue below the natural range, red above it; as seaborn's vlag, light in the middle.
LEVELS = sns.color_palette("vlag", as_cmap=True)
THEME = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so a figure is the same on every machine
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.title_fontsize": 7.5,
    "legend.frameon": False,
    "text.color": "black",
    "axes.labelcolor": "black",
    "xtick.color": "black",
    "ytick.color": "black",
    "axes.edgecolor": "black",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "xtick.major.size": 3.5,
    "ytick.major.size": 3.5,
    "xtick.minor.size": 2,
    "ytick.minor.size": 2,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,  # text stays text in a drawing program
    "svg.hashsalt": "codingaxes",
    "savefig.dpi": DOTS,
    "figure.dpi": DOTS,
    "image.interpolation": "nearest",
}

mpl.use("agg")


def set_theme():
    """Set the one theme of all figures, whatever was set before."""
    mpl.rcdefaults()
    sns.set_theme(context="paper", style="ticks", font="DejaVu Sans", rc=THEME)


def grid(rows, columns, height, width=WIDTH, **options):
    """Make a figure in the theme and its axes, always an array (rows, columns); sizes in inches."""
    set_theme()
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def join(figure, axes):
    """Replace a row of panels by one."""
    first, last = (axis.get_subplotspec() for axis in (axes[0], axes[-1]))
    whole = first.get_gridspec()[first.rowspan.start, first.colspan.start : last.colspan.stop]
    for axis in axes:
        axis.remove()
    return figure.add_subplot(whole)


def save(run, figure, values):
    """Write a figure as PDF and PNG, and what it plots as CSV; the same figure gives the same bytes.

    Parameters
    ----------
    run : job.Run
        Its outputs pdf, png and csv say where.
    figure : matplotlib Figure
    values : DataFrame
        What is plotted, one row per mark.
    """
    undated = {"CreationDate": None, "Producer": None, "Creator": None}
    with writing.whole(run.output["png"]) as png, writing.whole(run.output["pdf"]) as pdf:
        figure.savefig(png, dpi=DOTS, metadata={"Software": None})
        figure.savefig(pdf, metadata=undated)
    writing.write_csv(run.output["csv"], values, digits=8)


def look(networks):
    """Say how each name looks in every figure.

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
    looks = networks[["network", "display_name", "family", "architecture", "training_radius"]]
    looks = looks.rename(columns={"display_name": "label"}).set_index("network")
    architectures = list(looks.architecture.unique())
    taken = {MARKERS[name] for name in architectures if name in MARKERS}
    free = cycle([marker for marker in SPARE_MARKERS if marker not in taken])
    markers = {name: MARKERS[name] if name in MARKERS else next(free) for name in architectures}
    colors = family_colors(looks.family)
    radii = sorted(set(looks.training_radius[looks.family == "robust"]))
    looks["color"] = [
        _shade(colors["robust"], radii.index(radius), len(radii)) if family == "robust" else colors[family]
        for family, radius in zip(looks.family, looks.training_radius, strict=True)
    ]
    looks["ink"] = [ink(colors[family]) for family in looks.family]
    looks["marker"] = looks.architecture.map(markers)
    looks.loc[BRAIN] = ["Simulated brain", BRAIN, BRAIN, 0.0, COLORS[BRAIN], COLORS[BRAIN], MARKERS[BRAIN]]
    looks.loc[NOISE] = ["Random noise", "random", "random", 0.0, COLORS["random"], "#4d4d4d", "_"]
    return looks


def family_colors(families):
    """Give each family, the simulated brain and random controls a colour, by name."""
    others = [name for name in dict.fromkeys(families) if name not in COLORS]
    return COLORS | {name: SPARE_COLORS[i % len(SPARE_COLORS)] for i, name in enumerate(others)}


def ink(color):
    """Darken a colour enough for text."""
    return to_hex(0.72 * np.array(to_rgb(color)))


def pale(color, share):
    """Mix a colour with white, so that so large a share of it is left."""
    return to_hex(1 - share * (1 - np.array(to_rgb(color))))


def models(looks, present):
    """List the networks in the order of their table, then the simulated brain: those that are `present`."""
    present = set(present)
    return [name for name in looks.index if name in present and name != NOISE]


def largest(frame, column):
    """Select the rows with the largest value of a column (a radius, a wanted change), and give that value."""
    value = frame[column].max()
    return frame[np.isclose(frame[column], value)], value


def in_order(frame, **orders):
    """Sort rows by the given order of the values of each column, first column first; drop other values."""
    frame = frame[np.logical_and.reduce([frame[name].isin(list(values)) for name, values in orders.items()])]
    sorted_by = {
        name: pd.Categorical(frame[name], list(values), ordered=True) for name, values in orders.items()
    }
    places = pd.DataFrame(sorted_by).sort_values(list(orders), kind="stable").index
    return frame.iloc[places].reset_index(drop=True)


def root_scale(low, high):
    """Make colours follow the square root above `low`, so that small values differ; clipped at the ends."""
    return PowerNorm(0.5, vmin=low, vmax=high, clip=True)


def root_ticks(norm, apart=0.08):
    """Choose ticks of a `root_scale`: both ends, and round numbers `apart` from them; at most six."""
    steps = [base * 10.0**power for power in range(-6, 1) for base in (1, 2, 5)]
    within = [step for step in steps if apart < float(norm(step)) < 1 - apart and step < norm.vmax][-12:]
    spread = [step for place, step in enumerate(reversed(within)) if place % 2 == 0][:4]
    return [norm.vmin, *sorted(spread), norm.vmax]


def plain_log(axis, which="y", steps=(1.0, 2.0, 3.0, 5.0)):
    """Make an axis logarithmic, with plain numbers at `steps` times powers of ten."""
    axis.set(**{f"{which}scale": "log"})
    ticks = axis.yaxis if which == "y" else axis.xaxis
    ticks.set_major_locator(FewDecades(steps))
    ticks.set_major_formatter(FuncFormatter(lambda value, _: words.number(value)))
    ticks.set_minor_formatter(NullFormatter())


class FewDecades(Locator):
    """Put ticks at steps times powers of ten, and at more steps where an axis would have fewer than two."""

    def __init__(self, steps):
        self.steps = steps

    def __call__(self):
        """Choose ticks for the present ends of the axis."""
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin, vmax):
        """Choose ticks between two ends; of many decades not each has one."""
        for steps in (self.steps, (1.0, 2.0, 5.0), (1.0, 2.0, 3.0, 5.0)):
            ticks = LogLocator(subs=steps, numticks=5).tick_values(vmin, vmax)
            if np.count_nonzero((min(vmin, vmax) <= ticks) & (ticks <= max(vmin, vmax))) > 1:
                return ticks
        return MaxNLocator(4).tick_values(vmin, vmax)


def plain_symlog(axis, linear, which="y"):
    """Make an axis logarithmic, but linear below `linear`, so that 0 and negative values have a place."""
    scale = axis.set_yscale if which == "y" else axis.set_xscale
    scale("symlog", linthresh=linear, linscale=0.4)
    ticks = axis.yaxis if which == "y" else axis.xaxis
    # the label of the negative end of the linear part would lie on that of 0
    ticks.set_major_formatter(
        FuncFormatter(lambda value, _: "" if np.isclose(value, -linear) else words.number(value))
    )


def _shade(color, place, count):
    """Take a tone of a colour by rank, from lighter to darker."""
    middle = np.array(to_rgb(color))
    light, dark = middle + 0.4 * (1 - middle), 0.52 * middle
    share = 1.0 if count == 1 else 2 * place / (count - 1)  # 0: light, 1: the colour itself, 2: dark
    return to_hex(light + share * (middle - light) if share <= 1 else middle + (share - 1) * (dark - middle))
