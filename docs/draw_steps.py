"""Draw the steps of the study as docs/steps.svg and docs/steps.png: python docs/draw_steps.py."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from matplotlib.path import Path as Curve

SIZE = (11.0, 5.5)  # inches; one unit of the drawing is one inch
DOTS = 150  # per inch, of the PNG
BOX = (1.84, 1.94)  # width and height
COLUMNS = (0.1, 2.34, 4.58, 6.82, 9.06)  # left edges
ROWS = (0.1, 2.74)  # bottom edges
TALL = ROWS[1] + BOX[1] - ROWS[0]  # height of a box over both rows
INK, FAINT, PAPER, BRAIN = "#1f2933", "#66727f", "#ffffff", "#14613a"
HEAD = "-|>,head_length=4,head_width=2.2"  # of arrows
STAGES = {  # name: left edge and colour
    "given": (COLUMNS[0], "#5b6b7a"),
    "predict": (COLUMNS[1], "#2a6fb0"),
    "perturb": (COLUMNS[2], "#d9730d"),
    "compare": (COLUMNS[3], "#2a7b86"),
    "show": (COLUMNS[4], "#16365c"),
}


@dataclass(frozen=True)
class Step:
    """One box: where it stands, what it says, and the folder of its tables."""

    name: str
    stage: str
    row: int
    text: str
    folder: str
    height: float = BOX[1]

    @property
    def left(self):
        return STAGES[self.stage][0]

    @property
    def bottom(self):
        return ROWS[self.row]

    @property
    def color(self):
        return STAGES[self.stage][1]

    def at(self, x, y):
        """Find a point of the box; x and y go from 0 to 1, from left to right and from bottom to top."""
        return self.left + x * BOX[0], self.bottom + y * self.height


STEPS = {
    step.name: step
    for step in (
        Step("nsd", "given", 1, "images, and how FFA,\nEBA and PPA respond", "results/nsd"),
        Step("networks", "given", 0, "vision networks,\nstandard and robust", "results/networks"),
        Step("readouts", "predict", 1, "linear maps that predict\nthe brain's responses", "results/readouts"),
        Step("features", "predict", 0, "what each layer says\nabout each image", "results/features"),
        Step("attacks", "perturb", 1, "small changes of an image\nthat move a prediction", "results/attacks"),
        Step("axes", "perturb", 0, "directions to which a\nmodel is most sensitive", "results/axes"),
        Step("transfer", "compare", 1, "what an attack on one\nmodel does to others", "results/transfer"),
        Step(
            "similarity, summaries",
            "compare",
            0,
            "how alike axes are;\nevery number, with interval",
            "results/similarity, summaries",
        ),
        Step(
            "figures, report",
            "show",
            0,
            "drawn from the tables:\nnothing is computed here",
            "results/figures",
            height=TALL,
        ),
    )
}
ARROWS = (  # from a box, where on its right edge or top; to a box, where on its left edge or bottom
    ("nsd", (1, 0.6), "readouts", (0, 0.6)),
    ("nsd", (1, 0.25), "features", (0, 0.75)),
    ("networks", (1, 0.4), "features", (0, 0.4)),
    ("features", (0.5, 1), "readouts", (0.5, 0)),
    ("readouts", (1, 0.6), "attacks", (0, 0.6)),
    ("readouts", (1, 0.25), "axes", (0, 0.6)),
    ("attacks", (1, 0.6), "transfer", (0, 0.6)),
    ("attacks", (1, 0.25), "similarity, summaries", (0, 0.75)),
    ("axes", (1, 0.4), "similarity, summaries", (0, 0.4)),
    ("transfer", (0.5, 0), "similarity, summaries", (0.5, 1)),
    ("similarity, summaries", (1, 0.6), "figures, report", (0, 0.6 * BOX[1] / TALL)),
)


def main():
    """Draw the boxes, their arrows and their pictures, and write both files."""
    mpl.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "codingaxes"})
    figure = Figure(figsize=SIZE, facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, SIZE[0]), ylim=(0, SIZE[1]))
    axes.set_axis_off()
    for name, (left, color) in STAGES.items():
        draw_heading(axes, name, left, color)
    for start, leaves, end, arrives in ARROWS:
        draw_arrow(axes, STEPS[start].at(*leaves), STEPS[end].at(*arrives))
    draw_brain_arrow(axes)
    for step in STEPS.values():
        draw_box(axes, step)
        PICTURES[step.name](axes, step)
    folder = Path(__file__).parent
    figure.savefig(folder / "steps.svg", metadata={"Date": None})
    figure.savefig(folder / "steps.png", dpi=DOTS, metadata={"Software": None})


def draw_heading(axes, name, left, color):
    """Write the name of a stage above its column, with a line as wide as the column."""
    axes.plot([left, left + BOX[0]], [5.06, 5.06], color=color, lw=2.2, solid_capstyle="round")
    axes.text(left, 5.14, name, color=color, fontsize=12, fontweight="bold", va="bottom")


def draw_box(axes, step):
    """Draw the frame of a step, its name, its sentence and its folder; the upper half is left free."""
    axes.add_patch(
        FancyBboxPatch(
            (step.left, step.bottom),
            BOX[0],
            step.height,
            boxstyle="round,pad=0,rounding_size=0.09",
            facecolor=PAPER,
            edgecolor=step.color,
            linewidth=1.3,
        )
    )
    middle, bottom = step.left + BOX[0] / 2, step.bottom
    size = 11 if len(step.name) < 20 else 9.6
    axes.text(middle, bottom + 0.82, step.name, color=INK, fontsize=size, fontweight="bold", ha="center")
    axes.text(
        middle, bottom + 0.73, step.text, color=INK, fontsize=8.6, ha="center", va="top", linespacing=1.25
    )
    axes.text(middle, bottom + 0.11, step.folder, color=step.color, fontsize=7.8, ha="center")


def draw_arrow(axes, start, end):
    """Draw an arrow that leaves and arrives across the edges of its boxes."""
    (x0, y0), (x1, y1) = start, end
    if y0 == y1 or x0 == x1:
        curve = Curve([start, end])
    else:  # level at both ends
        middle, last = (x0 + x1) / 2 - 0.04, x1 - 0.12
        points = [start, (middle, y0), (middle, y1), (last, y1), end]
        curve = Curve(points, [Curve.MOVETO, *[Curve.CURVE4] * 3, Curve.LINETO])
    axes.add_patch(FancyArrowPatch(path=curve, arrowstyle=HEAD, color=FAINT, linewidth=1.3, zorder=0.5))


def draw_brain_arrow(axes):
    """Draw the way of the simulated brain, which is attacked like a network, around the boxes between."""
    (x0, y0), (x1, y1), height, turn = STEPS["nsd"].at(0.5, 1), STEPS["attacks"].at(0.5, 1), 4.87, 0.1
    corners = [(x0, y0), (x0, height - turn), (x0, height), (x0 + turn, height)]
    corners += [(x1 - turn, height), (x1, height), (x1, height - turn), (x1, y1)]
    corner = [Curve.LINETO, Curve.CURVE3, Curve.CURVE3]
    curve = Curve(corners, [Curve.MOVETO, *corner, *corner, Curve.LINETO])
    axes.add_patch(
        FancyArrowPatch(
            path=curve, arrowstyle=HEAD, color=BRAIN, linewidth=1.3, linestyle=(0, (3, 2)), zorder=0.5
        )
    )
    axes.text(
        (x0 + x1) / 2,
        height,
        "miniature: the simulated brain is one more model",
        color=BRAIN,
        fontsize=8.2,
        ha="center",
        va="center",
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 2},
    )


def picture_center(step):
    """Find the middle of the free upper half of a box."""
    return step.left + BOX[0] / 2, step.bottom + 1.5


def draw_scene(axes, step):
    """Draw nsd: an image, and a brain with three regions."""
    x, y = picture_center(step)
    axes.add_patch(Rectangle((x - 0.62, y - 0.28), 0.56, 0.56, facecolor="#cfe3f2", edgecolor="none"))
    hills = [
        (-0.62, -0.28),
        (-0.62, -0.08),
        (-0.46, 0.06),
        (-0.3, -0.06),
        (-0.2, 0.0),
        (-0.06, -0.12),
        (-0.06, -0.28),
    ]
    axes.add_patch(Polygon([(x + dx, y + dy) for dx, dy in hills], facecolor="#8fb59a", edgecolor="none"))
    axes.add_patch(Circle((x - 0.2, y + 0.15), 0.065, facecolor="#f2c14e", edgecolor="none"))
    axes.add_patch(Rectangle((x - 0.62, y - 0.28), 0.56, 0.56, fill=False, edgecolor=step.color, linewidth=1))
    axes.add_patch(Ellipse((x + 0.36, y), 0.58, 0.46, facecolor="#e6ece8", edgecolor=BRAIN, linewidth=1.2))
    for dx, dy, color in ((-0.08, -0.09, "#2a6fb0"), (0.12, -0.04, "#d9730d"), (0.0, 0.1, BRAIN)):
        axes.add_patch(Circle((x + 0.36 + dx, y + dy), 0.058, facecolor=color, edgecolor="none"))


def draw_layers(axes, step):
    """Draw networks: two rows of layers that become narrower, standard and robust."""
    x, y = picture_center(step)
    for dy, color in ((0.17, "#2a6fb0"), (-0.17, "#d9730d")):
        for i, height in enumerate((0.3, 0.25, 0.2, 0.14, 0.09)):
            left = x - 0.52 + 0.24 * i
            axes.add_patch(
                Rectangle((left, y + dy - height / 2), 0.08, height, facecolor=color, edgecolor="none")
            )
            if i < 4:
                axes.plot([left + 0.1, left + 0.22], [y + dy] * 2, color=color, lw=0.9)


def draw_features(axes, step):
    """Draw features: layers by units, as shades."""
    x, y = picture_center(step)
    shades = np.random.default_rng(3).random((3, 9)) ** 1.5
    for row in range(3):
        for column in range(9):
            corner = (x - 0.585 + 0.13 * column, y + 0.11 - 0.2 * row)
            shade = 0.1 + 0.9 * shades[row, column]
            axes.add_patch(
                Rectangle(corner, 0.115, 0.16, facecolor=step.color, alpha=shade, edgecolor="none")
            )


def draw_regression(axes, step):
    """Draw readouts: points along a line."""
    x, y = picture_center(step)
    rng = np.random.default_rng(5)
    across = np.linspace(-0.45, 0.45, 16)
    axes.plot([x - 0.5, x + 0.5], [y - 0.25, y + 0.25], color=INK, lw=1.2)
    axes.scatter(x + across, y + across / 2 + rng.normal(0, 0.07, 16), s=9, color=step.color, linewidths=0)


def draw_ball(axes, step):
    """Draw attacks: the strongest of all steps of one length, beside random ones."""
    x, y = picture_center(step)
    axes.add_patch(
        Circle((x, y), 0.33, facecolor="#fdf1e5", edgecolor=step.color, linewidth=1, linestyle=(0, (2, 1.5)))
    )
    for angle in (100, 160, 220, 285, 340):
        end = x + 0.33 * np.cos(np.radians(angle)), y + 0.33 * np.sin(np.radians(angle))
        axes.plot([x, end[0]], [y, end[1]], color="#b9c0c7", lw=0.9)
    draw_ray(axes, (x, y), 35, 0.33, step.color)
    axes.add_patch(Circle((x, y), 0.03, facecolor=INK, edgecolor="none", zorder=3))


def draw_axes(axes, step):
    """Draw axes: an ellipse and its two axes."""
    x, y = picture_center(step)
    axes.add_patch(
        Ellipse((x, y), 1.0, 0.42, angle=25, facecolor="#fdf1e5", edgecolor=step.color, linewidth=1)
    )
    for angle, length in ((25, 0.5), (115, 0.21), (205, 0.5), (295, 0.21)):
        draw_ray(axes, (x, y), angle, length, step.color)


def draw_matrix(axes, step):
    """Draw transfer: sources by targets, dark on the diagonal."""
    x, y = picture_center(step)
    shades = [[1, 0.12, 0.06, 0.06], [0.1, 1, 0.08, 0.06], [0.3, 0.25, 1, 0.45], [0.35, 0.3, 0.5, 1]]
    draw_shades(axes, (x - 0.34, y - 0.34), 0.17, shades, step.color)


def draw_planes(axes, step):
    """Draw similarity: the ellipses of two models, which lie nearly alike."""
    x, y = picture_center(step)
    for angle, color in ((18, "#2a6fb0"), (40, "#d9730d")):
        axes.add_patch(Ellipse((x, y), 1.0, 0.34, angle=angle, facecolor=color, alpha=0.16, edgecolor="none"))
        axes.add_patch(Ellipse((x, y), 1.0, 0.34, angle=angle, fill=False, edgecolor=color, linewidth=1))
        draw_ray(axes, (x, y), angle, 0.5, color)


def draw_figures(axes, step):
    """Draw figures: points with intervals, a matrix, and curves."""
    x = step.left + BOX[0] / 2
    left = x - 0.5
    rng = np.random.default_rng(8)
    for i in range(8):
        color, value = ("#2a6fb0", 0.55) if i < 4 else ("#d9730d", 0.22)
        height = value + rng.normal(0, 0.05)
        axes.plot([left + 0.14 * i] * 2, [3.68 + height - 0.09, 3.68 + height + 0.09], color=color, lw=1)
        axes.scatter([left + 0.14 * i], [3.68 + height], s=13, color=color, linewidths=0)
    draw_frame(axes, left - 0.12, 3.66, 1.24, 0.78)
    shades = 0.12 + 0.25 * rng.random((6, 6)) + 0.25 * (np.add.outer(range(6), range(6)) > 6)
    np.fill_diagonal(shades, 1)
    draw_shades(axes, (x - 0.42, 2.58), 0.14, shades, step.color)
    frequency = np.linspace(0, 1, 60)
    for color, peak in (("#2a6fb0", 0.55), ("#d9730d", 0.3), (BRAIN, 0.18)):
        curve = np.exp(-(((frequency - peak) / 0.17) ** 2))
        axes.plot(left - 0.06 + 1.14 * frequency, 1.6 + 0.55 * curve, color=color, lw=1.2)
    draw_frame(axes, left - 0.12, 1.54, 1.24, 0.72)


def draw_ray(axes, start, angle, length, color):
    """Draw an arrow from a point; the angle is in degrees, the length in inches."""
    end = start[0] + length * np.cos(np.radians(angle)), start[1] + length * np.sin(np.radians(angle))
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle=HEAD, color=color, linewidth=1.6, shrinkA=0, shrinkB=0, zorder=2
        )
    )


def draw_shades(axes, corner, size, shades, color):
    """Draw a matrix of values from 0 to 1 as squares, its first row on top."""
    for row, values in enumerate(shades):
        for column, value in enumerate(values):
            at = corner[0] + size * column, corner[1] + size * (len(shades) - 1 - row)
            axes.add_patch(
                Rectangle(at, size, size, facecolor=color, alpha=float(value), edgecolor=PAPER, linewidth=0.8)
            )


def draw_frame(axes, left, bottom, width, height):
    """Draw the left and the lower axis of a small diagram."""
    axes.plot([left, left, left + width], [bottom + height, bottom, bottom], color=INK, lw=0.9)


PICTURES = {
    "nsd": draw_scene,
    "networks": draw_layers,
    "features": draw_features,
    "readouts": draw_regression,
    "attacks": draw_ball,
    "axes": draw_axes,
    "transfer": draw_matrix,
    "similarity, summaries": draw_planes,
    "figures, report": draw_figures,
}

if __name__ == "__main__":
    main()
