"""Read the definitions of claims and of numbers from config/, and refuse those that cannot be evaluated."""

from pathlib import Path

import yaml

from codingaxes.claims.forms import of_claims, tests_of, used
from codingaxes.configuration import ConfigurationError, hold, read_schema
from codingaxes.configuration_written import refuse_misread
from codingaxes.tables.claims import UNITS
from codingaxes.tables.columns import Table
from codingaxes.tables.spaces import RACE_VALUES
from codingaxes.tables.summaries import NETWORK_MEASURES

QUESTIONS = (1, 2, 3, 4)
TABLES: dict[str, Table] = {"units": UNITS, "race_values": RACE_VALUES}
PAIR_COVARIATES = (
    "different architecture",
    "different training",
    "difference of log sensitivity",
    "mean log sensitivity",
)
DEFAULTS = {"headline": False, "confirmatory": True, "log": False, "one_at_a_time": False, "figure": ""}
DEFAULTS |= {"each": [], "also": []}
SIDES = {"difference": ("above", "outside"), "adjusted": ("above", "outside"), "pairs": ("above",)}
SIDES |= {"stronger": ("above",)}


def read(path, schemas):
    """Read and check the definitions of claims.

    Parameters
    ----------
    path : path-like
        YAML; claims by name, in the order in which they are shown.
    schemas : path-like
        Folder of the JSON schemas.

    Returns
    -------
    dict
        Definitions by name, with defaults filled in.

    Raises
    ------
    ConfigurationError
        If a key is unknown, missing or not allowed, a column is none of the table, a test cannot have the
        side or the margin, or a question has two headlines; names the claim and the key.
    """
    refuse_misread([path])
    with Path(path).open(encoding="utf-8") as file:
        claims = yaml.safe_load(file)
    if not isinstance(claims, dict):
        raise ConfigurationError(f"{path}: expected claims by name, found {type(claims).__name__}")
    hold(claims, read_schema(schemas, "claims"), str(path))
    wrong = [f"{name}.{problem}" for name, claim in claims.items() for problem in problems(claim)]
    for question in QUESTIONS:
        heads = [
            name for name, claim in claims.items() if claim.get("headline") and claim["question"] == question
        ]
        if len(heads) > 1:
            wrong.append(f"{heads[1]}.headline: question {question} has another headline, {heads[0]}")
    if wrong:
        raise ConfigurationError(f"{path} is not valid:\n  " + "\n  ".join(wrong))
    return {name: DEFAULTS | claim for name, claim in claims.items()}


def problems(claim):
    """Yield what a schema cannot see: columns that the table lacks, sides that a test cannot have."""
    table = TABLES[claim["table"]]
    for test in tests_of(DEFAULTS | claim):
        named = {"where": test["where"], "against": test.get("against", {}), "each": test["each"]}
        for key, columns in named.items():
            for column in columns:
                if column not in table.columns:
                    known = ", ".join(table.columns)
                    yield f"{key}: the table {table.name} has no column {column}; it has {known}"
        allowed = SIDES.get(test["kind"])
        if allowed and test["side"] not in allowed:
            yield f"side: {test['side']} is no side of {test['kind']}; it has {', '.join(allowed)}"
        if allowed and test["margin"] != 0:
            yield f"margin: {test['kind']} is tested against 0, not {test['margin']}"
        if test["side"] == "within" and not test["margin"] > 0:
            yield f"margin: within needs a margin above 0, not {test['margin']}"
        if test["kind"] == "stronger" and test["table"] != "race_values":
            yield f"table: stronger takes race_values, not {test['table']}"
        if test["kind"] != "stronger" and test["table"] != "units":
            yield f"table: {test['kind']} takes units, not {test['table']}"
        known = PAIR_COVARIATES if test["kind"] == "pairs" else NETWORK_MEASURES.columns
        for name in test.get("covariates", ()):
            if name not in known:
                yield f"covariates: {name} is unknown; there are {', '.join(known)}"


def read_numbers(path, schemas, claims):
    """Read the definitions of the numbers, and add those of every claim.

    Parameters
    ----------
    path : path-like
        YAML; numbers by the name of their macro.
    schemas : path-like
        Folder of the JSON schemas.
    claims : iterable of str
        Names of the claims.

    Returns
    -------
    dict

    Raises
    ------
    ConfigurationError
        If a key is unknown, missing or not allowed, or a number has the name of a claim's.
    """
    refuse_misread([path])
    with Path(path).open(encoding="utf-8") as file:
        numbers = yaml.safe_load(file)
    if not isinstance(numbers, dict):
        raise ConfigurationError(f"{path}: expected numbers by name, found {type(numbers).__name__}")
    hold(numbers, read_schema(schemas, "numbers"), str(path))
    added = of_claims(claims)
    if taken := sorted(set(numbers) & set(added)):
        raise ConfigurationError(f"{path}: {', '.join(taken)}: claims have these names; choose others")
    return numbers | added


def check(text, numbers, where):
    """Refuse a text that uses a macro that no number has, and name it."""
    if unknown := [name for name in used(text) if name not in numbers]:
        raise ConfigurationError(
            f"{where} uses {', '.join(unknown)}, which config/numbers.yaml does not define; there are "
            f"{', '.join(numbers)}"
        )
