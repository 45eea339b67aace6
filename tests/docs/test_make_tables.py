"""Tests of the page that lists all tables."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("make_tables", ROOT / "docs/make_tables.py")
make_tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make_tables)


def test_the_page_is_current():
    assert make_tables.PAGE.read_text() == make_tables.page(), "run: make docs"


def test_every_table_has_a_file_and_no_two_tables_have_one_name():
    steps = make_tables.tables_of_steps()
    files = make_tables.files_of_tables()
    assert len(files) == sum(map(len, steps.values()))
    without = [name for name, of_table in files.items() if not of_table]
    assert not without, f"no rule makes {without}"


def test_headings_have_names_of_their_own_so_that_links_lead_to_them():
    headings = [line.lstrip("# ").lower() for line in make_tables.page().splitlines() if line.startswith("#")]
    assert len(headings) == len(set(headings))


def test_every_column_is_listed_with_its_unit_and_meaning():
    page = make_tables.page()
    for tables in make_tables.tables_of_steps().values():
        for table in tables.values():
            start = page.index(f"\n### {table.name}\n")
            section = page[start : page.find("\n#", start + 1)]
            for name, column in table.columns.items():
                cells = f"| {name}{' °' * column.missing} | {column.type} | {column.unit} | "
                assert (cells + column.meaning.replace("|", "\\|")) in section
