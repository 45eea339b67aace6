"""Say what definitions of claims and of numbers consist of, once they are read; it needs no other package."""

import re

CLAIMS = "results/claims/claims.parquet"
MARKDOWN = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def tests_of(claim):
    """Give the tests that a claim must pass: its own, and those under `also`, with what they do not say."""
    return [claim, *({**claim, **further, "each": []} for further in claim["also"])]


def camel(name):
    """Write a name of small letters and _ with letters only: robust_attacks is robustAttacks."""
    first, *rest = (part for part in re.sub(r"\d", "", name).split("_") if part)
    return first + "".join(part.capitalize() for part in rest)


def of_claims(claims):
    """Define the three numbers of each claim: its estimate with its interval, its test, its verdict."""
    numbers = {}
    for name in claims:
        about = {"table": CLAIMS, "row": {"claim": name}, "unit": ""}
        said, macro = name.replace("_", " "), camel(name)
        ends = {"low": "low", "high": "high", "confidence": "confidence", "unit_column": "unit"}
        numbers |= {
            f"{macro}Estimate": about | {"meaning": f"{said}: estimate", "column": "estimate", **ends},
            f"{macro}Test": about | {"meaning": f"{said}: p, adjusted", "column": "p_adjusted", "style": "p"},
            f"{macro}Verdict": about | {"meaning": f"{said}: verdict", "column": "verdict", "style": "word"},
        }
    return numbers


def used(text):
    """List the macros that a Markdown text uses, in their order."""
    return list(dict.fromkeys(MARKDOWN.findall(text)))
