import gzip
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import latticework as lw
from latticework.core.errors import InputError
from latticework.knowledge.graph import Graph
from latticework.knowledge.io import dataset, read_splits, read_triples, write_triples
from latticework.knowledge.io.formats import read_rows

TRIPLES = [("New York", "in", "USA"), ("Rome", "in", "Italy"), ("Rome", "likes", "Rome")]
TSV = "".join("\t".join(triple) + "\n" for triple in TRIPLES)
IRIS = [tuple(f"http://x/{name.replace(' ', '_')}" for name in triple) for triple in TRIPLES]
NUMBERS = [("0", "0", "1"), ("2", "0", "3"), ("2", "1", "2")]


@pytest.mark.parametrize(
    "name, triples",
    [
        ("a.tsv", TRIPLES),
        ("a.txt", TRIPLES),
        ("a.csv", TRIPLES),
        ("a.tsv.gz", TRIPLES),
        ("a.nt", IRIS),
        ("a.nq", IRIS),
        ("a.ttl", IRIS),
        ("a.trig.gz", IRIS),
        ("a.parquet", TRIPLES),
        ("a.npy", NUMBERS),
        ("folder", TRIPLES),
    ],
)
def test_what_is_written_is_read_as_the_same(tmp_path, name, triples):
    if name.startswith(("a.n", "a.t")) and triples is IRIS:
        pytest.importorskip("pyoxigraph")
    if name == "a.parquet":
        pytest.importorskip("pyarrow")
    write_triples(tmp_path / name, Graph.of(triples))
    loaded = read_triples(tmp_path / name)
    assert set(loaded.graph.named()) == set(triples)
    assert loaded.duplicates == 0


def test_a_text_without_a_telling_name_is_told_by_its_first_line(tmp_path):
    file = tmp_path / "a.data"
    for text in (TSV, TSV.replace("\t", ","), "h,r,t\n" + TSV.replace("\t", ",")):
        file.write_text(text)
        assert set(read_triples(file).graph.named()) == set(TRIPLES)
    pytest.importorskip("pyoxigraph")
    for text in (
        "<http://x/a> <http://x/r> <http://x/b> .\n",
        "PREFIX : <http://x/>\n:a :r :b .\n",
        "@prefix x: <http://x/> .\nx:a x:r x:b .\n",
        "@base <http://x/> . <a> <r> <b> .\n",
        "BASE<http://x/>\n<a> <r> <b> .\n",
    ):
        file.write_text(text)
        assert read_triples(file).graph.named() == [("http://x/a", "http://x/r", "http://x/b")]


@pytest.mark.parametrize("head", ["Base camp", "base.n.01", "BASE", "Prefix", "prefix tree", "@base"])
def test_a_name_that_begins_like_a_directive_of_turtle_is_none(tmp_path, head):
    for tab in "\t,":
        (tmp_path / "a.txt").write_text(tab.join([head, "in", "Nepal"]) + "\n")
        assert read_triples(tmp_path / "a.txt").graph.named() == [(head, "in", "Nepal")]


def test_standard_input_is_read_by_its_first_line_or_as_is_said(monkeypatch):
    def stdin(text):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    stdin(TSV)
    assert set(read_triples("-").graph.named()) == set(TRIPLES)
    stdin("a,b,c\n")
    assert read_triples("-", format="csv").graph.named() == [("a", "b", "c")]
    stdin("a\tb\n")
    with pytest.raises(InputError, match="<stdin>:1: expected three columns"):
        read_triples("-")
    for kind in ("parquet", "npy", "openke"):
        with pytest.raises(InputError, match="is not read from standard input"):
            read_triples("-", format=kind)


def test_byte_order_marks_windows_line_ends_and_compression_change_nothing(tmp_path):
    for raw in (b"\xef\xbb\xbf" + TSV.replace("\n", "\r\n").encode(), gzip.compress(TSV.encode())):
        (tmp_path / "a.tsv").write_bytes(raw)
        assert set(read_triples(tmp_path / "a.tsv").graph.named()) == set(TRIPLES)


def test_duplicates_are_counted_and_self_loops_kept(tmp_path):
    (tmp_path / "a.tsv").write_text(TSV * 3)
    loaded = read_triples(tmp_path / "a.tsv")
    assert loaded.duplicates == 6
    assert ("Rome", "likes", "Rome") in loaded.graph.named()


