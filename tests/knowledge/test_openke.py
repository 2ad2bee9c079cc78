import gzip
import sys

import numpy as np
import pytest

from latticework.core.errors import InputError
from latticework.knowledge.io import openke, read_triples
from latticework.knowledge.io.dataset import Splits
from latticework.knowledge.io.openke import read_openke, write_openke
from latticework.knowledge.names import Names

WHOLE = {
    "entity2id": "3\nNew York\t0\nUSA\t2\nRome\t1\n",
    "relation2id": "2\nin\t0\nlikes\t1\n",
    "train2id": "3\n0 2 0\n1 1 1\n0 2 0\n",
    "valid2id": "1\n1 2 0\n",
}


@pytest.fixture
def folder(tmp_path):
    """Write a folder of OpenKE, with some files changed."""

    def write(**changed):
        for name, text in {**WHOLE, **changed}.items():
            raw = text if isinstance(text, bytes) else text.encode()
            (tmp_path / f"{name}.txt").write_bytes(raw)
        return tmp_path

    return write


def test_the_columns_are_head_tail_relation(folder):
    splits = read_openke(folder())
    assert splits.graph.named() == [("New York", "in", "USA"), ("Rome", "likes", "Rome")]
    assert splits.train.tolist() == [[0, 0, 2], [1, 1, 1], [0, 0, 2]]
    assert splits.valid.tolist() == [[1, 0, 2]]
    assert splits.test.shape == (0, 3)


def test_only_what_is_in_a_fact_to_learn_from_is_counted(folder):
    told = "2 triples of 3 entities and 2 relations; left out: 1 duplicate"
    assert read_triples(folder()).told() == told
    assert read_triples(folder(train2id="1\n0 2 0\n")).told() == "1 triple of 2 entities and 1 relation"


def test_numbers_in_any_order_name_by_number(folder):
    assert list(read_openke(folder()).entities) == ["New York", "Rome", "USA"]


def test_byte_order_marks_windows_line_ends_blank_lines_and_tabs_are_read_the_same(folder):
    changed = {name: b"\xef\xbb\xbf" + (text + "\n").replace("\n", "\r\n").encode() for name, text in WHOLE.items()}
    changed["valid2id"] = "1\n\n1\t2\t0"
    splits = read_openke(folder(**changed))
    assert splits.train.tolist() == [[0, 0, 2], [1, 1, 1], [0, 0, 2]]
    assert splits.valid.tolist() == [[1, 0, 2]]


