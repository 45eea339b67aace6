"""Draw the contact sheet of a set: a row for each image, region and direction, a column for each condition.

The natural image begins every row. What stands once for all regions and directions, as white noise does, is
shown again in each row of its image.
"""

import textwrap
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codingaxes.names import NOISE

THUMB = 128  # pixels a side, at most; smaller pictures are enlarged by whole numbers
GAP, LINE = 10, 15  # pixels between pictures, and of a line of text
LEFT = 120  # pixels of the column that names rows
LETTERS = 12  # pixels high
ROWS = 24  # of a page
INK, GREY, PAPER = (0, 0, 0), (110, 110, 110), (255, 255, 255)
SHORT = {
    "blend": "blend",
    "phase_scrambled": "random phases",
    "random": "white noise",
    "other_image": "other image's",
}
CONDITION = ["step", "maker_role", "control", "draw"]


@dataclass(frozen=True)
class Layout:
    """Hold which stimuli stand where."""

    rows: list  # of (image_id, roi, direction)
    columns: list  # of (step, maker_role, control, draw)
    cells: dict  # (row, column) -> row of set_stimuli
    originals: dict  # image_id -> row of set_stimuli


def layout(stimuli):
    """Place the stimuli of a set.

    Parameters
    ----------
    stimuli : DataFrame
        The table set_stimuli.

    Returns
    -------
    Layout
        Columns in the order of steps, and of stimuli within a step.
    """
    changed = stimuli[stimuli.role != "original"]
    aimed = changed[changed.roi != "all"]
    rows = list(dict.fromkeys(zip(aimed.image_id, aimed.roi, aimed.direction, strict=True)))
    lone = [image for image in stimuli.image_id.unique() if image not in set(aimed.image_id)]
    rows += [(image, "all", "none") for image in lone]
    columns = changed.sort_values("step", kind="stable")
    columns = list(dict.fromkeys(zip(*(columns[name] for name in CONDITION), strict=True)))
    cells = {}
    for stimulus in changed.itertuples():
        column = tuple(getattr(stimulus, name) for name in CONDITION)
        for row in rows:
            same = (stimulus.roi in (row[1], "all")) and (stimulus.direction in (row[2], "none"))
            if stimulus.image_id == row[0] and same:
                cells[row, column] = stimulus
    originals = {row.image_id: row for row in stimuli[stimuli.role == "original"].itertuples()}
    return Layout(rows, columns, cells, originals)


def amplified_pages(stimuli, originals, pictures):
    """Draw the sheet of what was added to natural images: amplified by one factor, about grey.

    Parameters
    ----------
    stimuli, pictures
        See `pages`.
    originals : Series
        stimulus_id of the natural image of each row.

    Returns
    -------
    list of (str, array)
        As `pages`; none where nothing was added.
    """
    natural = dict(zip(stimuli.stimulus_id, originals, strict=True))
    changes = {
        name: pictures[name].astype(float) - pictures[origin]
        for name, origin in natural.items()
        if name != origin
    }
    largest = max((np.percentile(np.abs(change), 99) for change in changes.values()), default=0.0)
    if not largest:
        return []
    factor = float(f"{min(127.5 / largest, 100.0):.0e}")
    shown = {
        name: np.clip(128 + factor * change, 0, 255).astype(np.uint8) for name, change in changes.items()
    }
    return pages(stimuli, pictures | shown, "contact_sheet_perturbations", f"what was added, x {factor:g}")


def pages(stimuli, pictures, name="contact_sheet", title=""):
    """Draw the sheet, on several pages where there are many rows.

    Parameters
    ----------
    stimuli : DataFrame
        The table set_stimuli.
    pictures : dict
        stimulus_id -> 8-bit picture (h, h, 3).
    name : str
        Of the files, to which .png is added, or the number of the page before it.
    title : str
        Written in the upper left corner.

    Returns
    -------
    list of (str, array)
        Name of the file and 8-bit picture (height, width, 3).
    """
    places = layout(stimuli)
    starts = range(0, max(1, len(places.rows)), ROWS)
    names = [f"{name}.png"] if len(starts) == 1 else []
    names = names or [f"{name}_{number}.png" for number in range(1, len(starts) + 1)]
    parts = [places.rows[start : start + ROWS] for start in starts]
    return [(name, draw(places, part, pictures, title)) for name, part in zip(names, parts, strict=True)]


def draw(places, rows, pictures, title=""):
    """Draw some rows of the sheet, with the names of all columns above."""
    side = thumb(next(iter(pictures.values()))).shape[0]
    wide, high, top = max(side, 84) + GAP, side + 2 * LINE + GAP, 3 * LINE + GAP
    page = Image.new("RGB", (LEFT + wide * (1 + len(places.columns)), top + high * len(rows)), PAPER)
    pen = ImageDraw.Draw(page)
    pen.fontmode = "L"
    font = ImageFont.load_default(LETTERS)
    for place, line in enumerate(textwrap.wrap(title, 16)):
        pen.text((GAP // 2, GAP // 2 + LINE * place), line, INK, font)
    for number, column in enumerate(["natural", *places.columns]):
        lines = ["natural", "image"] if number == 0 else head(column)
        for place, line in enumerate(lines):
            pen.text((LEFT + wide * number, GAP // 2 + LINE * place), line, INK, font)
    for number, row in enumerate(rows):
        y = top + high * number
        for place, line in enumerate([row[0], row[1], row[2] if row[2] != NOISE else ""]):
            pen.text((GAP // 2, y + LINE * place), fitting(line, font, LEFT - GAP), INK, font)
        shown = [places.originals[row[0]], *(places.cells.get((row, column)) for column in places.columns)]
        for place, stimulus in enumerate(shown):
            if stimulus is not None:
                x = LEFT + wide * place
                page.paste(Image.fromarray(thumb(pictures[stimulus.stimulus_id])), (x, y))
                pen.text((x, y + side + 1), stimulus.stimulus_id.removeprefix("stim-"), INK, font)
                if stimulus.role != "original":
                    pen.text((x, y + side + 1 + LINE), f"l2 {stimulus.l2:.3g}", GREY, font)
    return np.asarray(page)


def head(column):
    """Name a column in three lines: what was done, for whom, and the step."""
    step, maker, control, draw = column
    what = SHORT.get(control, "perturbed")
    number = f", draw {draw}" if draw else ""
    return [what, "" if maker == NOISE else maker.replace("_", " "), f"step {step}{number}"]


def thumb(picture):
    """Shrink a large picture to `THUMB` pixels, or enlarge a small one by a whole number."""
    side = len(picture)
    if side <= THUMB:
        times = THUMB // side
        return picture.repeat(times, axis=0).repeat(times, axis=1)
    return np.asarray(Image.fromarray(picture).resize((THUMB, THUMB), Image.Resampling.LANCZOS))


def fitting(text, font, width):
    """Shorten a text from its beginning until it fits, as the end of a path tells more."""
    shown = text
    while font.getlength(shown) > width:
        text = text[1:]
        shown = f"…{text}"
    return shown