@pytest.mark.parametrize("name", ["a.tsv", "a.csv.gz", "a.nt"])
def test_more_triples_or_names_than_are_read_are_refused(tmp_path, monkeypatch, name):
    if name == "a.nt":
        pytest.importorskip("pyoxigraph")
    path = tmp_path / name
    write_triples(path, [*IRIS, *IRIS[:1]])
    names = {name for triple in IRIS for name in triple}
    held = sum(dataset.NAME_BYTES + sys.getsizeof(name) for name in names)
    monkeypatch.setattr(dataset, "BATCH", 3)
    for most, size, told in (
        (4, held, None),
        (3, held, "there are more than the 3 triples that are read: give a part"),
        (4, held - 1, f"the names take more than the {held - 1} bytes that are read: give a part"),
    ):
        monkeypatch.setattr(dataset, "MAX_TRIPLES", most)
        monkeypatch.setattr(dataset, "MAX_NAME_BYTES", size)
        if told is None:
            assert read_triples(path).duplicates == 1
            continue
        with pytest.raises(InputError, match=re.escape(f"{path}: {told}")):
            read_triples(path)


def test_what_a_policy_left_out_is_told(tmp_path):
    pytest.importorskip("pyoxigraph")
    file = tmp_path / "a.nt"
    file.write_text('<http://x/a> <http://x/r> "b" .\n<http://x/a> <http://x/r> <http://x/b> .\n')
    assert "left out: 1 triple with literals" in read_triples(file).told()
    assert len(read_triples(file, literals="bucket").graph) == 2
    file.write_text('<http://x/a> <http://x/r> "b" .\n')
    with pytest.raises(InputError, match=r"a.nt holds no triple; left out: 1 triple with literals$"):
        read_triples(file)


@pytest.mark.parametrize(
    "raw, message",
    [
        (b"", "holds no triple"),
        (b"\n\n", "holds no triple"),
        (b"a\tr\tb\na\t\xff\tb\n", r"a.tsv:2: byte 0xFF at position 3 is not UTF-8"),
        (b"\xff\xfea\0", "a.tsv:1: the file starts like UTF-16"),
        (b"a\tr\tb\0\n", "a.tsv:1: NUL character"),
        (gzip.compress(TSV.encode())[:-9], "the gzip file is damaged or cut off"),
    ],
)
def test_files_that_are_no_text_are_refused(tmp_path, raw, message):
    (tmp_path / "a.tsv").write_bytes(raw)
    with pytest.raises(InputError, match=message):
        read_triples(tmp_path / "a.tsv")


def test_names_that_mean_no_format_or_no_file_are_refused(tmp_path):
    for name in ("a.tsv", "a.nt.gz", "a.npy", "a.parquet", "train2id.txt"):
        with pytest.raises(InputError, match=rf"{name}: there is no such file$"):
            read_triples(tmp_path / name)
    for name, remedy in (("a.rdf", r"N-Triples \(\.nt\)"), ("a.json.gz", "text")):
        with pytest.raises(
            InputError, match=rf"is not read: convert it to {remedy}; read are \.tsv, .*\.npy, and folders"
        ):
            read_triples(tmp_path / name)
    with pytest.raises(InputError, match=r"holds neither train\.txt"):
        read_triples(tmp_path)
    for name in ("entity2id.txt", "a.openke"):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=rf"{name} has no triples of OpenKE: give its folder, or train2id\.txt"):
            read_triples(tmp_path / name, format="openke")
    (tmp_path / "entity2id.txt").unlink()
    with pytest.raises(InputError, match="format='xml': expected one of tsv, csv"):
        read_triples(tmp_path / "a", format="xml")
    with pytest.raises(InputError, match="format='xml'"):
        write_triples(tmp_path / "a", TRIPLES, format="xml")
    for name in ("a.xlsx", "a.rdf", "a.gz"):
        with pytest.raises(InputError, match=r"expected a name that ends in \.tsv, .* without an ending for a folder"):
            write_triples(tmp_path / name, TRIPLES)
    with pytest.raises(InputError, match="give the folder to write"):
        write_triples(tmp_path / "train2id.txt", TRIPLES)
    with pytest.raises(InputError, match="not written to standard output"):
        write_triples("-", TRIPLES, format="npy")
    for name in ("a.npy.gz", "a.parquet.gz", "a.npy.GZ"):
        with pytest.raises(InputError, match=r"is not compressed by gzip: leave \.gz out"):
            write_triples(tmp_path / name, TRIPLES)


