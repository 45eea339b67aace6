"""Tests of the definitions of claims and of numbers: what cannot be evaluated is refused by name."""

import re
from pathlib import Path

import pytest
import yaml
from planted_claims import CLAIMS, CONFIG

from codingaxes.claims import definitions, forms, sentences
from codingaxes.configuration import ConfigurationError

ROOT = Path(__file__).parents[2]
SCHEMAS = CONFIG / "schemas"
NUMBERS = definitions.read_numbers(CONFIG / "numbers.yaml", SCHEMAS, CLAIMS)
PAPER = sorted((ROOT / "docs/paper").glob("*"))


def read_with(folder, **changes):
    """Read the claims of the study with other keys in one of them; None takes a key away."""
    claims = yaml.safe_load((CONFIG / "claims.yaml").read_text())
    claim = claims["robust_attacks_transfer"]
    claim.update(changes)
    claims["robust_attacks_transfer"] = {key: value for key, value in claim.items() if value is not None}
    (folder / "claims.yaml").write_text(yaml.safe_dump(claims, sort_keys=False))
    return definitions.read(folder / "claims.yaml", SCHEMAS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"margins": 0.2}, "robust_attacks_transfer: unknown key margins"),
        ({"margin": None}, "'margin' is a required property"),
        ({"side": "over"}, "robust_attacks_transfer.side: 'over' is not one of"),
        (
            {"where": {"measures": "x"}},
            "robust_attacks_transfer.where: the table units has no column measures",
        ),
        ({"each": ["targets"]}, "robust_attacks_transfer.each: the table units has no column targets"),
        (
            {"against": {"attack": "x"}},
            "robust_attacks_transfer.against: the table units has no column attack",
        ),
        ({"kind": "difference", "higher": "robust"}, "margin: difference is tested against 0, not 0.1"),
        (
            {"kind": "difference", "higher": "robust", "side": "within"},
            "side: within is no side of difference",
        ),
        ({"kind": "difference"}, "'higher' is a required property"),
        ({"kind": "adjusted", "higher": "robust"}, "'covariates' is a required property"),
        (
            {"kind": "adjusted", "higher": "robust", "margin": 0, "covariates": ["sparsity"]},
            "covariates: sparsity is unknown",
        ),
        ({"side": "within", "margin": 0}, "margin: within needs a margin above 0, not 0"),
        ({"question": 1}, "robust_attacks_transfer.headline: question 1 has another headline"),
        ({"question": 5}, "question: 5 is not one of"),
        ({"table": "race_values", "where": {"roi": "all"}}, "table: mean takes units, not race_values"),
        ({"also": [{"margin": 1}]}, "'where' is a required property"),
    ],
)
def test_a_definition_that_cannot_be_evaluated_is_refused_by_name(tmp_path, changes, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        read_with(tmp_path, **changes)


def test_a_file_that_holds_no_claims_is_refused(tmp_path):
    (tmp_path / "claims.yaml").write_text("- a list\n")
    with pytest.raises(ConfigurationError, match="expected claims by name, found list"):
        definitions.read(tmp_path / "claims.yaml", SCHEMAS)


def test_each_of_the_four_questions_has_one_headline():
    heads = [claim["question"] for claim in CLAIMS.values() if claim["headline"]]
    assert sorted(heads) == sorted(sentences.QUESTIONS) == list(definitions.QUESTIONS)


def test_every_claim_names_a_figure_of_the_study_or_none():
    rules = "".join(file.read_text() for file in (ROOT / "rules").glob("*figures.smk"))
    known = set(re.findall(r"(?:rule|as) plot_(\w+)(?::| with:)", rules))
    assert {claim["figure"] for claim in CLAIMS.values()} - {""} <= known


def test_further_tests_of_a_claim_take_over_what_they_do_not_say():
    first, *further = forms.tests_of(CLAIMS["conclusions_hold_without_faces"])
    assert first["higher"] == "standard" and [test["kind"] for test in further] == ["mean"] * 3
    assert all(test["statement"] == first["statement"] for test in further)


@pytest.mark.parametrize("page", PAPER, ids=lambda page: page.name)
def test_every_number_that_a_text_of_the_paper_uses_exists(page):
    text = page.read_text()
    definitions.check(text, NUMBERS, page.name)
    assert forms.used(text)


def test_a_text_that_uses_an_unknown_number_is_refused_by_name():
    with pytest.raises(ConfigurationError, match=r"results\.md uses noSuchNumber"):
        definitions.check("It was {{ noSuchNumber }}.", NUMBERS, "results.md")


def test_the_results_section_gives_the_verdict_of_every_claim():
    used = forms.used((ROOT / "docs/paper/results.md").read_text())
    assert {f"{forms.camel(name)}Verdict" for name in CLAIMS} <= set(used)


def test_every_macro_has_letters_only_and_no_two_claims_share_one():
    assert all(name.isascii() and name.isalpha() for name in NUMBERS)
    own = yaml.safe_load((CONFIG / "numbers.yaml").read_text())
    assert len(NUMBERS) == len(own) + 3 * len(CLAIMS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colum": "x"}, "unknown key colum"),
        ({"table": "numbers.parquet"}, "A table of the study, below results/"),
        ({"low": "ci_low"}, "'high' is a dependency of 'low'"),
    ],
)
def test_a_number_that_cannot_be_looked_up_is_refused_by_name(tmp_path, changes, said):
    number = {"meaning": "x", "table": "results/a.parquet", "row": {"roi": "all"}, "column": "y", "unit": ""}
    (tmp_path / "numbers.yaml").write_text(yaml.safe_dump({"someNumber": number | changes}))
    with pytest.raises(ConfigurationError, match="someNumber") as error:
        definitions.read_numbers(tmp_path / "numbers.yaml", SCHEMAS, CLAIMS)
    assert said in str(error.value)


def test_a_number_with_digits_in_its_name_or_the_name_of_a_claim_is_refused(tmp_path):
    number = {"meaning": "x", "table": "results/a.parquet", "row": {"roi": "all"}, "column": "y", "unit": ""}
    for name, said in (("k5", "Letters only"), ("robustAttacksTransferVerdict", "claims have these names")):
        (tmp_path / "numbers.yaml").write_text(yaml.safe_dump({name: number}))
        with pytest.raises(ConfigurationError, match=said):
            definitions.read_numbers(tmp_path / "numbers.yaml", SCHEMAS, CLAIMS)
