"""Write what the study found: the four questions with their answers, and every claim with its evidence.

Every sentence, number and verdict stands in the table of claims; only places of marks are computed.
"""

from html import escape

import pandas as pd

from codingaxes.figures import words

QUESTIONS = {
    1: "How sensitive are brain models to small targeted perturbations, and less so to random ones of equal "
    "size?",
    2: "Do models share failure modes: does an attack made on one transfer to another, and are their "
    "perturbation subspaces similar?",
    3: "Does stability tell apart models that predict the brain equally well?",
    4: "Can stable and predictive models generate hypotheses: large perturbations, maximally exciting "
    "images, stimulus sets for an experiment?",
}
SIGNS = {"supported": "✓", "contradicted": "✕", "undecided": "?"}
SIDES = {"above": "claimed: above", "below": "claimed: below", "within": "claimed: within ±"}


def answers(claims, figures):
    """Write the four questions, each with its headline claim.

    Parameters
    ----------
    claims : DataFrame
        The table claims.
    figures : dict
        Name of a figure -> Picture and title.
    """
    parts = []
    for number, question in QUESTIONS.items():
        rows = claims[(claims.question == number) & claims.headline]
        found = "".join(_answer(row, figures) for row in rows.itertuples())
        if rows.empty:
            found = '<p class="found">No claim of this study answers this question.</p>'
        parts.append(
            f'<article class="answer" id="question-{number}"><p class="question"><b>{number}</b> '
            f"{escape(question)}</p>{found}</article>"
        )
    return "\n".join(parts)


def _answer(row, figures):
    shown = ""
    if row.figure in figures:
        picture, title = figures[row.figure]
        shown = (
            f'<a class="plate" href="#figure-{row.figure}">'
            f"{picture.tag(f'{title}. The caption is below, under Figures.')}</a>"
        )
    return (
        f'<div>{badge(row.verdict)}</div><p class="found">{escape(row.statement)}</p>'
        f'<div class="measured"><p class="number">{number_of(row)}</p>{scale_of(row)}</div>'
        f'<p class="reason">Measured: {escape(_measure(row))}. '
        f'<a href="#claim-{escape(row.claim)}">Evidence</a></p>'
        f"{reason_of(row)}{shown}"
    )


def _measure(row):
    """Write what is measured, and for which part of the claim where there are several."""
    return f"{row.measure}; {row.part.replace('_', ' ')}" if row.part else row.measure


def badge(verdict):
    """Write a verdict with its sign, so that it does not hang on colour."""
    return (
        f'<span class="verdict {verdict}"><span aria-hidden="true">{SIGNS[verdict]}</span> {verdict}</span>'
    )


def number_of(row):
    """Write the number of a claim with its interval."""
    if pd.isna(row.estimate):
        return "<b>no number</b>"
    text = f"<b>{words.number(row.estimate)}</b>"
    if not pd.isna(row.low):
        text += f" <span>[{words.number(row.low)}, {words.number(row.high)}]</span>"
    text += f" {escape(row.unit)}" if row.unit else ""
    if not pd.isna(row.low):
        over = f" over {escape(row.resampled)}" if row.resampled else ""
        text += f" <small>{row.confidence:.0%} interval{over}</small>"
    return text


def reason_of(row):
    """Write why something of a claim is missing."""
    return f'<p class="reason">{escape(row.reason)}</p>' if row.reason else ""


def scale_of(row):
    """Draw the interval of a claim beside 0 and its margin; nothing where it has none."""
    if pd.isna(row.low) or pd.isna(row.high):
        return ""
    margins = (
        [] if pd.isna(row.margin) else [row.margin, -row.margin] if row.side == "within" else [row.margin]
    )
    places = [0.0, row.low, row.high, row.estimate, *margins]
    low, high = min(places), max(places)
    at = {value: 4 + 192 * (value - low) / ((high - low) or 1.0) for value in places}
    lines = "".join(f'<path class="margin" d="M{at[value]:.1f} 2v20"/>' for value in margins)
    text = f"The interval from {words.number(row.low)} to {words.number(row.high)}; the long line is 0"
    text += "; dashed: the margin" if margins else ""
    return (
        f'<svg class="scale" viewBox="0 0 200 33" role="img" aria-label="{escape(text)}">'
        f'<path class="zero" d="M{at[0.0]:.1f} 1v22"/><text x="{at[0.0]:.1f}" y="32">0</text>{lines}'
        f'<path class="interval" d="M{at[row.low]:.1f} 12H{at[row.high]:.1f}"/>'
        f'<circle cx="{at[row.estimate]:.1f}" cy="12" r="4.5"/></svg>'
    )


def claims_list(claims):
    """Write every claim: sentence, result, number, verdict, and its evidence to open."""
    parts = []
    for question, rows in claims.sort_values(["question", "number"]).groupby("question"):
        heading = QUESTIONS.get(int(question), "Other")
        parts.append(f'<h3><b>{question}</b> {escape(heading)}</h3><ol class="claims">')
        parts += [_claim(row) for row in rows.itertuples()]
        parts.append("</ol>")
    return "\n".join(parts)


def _claim(row):
    return (
        f'<li class="claim" id="claim-{escape(row.claim)}" value="{row.number}">'
        f"<div><h4>{escape(row.title)}</h4>{badge(row.verdict)}</div>"
        f'<p class="statement">{escape(row.statement)}</p><p>{escape(row.found)}</p>'
        f'<div class="measured"><p class="number">{number_of(row)}</p>{scale_of(row)}</div>{reason_of(row)}'
        f"<details><summary>Evidence</summary><dl>{_evidence(row)}</dl></details></li>"
    )


def _evidence(row):
    """Write what was measured and tested, over what, and where it stands."""
    counted = [
        (row.n_images, "image"),
        (row.n_networks, "network"),
        (row.n_pairs, "pair"),
        (row.n_subjects, "subject"),
    ]
    facts = {
        "Measure": row.measure,
        "Wanted": _wanted(row),
        "Holds least for": row.part and f"{row.part} (the claim must hold for {row.n_parts})",
        "Test": row.test,
        "p": _p(row.p),
        "p adjusted (Holm)": _p(row.p_adjusted),
        "Smallest attainable p": _p(row.smallest_p),
        "n": f"{row.n} {row.n_of}; averaged: " + ", ".join(words.count(n, of) for n, of in counted if n),
        "Table": f"{row.table} ({row.columns})" if row.columns else row.table,
        "Rows": row.where,
    }
    return "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items() if text)


def _wanted(row):
    if pd.isna(row.margin):
        return row.side
    wanted = f"{SIDES.get(row.side, row.side)} {words.number(row.margin)} {row.unit}".rstrip()
    if not pd.isna(row.negligible):
        wanted += f"; a 90% interval within ±{words.number(row.negligible)} contradicts it"
    return wanted


def _p(value):
    return "" if pd.isna(value) else words.number(value)
