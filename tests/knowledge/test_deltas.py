import gzip
import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core.errors import InputError
from latticework.knowledge import deltas
from latticework.knowledge.deltas import Delta, delta_lines, parse_change, read_delta, read_transactions, write_delta
from latticework.knowledge.graph import Graph

A, B = ("New York", "in", "USA"), ("Rome", "in", "Italy")
TRIPLES = st.tuples(*[st.sampled_from("abc")] * 3)


@pytest.mark.parametrize(
    "line, expected",
    [
        ("+\tNew York\tin\tUSA", (True, A)),
        ("-\tNew York\tin\tUSA", (False, A)),
        ('{"op": "add", "head": "New York", "relation": "in", "tail": "USA"}', (True, A)),
        ('{"op": "remove", "head": "New York", "relation": "in", "tail": "USA", "when": 3}', (False, A)),
        ('{"add": ["New York", "in", "USA"]}', (True, A)),
        ('{"remove": ["New York", "in", "USA"]}', (False, A)),
        ("+\t+\t-\t{", (True, ("+", "-", "{"))),
        ('{"add": ["a\\tb", "in", "c\\nd"]}', (True, ("a\tb", "in", "c\nd"))),
    ],
)
def test_a_line_is_told_by_its_first_character(line, expected):
    assert parse_change(line, "here:1") == expected


@pytest.mark.parametrize(
    "line, message",
    [
        ("New York\tin\tUSA", r"here:1: expected \+ or -"),
        ("+ New York in USA", r"here:1: expected \+, head, relation and tail with tabs"),
        ("+New York\tin\tUSA", r"here:1: expected \+, head"),
        ("-\tNew York\tin", r"here:1: expected -, head"),
        ("+\tNew York\tin\tUSA\t2020", r"here:1: expected \+, head"),
        ("+\tNew York\t\tUSA", r"here:1: head, relation, tail: names\[1\]: '' cannot be a name"),
        ('{"add": ["a", "b"]}', "here:1: expected"),
        ('{"add": ["a", "b", 3]}', 'here:1: "tail" is 3, names are text, in quotes: "3"$'),
        (
            '{"op": "add", "head": 1.5, "relation": "b", "tail": "c"}',
            '"head" is 1.5, names are text, in quotes: "1.5"$',
        ),
        ('{"op": "add", "head": "a", "relation": null, "tail": "c"}', 'here:1: "relation" is null, expected text$'),
        ('{"remove": ["a", ["b"], "c"]}', 'here:1: "relation" is a list, expected text$'),
        ('{"add": "abc"}', "here:1: expected"),
        ('{"add": ["a", "b", "c"], "remove": ["a", "b", "c"]}', "here:1: expected"),
        ('{"op": "add", "add": ["a", "b", "c"]}', "here:1: expected"),
        ('{"op": "delete", "head": "a", "relation": "b", "tail": "c"}', "here:1: \"op\" is 'delete', expected"),
        (
            '{"op": "%s", "head": "a", "relation": "b", "tail": "c"}' % ("x" * 1000),
            r"here:1: \"op\" is 'x{59}\.\.\., expected",
        ),
        ('{"op": ["add"], "head": "a", "relation": "b", "tail": "c"}', 'here:1: "op" is'),
        ('{"op": "add", "head": "a", "relation": "b"}', 'here:1: there is no "tail"'),
        ("{}", "here:1: expected"),
        ('{"add": ["a", "b", ', "here:1: not a JSON object"),
        ('{"add": ["a", "b", "c"], "add": ["a", "b", "d"]}', "here:1: .* the name 'add' stands there twice"),
        ('{"add": ["a", "b", "c"], "weight": NaN}', "here:1: .* NaN is not a JSON number"),
        ('{"add": ["a", "b", "\\ud800"]}', "here:1: .*not valid Unicode"),
        ("−\ta\tb\tc", "here:1: expected"),
    ],
)
def test_any_other_line_is_refused_with_its_place(line, message):
    with pytest.raises(InputError, match=message):
        parse_change(line, "here:1")


def test_a_file_is_one_transaction_whatever_its_line_ends(tmp_path):
    file = tmp_path / "delta.tsv"
    file.write_bytes(b'\xef\xbb\xbf+\tNew York\tin\tUSA\r\n\r\n{"remove": ["Rome", "in", "Italy"]}\r\n')
    assert read_delta(file) == Delta(add=[A], remove=[B])


def test_a_compressed_file_is_the_same(tmp_path):
    file = tmp_path / "delta"
    file.write_bytes(gzip.compress(b"+\tNew York\tin\tUSA\n"))
    assert read_delta(file) == Delta(add=[A])


def test_a_wrong_line_is_told_with_file_and_line(tmp_path):
    file = tmp_path / "delta.tsv"
    file.write_text("+\ta\tr\tb\n\n*\ta\tr\tb\n")
    with pytest.raises(InputError, match=r"delta\.tsv:3: expected"):
        read_delta(file)


def test_changes_come_from_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"+\tRome\tin\tItaly\n*\n")))
    with pytest.raises(InputError, match="<stdin>:2"):
        read_delta("-")


