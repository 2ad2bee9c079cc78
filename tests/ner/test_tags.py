"""Tags and spans say the same in every scheme, and illegal tags become what each repair states."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.entities import entities
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, IOBES, Entities

from latticework.core import InputError
from latticework.ner.io import read_tagged
from latticework.ner.repair import convert_tags, normalise
from latticework.ner.tags import (
    SCHEMES,
    Span,
    allowed,
    faults,
    guess_scheme,
    spans_as_published,
    spans_of,
    tags_of,
)

LABELS = ["LOC", "PER.NOM"]
PARTS = {"BMES": "BMES", "BIOES": "BIES", "BIO": "BI"}
SCHEME_AND_TAGS = st.sampled_from(SCHEMES).flatmap(
    lambda scheme: st.tuples(st.just(scheme), st.lists(st.sampled_from(names(scheme)), max_size=12))
)


def names(scheme, labels=LABELS):
    return ["O", *(f"{part}-{label}" for label in labels for part in PARTS[scheme])]


@st.composite
def sentences(draw):
    """Length of a sentence and the entities in it."""
    pieces = draw(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([None, *LABELS])), max_size=8))
    spans, reached = [], 0
    for length, label in pieces:
        if label:
            spans.append(Span(reached, reached + length, label))
        reached += length
    return reached, spans


@given(sentences(), st.sampled_from(SCHEMES), st.sampled_from(["close", "drop", "refuse"]))
def test_spans_become_tags_and_again_spans(sentence, scheme, repair):
    length, spans = sentence
    tags = tags_of(reversed(spans), length, scheme)
    assert spans_of(tags, scheme, repair=repair) == spans
    assert faults(tags, scheme) == []
    if scheme == "BMES":
        assert spans_as_published(tags) == spans


@given(sentences(), st.permutations(SCHEMES))
def test_a_tour_of_all_schemes_ends_where_it_began(sentence, tour):
    length, spans = sentence
    first = tags = tags_of(spans, length, tour[0])
    for source, target in zip(tour, [*tour[1:], tour[0]], strict=True):
        tags = convert_tags(tags, source, target)
    assert tags == first


@given(SCHEME_AND_TAGS)
def test_only_legal_entities_are_left_when_the_rest_is_dropped(drawn):
    scheme, tags = drawn
    assert spans_of(tags, scheme, repair="drop") == entities(tags, scheme)


@given(SCHEME_AND_TAGS)
def test_dropped_is_as_seqeval_is_when_strict(drawn):
    scheme, tags = drawn
    tags = [tag.replace("M-", "I-", 1) for tag in tags]
    expected = Entities([tags], IOB2 if scheme == "BIO" else IOBES).entities[0]
    ours = spans_of(tags, "BIOES" if scheme == "BMES" else scheme, repair="drop")
    assert ours == [(entity.start, entity.end, entity.tag) for entity in expected]


@given(SCHEME_AND_TAGS)
def test_closed_is_as_conlleval_and_seqeval_are_when_lenient(drawn):
    scheme, tags = drawn
    spans = [
        (start, last + 1, label) for label, start, last in get_entities([tag.replace("M-", "I-", 1) for tag in tags])
    ]
    assert spans_of(tags, scheme) == spans


@given(SCHEME_AND_TAGS)
def test_closed_tags_are_legal_and_keep_every_piece_of_an_entity(drawn):
    scheme, tags = drawn
    repaired = convert_tags(tags, scheme, scheme)
    assert faults(repaired, scheme) == []
    assert [tag.partition("-")[2] for tag in repaired] == [tag.partition("-")[2] for tag in tags]
    if not faults(tags, scheme):
        assert repaired == tags


@given(SCHEME_AND_TAGS)
def test_refused_is_what_has_a_fault(drawn):
    scheme, tags = drawn
    found = faults(tags, scheme)
    assert [index for index, _ in found] == sorted({index for index, _ in found})
    if found:
        with pytest.raises(InputError, match=f"^tag {found[0][0]}: "):
            spans_of(tags, scheme, repair="refuse")
    else:
        assert spans_of(tags, scheme, repair="refuse") == spans_of(tags, scheme) == entities(tags, scheme)


@pytest.mark.parametrize("length", range(1, 5))
def test_exactly_tags_without_fault_are_allowed(length):
    tags = names("BMES", "XY")
    transitions, begins, ends = allowed(tags)
    for path in product(range(len(tags)), repeat=length):
        legal = begins[path[0]] and ends[path[-1]] and all(transitions[one, two] for one, two in pairwise(path))
        assert legal == (faults([tags[index] for index in path]) == [])


def test_what_is_allowed_are_arrays_of_bool():
    for names_there in (["O"], ["O", "S-A", "B-A", "E-A"]):
        count = len(names_there)
        found = allowed(names_there)
        assert [array.shape for array in found] == [(count, count), (count,), (count,)]
        assert all(array.dtype == np.bool_ for array in found)


@pytest.mark.parametrize(
    "tags, closed, dropped",
    [
        (["B-A", "M-A", "O"], [(0, 2)], []),
        (["O", "M-A", "M-A", "O"], [(1, 3)], []),
        (["E-A", "B-A", "E-A"], [(0, 1), (1, 3)], [(1, 3)]),
        (["B-A", "B-A", "E-A"], [(0, 1), (1, 3)], [(1, 3)]),
        (["B-A", "S-A", "E-A"], [(0, 1), (1, 2), (2, 3)], [(1, 2)]),
        (["B-A", "E-A", "M-A"], [(0, 2), (2, 3)], [(0, 2)]),
        (["B-A", "M-A"], [(0, 2)], []),
        ([], [], []),
    ],
)
def test_repairs_of_illegal_tags_by_hand(tags, closed, dropped):
    assert [span[:2] for span in spans_of(tags)] == closed
    assert [span[:2] for span in spans_of(tags, repair="drop")] == dropped


def test_another_type_begins_another_entity():
    assert spans_of(["B-A", "M-B", "E-A"]) == [(0, 1, "A"), (1, 2, "B"), (2, 3, "A")]
    assert spans_of(["B-A", "I-B"], "BIO") == [(0, 1, "A"), (1, 2, "B")]
    assert spans_of(["B-A", "I-B", "I-A"], "BIO", repair="drop") == [(0, 1, "A")]


@pytest.mark.parametrize(
    "tags, expected",
    [
        (["B-A", "M-A", "O", "O", "B-B", "E-B"], [(0, 4, "A"), (4, 6, "B")]),
        (["B-A", "O", "S-B"], [(0, 2, "A"), (2, 3, "B")]),
        (["B-A", "M-B", "E-B"], [(0, 3, "A")]),
        (["M-A", "E-A", "S-A"], [(2, 3, "A")]),
        (["S-A", "B-A", "M-A"], [(0, 1, "A"), (1, 2, "A")]),
    ],
)
def test_the_published_scorer_reads_illegal_tags_its_own_way(tags, expected):
    assert spans_as_published(tags) == expected


@pytest.mark.parametrize(
    "tags, scheme",
    [
        (["M-A"], "BMES"),
        (["B-A", "E-A"], "BMES"),
        (["S-A", "O"], "BMES"),
        (["O", "O"], "BMES"),
        ([], "BMES"),
        (["B-A", "I-A", "E-A"], "BIOES"),
        (["S-A", "O", "I-A"], "BIOES"),
        (["B-A", "I-A"], "BIO"),
        (["B-A", "O"], "BIO"),
    ],
)
def test_the_scheme_is_guessed_from_the_tags_of_all_sentences(tags, scheme):
    assert guess_scheme([tags]) == guess_scheme([["O"], tags]) == guess_scheme([[tag] for tag in tags]) == scheme


@pytest.mark.parametrize("tag", ["I-A", "A", "B", "B-", "B- ", "-A", "b-A", "o", "", "X-A", 3, None])
def test_what_is_no_tag_is_refused(tag):
    for function in (spans_of, faults, spans_as_published, allowed):
        with pytest.raises(InputError, match=rf"^tag 1: {tag!r} is no BMES tag, expected O, B-TYPE, M-TYPE, E-TYPE"):
            function(["O", tag])


def test_the_tags_of_many_sentences_are_read_together():
    tags = [["B-A", "I-A"], ["O"], ["I-A", "O"], []]
    found = normalise(tags, "tags[{}][{}]".format)
    assert found == ("BIO", [[(0, 2, "A")], [], [(0, 1, "A")], []], ["tags[2][0]: I-A continues no entity"])
    assert found.warning("tags", "close").startswith(
        "tags: 1 illegal BIO tags repaired (a piece that continues nothing "
    )
    assert normalise(tags, "{}{}".format, repair="drop").spans[2] == []
    many = normalise([["O"], *[["I-A"]] * 5], "tags[{}][{}]".format).warning("tags", "drop")
    places = [f"tags[{sentence}][0]: I-A continues no entity" for sentence in (1, 2, 3)]
    assert many.endswith(f": {', '.join(places)} and 2 more")
    with pytest.raises(InputError, match=r"^tags\[2\]\[0\]: I-A continues no entity$"):
        normalise(tags, "tags[{}][{}]".format, repair="refuse")
    with pytest.raises(InputError, match=r"^tags\[0\]\[1\]: 'I-A' is no BMES tag, expected O, B-TYPE, "):
        normalise([*tags, ["M-A"]], "tags[{}][{}]".format)
    assert normalise([], "".format) == ("BMES", [], [])


def test_a_type_may_hold_dashes():
    assert spans_of(["B-A-1", "E-A-1"]) == [(0, 2, "A-1")]
    assert spans_of(["B-A-1", "E-A-2"], repair="drop") == []


@pytest.mark.parametrize(
    "spans, message",
    [
        ([(0, 0, "A")], "the span 0-0 .A. is empty or not within 0-4"),
        ([(3, 2, "A")], "the span 3-2 .A. is empty"),
        ([(-1, 2, "A")], "the span -1-2 .A. is empty or not within"),
        ([(3, 5, "A")], "the span 3-5 .A. is empty or not within"),
        ([(1, 3, "A"), (0, 2, "B")], "the span 1-3 .A. shares a token with the span 0-2 .B."),
        ([(0, 2, "A"), (0, 2, "B")], "the span 0-2 .B. shares a token with the span 0-2 .A."),
    ],
)
def test_spans_that_cannot_be_tags_are_refused(spans, message):
    with pytest.raises(InputError, match=f"^{message}"):
        tags_of(spans, 4)


def test_schemes_and_repairs_have_names():
    for call in (lambda: spans_of([], "IOB"), lambda: faults([], "IOB"), lambda: tags_of([], 0, "IOB")):
        with pytest.raises(InputError, match=r"^scheme='IOB': expected one of BMES, BIOES, BIO$"):
            call()
    with pytest.raises(InputError, match=r"^repair='fix': expected one of close, drop, refuse$"):
        spans_of([], repair="fix")


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore:.*4 illegal BMES tags")
@pytest.mark.parametrize(
    "split, published, legal", [("train", 13_438, 13_436), ("dev", 1_497, 1_497), ("test", 1_630, 1_630)]
)
def test_the_entities_of_resume_are_counted_as_published(data_folder, split, published, legal):
    path = data_folder / f"ner/resume_ner/{split}.char.bmes"
    blocks = [block.splitlines() for block in path.read_text(encoding="utf-8").split("\n\n") if block.strip()]
    raw = [[line.split()[1] for line in block] for block in blocks]
    assert sum(len(spans_as_published(tags)) for tags in raw) == published
    assert sum(len(spans_of(tags, repair="drop")) for tags in raw) == legal
    assert sum(len(entities(tags)) for tags in raw[::20]) == sum(len(spans_of(tags)) for tags in raw[::20])
    repaired = read_tagged(path).tags_in()
    assert [tags for tags, was in zip(repaired, raw, strict=True) if not faults(was)] == [
        tags for tags in raw if not faults(tags)
    ]
    for scheme in SCHEMES:
        assert [convert_tags(convert_tags(tags, "BMES", scheme), scheme, "BMES") for tags in repaired] == repaired


def test_a_fault_is_told_in_the_scheme_of_the_tags():
    assert faults(["B-LOC", "O"], "BMES") == [(0, "B-LOC is not followed by M-LOC or E-LOC")]
    assert faults(["B-LOC", "O"], "BIOES") == [(0, "B-LOC is not followed by I-LOC or E-LOC")]
