"""The report in a real browser: what it shows, what it asks for, and what its explorer does."""

import json
import re

import chromium
import planted_report
import pytest
from planted_report import MANIFEST
from planted_summaries import BRAIN, REGIONS, ZOO

pytestmark = pytest.mark.skipif(
    chromium.program() is None, reason="Chromium is not installed: apt-get install chromium"
)
MODELS = [name for name, *_ in ZOO] + [BRAIN]
VALUES = "[...document.querySelectorAll('#bars .value')].map((bar) => bar.textContent)"
PLACES = "[...document.querySelectorAll('#bars .dot')].map((dot) => dot.style.left)"
RIGHT, DOWN = 39, 40


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a planted study, in a folder of its own, as one mails it."""
    page = planted_report.write(tmp_path_factory.mktemp("report"))
    return page.rename(tmp_path_factory.mktemp("alone") / "report.html")


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of this file."""
    with chromium.browser() as running:
        yield running


@pytest.fixture(scope="module")
def data(report):
    """What the page's script reads."""
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', report.read_text())[1]
    return json.loads(text)


def press(page, key, code):
    """Press a key, and give the page a frame to draw."""
    page.press(key, code)
    page.read("new Promise((done) => setTimeout(() => done(0), 30))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_reports_no_error_asks_no_network_and_needs_no_scrolling_sideways(
    browser, report, width, scheme
):
    page = browser.open(report, width, scheme=scheme)
    page.read("[...document.images].map((image) => { image.loading = 'eager'; return 0; })")
    page.read("Promise.all([...document.images].map((image) => image.decode())).then(() => 0)")
    assert page.events("Log.entryAdded") == page.events("Runtime.exceptionThrown") == []
    assert page.events("Runtime.consoleAPICalled") == page.events("Network.loadingFailed") == []
    asked = [event["request"]["url"] for event in page.events("Network.requestWillBeSent")]
    assert f"file://{report}" in asked
    assert all(url.startswith("data:") or url == f"file://{report}" for url in asked)
    assert page.read("document.documentElement.scrollWidth") == width
    assert page.read("[...document.images].every((image) => image.naturalWidth > 0)")
    background = page.read("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 300) == (scheme == "dark")


def test_text_stands_out_from_its_ground_in_both_schemes(browser, report):
    """Ratios of luminance as WCAG 2 defines them; 4.5 is its level AA."""
    ratio = """(() => {
      const luminance = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, k) => sum + part * [0.2126, 0.7152, 0.0722][k], 0);
      const ground = (node) => {
        const color = getComputedStyle(node).backgroundColor;
        return /, 0\\)$/.test(color) && node.parentElement ? ground(node.parentElement) : color;
      };
      const texts = "p, h1, h2, h3, h4, a, dt, dd, li .who, .value, .verdict, figcaption, th";
      return [...document.querySelectorAll(texts)]
        .filter((node) => node.textContent.trim())
        .map((node) => [getComputedStyle(node).color, ground(node)].map(luminance).sort((a, b) => b - a))
        .map(([light, dark]) => (light + 0.05) / (dark + 0.05)).reduce((a, b) => Math.min(a, b));
    })()"""
    for scheme in ("light", "dark"):
        assert browser.open(report, 1280, scheme=scheme).read(ratio) >= 4.5


def test_the_slider_moves_the_bars_to_the_levels_of_the_tables(browser, report, data):
    page = browser.open(report, 1280)
    case = data["cases"][0]
    made = case["makers"][page.read("document.getElementById('maker').value")]
    page.read(
        "(() => { const slider = document.getElementById('slider'); slider.value = 0; slider.focus(); })()"
    )
    page.read("document.getElementById('slider').dispatchEvent(new Event('input'))")
    seen = [page.read(PLACES)]
    for step in range(1, len(data["radii"])):
        press(page, "ArrowRight", RIGHT)
        shown = [text.replace("−", "-").split(" → ") for text in page.read(VALUES)]
        for (before, after), levels in zip(shown, made["levels"], strict=True):
            assert float(before) == pytest.approx(levels[0], abs=0.006)
            assert float(after) == pytest.approx(levels[step], abs=0.006)
        seen.append(page.read(PLACES))
    assert len(set(map(tuple, seen))) == len(data["radii"]), "each step has other places"
    assert page.read("document.getElementById('slider').getAttribute('aria-valuetext')").startswith(
        "l2 radius"
    )


def test_region_direction_maker_and_image_are_chosen_and_named(browser, report, data):
    page = browser.open(report, 1280)
    for case in data["cases"]:
        rank = [
            one for one in data["cases"] if (one["roi"], one["direction"]) == (case["roi"], case["direction"])
        ].index(case)
        for maker in MODELS:
            page.read(f"""(() => {{
              const choose = (id, value) => {{
                document.getElementById(id).value = value;
                document.getElementById(id).dispatchEvent(new Event("change"));
              }};
              choose("roi", "{case["roi"]}"); choose("direction", "{case["direction"]}");
              choose("maker", "{maker}");
              document.querySelectorAll("#images input")[{rank}].click();
            }})()""")
            about = page.read("document.getElementById('about').textContent")
            assert case["image"] in about and case["roi"] in about and case["direction"] in about
            assert page.read("document.getElementById('after').src") == case["makers"][maker]["strip"]
            assert page.read("document.querySelector('.bar.own').dataset.model") == maker
            level = case["makers"][maker]["levels"][MODELS.index(maker)][data["begin"]["step"]]
            shown = page.read(VALUES)[MODELS.index(maker)].split(" → ")[1].replace("−", "-")
            assert float(shown) == pytest.approx(level, abs=0.006)


def test_a_finger_grows_the_perturbation_and_play_goes_to_its_end(browser, report, data):
    page = browser.open(report, 390)
    page.command("Emulation.setTouchEmulationEnabled", enabled=True)
    box = """(() => { const tile = document.querySelectorAll("#ladder .tile")[1];
      tile.scrollIntoView({block: "center", behavior: "instant"}); const box = tile.getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2]; })()"""
    page.touch(*page.read(box))
    page.read("new Promise((done) => setTimeout(done, 400))")
    assert page.read("document.getElementById('slider').value") == "1"
    page.read("document.getElementById('play').click()")
    ended = """new Promise((done) => { const look = setInterval(() => {
      if (document.getElementById("play").textContent !== "Play") return;
      clearInterval(look); done(0); }, 50); })"""
    page.read(ended)
    assert page.read("document.getElementById('slider').value") == str(len(data["radii"]) - 1)


def test_the_matrix_tells_the_numbers_of_a_pair_to_pointer_and_keys(browser, report, data):
    page = browser.open(report, 1280)
    numbers = data["transfer"]["numbers"]
    page.read("document.querySelector('#matrix td[tabindex=\"0\"]').focus()")
    place = page.read(
        "[...document.querySelectorAll('#matrix td[data-source]')].indexOf(document.activeElement)"
    )
    press(page, "ArrowDown", DOWN)
    press(page, "ArrowRight", RIGHT)
    place += len(MODELS) + 1
    source, target = MODELS[place // len(MODELS)], MODELS[place % len(MODELS)]
    assert page.read("({...document.activeElement.dataset})") == {"source": source, "target": target}
    found = data["transfer"]["cells"][data["transfer"]["regions"][0]][source][target]
    said = page.read("document.getElementById('pair').textContent")
    for name in ("change", "change_low", "of_target_high", "own_target"):
        assert f"{found[numbers.index(name)]:.3g}" in said, (name, said)
    assert page.read("[...document.querySelectorAll('#pair img')].every((image) => image.naturalWidth > 0)")
    label = page.read("document.querySelector('#pair h3').textContent")
    hover = """(() => { const cell = [...document.querySelectorAll("#matrix td[data-source]")].at(-2);
      cell.dispatchEvent(new PointerEvent("pointerenter")); })()"""
    page.read(hover)
    assert page.read("document.querySelector('#pair h3').textContent") != label
    region = data["transfer"]["regions"][-1]
    page.read(f"""(() => {{ const choice = document.getElementById("matrix-roi"); choice.value = "{region}";
      choice.dispatchEvent(new Event("change")); }})()""")
    assert region in page.read("document.querySelector('#pair h3').textContent")


def test_without_javascript_the_page_still_shows_findings_bars_pictures_and_the_matrix(browser, report, data):
    page = browser.open(report, 390, script=False)
    document = page.command("DOM.getDocument", depth=-1)["root"]
    html = page.command("DOM.getOuterHTML", nodeId=document["nodeId"])["outerHTML"]
    assert html.count('class="answer"') == 4 and "this section needs JavaScript" in html
    assert re.search(r'<form class="controls" id="controls" hidden', html)
    ladder = re.search(r'id="ladder">(.*?)<p class="note" id="about">', html, re.DOTALL)[1]
    assert ladder.count("<img") == len(data["radii"])
    assert len(re.findall(r'class="value">\S+ → \S+<', html)) == len(MODELS)
    assert len(re.findall(r"<td data-source", html)) == len(MODELS) ** 2
    assert page.command("Page.getLayoutMetrics")["cssContentSize"]["width"] == 390


def test_every_picture_has_a_text_and_every_choice_a_label(browser, report):
    page = browser.open(report, 1280)
    assert page.read("[...document.images].every((image) => image.alt.length > 3)")
    assert page.read("[...document.querySelectorAll('select, input')].every((one) => one.labels.length)")
    assert page.read(
        "new Set([...document.querySelectorAll('[id]')].map((one) => one.id)).size"
    ) == page.read("document.querySelectorAll('[id]').length")
    assert page.read(
        "[...document.querySelectorAll('a[href^=\"#\"]')].every((a) => document.querySelector(a.hash))"
    )


def test_a_study_of_one_region_without_a_brain_has_its_page(browser, tmp_path):
    page = browser.open(planted_report.write(tmp_path, regions=REGIONS[:1], brain=False), 390)
    assert page.events("Runtime.exceptionThrown") == page.events("Log.entryAdded") == []
    assert "imulated brain" not in page.read("document.getElementById('bars').textContent")
    assert page.read("document.querySelectorAll('#bars .dot').length") == len(ZOO)
    assert MANIFEST["commit"][:12] in page.read("document.getElementById('record').textContent")
