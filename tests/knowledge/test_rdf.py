from collections import Counter

import pytest

from latticework.core.errors import InputError, MissingExtraError
from latticework.knowledge.io import dataset
from latticework.knowledge.io.rdf import is_ntriples, ntriples_lines, rdf_columns

XSD = "http://www.w3.org/2001/XMLSchema#"


def rows(lines, suffix=".nt", **options):
    pytest.importorskip("pyoxigraph")
    batches = rdf_columns(lines, "some", suffix=suffix, **options)
    return [row for columns in batches for row in zip(*columns, strict=True)]


def test_names_are_bare_iris():
    assert rows(["<http://x/a> <http://x/r> <http://x/b> ."]) == [("http://x/a", "http://x/r", "http://x/b")]


def test_literals_are_left_out_and_counted_unless_kept():
    lines = ['<http://x/a> <http://x/r> "Rome"@it .', "<http://x/a> <http://x/r> <http://x/b> ."]
    dropped = Counter()
    assert len(rows(lines, dropped=dropped)) == 1
    assert dropped == {"literals": 1}
    assert rows(lines, literals="keep")[0][2] == '"Rome"@it'


def test_dots_quotes_and_escapes_in_literals_end_no_triple():
    lines = [
        r'<http://x/a> <http://x/r> "He said \"no.\" . " .',
        r'<http://x/a> <http://x/r> "line\nend and \u00e9 <http://x/b> ." . # a comment.',
        "<http://x/a.b.> <http://x/r> <http://x/c.> .",
    ]
    found = rows(lines, literals="keep")
    assert found[0][2] == r'"He said \"no.\" . "'
    assert found[1][2] == r'"line\nend and é <http://x/b> ."'
    assert found[2] == ("http://x/a.b.", "http://x/r", "http://x/c.")


@pytest.mark.parametrize(
    "literal, name",
    [
        (f'"1500"^^<{XSD}integer>', "literal:integer:1e3"),
        (f'"9999"^^<{XSD}integer>', "literal:integer:1e3"),
        (f'"-0.02"^^<{XSD}decimal>', "literal:decimal:-1e-2"),
        (f'"0"^^<{XSD}integer>', "literal:integer:0"),
        (f'"NaN"^^<{XSD}double>', "literal:double"),
        (f'"1_500"^^<{XSD}integer>', "literal:integer"),
        (f'"\u0663"^^<{XSD}integer>', "literal:integer"),
        (f'"\u0661\u0669\u0669\u0664-05-06"^^<{XSD}date>', "literal:date"),
        (f'"true"^^<{XSD}boolean>', "literal:boolean:true"),
        (f'"1994-05-06"^^<{XSD}date>', "literal:date:1990s"),
        (f'"-0044-03-15"^^<{XSD}date>', "literal:date:-50s"),
        (f'"soon"^^<{XSD}date>', "literal:date"),
        ('"Rome"@it', "literal:it"),
        ('"1500"', "literal:string"),
        ('"POINT(1 2)"^^<http://x/wkt>', "literal:wkt"),
    ],
)
def test_a_bucket_depends_on_the_literal_alone(literal, name):
    assert rows([f"<http://x/a> <http://x/r> {literal} ."], literals="bucket")[0][2] == name


def test_buckets_can_be_written():
    found = rows([f'<http://x/a> <http://x/r> "15"^^<{XSD}integer> .'], literals="bucket")
    assert rows(ntriples_lines(found)) == found


def test_blank_nodes_keep_their_labels_or_are_left_out():
    lines = ["_:x <http://x/r> <http://x/b> .", '_:x <http://x/r> "text" .']
    assert rows(lines) == [("_:x", "http://x/r", "http://x/b")]
    dropped = Counter()
    assert rows(lines, blank_nodes="drop", dropped=dropped) == []
    assert dropped == {"blank nodes": 2}


@pytest.mark.parametrize("suffix", [".nt", ".nq", ".ttl", ".trig"])
def test_a_label_is_kept_however_much_it_looks_like_none(suffix):
    labels = [32 * "a", 32 * "b", "1" + 31 * "c", 24 * "d"]
    found = rows([f"_:{label} <http://x/r> <http://x/b> ." for label in labels], suffix)
    assert [head for head, _, _ in found] == [f"_:{label}" for label in labels]


def test_blank_nodes_without_a_label_have_the_same_name_at_every_reading():
    lines = ["@prefix : <http://x/> .", ":a :r [ :s :b ], [ :s :c ] ."]
    found = rows(lines, ".ttl")
    assert found == rows(lines, ".ttl")
    assert {name for row in found for name in row if name.startswith("_:")} == {"_:anonymous0", "_:anonymous1"}