def test_compressed_files_are_read(folder):
    path = folder()
    for file in path.glob("*.txt"):
        (path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert len(read_openke(path).graph) == 2


def test_triples_that_are_there_twice_and_self_loops_are_counted_and_kept(folder):
    loaded = read_triples(folder())
    assert loaded.duplicates == 1
    assert ("Rome", "likes", "Rome") in loaded.graph.named()


def test_a_file_of_triples_is_read_with_the_names_beside_it(folder):
    path = folder()
    assert read_triples(path / "train2id.txt").graph.named() == read_triples(path).graph.named()
    assert read_triples(path / "valid2id.txt").graph.named() == [("Rome", "in", "USA")]


def test_no_triples_are_read_as_none(folder):
    assert read_openke(folder(train2id="0\n")).train.shape == (0, 3)
    with pytest.raises(InputError, match="holds no triple"):
        read_triples(folder(train2id="0\n"))


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"train2id": "4\n0 2 0\n1 1 1\n0 2 0\n"}, r"train2id\.txt:1: it announces 4 rows, there are 3"),
        ({"train2id": "2\n0 2 0\n1 1 1\n0 2 0\n"}, r"train2id\.txt:4: line 1 announces 2 rows, there are more"),
        ({"train2id": "0\n0 2 0\n"}, r"train2id\.txt:2: line 1 announces 0 rows"),
        ({"train2id": "0 2 0\n1 1 1\n"}, r"train2id\.txt:1: expected the number of rows that follow, got '0 2 0'"),
        ({"train2id": ""}, r"train2id\.txt:1: expected the number of rows"),
        ({"train2id": "2\n0 2 0\n\n3 1 1\n"}, r"train2id\.txt:4: head 3 is out of range: the folder has 3 entities"),
        ({"train2id": "2\n0 2 0\n1 3 1\n"}, r"train2id\.txt:3: tail 3 is out of range: the folder has 3 entities"),
        (
            {"train2id": "2\n0 1 0\n1 2 5\n"},
            r"train2id\.txt:3: relation 5 is out of range: .* has 2 relations$",
        ),
        ({"train2id": "2\n0 0 1\n0 0 2\n"}, r":3: relation 2 is out .*; the columns may be head, relation, tail"),
        ({"train2id": "2\n0 2 0\n1 1\n"}, r"train2id\.txt:3: expected three numbers, head, tail and relation"),
        ({"train2id": "2\n0 2\n0 1 1 1\n"}, r"train2id\.txt:2: expected three numbers"),
        ({"train2id": "2\n0 2\n0 1\n"}, r"train2id\.txt:2: expected three numbers"),
        ({"train2id": "2\n0 2 0\n1 -1 0\n"}, r"train2id\.txt:3: expected three numbers"),
        ({"train2id": "2\n0 2 0\n1 1.5 0\n"}, r"train2id\.txt:3: expected three numbers"),
        ({"train2id": "2\n0 2 0\n1 99999999999999999999 0\n"}, r"train2id\.txt:3: expected three numbers"),
        ({"train2id": "2\n0 2 0\n1 # 0\n"}, r"train2id\.txt:3: expected three numbers"),
        ({"train2id": b"1\n0 \xff 0\n"}, r"train2id\.txt:2: byte 0xFF .* is not UTF-8"),
        ({"entity2id": "3\na\t0\nb\t1\n"}, r"entity2id\.txt:1: it announces 3 names, there are 2"),
        ({"entity2id": "2\na\t0\nb\t1\nc\t2\n"}, r"entity2id\.txt:4: the number 2 is not below 2, the count"),
        ({"entity2id": "3\na\t0\nb\t1\nc\t1\n"}, r"entity2id\.txt:4: the number 1 is there twice"),
        ({"entity2id": "3\na\t0\nb\t1\na\t2\n"}, r"entity2id\.txt:4: the name 'a' is there twice"),
        ({"entity2id": "3\n0\ta\n1\tb\n2\tc\n"}, r"entity2id\.txt:2: .* the columns may be swapped"),
        ({"entity2id": "3\n0\n1\n2\n"}, r"entity2id\.txt:2: expected a name and its number, got '0'"),
        ({"relation2id": "-1\n"}, r"relation2id\.txt:1: expected the number of rows"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(folder, changed, message):
    with pytest.raises(InputError, match=message):
        read_openke(folder(**changed))


def test_a_file_that_grows_without_end_is_read_no_further_than_its_count(folder):
    path = folder(train2id="1\n0 2 0\n")
    (path / "train2id.txt").write_bytes(gzip.compress(b"1\n" + b"0 2 0\n" * 3_000_000))
    with pytest.raises(InputError, match=r"train2id\.txt:3: line 1 announces 1 row, there are more"):
        read_openke(path)


def test_more_rows_or_names_than_are_read_are_refused(folder, monkeypatch):
    path = folder()
    monkeypatch.setattr(openke, "MAX_TRIPLES", 3)
    read_openke(path)
    monkeypatch.setattr(
        openke, "MAX_NAME_BYTES", 3 * openke.NAME_BYTES + sum(map(sys.getsizeof, ("New York", "USA", "Rome")))
    )
    read_openke(path)
    monkeypatch.setattr(openke, "MAX_NAME_BYTES", openke.MAX_NAME_BYTES - 1)
    told = rf"entity2id\.txt:4: the names take more than the {openke.MAX_NAME_BYTES} bytes that are read"
    with pytest.raises(InputError, match=told):
        read_openke(path)
    monkeypatch.setattr(openke, "MAX_TRIPLES", 2)
    with pytest.raises(InputError, match=r"entity2id\.txt:1: it announces more than the 2 rows that are read"):
        read_openke(path)


def test_missing_files_are_told(folder):
    path = folder()
    (path / "relation2id.txt").unlink()
    with pytest.raises(InputError, match=r"there is no relation2id\.txt in it"):
        read_openke(path)


def test_names_with_blanks_and_tabs_are_kept(folder):
    assert list(read_openke(folder(entity2id="3\nNew  York\t0\na\tb\t1\nc 1\t2\n")).entities) == [
        "New  York",
        "a\tb",
        "c 1",
    ]


def test_what_is_written_is_read_as_the_same(folder, tmp_path):
    splits = read_openke(folder())
    write_openke(tmp_path / "new", splits)
    with pytest.raises(InputError, match=r"new holds other things, such as entity2id\.txt"):
        write_openke(tmp_path / "new", splits)
    again = read_openke(tmp_path / "new")
    assert (again.entities, again.relations) == (splits.entities, splits.relations)
    for part in ("train", "valid", "test"):
        np.testing.assert_array_equal(getattr(again, part), getattr(splits, part))


def test_a_name_that_the_files_cannot_hold_is_refused(tmp_path):
    none = np.empty((0, 3), dtype=np.int64)
    with pytest.raises(InputError, match="white space around it"):
        write_openke(tmp_path / "new", Splits(Names([" a"]), Names("r"), none, none, none))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written: "):
        write_openke(tmp_path / "file" / "new", Splits(Names("a"), Names("r"), none, none, none))


@pytest.mark.realdata("knowledge/YAGO-3SP")
@pytest.mark.parametrize(
    "snapshot, sizes, leaked",
    [
        (1, (26_897, 36, 123_974), {"valid": 0, "test": 0}),
        (2, (27_033, 37, 124_724), {"valid": 52, "test": 53}),
        (3, (27_097, 37, 125_574), {"valid": 172, "test": 194}),
    ],
)
def test_yago_has_the_known_sizes_and_leaks(data_folder, snapshot, sizes, leaked):
    splits = read_openke(data_folder / f"knowledge/YAGO-3SP/snapshot{snapshot}")
    assert (len(splits.entities), len(splits.relations), len(splits.graph)) == sizes
    kept, found = splits.without_leaks()
    assert found == leaked
    assert len(kept.test) == 3000 - leaked["test"]


@pytest.mark.realdata("knowledge/DBpedia-3SP")
def test_dbpedia_has_one_duplicate_in_its_third_snapshot(data_folder):
    loaded = read_triples(data_folder / "knowledge/DBpedia-3SP/snapshot3")
    assert (len(loaded.graph), loaded.duplicates) == (104_112, 1)
    assert loaded.graph.degrees.max() > 34_000
