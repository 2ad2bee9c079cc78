import os

import numpy as np
import pytest
from graphs import draw_triples
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.core.errors import InputError, MissingExtraError
from latticework.knowledge import exporting as module
from latticework.knowledge.deltas import Delta
from latticework.knowledge.embeddings import Embeddings
from latticework.knowledge.exporting import export_embeddings, names_file, read_names
from latticework.knowledge.graph import Graph

FACTS = [("New York", "in", "USA"), ("Köln", "liegt in", "Deutschland"), ("a\nb\\n\0", "in", "\ufeff\u2028x\r")]


def embeddings_of(graph, *, dim=5, norm=2, seed=0):
    random = np.random.default_rng(seed)
    rows = [random.normal(size=(len(names), dim)).astype(np.float32) for names in (graph.entities, graph.relations)]
    return Embeddings.of(graph, *rows, norm=norm)


@pytest.fixture
def embeddings():
    graph, _ = Graph.of([("Oslo", "near", "Bergen"), *FACTS]).apply(Delta(remove=(("Oslo", "near", "Bergen"),), add=()))
    return embeddings_of(graph)


def test_only_what_is_in_a_fact_is_exported(embeddings, tmp_path):
    assert export_embeddings(tmp_path / "e.npy", embeddings) == 6
    assert np.array_equal(np.load(tmp_path / "e.npy"), embeddings.entities[2:])
    assert read_names(names_file(tmp_path / "e.npy")) == list(embeddings.entity_names)[2:]


def test_relations_are_exported_alike(embeddings, tmp_path):
    assert export_embeddings(tmp_path / "r.npy", embeddings, kind="relations") == 2
    assert np.array_equal(np.load(tmp_path / "r.npy"), embeddings.relations[1:])
    assert read_names(tmp_path / "r.npy.names.txt") == ["in", "liegt in"]