def test_turtle_trig_and_quads_are_read():
    assert rows(["@prefix : <http://x/> .", ":a a :b ; :r :c, :d ."], ".ttl") == [
        ("http://x/a", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type", "http://x/b"),
        ("http://x/a", "http://x/r", "http://x/c"),
        ("http://x/a", "http://x/r", "http://x/d"),
    ]
    assert len(rows(["<http://x/a> <http://x/r> <http://x/b> <http://x/graph> ."], ".nq")) == 1
    assert len(rows(["<http://x/g> { <http://x/a> <http://x/r> <http://x/b> }"], ".trig")) == 1


def test_triples_as_terms_are_left_out_and_counted():
    dropped = Counter()
    inner = "<<( <http://x/a> <http://x/r> <http://x/b> )>>"
    assert rows([f"<http://x/a> <http://x/r> {inner} ."], dropped=dropped) == []
    assert dropped == {"triples as terms": 1}


@pytest.mark.parametrize(
    "line",
    [
        "<http://x/a> r <http://x/b> .",
        "<a> <http://x/r> <http://x/b> .",
        '<http://x/a> <http://x/r> "open .',
        "a\tr\tb",
    ],
)
def test_a_wrong_line_is_refused_with_its_place(line):
    with pytest.raises(InputError, match=r"^some:2: "):
        rows(["<http://x/a> <http://x/r> <http://x/b> .", line])


def test_a_refusal_does_not_quote_all_of_a_long_line():
    for line in ("<" + "a" * 10**6, "a" * 10**6 + ":b", f'<http://x/a> <http://x/r> "b"^^{"c" * 10**6} .'):
        for suffix in (".nt", ".ttl"):
            with pytest.raises(InputError, match=r"^some:1: .{1,400}$"):
                rows([line], suffix)


def test_mistakes_of_the_lines_come_through():
    def lines():
        yield "<http://x/a> <http://x/r> <http://x/b> ."
        raise InputError("file:2: not UTF-8")

    with pytest.raises(InputError, match="file:2: not UTF-8"):
        rows(lines())


def test_a_literal_without_end_does_not_fill_the_memory():
    text = "x" * 1_000_000
    with pytest.raises(InputError, match="a single triple is too long"):
        rows(["@prefix : <http://x/> .", ':a :r """', *[text] * 40, '""" .'], ".ttl")


def test_many_triples_come_in_parts(monkeypatch):
    monkeypatch.setattr(dataset, "BATCH", 3)
    lines = [f"<http://x/{number}> <http://x/r> <http://x/é{number}> ." for number in range(100)]
    assert [head for head, _, _ in rows(lines)] == [f"http://x/{number}" for number in range(100)]


@pytest.mark.parametrize("options", [{"literals": "some"}, {"blank_nodes": "bucket"}])
def test_unknown_policies_are_refused(options):
    with pytest.raises(InputError, match="expected one of"):
        rows([], **options)


def test_what_is_written_is_read_as_the_same():
    triples = [("http://x/a", "http://x/r", '"no.\\n"@de'), ("_:b", "http://x/r", "http://x/é")]
    assert rows(ntriples_lines(triples), literals="keep") == triples
    assert rows(ntriples_lines(triples), ".ttl", literals="keep") == triples


def test_brackets_around_an_iri_are_taken_off():
    assert list(ntriples_lines([("<http://x/a>", "http://x/r", "http://x/b")])) == [
        "<http://x/a> <http://x/r> <http://x/b> ."
    ]


@pytest.mark.parametrize(
    "triple",
    [
        ("New York", "http://x/r", "http://x/b"),
        ("http://x/a", "_:r", "http://x/b"),
        ("http://x/a", '"r"', "http://x/b"),
        ('"a"', "http://x/r", "http://x/b"),
        ("http://x/a b", "http://x/r", "http://x/b"),
        ("http://x/a> <http://x/evil", "http://x/r", "http://x/b"),
        ("http://x/a", "http://x/r", '"a" . <http://x/evil> <http://x/r> "b"'),
    ],
)
def test_names_that_are_no_terms_are_not_written(triple):
    with pytest.raises(InputError, match="cannot be written as RDF"):
        list(ntriples_lines([triple]))


def test_n_triples_are_told_from_tables():
    assert is_ntriples('_:a <http://x/r> "b" .')
    assert is_ntriples("<http://x/a>\t<http://x/r>\t<http://x/b> .")
    assert not is_ntriples("<http://x/a>\t<http://x/r>\t<http://x/b>")
    assert not is_ntriples("a\tr\tb.")


def test_without_pyoxigraph_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyoxigraph", None)
    with pytest.raises(
        MissingExtraError, match=r"reading RDF needs pyoxigraph: pip install 'latticework\[knowledge\]'"
    ):
        list(rdf_columns([], "some", suffix=".nt"))


def test_a_year_of_thousands_of_digits_is_a_literal_of_its_kind():
    date = "http://www.w3.org/2001/XMLSchema#date"
    line = f'<http://x/a> <http://x/b> "{"9" * 5000}-01-01"^^<{date}> .'
    [(_, _, tails)] = rdf_columns([line], "some.nt", suffix=".nt", literals="bucket")
    assert tails == ["literal:date"]


@pytest.mark.parametrize("before", [True, False])
def test_a_label_like_the_names_of_nodes_without_one_stays_another_node(before):
    labelled = "_:anonymous0 :labelled :a ."
    unlabelled = [":b :r [ :s :c ] ."] * 40  # more than are read ahead
    lines = ["@prefix : <http://x/> .", *([labelled, *unlabelled] if before else [*unlabelled, labelled])]
    found = rows(lines, ".ttl")
    (own,) = {head for head, relation, _ in found if relation == "http://x/labelled"}
    others = {head for head, relation, _ in found if relation == "http://x/s"}
    assert len(others) == 40
    assert own not in others
    assert before == (own == "_:anonymous0")
    assert rows(["_:anonymous0 <http://x/r> <http://x/a> ."]) == [("_:anonymous0", "http://x/r", "http://x/a")]
