"""The page of tagged texts: what it shows, how much of it, and that a user's text stays text."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from latticework.core.streams import stream_name
from latticework.ner import CharacterTagger, TaggerConfig
from latticework.ner.report import LONGEST, MOST_CHARACTERS, MOST_TEXTS, Chosen, lattices, page, passages
from latticework.ner.results import Entity
from latticework.pages.passage import style

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
    assert mark.aside in (f"{entity.score:.0%}", ">99%")
    assert passage.picture.svg.count("<path") == len(lattice.matches(text)) == 4


def test_the_page_counts_explains_and_needs_nothing_from_elsewhere(lattice, planted):
    html = page(lattice, planted.test.texts[:9], "folder/some.txt").html()
    assert "<title>Entities in some.txt</title>" in html
    assert html.count("<article>") == 9
    assert html.count("<svg") == 9
    count = sum(map(len, lattice.entities(planted.test.texts[:9])))
    assert html.count("<mark") == count
    assert f"<dt>entities</dt><dd>{count}</dd>" in html
    asides = re.findall(r"<small>(\S+)</small></span></mark>", html)
    assert len(asides) == count, "probabilities are there without pointing at anything"
    assert all(re.fullmatch(r"(&[lg]t;)?\d+%", aside) for aside in asides)
    assert "Compare it only among words that end (backward: begin) at the same character" in html
    assert "a longer word does not have less because it is trusted less" in html
    assert not re.search(r"https?://(?!www\.w3\.org/)|<script|<link rel=.stylesheet", html)


def test_a_model_without_words_shows_entities_alone(characters, planted):
    shown = page(characters, planted.test.texts[:5], "some.txt")
    html = shown.html()
    assert html.count("<article>") == 5
    assert "<svg" not in html
    assert "stronger" not in html
    assert "Point at" not in html
    assert [name for name, _ in shown.sections[0].facts] == ["texts", "entities"]


def test_text_of_users_stays_text(lattice, planted):
    html = page(lattice, [HOSTILE + planted.test.texts[1], HOSTILE], "a<script>b.txt").html()
    assert "<script" not in html
    assert "\x00" not in html
    assert html.count("&lt;script&gt;") >= 3, "in the title, the heading and where no entity cuts it"


def test_of_many_texts_and_of_long_ones_a_page_shows_some_and_says_so(lattice):
    many = page(lattice, ["长江"] * (MOST_TEXTS + 5), "a").html()
    assert many.count("<article>") == MOST_TEXTS
    assert "The first 200 of 205 texts are shown: a page takes 200 texts and 20,000 characters." in many
    assert "<dt>texts shown</dt><dd>200 of 205</dd>" in many
    assert "<dt>entities shown</dt>" in many
    long = page(lattice, ["江" * (LONGEST + 900), "", "长江"], "a").html()
    assert "江" * LONGEST in long
    assert "江" * (LONGEST + 1) not in long
    told = "Of 1 text that is longer only the first 600 characters are shown, and were tagged without the rest."
    assert told in long
    assert "1 blank line is left out." in long
    assert "<dt>texts</dt><dd>2</dd>" in long
    assert "<dt>entities shown</dt>" in long, "there may be others in what is not"


def test_what_is_left_out_is_counted_for_whatever_reason():
    texts = ["江" * 5000] * 40 + ["", "江"]
    chosen = Chosen.of(texts)
    assert sum(map(len, chosen.texts)) <= MOST_CHARACTERS
    shown = len(chosen.texts)
    assert shown == MOST_CHARACTERS // LONGEST
    assert (chosen.total, chosen.cut) == (41, shown)
    assert chosen.left_out == [
        f"The first {shown} of 41 texts are shown: a page takes 200 texts and 20,000 characters.",
        f"Of {shown} texts that are longer only the first 600 characters are shown, and were tagged without the rest.",
        "1 blank line is left out.",
    ]
    assert Chosen.of([]) == Chosen([], 0, 0, [])
    assert Chosen.of(["江" * 600] * 33 + ["江" * 500, "江"]).texts[-1] == "江" * 600, (
        "none is shown after one that is not"
    )


def test_what_came_from_standard_input_is_called_so(characters):
    assert page(characters, ["好"], stream_name("-")).title == "Entities in standard input"
    assert page(characters, ["好"], "folder/some.txt").title == "Entities in some.txt"


@pytest.mark.parametrize(
    "score, shown", [(0.0, "0%"), (0.001, "<1%"), (0.584, "58%"), (0.994, "99%"), (0.9999, ">99%"), (1.0, "100%")]
)
def test_a_probability_is_not_rounded_to_certainty(score, shown):
    entity = Entity(0, 2, "LOC", "长江", score)
    (item,) = lattices([SimpleNamespace(text="长江", entities=[entity], arcs=[])], "Some.").items
    assert [mark.aside for mark in item.marks] == [shown]


def test_colours_follow_the_types_of_the_model_and_not_how_often_they_are_on_a_page(lattice, planted):
    texts = [text for text, spans in zip(planted.test.texts, planted.test.spans, strict=True) if spans]
    labels = [spans[0].label for spans in planted.test.spans if spans]
    for wanted in ("LOC", "PER"):
        few = [text for text, label in zip(texts, labels, strict=True) if label == wanted][:3]
        found = passages(lattice, few)
        assert found.legend[0][0] == wanted
        assert found.styles[wanted] == style(lattice.labels_.index(wanted))


def test_without_the_types_of_a_model_colours_follow_those_that_are_there():
    entities = [Entity(0, 1, "B", "长", 0.9), Entity(1, 2, "B", "江", 0.9), Entity(2, 3, "A", "边", 0.9)]
    explained = SimpleNamespace(text="长江边", entities=entities, arcs=[])
    assert lattices([explained], "Some.").legend == [("B", 2, style(1)), ("A", 1, style(0))]


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
