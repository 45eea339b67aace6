"""Choose, read and lay out pictures: images, their perturbations, and sheets of them.

A sheet is one panel whose unit is the width of a picture; row 0 is at the top.
"""

import hashlib
import textwrap
from io import BytesIO
from pathlib import Path

import matplotlib.image
import numpy as np

from codingaxes.contrast import contrasted
from codingaxes.figures import marks, style, words
from codingaxes.names import BRAIN

SIDE = 224  # pixels; sizes of perturbations are often stated for images of 224 x 224 pixels
LARGE, MIDDLE = 30.0, 10.0  # l2 radii there: a perturbation that is plain to see, and one that hardly is
SHOWN = 0.96  # of the place of a picture; the rest keeps it from its neighbour
HALF = SHOWN / 2  # from its left to its middle
POINTS = 72.0  # in an inch
PAGE = style.WIDTH - 0.1  # inches that a sheet is wide
LINE = 1.2  # height of a line, in sizes of its letters


def choose(networks):
    """Choose a standard and a robust network of the table networks; see `contrast.contrasted`."""
    return contrasted(networks.rename(columns={"network": "name"}).to_dict("records"))


def chosen_makers(networks):
    """List the standard and the robust network of `choose`, and the simulated brain, which may be absent.

    The first network of the table stands for them if it has neither.
    """
    return [*([name for name in choose(networks) if name] or [networks.network.iloc[0]]), BRAIN]


def open_picture(file, size):
    """Read a stimulus (size, size, 3) in [0, 1]."""
    return _checked(matplotlib.image.imread(file), file, size)


def open_stimulus(row, size):
    """Read the picture of a row of the table stimuli, as `open_made`."""
    return _open(row, size, "run prepare_stimuli again")


def open_made(row, size):
    """Read the picture of a row of the table synthesis, (size, size, 3) in [0, 1].

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is not there, has another digest than its row, or another shape.
    """
    return _open(row, size, f"delete the table of {row.network} in results/synthesis and run again")


def _open(row, size, remedy):
    try:
        stored = Path(row.file).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{row.file} is not there; {remedy}") from None
    if hashlib.sha256(stored).hexdigest() != row.sha256:
        raise ValueError(
            f"{row.file} was changed: its sha256 is not {row.sha256}, as its table says; {remedy}"
        )
    return _checked(matplotlib.image.imread(BytesIO(stored), format="png"), row.file, size)


def _checked(picture, file, size):
    picture = picture[..., :3].astype(float)
    if picture.shape != (size, size, 3):
        raise ValueError(
            f"{file}: expected a PNG of {size} x {size} x 3 (image_size), found shape {picture.shape}"
        )
    return picture


def amplification(deltas):
    """Choose one factor for all, of one digit, that spreads nearly all pixels over the whole range."""
    largest = np.percentile(np.abs(np.stack(list(deltas))), 99)
    return float(f"{0.5 / largest:.0e}")


def amplified(delta, factor):
    """Draw a perturbation about grey."""
    return np.clip(0.5 + factor * delta, 0, 1)


def nearest(rows, radius, size):
    """Select the rows whose radius is, as a ratio, nearest to one that is stated for images of `SIDE` pixels.

    Parameters
    ----------
    rows : DataFrame
        With the column radius, and at least one row.
    radius : float
        l2 norm at 224 x 224 pixels; sizes grow with the square root of the number of pixels.
    size : int
        Side of the images in pixels.
    """
    radii = rows.radius.drop_duplicates()
    best = radii[np.abs(np.log(radii / (radius * size / SIDE))).idxmin()]
    return rows[np.isclose(rows.radius, best)]


def sheet(width, height, note, bar=0.0):
    """Make a figure that is one sheet; sizes in pictures.

    Parameters
    ----------
    width, height : float
    note : str
        Written below.
    bar : float
        Room below for a colour bar, in inches.

    Returns
    -------
    figure, axis
    """
    below = 0.12 + 0.13 * (1 + words.note(note).count("\n")) + bar
    figure, axes = style.grid(1, 1, height / width * PAGE + below)
    axis = axes[0, 0]
    axis.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axis.set_axis_off()
    marks.footnote(figure, note)
    return figure, axis


def show(axis, x, y, pixels, below="", color="black", size=6.5):
    """Put a picture on a sheet, its upper left corner at (x, y), and a text below it."""
    ends = {"xlim": axis.get_xlim(), "ylim": axis.get_ylim()}
    axis.imshow(np.clip(pixels, 0, 1), extent=(x, x + SHOWN, y + SHOWN, y), interpolation="nearest")
    axis.set(**ends)
    if below:
        axis.text(x + HALF, y + 1.0, below, ha="center", va="top", fontsize=size, color=color)


def strip(axis, x, y, height, values, norm):
    """Draw values as a strip of cells below a picture, in the colours of natural levels; gives the cells."""
    ends = {"xlim": axis.get_xlim(), "ylim": axis.get_ylim()}
    columns = x + SHOWN * np.arange(len(values) + 1) / len(values)
    row = np.array(values, float)[None]
    cells = axis.pcolormesh(columns, [y, y + height], row, cmap=style.LEVELS, norm=norm)
    axis.set(**ends)
    return cells


def write(axis, x, y, text, letters=None, **options):
    """Write a text on a sheet, broken after so many letters."""
    text = textwrap.fill(text, letters, break_long_words=False) if letters else text
    return axis.text(x, y, text, **({"ha": "center", "va": "bottom", "fontsize": 7} | options))


def lines(number, size, width):
    """Give the height of so many lines of text on a sheet that is `width` pictures wide."""
    return number * LINE * size / POINTS * width / PAGE
