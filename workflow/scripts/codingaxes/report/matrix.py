"""Write the matrix of transfer as a table whose cells tell the numbers of their pair."""

from html import escape

import numpy as np
from matplotlib.colors import to_hex

from codingaxes.figures import style, words
from codingaxes.report.explorer import rounded
from codingaxes.tables import store
from codingaxes.tables.changes import TRANSFERS

MEASURES = {"change": "change of the target (SD)", "of_target": "change ÷ target's own attack"}
NUMBERS = ["change", "change_low", "change_high", "of_target", "of_target_low", "of_target_high"]
NUMBERS += ["own_source", "own_target", "cosine", "noise"]
TONES = 48
ALL = "all"


def read(run, names, regions):
    """Read what the main attacks of every model do to every other, by region; `all` is all regions.

    Returns
    -------
    dict
        measures, numbers (the names of a cell's numbers), radius, tones (colours), largest change, regions,
        and cells: region -> source -> target -> numbers, number of images, reason.
    """
    chosen = [
        ("attack", "=", "l2"),
        ("main_radius", "=", True),
        ("source", "in", names),
        ("target", "in", names),
    ]
    columns = ["attack", "roi", "radius", "wanted", "source", "target", *NUMBERS, "n_images", "reason"]
    rows = store.read(run.input["transfers"], TRANSFERS, columns, chosen)
    present = [roi for roi in [ALL, *regions] if roi in set(rows.roi)]
    cells = {roi: {} for roi in present}
    for row in rows[rows.roi.isin(present)].itertuples():
        numbers = [rounded(getattr(row, name)) for name in NUMBERS]
        cells[row.roi].setdefault(row.source, {})[row.target] = [*numbers, row.n_images, row.reason]
    return {
        "measures": MEASURES,
        "numbers": NUMBERS,
        "radius": rounded(rows.radius.iloc[0]),
        "tones": [to_hex(style.SCALE(share)) for share in np.linspace(0, 1, TONES)],
        "largest": rounded(rows.change.max()),
        "regions": present,
        "cells": cells,
    }


def tone(transfer, value, measure):
    """Choose the colour of a cell: it follows the square root, as in the figure; none for a missing value."""
    if value is None:
        return "transparent"
    share = max(0.0, value) / (transfer["largest"] if measure == "change" else 1.0)
    return transfer["tones"][min(TONES - 1, int(share**0.5 * (TONES - 1) + 0.5))]


def table(transfer, models, measure="of_target"):
    """Write the matrix of the first region: sources down, targets across."""
    cells, place = transfer["cells"][transfer["regions"][0]], NUMBERS.index(measure)
    head = "".join(f'<th scope="col"><span>{escape(model["label"])}</span></th>' for model in models)
    lines = []
    for source in models:
        line = ""
        for target in models:
            value = cells.get(source["name"], {}).get(target["name"], [None] * len(NUMBERS))[place]
            text = "no value" if value is None else words.number(value)
            text = f"{source['label']} to {target['label']}: {text}"
            line += (
                f'<td data-source="{escape(source["name"])}" data-target="{escape(target["name"])}" '
                f'style="background:{tone(transfer, value, measure)}" title="{escape(text)}" '
                f'aria-label="{escape(text)}"></td>'
            )
        lines.append(f'<tr><th scope="row">{escape(source["label"])}</th>{line}</tr>')
    return f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"


def options(names):
    """Write the options of a choice."""
    return "".join(f'<option value="{escape(name)}">{escape(text)}</option>' for name, text in names.items())
