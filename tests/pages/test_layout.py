"""How a page is laid out at the width of a telephone, a tablet and a desk, where there is a Chromium to ask."""

import html
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from latticework.pages import Page, Passage, Passages, Picture, Section, Table, heat_map, line_plot

WIDTHS = [320, 390, 800, 1400]
LONG = "siebenhunderteinundzwanzigtausenddreiundvierzigmillionenachthundertneunundneunzigtausendeinhundertelf"
PROBE = """<!doctype html><iframe src="page.html" style="border: 0; height: 9000px"></iframe><pre></pre><script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const found = {}, page = frame.contentDocument;
  const edges = (selector) => [...page.querySelectorAll(selector)].map((each) => each.getBoundingClientRect().right);
  for (const width of WIDTHS) {
    frame.style.width = width + "px";
    found[width] = {
      page: page.documentElement.scrollWidth,
      visible: page.documentElement.clientWidth,
      outside: Math.max(...edges("body *:not(.scroll *)"), ...edges("caption")),
      hidden: [...page.querySelectorAll(".scroll")].map((box) => box.scrollWidth - box.clientWidth),
      scales: [...page.querySelectorAll(".passages svg")].map(
        (svg) => svg.clientWidth / svg.viewBox.baseVal.width),
      adrift: [...page.querySelectorAll("caption")].map((caption) => {
        const box = caption.closest(".scroll"), left = () => caption.getBoundingClientRect().left, before = left();
        box.scrollLeft = 9999;
        const moved = left() - before;
        box.scrollLeft = 0;
        return moved;
      }),
      letters: [...page.querySelectorAll("svg")].map((svg) => 12 * svg.clientWidth / svg.viewBox.baseVal.width),
    };
  }
  document.querySelector("pre").textContent = JSON.stringify(found);
};
</script>"""


def drawing(width):
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 40" width="{width}" height="40"></svg>'
    return Picture(svg, "", f"{width} wide")


def example():
    pieces = [f"▁{LONG[start : start + 4 + start % 15]}" for start in range(25)]
    attention = np.random.default_rng(0).random((20, 25))
    labels = {"x_label": "read", "y_label": "written", "value_label": "attention", "caption": "It looks. " * 20}
    texts = [["ninety-nine thousand " * 4, LONG, f"no: {LONG}"], ["nineteen", "neunzehn", "yes"]]
    numbers = [["tiny", 37.12, 6_600_000, 127, "1,270 MB"], ["small", None, 24_000_000, 41.5, "561 MB"]]
    return Page(
        LONG,
        LONG,
        [
            Section(
                f"Numbers {LONG}",
                LONG,
                facts=[("weights", 60_522_496), (LONG, LONG), *[("chrF", 99.2)] * 4],
                paragraphs=[LONG],
                passages=[Passages([Passage("江", picture=drawing(width)) for width in (150, 420, 640)], LONG)],
                pictures=[
                    line_plot({LONG: ([1, 2], [3, 1]), "b": ([1], [2])}, x_label=LONG, y_label=LONG, caption=LONG),
                    heat_map(attention, pieces[:20], pieces, **labels),
                ],
                tables=[
                    Table(["source", "translation", "as in the reference"], texts, "Translations. " * 20),
                    Table(["model", "BLEU", "weights", "sentences/s", "memory"], numbers, "Presets."),
                ],
            )
        ]
        * 2,
    )


def printed(browser, folder, address):
    """What a browser makes of a page, as text; nothing if it does not end."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
    options += ["--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}", "--window-size=1500,1000"]
    command = [browser, *options, "--virtual-time-budget=5000", "--dump-dom", address]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except subprocess.TimeoutExpired:
        return ""


def running_browser(folder):
    """A Chromium that shows the simplest of pages; without one what asks for it is skipped."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("needs Chromium, and none is installed here")
    if "<p>shown" not in printed(browser, folder, "data:text/html,<p>shown"):
        pytest.skip(f"needs Chromium, and {browser} does not run here")
    return browser


def measured(browser, folder, page):
    """How a page is laid out, by width; it fails if a browser that runs cannot say."""
    page.write(folder / "page.html")
    (folder / "probe.html").write_text(PROBE.replace("WIDTHS", str(WIDTHS)))
    text = printed(browser, folder, (folder / "probe.html").as_uri())
    found = re.search("<pre>(.+)</pre>", text)
    assert found, f"the page is not shown, or has other parts than the probe looks for:\n{text[-2000:]}"
    return {int(width): measures for width, measures in json.loads(html.unescape(found[1])).items()}


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layout")
    return measured(running_browser(folder), folder, example())


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """Put a program in the place of Chromium."""

    def put(script):
        (tmp_path / "chromium").write_text(f"#!/bin/sh\nfor address; do :; done\n{script}\n")
        (tmp_path / "chromium").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return tmp_path

    return put


@pytest.mark.skipif(os.name == "nt", reason="no shell that stands for a browser")
def test_a_browser_that_runs_and_cannot_show_a_page_is_a_failure(pretended):
    folder = pretended('case "$address" in data:*) echo "<p>shown</p>";; *) echo "<pre></pre>";; esac')
    with pytest.raises(AssertionError, match="the page is not shown"):
        measured(running_browser(folder), folder, Page("a", "a", []))


@pytest.mark.skipif(os.name == "nt", reason="no shell that stands for a browser")
def test_a_browser_that_does_not_run_is_none(pretended):
    folder = pretended("exit 1")
    with pytest.raises(pytest.skip.Exception, match="chromium does not run here"):
        running_browser(folder)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_caption_stays_where_it_is_while_its_table_scrolls(layout, width):
    assert layout[width]["adrift"] == pytest.approx([0, 0, 0, 0], abs=0.5)
    assert any(layout[width]["hidden"]) == (width < 800)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_never_scrolls_sideways_only_its_boxes_do(layout, width):
    assert layout[width]["visible"] == width
    assert layout[width]["page"] == width
    assert layout[width]["outside"] <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_letters_of_pictures_stay_readable(layout, width):
    assert min(layout[width]["letters"]) >= 9.5


@pytest.mark.parametrize("width", WIDTHS)
def test_drawings_of_texts_have_one_scale(layout, width):
    assert layout[width]["scales"] == [1.0] * 6


@pytest.mark.parametrize("width", [800, 1400])
def test_nothing_is_hidden_where_there_is_room(layout, width):
    assert max(layout[width]["hidden"]) == 0


def test_a_telephone_shows_a_line_plot_whole(layout):
    assert layout[390]["hidden"][3] == 0
    assert max(layout[390]["hidden"]) > 0, "the example must be too wide for a telephone"
