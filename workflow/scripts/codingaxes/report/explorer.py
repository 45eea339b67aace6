"""Collect what the explorer of the report shows, and write it as a page without JavaScript shows it.

The pictures are the perturbations that figures show: made without a prior, along the ladder of l2 radii, of
the first few images of each region and direction, by every model. All numbers stand in tables.
"""

import math
from dataclasses import dataclass
from html import escape
from itertools import product

import pandas as pd

from codingaxes.figures import made, made_tables, pictures, style, words
from codingaxes.names import BRAIN, SIGNS
from codingaxes.report import embed
from codingaxes.tables import store
from codingaxes.tables.synthesis import IDENTITY, PEER_REVIEW, SYNTHESIS

RANKS = 3  # images of each region and direction, at most
MIDDLE = 0.5  # of the natural range, which is from level 0 to 1
TICKS = (-50, -20, -8, -3, -1, 0, 1, 2, 4, 9, 21, 51)  # levels; those that fit are drawn
APART, FAR = 5.0, 14.0  # percent of the axis between two ticks, at least, on a wide and on a narrow screen
DIGITS = 4


@dataclass(frozen=True)
class Explorer:
    """Hold what the explorer shows: models, radii, and a case for each region, direction and image."""

    models: list  # of dicts: name, label, color
    radii: list  # l2, from 0
    cases: list  # of dicts: roi, direction, image, and by maker its strip, levels, responses and sizes
    limit: float  # largest distance of a level from the middle of the natural range
    size: int  # side of an image in pixels

    def place(self, level):
        """Give the place of a level on the axis, in percent; beyond the natural range it is compressed."""
        return 50 + 50 * math.asinh(2 * (level - MIDDLE)) / math.asinh(2 * self.limit)


def read(run, looks, regions):
    """Read the pictures and what every model answers to them.

    Parameters
    ----------
    run : job.Run
        With the inputs synthesis, peer_review, chosen_images, stimuli, and the parameter image_size.
    looks : DataFrame
        See `style.look`.
    regions : list of str
        In the order of the study.
    """
    size = run.params["image_size"]
    starts = made_tables.read_starts(run, RANKS)
    columns = [*IDENTITY, "radius", "l2", "rms", "file", "sha256"]
    rows = store.read(run.input["synthesis"], SYNTHESIS, columns, made_tables.LADDER)
    rows = made.first_arm(rows.merge(starts, on=made_tables.ABOUT_IMAGE))
    chosen = [*made_tables.LADDER, ("arm", "=", rows.arm.iloc[0])]
    columns = [*IDENTITY, "reviewer", "before", "response", "level_before", "level"]
    review = store.read(run.input["peer_review"], PEER_REVIEW, columns, chosen)
    review = review.merge(starts, on=made_tables.ABOUT_IMAGE)
    models = style.models(looks, rows.network)
    originals = made_tables.read_originals(run, rows.image_id, size)
    about = [*made_tables.ABOUT_IMAGE, "rank"]
    rows, review = (dict(list(frame.groupby([*about, "network"]))) for frame in (rows, review))
    cases = []
    for roi, direction, rank in product(regions, SIGNS, range(1, RANKS + 1)):
        for start in starts[
            (starts.roi == roi) & (starts.direction == direction) & (starts["rank"] == rank)
        ].itertuples():
            key = (roi, direction, start.image_id, rank)
            makers = {
                name: maker(rows[*key, name], review[*key, name], originals[start.image_id], models, size)
                for name in models
                if (*key, name) in rows
            }
            cases.append({"roi": roi, "direction": direction, "image": start.image_id, "makers": makers})
    radii = [0.0, *sorted({float(radius) for frame in rows.values() for radius in frame.radius})]
    levels = pd.concat([frame[["level", "level_before"]] for frame in review.values()]).stack()
    limit = max(1.0, (levels - MIDDLE).abs().max())
    named = [{"name": name, "label": looks.label[name], "color": looks.color[name]} for name in models]
    return Explorer(named, radii, cases, float(limit), size)


def maker(rows, review, original, models, size):
    """Collect the pictures that one model made of one image, and what all models answer to them."""
    rows = rows.sort_values("step")
    shown = [original, *(pictures.open_made(row, size) for row in rows.itertuples())]
    answers = dict(list(review.sort_values("step").groupby("reviewer")))
    collected = {"strip": embed.strip(shown).uri, "l2": [0.0, *map(rounded, rows.l2)]}
    collected["rms"] = [0.0, *map(rounded, rows.rms)]
    for name, before, after in (("levels", "level_before", "level"), ("responses", "before", "response")):
        collected[name] = [
            [rounded(answers[model][before].iloc[0]), *map(rounded, answers[model][after])]
            if model in answers
            else [None] * len(shown)
            for model in models
        ]
    return collected