def test_a_file_of_openke_by_another_name_is_told(tmp_path):
    (tmp_path / "a.txt").write_text("1\n0 1 0\n")
    with pytest.raises(InputError, match=r"a\.txt:1: this is a file of OpenKE"):
        read_triples(tmp_path / "a.txt")


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path):
    (tmp_path / "a.tsv").write_text("old")
    with pytest.raises(InputError, match="cannot be written with tabs"):
        write_triples(tmp_path / "a.tsv", [*TRIPLES, ("a\tb", "r", "c")])
    assert (tmp_path / "a.tsv").read_text() == "old"


def test_splits_share_their_numbers_and_keep_their_order(tmp_path):
    (tmp_path / "train.txt").write_text(TSV * 2)
    (tmp_path / "test.txt.gz").write_bytes(gzip.compress(b"Oslo\tin\tNorway\nRome\tin\tItaly\n"))
    splits = read_splits(tmp_path)
    assert splits.train.tolist() == [[0, 0, 1], [2, 0, 3], [2, 1, 2]] * 2
    assert splits.valid.shape == (0, 3)
    assert splits.test.tolist() == [[4, 0, 5], [2, 0, 3]]
    assert splits.graph.present.tolist() == [True] * 4 + [False] * 2
    assert splits.without_leaks()[1] == {"valid": 0, "test": 1}
    assert len(read_triples(tmp_path).graph) == 3


@pytest.mark.parametrize("kind", ["csv.gz", "nt", "parquet"])
def test_parts_of_a_folder_are_of_any_format(tmp_path, kind):
    pytest.importorskip({"nt": "pyoxigraph", "parquet": "pyarrow"}.get(kind, "gzip"))
    for part in ("train", "test"):
        write_triples(tmp_path / f"{part}.{kind}", IRIS[: 3 if part == "train" else 1])
    splits = read_splits(tmp_path)
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (3, 0, 1)
    assert read_rows(tmp_path, "train") == IRIS
    assert read_rows(tmp_path, "test") == IRIS[:1]
    assert read_rows(tmp_path, "valid", needed=False) == []


def test_of_a_folder_only_the_part_that_is_asked_for_is_read(tmp_path):
    (tmp_path / "train.tsv").write_text("no fact\n")
    (tmp_path / "test.tsv").write_text(TSV)
    assert read_rows(tmp_path, "test") == TRIPLES
    for name, text in (
        ("entity", "2\na\t0\nb\t1\n"),
        ("relation", "1\nr\t0\n"),
        ("train", "?"),
        ("test", "1\n1 0 0\n"),
    ):
        (tmp_path / f"{name}2id.txt").write_text(text)
    assert read_rows(tmp_path, "test") == [("b", "r", "a")]


def test_numbers_are_given_as_names_come_first(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[9, 5, 7]]))
    assert list(read_triples(tmp_path / "a.npy").graph.entities) == ["9", "7"]


@pytest.mark.realdata("knowledge/umls", "knowledge/WN18RR")
@pytest.mark.parametrize(
    "name, sizes, unseen",
    [("umls", (5216, 652, 661), 0), ("WN18RR", (86_835, 3034, 3134), 210)],
)
def test_public_data_sets_have_the_known_sizes_and_unseen_entities(data_folder, name, sizes, unseen):
    splits = read_splits(data_folder / "knowledge" / name)
    assert (len(splits.train), len(splits.valid), len(splits.test)) == sizes
    assert (~splits.graph.present[splits.test[:, [0, 2]]]).any(axis=1).sum() == unseen


def test_a_header_of_columns_in_another_order_is_heeded_or_refused(tmp_path):
    table = tmp_path / "facts.csv"
    table.write_text("head,tail,relation\nRome,Italy,in\n", encoding="utf-8")
    assert read_triples(table).graph.named() == [("Rome", "in", "Italy")]
    tabs = tmp_path / "facts.tsv"
    tabs.write_text("Head\tTail\tRelation\nRome\tItaly\tin\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"facts\.tsv:1: head, tail, relation looks like a header of columns"):
        read_triples(tabs)


def test_what_looks_like_a_header_is_laid_to_who_reads_the_file(write):
    table = write("facts.tsv", "head\trelation\ttail\n" + TSV)
    with pytest.warns(UserWarning, match=r"facts\.tsv:1: .* looks like a header") as caught:
        assert len(read_triples(table).graph) == 4
    library = Path(lw.__file__).parent
    assert not Path(caught[0].filename).is_relative_to(library)  # what checks shapes may stand between
