"""Quote numbers in texts: each by the cell of a table that it stands in, so that a text cannot go stale."""

import math

import numpy as np
import pandas as pd

from codingaxes.claims.evaluate import select
from codingaxes.claims.forms import MARKDOWN

LATEX = {"\\": r"\textbackslash{}", "%": r"\%", "&": r"\&", "#": r"\#", "_": r"\_", "$": r"\$"}
LATEX |= {"{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
LATEX |= {"-": "$-$", "<": "$<$"}
UNDEFINED = "undefined"
COLUMNS = ("value", "low", "high", "confidence", "unit", "text", "table", "key", "column", "sha256")
COLUMNS += ("meaning", "reason")
DIGITS = 2  # significant ones


def quote(macro, number, table, digest):
    """Look a number up in its table.

    Parameters
    ----------
    macro : str
    number : dict
        Its definition.
    table : DataFrame
    digest : str
        sha256 of the table's file.

    Returns
    -------
    dict
        A row of the table quoted_numbers. A number that is missing, or whose row is not there, says why.

    Raises
    ------
    KeyError
        If the table has not the columns; names the number and the column.
    """
    wanted = [*number["row"], *(number[name] for name in ("column", "low", "high") if name in number)]
    for column in wanted:
        if column not in table.columns:
            raise KeyError(f"{macro}: {number['table']} has no column {column}; it has {list(table.columns)}")
    rows, key = select(table, number["row"])
    about = {"macro": macro, "meaning": number["meaning"], "unit": number["unit"], "table": number["table"]}
    about |= {"key": key, "column": number["column"], "sha256": digest, "reason": ""}
    about |= dict.fromkeys(("value", "low", "high", "confidence"), np.nan)
    if len(rows) != 1:
        return about | {"text": UNDEFINED, "reason": f"{len(rows)} rows with {key}, not one"}
    row = rows.iloc[0]
    if "unit_column" in number:
        about["unit"] = row[number["unit_column"]]
    if number.get("style") == "word":
        return about | {"text": str(row[number["column"]])}
    about["value"] = float(row[number["column"]])
    if "low" in number:
        about |= {"low": float(row[number["low"]]), "high": float(row[number["high"]])}
        level = number.get("confidence", 0.95)
        about["confidence"] = float(row[level]) if isinstance(level, str) else level
    if math.isnan(about["value"]):
        return about | {"text": UNDEFINED, "reason": str(row.get("reason", "")) or "missing in the table"}
    return about | {"text": shown(about, number.get("style", "number"), number.get("show", "both"))}


def shown(number, style, show):
    """Write a number, its interval, or both, with as many decimals as the interval's length needs."""
    value, low, high = number["value"], number["low"], number["high"]
    if math.isnan(low) or show == "value":
        return written(value, style)
    factor, sign = (100, "%") if style == "percent" else (1, "")
    places = decimals(factor * (high - low))
    ends = [f"{factor * end:.{places}f}{sign}" for end in (low, high)]
    interval = f"[{ends[0]}, {ends[1]}]"
    return interval if show == "interval" else f"{factor * value:.{places}f}{sign} {interval}"


def written(value, style):
    """Write a value in a style: number, percent, integer or p."""
    if style == "integer":
        return f"{value:.0f}"
    if style == "p":
        return "< 0.0001" if value < 1e-4 else f"= {significant(value)}"
    return f"{significant(100 * value)}%" if style == "percent" else significant(value)


def significant(value):
    """Round to two significant digits, and write without an exponent."""
    rounded = float(f"{value:.{DIGITS - 1}e}")
    return f"{rounded:.{decimals(rounded)}f}"


def decimals(value):
    """Tell how many decimals two significant digits of a value need."""
    return max(0, DIGITS - 1 - math.floor(math.log10(abs(value)))) if value else 0


def latex(rows):
    """Write numbers as LaTeX: one macro each."""
    lines = ["% Numbers of the study, made by the rule quote_numbers. Do not edit."]
    for row in rows:
        text = "".join(LATEX.get(sign, sign) for sign in row["text"])
        lines.append(f"\\newcommand{{\\{row['macro']}}}{{{text}}}")
    return "\n".join(lines) + "\n"


def as_json(rows):
    """Give numbers by macro, with null for what is missing."""
    names = (
        "value",
        "low",
        "high",
        "confidence",
        "unit",
        "text",
        "table",
        "key",
        "column",
        "sha256",
        "meaning",
    )
    return {
        row["macro"]: {name: None if pd.isna(row[name]) else row[name] for name in (*names, "reason")}
        for row in rows
    }


def fill(text, rows):
    """Replace every {{macro}} of a text by its number; one that is undefined says why."""
    texts = {
        row["macro"]: row["text"] + f" ({row['reason']})" * (row["text"] == UNDEFINED and bool(row["reason"]))
        for row in rows
    }
    return MARKDOWN.sub(lambda match: texts[match[1]], text)
