"""The parts of the report: captions, claims, places of bars, sizes of what is embedded."""

import base64
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import planted_report
import pytest
from PIL import Image

from codingaxes.report import captions, embed, explorer, findings, matrix, page, record

ROOT = Path(__file__).parents[2]
CAPTIONS = sorted((ROOT / "docs/captions").glob("*.rst"))
LIMIT = 100_000  # bytes of our own JavaScript


@pytest.mark.parametrize("file", CAPTIONS, ids=lambda file: file.stem)
def test_every_caption_becomes_html_without_leftover_marks(file):
    html = captions.html(file.read_text())
    words = re.sub(r"<[^>]*>", "", html)
    assert "**" not in words and "``" not in words and "`_" not in words
    assert html.count("<p>") == html.count("</p>") >= 1
    assert captions.title(file.read_text()) in file.read_text().replace("\n", " ")


def test_a_caption_keeps_what_html_would_swallow_and_refuses_what_it_does_not_know():
    assert captions.html("**A & b.** x < *y* ``z``") == (
        "<p><strong>A &amp; b.</strong> x &lt; <em>y</em> <code>z</code></p>"
    )
    with pytest.raises(ValueError, match=r"not: \.\. image:: a.png"):
        captions.html("**A.**\n\n.. image:: a.png")


def test_the_javascript_of_the_page_is_small_and_loads_nothing():
    script = Path(page.HERE / "page.js").read_text()
    assert len(script.encode()) < LIMIT
    assert not re.search(r"https?://|\bimport\b|fetch\(|XMLHttpRequest|eval\(", script)
    for part in ("page.html", "page.css"):
        assert "://" not in Path(page.HERE / part).read_text()


def test_a_claim_shows_its_sentence_number_interval_and_verdict_and_escapes_them():
    claims = planted_report.claims()
    html = findings.answers(claims, {})
    for question, text in findings.QUESTIONS.items():
        assert text.split(":")[0].replace("'", "&#x27;") in html
        row = claims[(claims.question == question) & claims.headline].iloc[0]
        assert f"Statement {question}.0 &amp; so on." in html and f"> {row.verdict}</span>" in html
        assert f"<b>{row.estimate:.3g}</b> <span>[{row.low:.3g}, {row.high:.3g}]</span> SD" in html
    listed = findings.claims_list(claims)
    assert listed.count('class="claim"') == len(claims) and "<than>" not in listed
    assert all(f"Found {name}: larger &lt;than&gt; 0." in listed for name in ("1.0", "2.1", "4.0"))


def test_a_claim_without_a_number_says_so_and_why():
    claims = planted_report.claims()
    nothing = {"estimate": np.nan, "low": np.nan, "high": np.nan, "p": np.nan, "reason": "no robust network"}
    claims.loc[0, list(nothing)] = list(nothing.values())
    html = findings.answers(claims, {})
    assert "<b>no number</b>" in html and "no robust network" in html and html.count("<svg") == 3
    assert "nan" not in html.lower() and "nan" not in findings.claims_list(claims).lower()


def test_a_question_without_a_claim_says_so():
    claims = planted_report.claims().query("question != 3")
    assert findings.answers(claims, {}).count("No claim of this study answers this question.") == 1


def test_the_axis_of_levels_is_symmetrical_about_the_natural_range_and_in_order():
    view = explorer.Explorer([], [0.0], [], limit=20.0, size=64)
    assert (
        view.place(0.5) == 50
        and view.place(20.5) == pytest.approx(100)
        and view.place(-19.5) == pytest.approx(0)
    )
    assert view.place(1) - 50 == pytest.approx(50 - view.place(0))
    places = sorted(float(place) for place in re.findall(r"left:([\d.]+)%", explorer.axis(view)))
    assert len(places) >= 4 and all(abs(a - b) >= 5 for a, b in pairwise(places))
    narrow = explorer.axis(replace(view, limit=1.0))
    assert ">0<" in narrow and ">1<" in narrow


def test_a_missing_level_is_unknown_and_no_bar():
    view = explorer.Explorer([{"name": "a", "label": "A", "color": "#000000"}], [0.0, 1.0], [], 2.0, 64)
    html = explorer.bars(view, {"levels": [[0.1, None]]}, "a", 1)
    assert "unknown" in html and 'class="move"' not in html


def test_a_colour_of_the_matrix_follows_the_root_of_its_value_and_a_missing_one_has_none():
    transfer = {"tones": [str(tone) for tone in range(matrix.TONES)], "largest": 4.0}
    assert matrix.tone(transfer, None, "change") == "transparent"
    assert matrix.tone(transfer, -1.0, "change") == "0" and matrix.tone(transfer, 4.0, "change") == "47"
    assert int(matrix.tone(transfer, 1.0, "change")) == pytest.approx(23.5, abs=1)
    assert matrix.tone(transfer, 7.0, "of_target") == "47"


def test_an_embedded_movie_lasts_as_long_as_its_file(tmp_path):
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 255, (30, 700, 3), np.uint8)) for _ in range(6)]
    times = [1400, 100, 100, 100, 100, 1400]
    frames[0].save(tmp_path / "movie.webp", save_all=True, append_images=frames[1:], duration=times)
    moving, still = embed.movie(tmp_path / "movie.webp")
    (tmp_path / "small.webp").write_bytes(base64.b64decode(moving.uri.partition(",")[2]))
    with Image.open(tmp_path / "small.webp") as small:
        lasting = 0
        for place in range(small.n_frames):
            small.seek(place)
            small.load()
            lasting += small.info["duration"]
        assert small.width == embed.MOVIE_WIDTH and small.n_frames == 4
    assert lasting == sum(times) and (still.width, still.height) == (moving.width, moving.height)


def test_settings_are_written_by_their_dotted_keys():
    settings = {"a": {"b": {"c": [1, 2]}, "d": {}}, "e": "x"}
    assert list(record.flat(settings)) == [("a.b.c", "[1, 2]"), ("a.d", "{}"), ("e", '"x"')]
    assert (
        record.duration(59.94) == "59.9 s"
        and record.duration(90) == "1.5 min"
        and record.duration(7200) == "2.0 h"
    )


def test_numbers_of_the_page_are_those_of_the_tables_to_four_digits():
    assert explorer.rounded(0.123456) == 0.1235 and explorer.rounded(pd.NA) is None
    assert explorer.rounded(-1234567.0) == -1235000.0
