"""Compose movies of growing perturbations: pictures, their perturbations, and responses of all models.

What stands still is drawn once by matplotlib; pictures, the cursor and numbers are put upon it as pixels, so
that a movie of the miniature takes two seconds. The same input gives the same bytes.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from codingaxes import writing
from codingaxes.figures import made, marks, pictures, style, words
from codingaxes.names import BRAIN

BETWEEN = 5  # pictures between two radii: few enough for a small file, and enough for the eye to see it grow
MILLISECONDS = 100  # that a frame is shown: a movie of six radii lasts about six seconds
HELD = 1400  # milliseconds that the first and the last frame are shown
SIDE = 192  # pixels of a picture on the screen, at least: three for each one of 64
LEFT, RIGHT, GAP = 62, 28, 30  # pixels beside and between columns
TOP, NUMBERS, PLOT, FOOT = 50, 20, 150, 92  # heights of headings, numbers, the plot, and what is below it
DOTS = 100  # per inch, of what matplotlib draws
LETTERS = 11  # pixels high
LINEAR = 2.0  # levels; beyond it, and below its negative, the scale is logarithmic
TICKS = (-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50)  # of levels
PALE = 0.25  # opacity of lines that the cursor has not reached
CURSOR = (200, 0, 60)
QUALITY, EFFORT = 80, 1  # of WebP: noise stays noise, a frame takes 25 ms and 30 kB


@dataclass(frozen=True)
class Column:
    """Hold what one column shows: whose images, its colour, and the pictures at all radii."""

    name: str
    label: str
    color: str
    pictures: np.ndarray  # (radii, size, size, 3) in [0, 1]; the first is the image itself


@dataclass(frozen=True)
class Movie:
    """Hold all that a movie shows."""

    heading: str
    radii: np.ndarray  # (radii,) l2, pixels in [0, 1]; the first is 0
    columns: list  # of Column
    levels: pd.DataFrame  # network (of a column), reviewer, radius, level
    looks: pd.DataFrame  # from style.look
    factor: float  # that perturbations are amplified by

    @property
    def scale(self):
        """Pixels of the screen for each of a picture, across."""
        return max(1, round(SIDE / self.columns[0].pictures.shape[1]))

    @property
    def side(self):
        """Width of a picture on the screen."""
        return self.scale * self.columns[0].pictures.shape[1]

    @property
    def size(self):
        """Width and height of a frame."""
        number = len(self.columns)
        width = LEFT + number * self.side + (number - 1) * GAP + RIGHT
        return width, TOP + 2 * (self.side + NUMBERS) + PLOT + FOOT

    def left(self, place):
        """Give the left end of a column, in pixels."""
        return LEFT + place * (self.side + GAP)

    @property
    def plot_top(self):
        """Upper end of the plots, in pixels."""
        return TOP + 2 * (self.side + NUMBERS)


def frames(movie):
    """Compose all frames, one after the other.

    Yields
    ------
    array (height, width, 3) of uint8
        The first shows the image itself. Between every two radii are `BETWEEN` frames whose pictures are
        interpolated, those of the radii themselves are the saved ones.
    """
    pale, full = backgrounds(movie)
    for place, share in steps(len(movie.radii)):
        radius, shown = interpolated(movie, place, share)
        frame = pale.copy()
        for column in range(len(movie.columns)):
            cursor = round(column_of(movie, radius)) + movie.left(column)
            rows = slice(movie.plot_top - 4, movie.plot_top + PLOT)
            frame[rows, movie.left(column) - 4 : cursor] = full[rows, movie.left(column) - 4 : cursor]
            frame[movie.plot_top : movie.plot_top + PLOT, cursor : cursor + 2] = CURSOR
            picture, delta = shown[column], shown[column] - movie.columns[column].pictures[0]
            put(frame, movie, column, TOP, picture)
            put(frame, movie, column, TOP + movie.side + NUMBERS, pictures.amplified(delta, movie.factor))
        yield number(movie, frame, radius, shown)


def steps(points):
    """List where the frames lie: the number of the radius before, and the share of the way to the next."""
    between = [(place, step / (BETWEEN + 1)) for place in range(points - 1) for step in range(BETWEEN + 1)]
    return [*between, (points - 1, 0.0)]


def durations(points):
    """List for how many milliseconds each frame is shown."""
    return [HELD, *[MILLISECONDS] * (len(steps(points)) - 2), HELD]


def interpolated(movie, place, share):
    """Give the radius of a frame, evenly spaced in its root, and the pictures, straight between two radii."""
    low, high = movie.radii[place], movie.radii[min(place + 1, len(movie.radii) - 1)]
    radius = ((1 - share) * np.sqrt(low) + share * np.sqrt(high)) ** 2
    part = (radius - low) / (high - low) if high > low else 0.0
    shown = []
    for column in movie.columns:
        before, after = column.pictures[place], column.pictures[min(place + 1, len(movie.radii) - 1)]
        shown.append((1 - part) * before + part * after)
    return radius, shown


def column_of(movie, radius):
    """Give how far right of the left end of a plot a radius lies, in pixels."""
    return np.sqrt(radius / movie.radii[-1]) * (movie.side - 2)


def put(frame, movie, column, top, picture):
    """Put a picture into a frame, each of its pixels a square."""
    left = movie.left(column)
    frame[top : top + movie.side, left : left + movie.side] = enlarged(movie, picture)


def enlarged(movie, picture):
    """Enlarge a picture to its size on the screen, 8 bits, each of its pixels a square."""
    pixels = (255 * np.clip(picture, 0, 1)).round().astype(np.uint8)
    return pixels.repeat(movie.scale, 0).repeat(movie.scale, 1)


def number(movie, frame, radius, shown):
    """Write the radius of a frame, and below each picture how far it is from the image."""
    image = Image.fromarray(frame)
    pen, size = ImageDraw.Draw(image), shown[0].shape[0]
    text = f"radius {words.number(radius)} ({made.at_side(radius, size)})"
    write(pen, (movie.size[0] - RIGHT, 4), text, anchor="ra")
    for place, picture in enumerate(shown):
        text = size_text(picture - movie.columns[place].pictures[0])
        write(pen, (movie.left(place) + movie.side / 2, TOP + movie.side + 3), text, anchor="ma")
    return np.asarray(image)


def size_text(delta):
    """Write the size of a perturbation, l2 and in grey levels."""
    l2 = np.linalg.norm(delta)
    return f"l2 {words.number(l2)}, RMS {words.number(255 * l2 / np.sqrt(delta.size))} grey levels"


def write(pen, at, text, color="black", anchor="la", letters=LETTERS):
    """Write a line of text with PIL."""
    pen.text(at, text, fill=color, font=font(letters), anchor=anchor)


@cache
def font(letters):
    """Load the font of the figures, which comes with matplotlib, `letters` pixels high."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), letters)


