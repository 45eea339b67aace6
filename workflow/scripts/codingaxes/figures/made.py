"""Write words about synthesised images, and choose the arm that figures show."""

import pandas as pd

from codingaxes.figures import pictures, words

ARROWS = {"increase": "up", "decrease": "down"}
INTERVALS = "bars: 95% intervals over images"  # of few by Student's t, else by bootstrap
ARMS = {"pixels": "no prior", "fourier": "Fourier prior"}


def first_arm(rows):
    """Select the images that were made without a prior, or of the first arm if there are none."""
    arms = [name for name in ARMS if name in set(rows.arm)]
    return rows[rows.arm == arms[0]]


def level_text(level):
    """Write a natural level; it is missing where a model's natural responses do not differ."""
    return "unknown" if pd.isna(level) else words.decimal(level)


def before_and_after(row):
    """Write response and level of the maker, to the start image and to the one that was made of it."""
    before, after = words.number(row.response_before, 2), words.number(row.response, 3)
    low, high = level_text(row.level_before), level_text(row.level)
    return f"{before} → {after} SD\nlevel {low} → {high}"


def at_side(radius, size):
    """Write what a radius is for images of 224 x 224 pixels."""
    return f"{words.number(radius * pictures.SIDE / size)} at {pictures.SIDE} × {pictures.SIDE} pixels"


def radius_text(rows, size):
    """Write the one radius of some rows, and what it is for images of 224 x 224 pixels."""
    radius = rows.radius.iloc[0]
    text = f"l2 radius {words.number(radius)}, pixels in [0, 1]"
    if size != pictures.SIDE:
        text += f" ({at_side(radius, size)})"
    return text


def unconverged_text(rows):
    """State how many of the images that are drawn have not converged."""
    return f"not converged (kept): {(~rows.converged).sum()} of {len(rows)} pictures"
