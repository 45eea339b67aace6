"""Paths of weights may have spaces and a home folder; several stand with spaces between."""

import pytest

from codingaxes import configuration
from codingaxes.networks.places import places_of

URL = "https://example.org/a%20b.pth"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", []),
        (f"{URL} hf://a/b@main/w.pth", [URL, "hf://a/b@main/w.pth"]),
        ("a.pth b.pth", ["a.pth", "b.pth"]),
        ("'my lab/a.pth' b.pth", ["my lab/a.pth", "b.pth"]),
        (f"'my lab/a.pth' {URL}", ["my lab/a.pth", URL]),
        ("O'Brien/a.pth", ["O'Brien/a.pth"]),
        ("O'Brien/it's.pth b.pth", ["O'Brien/it's.pth", "b.pth"]),
        ("~/a.pth '~/my b.pth'", ["/home/me/a.pth", "/home/me/my b.pth"]),
    ],
)
def test_places_are_told_apart(text, places, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert places_of({"weights": text}, tmp_path) == places


def test_a_path_with_spaces_that_stands_alone_needs_no_quotes(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    (tmp_path / "my home").mkdir()
    (tmp_path / "my home/best of 3.pth").touch()
    assert places_of({"weights": "my home/best of 3.pth"}, tmp_path) == ["my home/best of 3.pth"]
    row = {"source": "checkpoint", "weights": "~/best of 3.pth"}
    assert configuration.files_of_row(row, tmp_path) == [str(tmp_path / "my home/best of 3.pth")]