@settings(max_examples=30)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\\n\r\0n0r"), min_size=1), unique=True
    )
)
def test_a_file_of_names_gives_every_name_back(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("names") / "x.npy"
    module._write_with_names(path, names, b"")
    assert read_names(names_file(path)) == names
    assert names_file(path).read_bytes().count(b"\n") == len(names)


def test_parquet_gives_names_and_numbers_back(embeddings, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    export_embeddings(tmp_path / "e.parquet", embeddings)
    table = parquet.read_table(tmp_path / "e.parquet")
    assert table.column("name").to_pylist() == list(embeddings.entity_names)[2:]
    read = np.stack(table.column("embedding").to_numpy())
    assert read.dtype == np.float32
    assert np.array_equal(read, embeddings.entities[2:])


def test_gensim_reads_the_same_numbers_from_word2vec_text(embeddings, tmp_path):
    models = pytest.importorskip("gensim.models")
    export_embeddings(tmp_path / "e.vec", embeddings)
    vectors = models.KeyedVectors.load_word2vec_format(str(tmp_path / "e.vec"))
    assert vectors.index_to_key == ["New_York", "USA", "Köln", "Deutschland", "a_b\\n_", "\ufeff_x_"]
    assert np.array_equal(vectors.vectors, embeddings.entities[2:])


def test_two_names_that_become_one_word_are_refused(tmp_path):
    embeddings = embeddings_of(Graph.of([("New York", "in", "New_York")]))
    with pytest.raises(InputError, match=r"'New York' and 'New_York' are both 'New_York' in word2vec text"):
        export_embeddings(tmp_path / "e.vec", embeddings)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("norm", [1, 2])
def test_an_index_finds_the_tails_that_are_nearest(tmp_path, norm):
    faiss = pytest.importorskip("faiss")
    embeddings = embeddings_of(Graph.of(draw_triples(0, entities=30, relations=3, triples=80)), dim=4, norm=norm)
    export_embeddings(tmp_path / "e.faiss", embeddings)
    index = faiss.read_index(str(tmp_path / "e.faiss"))
    points = embeddings.entities[:3] + embeddings.relations[:3]
    distances, rows = index.search(points, 5)
    expected = np.linalg.norm(points[:, None] - embeddings.entities, ord=norm, axis=-1)
    order = np.argsort(expected)[:, :5]
    assert np.array_equal(rows, order)
    assert np.allclose(distances ** (1 / norm), np.take_along_axis(expected, order, 1), atol=1e-5)
    assert read_names(tmp_path / "e.faiss.names.txt") == list(embeddings.entity_names)


@pytest.mark.parametrize("suffix", ["npy", "faiss"])
def test_a_crash_never_leaves_rows_beside_names_of_another_model(embeddings, tmp_path, monkeypatch, suffix):
    if suffix == "faiss":
        pytest.importorskip("faiss")
    path = tmp_path / f"e.{suffix}"
    export_embeddings(path, embeddings)
    other = embeddings_of(Graph.of(FACTS[:1]), seed=1)
    before, real, left = path.read_bytes(), os.replace, []

    def interrupt():
        raise KeyboardInterrupt

    def dying(*names):
        if not left.pop():
            interrupt()
        real(*names)

    monkeypatch.setattr(os, "replace", dying)
    for done in (0, 1):
        left[:] = [False] + [True] * done
        with pytest.raises(KeyboardInterrupt):
            export_embeddings(path, other)
        assert not path.exists()
    monkeypatch.undo()
    export_embeddings(path, embeddings)
    monkeypatch.setattr(
        os, "fsync", lambda _: left.pop() or interrupt()
    )  # of what is not yet complete nothing is in place
    for done in (0, 1):
        left[:] = [False] + [True] * done
        with pytest.raises(KeyboardInterrupt):
            export_embeddings(path, other)
        assert path.read_bytes() == before
    monkeypatch.undo()
    export_embeddings(path, other)
    assert read_names(names_file(path)) == ["New York", "USA"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"e.{suffix}", f"e.{suffix}.names.txt"]


def test_the_same_embeddings_give_the_same_bytes(embeddings, tmp_path):
    for suffix, library in (("npy", "numpy"), ("vec", "numpy"), ("parquet", "pyarrow"), ("faiss", "faiss")):
        pytest.importorskip(library)
        for name in "ab":
            export_embeddings(tmp_path / f"{name}.{suffix}", embeddings)
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize(
    "name, options, told",
    [
        ("e.csv", {}, "expected a suffix of .npy, .parquet, .vec, .txt, .faiss, or a format"),
        ("e.npy", {"format": "csv"}, "format='csv': expected one of npy, parquet, word2vec, faiss"),
        ("e.npy", {"kind": "facts"}, "kind='facts': expected one of entities, relations"),
        ("e.parquet.gz", {"format": "parquet"}, "parquet is not compressed by gzip: leave .gz out"),
        ("e.npy.gz", {"format": "npy"}, "npy is not compressed by gzip: leave .gz out"),
        ("none/e.npy", {}, "there is no folder"),
        ("none/e.vec", {}, "there is no folder"),
    ],
)
def test_bad_arguments_are_refused(embeddings, tmp_path, name, options, told):
    with pytest.raises(InputError, match=told):
        export_embeddings(tmp_path / name, embeddings, **options)


def test_a_graph_without_facts_has_nothing_to_export(tmp_path):
    embeddings = embeddings_of(Graph.of([]))
    with pytest.raises(InputError, match="there are no entities to export"):
        export_embeddings(tmp_path / "e.npy", embeddings)


@pytest.mark.parametrize("suffix, library, extra", [("parquet", "pyarrow", "parquet"), ("faiss", "faiss", "faiss")])
def test_what_is_not_installed_is_told(embeddings, tmp_path, monkeypatch, suffix, library, extra):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"needs {library}: pip install 'latticework\[{extra}\]'"):
        export_embeddings(tmp_path / f"e.{suffix}", embeddings)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"norm": 3}, "norm=3: expected one of 1, 2"),
        (
            {"relations": np.zeros((3, 4), np.float32)},
            r"\(8, 5\) and relations of shape \(3, 4\): expected rows of one width",
        ),
        (
            {"entities": np.zeros((2, 5), np.float32)},
            "entity: 2 embeddings, 8 names and 8 marks of presence: expected as many",
        ),
        ({"entities": np.full((8, 5), np.nan, np.float32)}, "the embedding of the entity 'New York' is not finite"),
    ],
)
def test_embeddings_that_do_not_fit_together_are_refused(embeddings, change, told):
    with pytest.raises(InputError, match=told):
        Embeddings(**(vars(embeddings) | change))