def write_sideways(image, middle, text, color):
    """Write a line of text from below to above, about its middle."""
    left, top, right, bottom = font(LETTERS + 1).getbbox(text)
    label = Image.new("RGB", (right + left, bottom + top), "white")
    write(ImageDraw.Draw(label), (0, 0), text, color, letters=LETTERS + 1)
    label = label.rotate(90, expand=True)
    image.paste(label, (round(middle[0] - label.width / 2), round(middle[1] - label.height / 2)))


def backgrounds(movie):
    """Draw what stands still, twice (height, width, 3): with pale lines in the plots, and with full ones."""
    style.set_theme()
    width, height = movie.size
    figure = Figure(figsize=(width / DOTS, height / DOTS), dpi=DOTS)
    canvas, lines = FigureCanvasAgg(figure), []
    figure.text(LEFT / width, 1 - 4 / height, movie.heading, va="top", fontsize=9)
    sides = {"rotation": 90, "ha": "center", "va": "center", "fontsize": 8}
    labels = {TOP: "image", TOP + movie.side + NUMBERS: f"change × {words.number(movie.factor)}"}
    for top, label in labels.items():
        figure.text(LEFT / 2 / width, 1 - (top + movie.side / 2) / height, label, **sides)
    for place, column in enumerate(movie.columns):
        middle = (movie.left(place) + movie.side / 2) / width
        text = {"ha": "center", "va": "bottom", "color": column.color, "fontsize": 8.5}
        figure.text(middle, 1 - (TOP - 4) / height, f"made for {column.label}", **text)
        bottom = height - movie.plot_top - PLOT
        box = movie.left(place) / width, bottom / height, movie.side / width, PLOT / height
        axis = figure.add_axes(box)
        lines += draw_levels(axis, movie, column.name)
        axis.tick_params(labelleft=place == 0)
    figure.axes[0].set_ylabel("natural level", fontsize=8)
    handles = marks.key_of(movie.looks, style.models(movie.looks, movie.levels.reviewer), markers=False)
    handles.append(marks.mark("s", "natural range, q01 to q99", color=style.MISSING))
    options = {
        "loc": "lower center",
        "ncols": 4 if width > 600 else 3,
        "fontsize": 7,
        "borderaxespad": 0.3,
        "columnspacing": 1.2,
    }
    figure.legend(handles=handles, handletextpad=0.3, labelspacing=0.3, **options)
    canvas.draw()
    pale = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    for line in lines:
        line.set_alpha(1.0)
        line.axes.draw_artist(line)
    return pale, np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw_levels(axis, movie, name):
    """Draw the natural level of every model against the radius of one column's images; gives the lines."""
    last, lines = movie.radii[-1], []
    axis.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axis.set_yscale("symlog", linthresh=LINEAR, linscale=1.2)
    low, high = limits(movie.levels.level)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axis.set_yticks(ticks, [words.number(tick) for tick in ticks])
    axis.set_yticks([], minor=True)
    axis.set(xlim=(0, last), ylim=(low, high))
    axis.axhspan(0, 1, color=style.PALE, linewidth=0, zorder=0)
    for level in (0, 1):
        axis.axhline(level, color=style.GREY, linewidth=0.7, zorder=1)
    rows = movie.levels[movie.levels.network == name]
    for reviewer in style.models(movie.looks, rows.reviewer):
        line = rows[rows.reviewer == reviewer].sort_values("radius")
        look = {"color": movie.looks.color[reviewer], "alpha": PALE, "markersize": 3.5}
        look |= {"linewidth": 1.8 if reviewer in (name, BRAIN) else 0.8}
        lines += axis.plot(line.radius, line.level, ".-", zorder=3, clip_on=False, **look)
    size = movie.columns[0].pictures.shape[1]
    marked = pictures.nearest(rows[rows.radius > 0], pictures.LARGE, size)
    axis.axvline(marked.radius.iloc[0], color=style.GREY, linestyle=style.DASHES, linewidth=0.8, zorder=1)
    small = {"fontsize": 6.5, "color": "#4d4d4d", "zorder": 4}
    for level, text in ((0, "q01"), (1, "q99")):
        axis.annotate(text, (last, level), (4, 0), textcoords="offset points", va="center", **small)
    mark = marked.radius.iloc[0]
    place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "bottom"}
    text, side = made.at_side(mark, size), "right" if mark > last / 2 else "center"
    axis.annotate(text, (mark, 1.0), (0, 1), ha=side, **place, **small)
    axis.set_xticks(movie.radii, spaced(movie.radii))
    axis.set_xlabel("l2 radius, pixels in [0, 1]", fontsize=7.5, labelpad=1)
    axis.tick_params(labelsize=7)
    return lines