def rounded(value):
    """Round a number to the digits that a page shows; None if it is missing."""
    return None if pd.isna(value) else float(f"{value:.{DIGITS}g}")


def begin(explorer, networks):
    """Choose what is shown first: a case, its maker (the robust network of the figures) and a radius."""
    makers = [name for name in reversed(pictures.chosen_makers(networks)) if name != BRAIN]
    case = explorer.cases[0]
    name = next((name for name in makers if name in case["makers"]), next(iter(case["makers"])))
    radii = pd.DataFrame({"radius": explorer.radii[1:]})
    large = pictures.nearest(radii, pictures.LARGE, explorer.size).radius.iloc[0]
    return case, name, explorer.radii.index(large)


def static(explorer, networks):
    """Write the first view as HTML, which is also the page of a reader without JavaScript."""
    case, name, step = begin(explorer, networks)
    labels = {model["name"]: model["label"] for model in explorer.models}
    about = f"{case['image']} changed to {case['direction']} the response of {labels[name]} in {case['roi']}"
    made_by = case["makers"][name]
    tiles = "".join(
        f'<figure class="tile"><div class="window"><img src="{made_by["strip"]}" alt="{escape(about)}, '
        f'l2 radius {words.number(radius)}" style="--step:{place};--steps:{len(explorer.radii)}"></div>'
        f"<figcaption>{words.number(radius)}</figcaption></figure>"
        for place, radius in enumerate(explorer.radii)
    )
    return {
        "about": escape(about),
        "ladder": tiles,
        "axis": axis(explorer),
        "bars": bars(explorer, made_by, name, step),
        "step": str(step),
        "steps": str(len(explorer.radii)),
        "last": str(len(explorer.radii) - 1),
        "radius": radius_text(explorer, step),
        "low": f"{explorer.place(0):.2f}%",
        "high": f"{explorer.place(1):.2f}%",
        "n_images": str(len({case["image"] for case in explorer.cases})),
        "n_pictures": str(sum(len(case["makers"]) * (len(explorer.radii) - 1) for case in explorer.cases)),
    }


def bars(explorer, made_by, name, step):
    """Write one bar for each model: its level before, and the level that it has at a radius."""
    rows = []
    for model, levels in zip(explorer.models, made_by["levels"], strict=True):
        before, level = levels[0], levels[step]
        own = " own" if model["name"] == name else ""
        marks = text = ""
        if before is None or level is None:
            text = "unknown"
        else:
            one, other = explorer.place(before), explorer.place(level)
            marks = f'<i class="move" style="left:{min(one, other):.2f}%;width:{abs(one - other):.2f}%"></i>'
            marks += (
                f'<i class="from" style="left:{one:.2f}%"></i><i class="dot" style="left:{other:.2f}%"></i>'
            )
            text = f"{words.decimal(before)} → {words.decimal(level)}"
        rows.append(
            f'<li class="bar{own}" data-model="{escape(model["name"])}" style="--c:{model["color"]}">'
            f'<span class="who">{escape(model["label"])}</span><span class="track">{marks}</span>'
            f'<span class="value">{text}</span></li>'
        )
    return "".join(rows)


def axis(explorer):
    """Write the ticks of the axis of levels; `minor` are those that a narrow screen has no room for."""
    ticks, last, wide = [], {}, {}
    for level in sorted(TICKS, key=lambda level: (level not in (0, 1), abs(level - MIDDLE))):
        place = explorer.place(level)
        if not 0 <= place <= 100 or any(abs(place - other) < APART for other in last.values()):
            continue
        last[level] = place
        far = all(abs(place - other) >= FAR for other in wide.values())
        wide |= {level: place} if far else {}
        minor = "" if far else ' class="minor"'
        ticks.append(f'<span{minor} style="left:{place:.2f}%">{words.number(level)}</span>')
    return "".join(ticks)


def radius_text(explorer, step):
    """Write a radius, and what it is at the usual size of images."""
    text = words.number(explorer.radii[step])
    if explorer.size != pictures.SIDE:
        text += f" ({made.at_side(explorer.radii[step], explorer.size)})"
    return text