def test_an_empty_file_changes_nothing(tmp_path):
    (tmp_path / "empty").touch()
    assert not read_delta(tmp_path / "empty")


@pytest.mark.parametrize(
    "signs, there, before",
    [
        ("+", True, False),
        ("+-", False, False),
        ("+-", False, True),
        ("-+", True, True),
        ("-+-", False, True),
        ("+-+", True, False),
    ],
)
def test_the_last_of_the_lines_about_one_triple_counts(signs, there, before):
    (delta,) = read_transactions([f"{sign}\tRome\tin\tItaly" for sign in signs], "some")
    graph = Graph.of([A, B] if before else [A])
    after, change = graph.apply(delta, missing="raise")
    assert (B in after.named()) == there
    assert bool(change) == (there != before)


@pytest.mark.parametrize("signs", ["-", "-+", "-+-"])
def test_removing_first_what_is_not_there_is_a_mistake(signs):
    (delta,) = read_transactions([f"{sign}\tRome\tin\tItaly" for sign in signs], "some")
    with pytest.raises(InputError, match="not in the graph"):
        Graph.of([A]).apply(delta, missing="raise")


def test_a_blank_line_ends_a_transaction():
    lines = ["", "+\ta\tr\tb", "-\tc\tr\td", " ", "", "+\te\tr\tf"]
    found = list(read_transactions(lines, "some"))
    assert found == [Delta(add=[("a", "r", "b")], remove=[("c", "r", "d")]), Delta(add=[("e", "r", "f")])]
    assert [delta.lines for delta in found] == [4, 6]


def test_a_transaction_is_there_before_the_next_line_is_read():
    def lines():
        yield "+\ta\tr\tb"
        yield ""
        raise AssertionError("read too far")

    assert next(read_transactions(lines(), "some")) == Delta(add=[("a", "r", "b")])


def test_whole_transactions_come_before_a_mistake():
    stream = read_transactions(["+\ta\tr\tb", "", "+\tc\tr\td", "wrong"], "some")
    assert next(stream) == Delta(add=[("a", "r", "b")])
    with pytest.raises(InputError, match="some:4"):
        next(stream)


def test_long_lines_and_endless_transactions_are_refused(monkeypatch):
    monkeypatch.setattr(deltas, "MAX_LINE", 20)
    monkeypatch.setattr(deltas, "MAX_TRANSACTION", 2)
    with pytest.raises(InputError, match="some:1: the line is longer than 20"):
        list(read_transactions(["+\ta\tr\t" + "b" * 20], "some"))
    with pytest.raises(InputError, match="some:3: no blank line"):
        list(read_transactions(["+\ta\tr\tb"] * 3, "some"))


def test_triples_are_distinct_and_in_order():
    assert Delta(add=[B, A, B]).add == (B, A)
    assert Delta(add=[list(A)]).add == (A,)


@pytest.mark.parametrize("add", [["abc"], [3], [{"a", "b", "c"}], [("a", "b")], [("a", "b", 3)], [("a", "", "c")]])
def test_a_delta_of_what_is_no_triple_is_refused(add):
    with pytest.raises(InputError, match=r"add\[0\]: .* is not \(head, relation, tail\)"):
        Delta(add=add)


@given(st.lists(st.tuples(st.booleans(), TRIPLES)), st.booleans())
def test_what_is_written_is_read_as_the_same(changes, jsonl):
    lines = ["\t".join(["+" if adds else "-", *triple]) for adds, triple in changes]
    for delta in read_transactions(lines, "some"):
        (again,) = read_transactions(delta_lines(delta, jsonl=jsonl), "written")
        assert set(again.add) == set(delta.add)
        assert set(again.remove) == set(delta.remove)
        assert set(again.undone) == set(delta.undone)


@pytest.mark.parametrize("name", ["d.tsv", "d.jsonl", "d.tsv.gz", "d.jsonl.gz"])
def test_files_are_written_as_their_name_says(tmp_path, name):
    delta = Delta(add=[A], remove=[B])
    write_delta(tmp_path / name, delta)
    assert read_delta(tmp_path / name) == delta
    raw = (tmp_path / name).read_bytes()
    assert raw.startswith(b"\x1f\x8b") == name.endswith(".gz")
    assert name != "d.jsonl" or json.loads(raw.splitlines()[0])["op"] == "remove"


def test_a_name_that_a_line_cannot_hold_is_refused_and_goes_into_json(tmp_path):
    delta = Delta(add=[("a\tb", "r", "c\nd")])
    with pytest.raises(InputError, match="has a tab, line end or NUL in it"):
        write_delta(tmp_path / "d.tsv", delta)
    assert not (tmp_path / "d.tsv").exists()
    write_delta(tmp_path / "d.jsonl", delta)
    assert read_delta(tmp_path / "d.jsonl") == delta


def test_a_dash_writes_to_standard_output(capsys):
    write_delta("-", Delta(add=[A]))
    assert capsys.readouterr().out == "+\tNew York\tin\tUSA\n"
