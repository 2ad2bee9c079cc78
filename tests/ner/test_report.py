"""The page of tagged texts: what it shows, how much of it, and that a user's text stays text."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from latticework.ner import CharacterTagger, TaggerConfig
from latticework.ner.report import LONGEST, MOST_CHARACTERS, MOST_TEXTS, Chosen, lattices, page, passages

HOSTILE = "</p><script>alert(1)</script>&\u2028\x00"


@pytest.fixture(scope="module")
def characters(planted):
    """A model without words."""
    config = TaggerConfig(batch_size=8, learning_rate=0.02)
    tagger = CharacterTagger(None, hidden_size=10, max_epochs=4, config=config, random_state=0, device="cpu")
    return tagger.fit(planted.train.texts[:80], planted.train.tags[:80])


def test_entities_are_marked_where_they_are_with_their_probability(lattice, planted):
    text = planted.test.texts[1]
    (entity,) = lattice.entities([text])[0]
    (passage,) = passages(lattice, [text]).items
    (mark,) = passage.marks
    assert (mark.start, mark.end, mark.label) == (entity.start, entity.end, entity.label)
    assert mark.note == f"{entity.label}, probability {entity.score:.2f}"
    assert passage.picture.svg.count("<path") == len(lattice.matches(text)) == 4


def test_the_page_counts_explains_and_needs_nothing_from_elsewhere(lattice, planted):
    html = page(lattice, planted.test.texts[:9], "folder/some.txt").html()
    assert "<title>Entities in some.txt</title>" in html
    assert html.count("<article>") == 9
    assert html.count("<svg") == 9
    count = sum(map(len, lattice.entities(planted.test.texts[:9])))
    assert html.count("<mark") == count
    assert f"<dt>entities</dt><dd>{count}</dd>" in html
    assert "the stronger its line, the more the model trusted it" in html
    assert not re.search(r"https?://(?!www\.w3\.org/)|<script|<link rel=.stylesheet", html)


def test_a_model_without_words_shows_entities_alone(characters, planted):
    shown = page(characters, planted.test.texts[:5], "some.txt")
    html = shown.html()
    assert html.count("<article>") == 5
    assert "<svg" not in html
    assert "stronger" not in html
    assert [name for name, _ in shown.sections[0].facts] == ["texts", "entities"]


def test_text_of_users_stays_text(lattice, planted):
    html = page(lattice, [HOSTILE + planted.test.texts[1], HOSTILE], "a<script>b.txt").html()
    assert "<script" not in html
    assert "\x00" not in html
    assert html.count("&lt;script&gt;") >= 3, "in the title, the heading and where no entity cuts it"


def test_of_many_texts_and_of_long_ones_a_page_shows_some_and_says_so(lattice):
    many = page(lattice, ["长江"] * (MOST_TEXTS + 5), "a").html()
    assert many.count("<article>") == MOST_TEXTS
    assert "5 texts are left out: a page takes 200 texts and 20,000 characters." in many
    long = page(lattice, ["江" * (LONGEST + 900), "", "长江"], "a").html()
    assert "江" * LONGEST in long
    assert "江" * (LONGEST + 1) not in long
    assert "1 text is longer than 600 characters: only these are shown, tagged by themselves." in long
    assert "1 blank line is left out." in long


def test_what_is_left_out_is_counted_for_whatever_reason():
    texts = ["江" * 5000] * 40 + ["", "江"]
    chosen = Chosen.of(texts)
    assert sum(map(len, chosen.texts)) <= MOST_CHARACTERS
    shown = len(chosen.texts)
    assert shown == MOST_CHARACTERS // LONGEST
    assert chosen.left_out[0] == "1 blank line is left out."
    assert chosen.left_out[1].startswith(f"{41 - shown} texts are left out")
    assert Chosen.of([]) == Chosen([], [])


def test_a_type_has_the_same_colour_in_the_text_and_in_every_drawing(lattice, planted):
    explained = [lattice.explain(text) for text in planted.test.texts[:6]]
    shown = lattices(explained, "Some.", ["a note"] * 6)
    styles = shown.styles
    for item, each in zip(shown.items, explained, strict=True):
        assert item.note == "a note"
        for entity in each.entities:
            assert f"var(--{styles[entity.label].split()[0]}," in item.picture.svg


def test_texts_in_which_nothing_matches_have_no_drawing():
    explained = SimpleNamespace(text="好", entities=[], arcs=[])
    (item,) = lattices([explained], "Some.").items
    assert item.picture is None
