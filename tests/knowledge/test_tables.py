import gzip
import io

import numpy as np
import pytest

from latticework.core.errors import InputError
from latticework.core.files import read_lines
from latticework.knowledge.io import dataset, tables
from latticework.knowledge.io.tables import (
    csv_columns,
    delimited_lines,
    integer_bytes,
    integer_columns,
    tsv_columns,
)

TRIPLES = [("Paris, Texas", "in", "USA"), ('the "Eagle"', "on", "the\nmoon"), ("a", "a", "a")]


def rows(batches):
    return [row for columns in batches for row in zip(*columns, strict=True)]


def test_names_keep_their_blanks():
    assert rows(tsv_columns([" New  York \tin\tU\u2028SA"], "some")) == [(" New  York ", "in", "U\u2028SA")]


def test_blank_lines_are_nothing():
    assert rows(tsv_columns(["", "a\tr\tb", "  ", "c\tr\td"], "some")) == [("a", "r", "b"), ("c", "r", "d")]
    assert rows(csv_columns(["", "a,r,b", "", "c,r,d"], "some")) == [("a", "r", "b"), ("c", "r", "d")]
    assert list(tsv_columns(["", " "], "some")) == []


def test_a_header_is_one_only_with_commas():
    with pytest.warns(UserWarning, match=r"some:1: 'head\\trelation\\ttail' looks like a header") as caught:
        assert rows(tsv_columns(["head\trelation\ttail"], "some")) == [("head", "relation", "tail")]
    assert caught[0].filename == __file__
    for header in ("head,relation,tail", "H,R,T", "subject, predicate, object"):
        assert rows(csv_columns([header, "a,r,b", "h,r,t"], "some")) == [("a", "r", "b"), ("h", "r", "t")]


def test_a_header_may_stand_below_blank_lines():
    assert rows(csv_columns(["", "  ", "head,tail,relation", "Rome,Italy,in"], "some")) == [("Rome", "in", "Italy")]
    assert rows(csv_columns(["", "a,r,b", "tail,r,head"], "some")) == [("a", "r", "b"), ("tail", "r", "head")]
    with pytest.raises(InputError, match="some:3: head, tail, relation looks like a header"):
        list(tsv_columns(["", " ", "head\ttail\trelation", "Rome\tItaly\tin"], "some"))
    with pytest.warns(UserWarning, match="some:2: .* looks like a header"):
        assert len(rows(tsv_columns(["", "head\trelation\ttail", "", "a\tr\tb"], "some"))) == 2
    with pytest.raises(InputError, match="some:4: expected three columns"):
        list(tsv_columns(["", "", "a\tr\tb", "a\tr"], "some"))


def test_files_are_read_in_parts_of_bounded_size(monkeypatch):
    monkeypatch.setattr(dataset, "BATCH", 2)
    for columns, tab in ((tsv_columns, "\t"), (csv_columns, ",")):
        lines = [tab.join("arb"), "", tab.join("brc"), tab.join("crd"), tab.join("dr")]
        found = columns(lines, "some")
        assert next(found)[0][0] == "a"
        with pytest.raises(InputError, match="some:5: expected three columns"):
            list(found)


def test_of_long_lines_fewer_are_read_at_a_time(monkeypatch):
    monkeypatch.setattr(dataset, "_BATCH_CHARACTERS", 100)
    for columns, tab in ((tsv_columns, "\t"), (csv_columns, ",")):
        found = columns([tab.join(("x" * length, "r", "b")) for length in (1, 1, 40, 60, 99, 1)], "some")
        assert [len(heads) for heads, _, _ in found] == [4, 1, 1]


@pytest.mark.parametrize(
    "line, message",
    [
        ("a r b", "some:2: expected three columns, .* got 1.*separated by blanks"),
        ("a,r,b", "some:2: expected three columns, .* got 1.*separated by commas.*name the file .csv"),
        ("a;r;b", "some:2: expected three columns, .* got 1.*separated by semicolons.*Use tabs, or commas in a .csv"),
        ("a\tr", "some:2: expected three columns, .* got 2"),
        ("a\tr\tb\t2020-01-01", "some:2: expected three columns, .* got 4"),
        ("a\t\tb", "some:2: the relation is empty"),
        ("\tr\tb", "some:2: the head is empty"),
        ("a\tr\t", "some:2: the tail is empty"),
        ("\t\t", "some:2: the head is empty"),
        ("x" * 1000, r"some:2: expected three columns, .{60,120}$"),
    ],
)
def test_a_wrong_line_is_refused(line, message):
    with pytest.raises(InputError, match=message) as caught:
        list(tsv_columns(["a\tr\tb", line], "some"))
    assert len(str(caught.value)) < 300


