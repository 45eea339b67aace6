"""Tests of the pages that people read: README and the others."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / folder / "README.md" for folder in ("config", "results", "resources")),
]
MADE = "tables.md"  # by a script, from meanings that are not broken into lines
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def prose_of(page):
    """Yield the numbered lines that are prose: no table, no code, no address, which cannot be broken."""
    code = False
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        code ^= line.startswith("```")
        if not (code or line.startswith(("|", "    ", "!"))) and "://" not in line:
            yield number, line


def anchors_of(page):
    """List the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != MADE], ids=lambda page: page.name)
def test_no_line_of_prose_is_longer_than_110_characters(page):
    long = {number: len(line) for number, line in prose_of(page) if len(line) > 110}
    assert not long


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("name", ["README.md", "results/README.md"])
def test_every_folder_of_results_is_explained(name):
    rules = "".join(file.read_text() for file in (ROOT / "rules").glob("*.smk"))
    folders = set(re.findall(r"\"results/(\w+)/", rules))
    assert {"nsd", "summaries", "benchmarks"} <= folders
    page = (ROOT / name).read_text()
    assert not [folder for folder in folders if f"| `{folder}/` |" not in page]


def test_the_page_of_citations_and_the_file_for_machines_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    readme = (ROOT / "README.md").read_text()
    assert f"version = {{{citation['version']}}}" in readme
    for reference in citation["references"]:
        address = reference.get("doi") or reference.get("url")
        assert (address or reference["identifiers"][0]["value"].removeprefix("arXiv:")) in readme
