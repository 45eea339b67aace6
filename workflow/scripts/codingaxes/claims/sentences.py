"""Say claims in English: what was found of each, and all of them as a page."""

import numpy as np

from codingaxes.claims import verdicts
from codingaxes.estimates.sentences import significant

QUESTIONS = {
    1: "How sensitive are models of the brain to small targeted perturbations?",
    2: "Do models share failure modes?",
    3: "Does stability tell apart models that predict the brain equally well?",
    4: "Can stable and predictive models generate hypotheses?",
}
OPENING = """# Claims

Each claim was stated in `config/claims.yaml` before any result. `docs/claims.md` says what a verdict means.
p is adjusted for the number of confirmatory claims, by Holm.
"""


def found(row):
    """Say in a sentence what was found of a claim.

    Parameters
    ----------
    row : dict or Series
        Of the table claims.
    """
    verdict = row["verdict"].capitalize()
    if np.isnan(row["estimate"]):
        return f"{verdict}: {row['reason']}."
    about = f" ({row['part']})" if row["part"] else ""
    ends = "" if np.isnan(row["low"]) else f" [{significant(row['low'])}, {significant(row['high'])}]"
    units = f"{row['confidence']:.0%} interval over {row['resampled']}" if ends else "no interval"
    tested = "" if np.isnan(row["p"]) else f"; p {of_p(row['p'])}"
    if not np.isnan(row["p_adjusted"]):
        tested += f", adjusted {of_p(row['p_adjusted'])}"
    if not np.isnan(row["smallest_p"]):
        tested += f"; the smallest p that it could have: {row['smallest_p']:.2g}"
    reason = f" {row['reason'][0].upper()}{row['reason'][1:]}." if row["reason"] else ""
    return (
        f"{verdict}: {row['measure']}{about} is {significant(row['estimate'])}{ends} {row['unit']} "
        f"({units}; {counted(row)}){tested}.{reason}"
    )


def of_p(p):
    """Write a p-value; one below 0.0001 as such."""
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"


def counted(row):
    """Say how many units a claim rests on."""
    counts = {name: row[f"n_{name}"] for name in ("pairs", "networks", "images", "subjects")}
    return ", ".join(f"{n} {name if n != 1 else name[:-1]}" for name, n in counts.items() if n)


def page(rows):
    """Write all claims as Markdown, a section for each question.

    Parameters
    ----------
    rows : DataFrame
        The table claims.
    """
    counts = rows.verdict.value_counts()
    said = [f"{counts.get(name, 0)} {name}" for name in (verdicts.SUPPORTED, verdicts.CONTRADICTED)]
    parts = [OPENING, f"{', '.join(said)}, {counts.get(verdicts.UNDECIDED, 0)} {verdicts.UNDECIDED}.\n"]
    for question, name in QUESTIONS.items():
        parts.append(f"\n## {question}. {name}\n")
        for row in rows[rows.question == question].to_dict("records"):
            parts.append(
                f"\n### {row['number']}. {row['title']}: {row['verdict']}\n\n{row['statement']}\n\n"
                f"{row['found']}\n\nTested: {row['test']}; wanted {wanted(row)}. Table: `{row['table']}`"
                + (f", rows `{row['where']}`" if row["where"] else "")
                + f", columns {row['columns']}.\n"
            )
    return "".join(parts)


def wanted(row):
    """Say where a claim wants its interval to lie."""
    if row["side"] == "outside":
        return "outside 0"
    return f"{row['side']} {'±' * (row['side'] == 'within')}{row['margin']:g}"