def limits(levels):
    """Choose the ends of the axis of levels: all of them, and the natural range."""
    low, high = min(levels.min(), 0.0), max(levels.max(), 1.0)
    return low - 0.25 - 0.1 * abs(low), high + 0.25 + 0.1 * abs(high)


def spaced(radii, apart=0.17):
    """Write those radii that lie so far apart on the axis, and nothing at the others; both ends always."""
    at, texts, last = np.sqrt(np.asarray(radii) / radii[-1]), [], -1.0
    for place, radius in zip(at, radii, strict=True):
        shown = place == 1.0 or (place - last >= apart and 1.0 - place >= apart)
        texts.append(words.number(radius) if shown else "")
        last = place if shown else last
    return texts


def strip(movie):
    """Compose the pictures at all radii, and below each maker's its changes, as one image for print."""
    cell, head, block = movie.side + 6, 26, 2 * (movie.side + 6 + NUMBERS)
    size = LEFT + len(movie.radii) * cell, head + len(movie.columns) * block
    frame = np.full((size[1], size[0], 3), 255, np.uint8)
    places = [(line, place) for line in range(len(movie.columns)) for place in range(len(movie.radii))]
    for line, place in places:
        shown = movie.columns[line].pictures[place]
        delta = shown - movie.columns[line].pictures[0]
        for top, picture in ((0, shown), (block // 2, pictures.amplified(delta, movie.factor))):
            pixels, top, left = enlarged(movie, picture), head + line * block + top, LEFT + place * cell
            frame[top : top + movie.side, left : left + movie.side] = pixels
    image = Image.fromarray(frame)
    pen = ImageDraw.Draw(image)
    heading = f"{movie.heading}; below each picture its change × {words.number(movie.factor)} about grey"
    write(pen, (LEFT, 5), heading, letters=LETTERS + 2)
    own = movie.levels[movie.levels.network == movie.levels.reviewer].set_index(["network", "radius"]).level
    for line, column in enumerate(movie.columns):
        write_sideways(image, (LEFT / 2, head + (line + 0.5) * block), column.label, column.color)
        for place, radius in enumerate(movie.radii):
            middle, below = LEFT + place * cell + movie.side / 2, head + line * block + movie.side + 3
            text = f"radius {words.number(radius)}, level {made.level_text(own[column.name, radius])}"
            write(pen, (middle, below), text, column.color, "ma")
            text = size_text(column.pictures[place] - column.pictures[0])
            write(pen, (middle, below + block // 2), text, anchor="ma")
    return image


def save_webp(path, movie, shown):
    """Write frames as an animated WebP, which every browser shows; needs no codec."""
    images = [Image.fromarray(frame) for frame in shown]
    options = {"duration": durations(len(movie.radii)), "loop": 0, "quality": QUALITY, "method": EFFORT}
    options |= {"save_all": True, "append_images": images[1:], "minimize_size": False}
    with writing.whole(path) as temporary:
        images[0].save(temporary, "WEBP", **options)


def can_write_mp4():
    """Say whether the optional package `av` is installed."""
    return importlib.util.find_spec("av") is not None


def save_mp4(path, movie, shown):
    """Write frames as an MP4 at twice their size, each pixel a square.

    MP4 halves the resolution of colours: at its own size, coloured noise would be grey.
    """
    av = importlib.import_module("av")
    with writing.whole(path) as temporary, av.open(str(temporary), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(1000, MILLISECONDS))
        stream.width, stream.height = (2 * pixels for pixels in movie.size)
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        stream.options = {"crf": "18", "preset": "veryfast"}
        for frame, milliseconds in zip(shown, durations(len(movie.radii)), strict=True):
            doubled = av.VideoFrame.from_ndarray(frame.repeat(2, 0).repeat(2, 1), format="rgb24")
            for _ in range(round(milliseconds / MILLISECONDS)):
                file.mux(stream.encode(doubled))
        file.mux(stream.encode())
