"""The tour's stop, on less data and with a smaller model: what it says is what it measured."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from functools import partial

import pytest
import sacrebleu
from programs import COMMAND

from latticework.pages import Page, Section
from latticework.translation import TransformerTranslator, tour
from latticework.translation.numbers import draw_numbers, english, german

pytestmark = pytest.mark.usefixtures("on_the_cpu")
draw_few = partial(draw_numbers, train=600, validation=20, test=60)


@pytest.fixture
def shrunk(monkeypatch):
    """Make the stop a matter of seconds, and keep the translators it trains."""
    trained = []
    fit = TransformerTranslator.fit

    def remembered(self, *arguments):
        trained.append((self, arguments))
        return fit(self, *arguments)

    monkeypatch.setattr(tour, "draw_numbers", draw_few)
    monkeypatch.setattr(tour, "EPOCHS", 6)
    small = replace(tour.CONFIG, layers=1, d_model=48, heads=2, feed_forward=96, warmup_steps=60, learning_rate=0.7)
    monkeypatch.setattr(tour, "CONFIG", small)
    monkeypatch.setattr(TransformerTranslator, "fit", remembered)
    return trained


def test_the_stop_shows_what_was_learned(shrunk):
    section = tour.stop(seed=3)
    assert isinstance(section, Section)
    ((translator, (source, target, validation)),) = shrunk
    drawn = draw_few(3)
    assert (source, target) == ([english(n) for n in drawn.train], [german(n) for n in drawn.train])
    assert list(map(list, validation)) == [[spell(n) for n in drawn.validation] for spell in (english, german)]
    assert translator.random_state == 3

    references = [german(n) for n in drawn.test]
    translations = translator.predict([english(n) for n in drawn.test])
    exact = sum(map(str.__eq__, translations, references)) / 60
    facts = dict(section.facts)
    assert facts["exact translations"] == f"{exact:.1%}"
    assert facts["chrF"] == f"{sacrebleu.corpus_chrf(translations, [references]).score:.1f}"
    assert facts["seconds of training"].isdigit()
    assert facts["weights"] == translator.describe()["weights"]
    assert f"{exact:.1%} of 60 unseen ones" in section.summary
    assert "600 numbers" in section.summary

    curve, looked = section.pictures
    assert curve.alt.startswith("Lines of loss")
    assert "validation: from" in curve.alt
    assert re.match(r"Heat map of share of attention: \d+ rows \(written\) by \d+ columns \(read\)", looked.alt)
    (table,) = section.tables
    assert [row[0] for row in table.rows[:5]] == [english(n) for n in drawn.test[:5]]
    assert [row[1] for row in table.rows[:5]] == translations[:5]
    assert {row[2] for row in table.rows[5:]} <= {
        f"no: {reference}" for reference, found in zip(references, translations, strict=True) if found != reference
    }

    html = Page("Tour", "Intro", [section]).html()
    assert html.count("<svg") == 2
    assert "&lt;/s&gt;" in html
    assert "</s>" not in html
    assert not re.search(r"https?://(?!www\.w3\.org/)", html)
    for label, value in section.facts:
        assert label in html
        assert f"{value:,}" in html if isinstance(value, int) else value in html


def test_the_command_writes_the_page(shrunk, latticework, tmp_path):
    ended = latticework("tour", "--only", "translation", "-o", tmp_path / "tour.html", "--json")
    assert ended.status == 0
    stop = json.loads(ended.out)["stops"]["translation"]["facts"]
    assert set(stop) == {"exact translations", "chrF", "seconds of training", "weights"}
    html = (tmp_path / "tour.html").read_text(encoding="utf-8")
    assert "numbers in words, from English to German" in html
    assert stop["exact translations"] in html


def test_the_real_stop_writes_19_of_20_unseen_numbers_without_an_error(tmp_path):
    """The command as a user runs it, a minute of training: what the tour promises holds at its real size only."""
    options = {"capture_output": True, "text": True, "cwd": tmp_path, "timeout": 900}
    ended = subprocess.run([*COMMAND, "tour", "--only", "translation", "--json"], **options)
    assert ended.returncode == 0, ended.stderr
    stop = json.loads(ended.stdout)["stops"]["translation"]["facts"]
    print(stop)
    assert float(stop["exact translations"].removesuffix("%")) >= 95
    assert (tmp_path / "tour.html").read_text(encoding="utf-8").count("<svg") == 2


def test_the_real_stop_tests_a_thousand_numbers_from_blocks_that_are_not_trained_on():
    drawn = draw_numbers(0)
    assert (len(drawn.train), len(set(drawn.test))) == (20_000, 1000)
    assert not {number // 100 for number in drawn.train} & {number // 100 for number in drawn.test}
    assert max(drawn.test) > 900_000
    assert min(drawn.test) < 10_000
