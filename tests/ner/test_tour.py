"""The tour's stop at its real size: what it promises, it measures."""

from __future__ import annotations

import json

import pytest

from latticework.pages import Page, Section

pytestmark = pytest.mark.usefixtures("on_the_cpu")


def test_the_real_stop_finds_what_the_list_says_and_without_a_list_tosses_a_coin(latticework, tmp_path):
    ended = latticework("tour", "--only", "ner", "--json", "-o", tmp_path / "tour.html")
    assert ended.status == 0, ended.err
    stop = json.loads(ended.out)["stops"]["ner"]["facts"]
    shares = [
        float(stop[name].removesuffix("%"))
        for name in ("entities found", "found with the other list", "without the word list")
    ]
    assert min(shares[:2]) >= 95
    assert 35 <= shares[2] <= 65
    html = (tmp_path / "tour.html").read_text(encoding="utf-8")
    assert html.count("<article>") == html.count("<svg") == 6
    assert html.count("with the other list</p>") == 3
    assert stop["without the word list"] in html


def test_the_stop_shows_the_same_sentences_with_either_list(monkeypatch):
    from latticework.ner import tour

    monkeypatch.setattr(tour, "EPOCHS", 1)
    section = tour.stop(seed=1)
    assert isinstance(section, Section)
    (shown,) = section.passages
    texts = [item.text for item in shown.items]
    assert texts[::2] == texts[1::2]
    assert [item.note for item in shown.items[:2]] == ["with the list of the training", "with the other list"]
    (table,) = section.tables
    assert [row[0] for row in table.rows] == ["Lattice LSTM", "characters alone"]
    assert "<svg" in Page("Tour", "Intro", [section]).html()
