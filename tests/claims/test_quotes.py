"""Tests of numbers that texts quote: each is what stands in its table, and a text follows its tables."""

import hashlib
import json

import evaluate_claims
import numpy as np
import pandas as pd
import planted_claims as planted
import pytest
import quote_numbers

from codingaxes.claims import quotes
from codingaxes.claims.forms import of_claims
from codingaxes.job import Run
from codingaxes.tables import store
from codingaxes.tables.claims import CLAIMS, QUOTED, UNITS
from codingaxes.tables.networks import NETWORKS

TABLE = pd.DataFrame(
    {
        "roi": ["all", "FFA", "PPA"],
        "wanted": [0.5, 0.5, 1.5],
        "mean": [0.0123, 2.5, np.nan],
        "low": [-0.004, 2.0, np.nan],
        "high": [0.031, 3.0, np.nan],
        "word": ["yes", "no", ""],
        "reason": ["", "", "nothing moved"],
    }
)
NUMBER = {"meaning": "m", "table": "results/t.parquet", "row": {"roi": "all"}, "column": "mean", "unit": "SD"}
ENDS = {"low": "low", "high": "high"}


def text_of(**changes):
    """Quote a number of the planted table."""
    return quotes.quote("someNumber", NUMBER | changes, TABLE, "digest")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "0.012"),
        (ENDS, "0.012 [-0.004, 0.031]"),
        (ENDS | {"show": "value"}, "0.012"),
        (ENDS | {"show": "interval"}, "[-0.004, 0.031]"),
        (ENDS | {"style": "percent"}, "1.2% [-0.4%, 3.1%]"),
        ({"style": "percent"}, "1.2%"),
        ({"style": "p"}, "= 0.012"),
        ({"style": "word", "column": "word"}, "yes"),
        ({"row": {"roi": "FFA"}, "style": "integer"}, "2"),
        ({"row": {"wanted": "largest"}}, "undefined"),
        ({"row": {"roi": "EBA"}}, "undefined"),
        ({"row": {"wanted": 0.5}}, "undefined"),
    ],
)
def test_a_number_is_written_as_it_stands_in_its_table(changes, text):
    assert text_of(**changes)["text"] == text


def test_a_number_that_is_not_there_says_why_and_a_column_that_is_not_is_an_error():
    assert text_of(row={"wanted": "largest"})["reason"] == "nothing moved"
    assert text_of(row={"roi": "EBA"})["reason"] == "0 rows with roi == 'EBA', not one"
    assert text_of(row={"wanted": 0.5})["reason"].startswith("2 rows with")
    with pytest.raises(KeyError, match=r"someNumber: results/t.parquet has no column mode"):
        text_of(column="mode")
    row = text_of(**ENDS)
    assert (row["value"], row["low"], row["high"]) == (0.0123, -0.004, 0.031)
    assert row["key"] == "roi == 'all'" and TABLE.query(row["key"])[row["column"]].item() == row["value"]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.0996, "0.10"), (99.6, "100"), (-0.00123, "-0.0012"), (1.5, "1.5")]
)
def test_two_significant_digits_are_written_without_an_exponent(value, text):
    assert quotes.significant(value) == text


def test_macros_of_latex_hold_no_sign_that_latex_would_read():
    rows = [text_of(**ENDS, style="percent") | {"text": r"50% of a_b & c #1 {x} $y$ \z ±2 < -3"}]
    assert quotes.latex(rows).splitlines()[1] == (
        r"\newcommand{\someNumber}{50\% of a\_b \& c \#1 \{x\} \$y\$ \textbackslash{}z $\pm$2 $<$ $-$3}"
    )


def study(folder, seed):
    """Evaluate the claims on planted units, and quote them; the folder of results."""
    results = folder / "results/claims"
    rng = np.random.default_rng(seed)
    tables = [
        planted.WORLDS[name][0](rng, 1.0)["units"] for name in ("robust_attacks_transfer", "attackers_agree")
    ]
    store.write(results / "units.parquet", UNITS, pd.concat(tables))
    blank = {"string": "", "int32": 0, "float64": 0.0}
    columns = {name: blank[spec.type] for name, spec in NETWORKS.columns.items() if name != "network"}
    table = planted.NETWORKS.reset_index()
    table = table.assign(**{name: value for name, value in columns.items() if name not in table})
    store.write(folder / "networks.parquet", NETWORKS, table[list(NETWORKS.columns)])
    run(
        evaluate_claims,
        {"networks": folder / "networks.parquet", "units": results / "units.parquet"},
        {"claims": results / "claims.parquet", "csv": results / "c.csv", "text": results / "claims.md"},
        {"claims": planted.CLAIMS, "permutations": 99, "n_subjects": 4, "seed": seed},
    )
    numbers = quotes_of_claims(results / "claims.parquet")
    outputs = {"numbers": "numbers.parquet", "json": "numbers.json", "tex": "numbers.tex", "text": "text.md"}
    run(
        quote_numbers,
        {"tables": [str(results / "claims.parquet")]},
        {name: results / file for name, file in outputs.items()},
        {"numbers": numbers, "template": "It moved {{robustAttacksTransferEstimate}}."},
    )
    return results


def quotes_of_claims(file):
    """Define the numbers of the claims as they stand in a file."""
    numbers = of_claims(planted.CLAIMS)
    return {name: number | {"table": str(file)} for name, number in numbers.items()}


def run(script, inputs, outputs, params):
    """Run a script as its rule does."""
    files = [
        {name: value if isinstance(value, list) else str(value) for name, value in some.items()}
        for some in (inputs, outputs)
    ]
    script.main(Run(script.__name__, *files, params=params, wildcards={}, log=""))


def test_another_seed_changes_the_text_and_a_number_names_the_digest_of_its_table(tmp_path):
    first, again, other = (study(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    texts = [(folder / "text.md").read_text() for folder in (first, again, other)]
    assert texts[0] == texts[1] != texts[2] and texts[0].startswith("It moved 0.")
    content = json.loads((first / "numbers.json").read_text())
    digest = hashlib.sha256((first / "claims.parquet").read_bytes()).hexdigest()
    number = content["robustAttacksTransferEstimate"]
    row = store.read(first / "claims.parquet", CLAIMS).set_index("claim").loc["robust_attacks_transfer"]
    assert number["sha256"] == digest and number["value"] == row.estimate and number["low"] == row.low
    assert number["confidence"] == 0.95 and number["unit"] == "share" and number["text"] in texts[0]
    table = store.read(first / "numbers.parquet", QUOTED).set_index("macro")
    macros = (first / "numbers.tex").read_text()
    for macro in table.index:
        assert f"\\newcommand{{\\{macro}}}{{" in macros and macro in content
    assert content["stabilityTellsControlEstimate"]["value"] is None


def test_claims_whose_tables_are_missing_are_undecided_and_say_so(tmp_path):
    rows = store.read(study(tmp_path, 1) / "claims.parquet", CLAIMS).set_index("claim")
    assert list(rows.index) == list(planted.CLAIMS) and list(rows.number) == list(range(1, 16))
    assert rows.verdict["robust_attacks_transfer"] == rows.verdict["attackers_agree"] == "supported"
    missing = rows[rows.estimate.isna()]
    assert len(missing) >= 10 and (missing.verdict == "undecided").all() and (missing.reason != "").all()
    assert "race_values.parquet is not there" in rows.reason["stability_tells_control"]
    assert "no row of results/claims/units.parquet" in rows.reason["robust_subspaces_are_similar"]
    page = (tmp_path / "results/claims/claims.md").read_text()
    assert all(row.statement in page and row.found in page for row in rows.itertuples())
