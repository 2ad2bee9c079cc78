import numpy as np
import pytest

from latticework.core.errors import InputError
from latticework.knowledge.io import parquet
from latticework.knowledge.io.parquet import parquet_bytes, parquet_columns

arrow = pytest.importorskip("pyarrow")
TRIPLES = [("Paris, Texas", "in", "USA"), ('the "Eagle"', "on", "the\nmoon"), ("a", "a", "a")]


def rows(batches):
    return [row for columns in batches for row in zip(*columns, strict=True)]


def written(path, columns, **options):
    pytest.importorskip("pyarrow.parquet").write_table(arrow.table(columns), path, **options)
    return path


def repeated(name, count):
    """A column that is one name, and small in memory however long that is."""
    return arrow.DictionaryArray.from_arrays(np.zeros(count, np.int8), [name])


def test_what_is_written_as_parquet_is_read_as_the_same(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet_bytes(TRIPLES))
    assert rows(parquet_columns(tmp_path / "a.parquet")) == TRIPLES
    (tmp_path / "b.parquet").write_bytes(parquet_bytes([]))
    assert rows(parquet_columns(tmp_path / "b.parquet")) == []


def test_columns_are_found_by_name_and_else_by_order(tmp_path):
    named = written(tmp_path / "a.parquet", {"year": [1], "Tail": ["b"], "Head": ["a"], "Relation": ["r"]})
    assert rows(parquet_columns(named)) == [("a", "r", "b")]
    ordered = written(tmp_path / "b.parquet", {"x.y": ["a"], "y": ["r"], "z": ["b"]})
    assert rows(parquet_columns(ordered)) == [("a", "r", "b")]
    integers = written(tmp_path / "c.parquet", {"h": [1, 2], "r": [0, 0], "t": [2, 1]})
    assert rows(parquet_columns(integers)) == [("1", "0", "2"), ("2", "0", "1")]


@pytest.mark.parametrize(
    "kind", [arrow.string(), arrow.large_string(), arrow.dictionary(arrow.uint8(), arrow.string())], ids=str
)
@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"store_schema": False}, {"row_group_size": 70}])
def test_texts_are_the_same_however_they_are_stored(tmp_path, monkeypatch, kind, options):
    monkeypatch.setattr(parquet, "BATCH", 100)
    triples = [(f"head {n}", f"relation {n % 3}", f"tail {n // 50}") for n in range(250)]
    columns = [arrow.array(column).cast(kind) for column in zip(*triples, strict=True)]
    path = written(tmp_path / "a.parquet", dict(zip("hrt", columns, strict=True)), **options)
    assert rows(parquet_columns(path)) == triples


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"a": ["a"], "b": ["b"]}, "has the columns a, b: expected head, relation, tail"),
        ({"h": ["a", None], "r": ["r", "r"], "t": ["b", "b"]}, "row 1: the head is missing"),
        ({"h": [1, 2], "r": ["r", "r"], "t": [3, None]}, "row 1: the tail is missing"),
        ({"h": ["a", "a"], "r": ["r", "r"], "t": ["b", ""]}, "row 1: the tail is empty"),
        ({"h": [0.5], "r": ["r"], "t": ["b"]}, "the column 'h' holds double, expected texts or integers"),
    ],
)
def test_other_files_are_refused(tmp_path, columns, message):
    with pytest.raises(InputError, match=message):
        list(parquet_columns(written(tmp_path / "a.parquet", columns)))


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = arrow.table([["a"], ["r"], ["b"]], names=["x", "x", "y"])
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two columns of one name: x, x, y"):
        list(parquet_columns(tmp_path / "a.parquet"))


def test_what_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_text("a\tr\tb\n")
    with pytest.raises(InputError, match="cannot be read as parquet"):
        list(parquet_columns(tmp_path / "a.parquet"))
    with pytest.raises(InputError, match="cannot be read as parquet"):
        list(parquet_columns(tmp_path / "missing.parquet"))


def test_more_rows_than_are_read_or_than_a_file_can_hold_are_refused_before_any_is(tmp_path, monkeypatch):
    count = 4_000_000
    path = written(tmp_path / "a.parquet", {name: repeated(name, count) for name in "hrt"})
    size = path.stat().st_size
    monkeypatch.setattr(parquet, "ROWS_OF_A_BYTE", 100)
    with pytest.raises(InputError, match=rf"a\.parquet tells of 4,000,000 rows, more than {size:,} bytes hold facts"):
        list(parquet_columns(path))
    monkeypatch.setattr(parquet, "MAX_TRIPLES", count - 1)
    with pytest.raises(InputError, match=r"has 4,000,000 rows, more than the 3,999,999 triples that are read"):
        list(parquet_columns(path))


@pytest.mark.parametrize("stored", [True, False])
def test_a_long_name_that_is_there_often_is_held_once(tmp_path, stored):
    name = "x" * 2**20
    columns = {"h": repeated(name, 2_000), "r": repeated("r", 2_000), "t": repeated("b", 2_000)}
    path = written(tmp_path / "a.parquet", columns, store_schema=stored)
    ((heads, _, _),) = parquet_columns(path)
    assert len(heads) == 2_000
    assert heads[0] == name
    assert {id(head) for head in heads} == {id(heads[0])}
    assert arrow.default_memory_pool().max_memory() < 2**29, "not 2,000 times as long"


def test_names_longer_than_a_line_of_text_may_be_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "MAX_LINE_BYTES", 10)
    path = written(tmp_path / "a.parquet", {"h": ["x" * 10, "a"], "r": ["r", "x" * 11], "t": ["b", "b"]})
    with pytest.raises(InputError, match=r"a\.parquet: the column r has a name that is longer than 10 characters"):
        list(parquet_columns(path))