def test_tabs_in_a_csv_are_told_to_be_tabs():
    with pytest.raises(InputError, match=r"some:1: expected three columns, .* got 1.*separated by tabs.*the file .tsv"):
        list(csv_columns(["a\tr\tb"], "some"))


def test_quotation_marks_hold_commas_and_line_ends():
    lines = ['"Paris, Texas",in,USA', '"the ""Eagle""",on,"the', 'moon"', "a,r"]
    with pytest.raises(InputError, match="some:4: expected three columns"):
        list(csv_columns(lines, "some"))
    assert rows(csv_columns(lines[:3], "some")) == TRIPLES[:2]


@pytest.mark.parametrize("line", ['"a,r,b', '"a"x,r,b', '"' + "x" * 200_000 + '",r,b'])
def test_a_quotation_mark_that_is_not_closed_is_refused_where_it_is(line):
    with pytest.raises(InputError, match=r"some:2: .*is a quotation mark not closed"):
        list(csv_columns(["a,r,b", line, "c,r,d"], "some"))


def test_a_compressed_line_without_end_is_refused(tmp_path):
    file = tmp_path / "bomb.tsv.gz"
    file.write_bytes(gzip.compress(b"a\tr\tb\n" + b"x" * 40_000_000))
    with pytest.raises(InputError, match=r"bomb\.tsv\.gz:2: the line is longer than"):
        list(tsv_columns(read_lines(file), str(file)))


def test_what_is_written_with_commas_is_read_as_the_same():
    lines = "\n".join(delimited_lines(TRIPLES, comma=True)).split("\n")
    assert rows(csv_columns(lines, "some")) == TRIPLES


def test_a_name_with_a_tab_or_line_end_cannot_be_written_with_tabs():
    assert list(delimited_lines(TRIPLES[:1], comma=False)) == ["Paris, Texas\tin\tUSA"]
    for name in ("a\tb", "a\nb", "a\r", "a\0", "\ufeffa"):
        with pytest.raises(InputError, match="has a tab, line end or NUL in it"):
            list(delimited_lines([(name, "r", "b")], comma=False))
    for name in ("a\rb", "a\0"):
        with pytest.raises(InputError, match="has a carriage return or NUL in it"):
            list(delimited_lines([(name, "r", "b")], comma=True))


def test_integers_are_names_in_decimal(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[3, 0, 14], [14, 1, 3]], dtype=np.uint8))
    assert rows(integer_columns(tmp_path / "a.npy")) == [("3", "0", "14"), ("14", "1", "3")]
    (tmp_path / "b.npy").write_bytes(integer_bytes(rows(integer_columns(tmp_path / "a.npy"))))
    assert np.load(tmp_path / "b.npy").tolist() == [[3, 0, 14], [14, 1, 3]]


def test_names_that_are_no_decimal_numbers_are_not_written_as_integers():
    for name in ("x", "01", "٣", "-1", str(2**63), str(2**64 - 1), "9" * 5000):
        with pytest.raises(InputError, match=r"no decimal numbers below 2\^63"):
            integer_bytes([("1", "2", name)])
    assert np.load(io.BytesIO(integer_bytes([("0", "1", str(2**63 - 1))]))).tolist() == [[0, 1, 2**63 - 1]]


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros((2, 4), dtype=int), r"holds int64 of shape \(2, 4\), expected integers of shape \(triples, 3\)"),
        (np.zeros((2, 3)), r"holds float64 of shape \(2, 3\)"),
        (np.zeros(3, dtype=int), r"of shape \(3,\)"),
        (np.array([[0, 0, 1], [0, 0, -1]]), r"row 1 is \[0, 0, -1\]: a number is negative"),
        (np.zeros((2, 3), dtype=bool), "holds bool"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message):
        list(integer_columns(tmp_path / "a.npy"))


def test_more_rows_than_are_read_are_refused_before_any_is(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_TRIPLES", 2)
    np.save(tmp_path / "a.npy", [[0, 0, 1], [0, 0, 1], [0, 0, -1]])
    with pytest.raises(InputError, match=r"a\.npy has 3 rows, more than the 2 that are read: give a part"):
        list(integer_columns(tmp_path / "a.npy"))
