"""RDF: N-Triples, N-Quads, Turtle and TriG, parsed as a stream by pyoxigraph; nothing is ever fetched.

An entity or relation that is an IRI has the bare IRI for its name, a blank node ``_:label``, a literal that is kept its
N-Triples form, ``"12"^^<http://www.w3.org/2001/XMLSchema#integer>``. Names of the graphs of quads are passed over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count, islice
from math import isfinite
from typing import Any, Final, get_args

from latticework.core.checks import one_of
from latticework.core.decimals import decimal
from latticework.core.errors import InputError, require
from latticework.core.words import cut, shortened
from latticework.knowledge.choices import BlankNodes, Literals
from latticework.knowledge.io.dataset import Columns, batches
from latticework.knowledge.triples import NamedTriple

FORMATS: Final = {".nt": "N_TRIPLES", ".nq": "N_QUADS", ".ttl": "TURTLE", ".trig": "TRIG"}
OTHER_FORMATS: Final = (".rdf", ".owl", ".jsonld", ".n3", ".xml")
_LINES_AT_ONCE: Final = 16
_UNLABELLED: Final = (".ttl", ".trig")  # where blank nodes need no label
_ANONYMOUS: Final = re.compile(r"[a-f][0-9a-f]{23,31}")  # what pyoxigraph calls one that has none, at random
_OURS: Final = "anonymous"  # what such nodes are called instead, with a number
_LABELLED: Final = re.compile(rf"_:({_ANONYMOUS.pattern}|{_OURS}\d+)\b")
_IRI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|^`\\]*")
_LITERAL: Final = re.compile(
    r'"((?:[^"\\\n\r]|\\.)*)"(?:@[A-Za-z]+(?:-[A-Za-z0-9]+)*(?:--ltr|--rtl)?|\^\^<[^\x00-\x20<>"{}|^`\\]+>)?'
)
_BLANK: Final = re.compile(r"_:\w(?:[\w.-]*[\w-])?")
_STATEMENT: Final = re.compile(r'\s*(?:<[^>]*>|_:\S+)\s*<[^>]*>\s*[<_"].*\.\s*(?:#.*)?')
_YEAR: Final = re.compile(r"(-?[0-9]{4,18})(?![0-9])")  # more digits are no year, and slow to read
_DATES: Final = ("date", "dateTime", "gYear", "gYearMonth", "dateTimeStamp")


def rdf_columns(
    lines: Iterable[str],
    name: str,
    *,
    suffix: str,
    literals: Literals = "drop",
    blank_nodes: BlankNodes = "keep",
    dropped: Counter[str] | None = None,
) -> Iterator[Columns]:
    """The heads, relations and tails of an RDF file of that name, some at a time.

    Parameters
    ----------
    lines, name
        The file, as of `read_lines`.
    suffix
        Which format it is: ".nt", ".nq", ".ttl" or ".trig".
    literals
        What becomes of a triple whose tail is a text, a number or a date. "drop": it is left out. "keep": the literal
        is an entity. "bucket": an entity that it shares with others: all numbers of one power of ten, all dates of one
        decade, all other texts of one language or datatype.
    blank_nodes
        Whether triples with nodes that have no IRI are kept. A label is a name only within its file; nodes without
        one are numbered in the order of the file.
    dropped
        Where triples that are left out are counted, by reason.

    Raises
    ------
    InputError
        With file and line, if it is not in that format.

    Examples
    --------
    >>> list(rdf_columns(['<http://x/Rome> <http://x/in> <http://x/Italy> .'], "some.nt", suffix=".nt"))
    [(['http://x/Rome'], ['http://x/in'], ['http://x/Italy'])]
    """
    one_of("literals", literals, get_args(Literals))
    one_of("blank_nodes", blank_nodes, get_args(BlankNodes))
    oxigraph = require("pyoxigraph", extra="knowledge", purpose="reading RDF")
    counts = Counter[str]() if dropped is None else dropped
    terms = _Terms(oxigraph, literals, blank_nodes, counts, unlabelled=suffix in _UNLABELLED)
    triples = terms.triples(_quads(oxigraph, terms.noted(lines), name, suffix))
    for batch in batches(triples, lambda triple: sum(map(len, triple))):
        heads, relations, tails = map(list, zip(*batch, strict=True))
        yield heads, relations, tails


def ntriples_lines(triples: Iterable[NamedTriple]) -> Iterator[str]:
    r"""The lines of an N-Triples file, which are also valid Turtle, of names as `rdf_columns` gives them.

    Raises
    ------
    InputError
        If a head or tail is no IRI, blank node or literal, or a relation no IRI.

    Examples
    --------
    >>> list(ntriples_lines([("http://x/Rome", "http://x/name", '"Roma"@it')]))
    ['<http://x/Rome> <http://x/name> "Roma"@it .']
    """
    for triple in triples:
        head, relation, tail = triple
        written = _written(head), _written(relation), _written(tail)
        if None in written or _LITERAL.fullmatch(head) or not _is_iri(relation):
            raise InputError(
                f"{shortened(triple, most=300)} cannot be written as RDF: expected IRIs, such as http://example.org/Rome"
            )
        yield f"{written[0]} {written[1]} {written[2]} ."


def is_ntriples(line: str) -> bool:
    """Whether a line looks like one of N-Triples or N-Quads.

    Examples
    --------
    >>> is_ntriples("<http://x/Rome> <http://x/in> _:b ."), is_ntriples("<http://x/Rome> in <http://x/Italy>")
    (True, False)
    """
    return bool(_STATEMENT.fullmatch(line))


def _quads(oxigraph: Any, lines: Iterable[str], name: str, suffix: str) -> Iterator[Any]:
    try:
        yield from oxigraph.parse(_Source(lines), format=getattr(oxigraph.RdfFormat, FORMATS[suffix]))
    except SyntaxError as error:
        place = name if error.lineno is None else f"{name}:{error.lineno}"
        raise InputError(f"{place}: {cut(error.msg, 300)}") from error
    except MemoryError as error:  # pyoxigraph's own bound
        raise InputError(f"{name}: a single triple is too long: {error}") from error


class _Source:
    """Lines as what pyoxigraph reads from."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._rest = b""

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = "".join([f"{line}\n" for line in islice(self._lines, _LINES_AT_ONCE)]).encode()
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


class _Terms:
    """Turns the terms of quads into names, as the two policies say."""

    def __init__(
        self, oxigraph: Any, literals: Literals, blank_nodes: BlankNodes, dropped: Counter[str], *, unlabelled: bool
    ) -> None:
        self._oxigraph = oxigraph
        self._literals = literals
        self._blank_nodes = blank_nodes
        self._unlabelled = unlabelled
        self._labelled: set[str] = set()  # labels of the file that look like those that pyoxigraph draws, or like ours
        self._anonymous: dict[str, str] = {}
        self._given: set[str] = set()
        self._numbered = (f"{_OURS}{number}" for number in count())
        self._dropped = dropped

    def noted(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines, from which is told which labels the file itself has."""
        for line in lines:
            if self._unlabelled and "_:" in line:
                self._labelled.update(_LABELLED.findall(line))
            yield line

    def triples(self, quads: Iterable[Any]) -> Iterator[NamedTriple]:
        for quad in quads:
            if (head := self._name(quad.subject)) and (tail := self._name(quad.object)):
                yield head, quad.predicate.value, tail

    def _name(self, term: Any) -> str:
        """The name of a term, nothing if the triple is to be left out, which is then counted."""
        if isinstance(term, self._oxigraph.NamedNode):
            return str(term.value)
        if isinstance(term, self._oxigraph.BlankNode):
            if self._blank_nodes == "keep":
                return self._blank(term.value)
            self._dropped["blank nodes"] += 1
        elif isinstance(term, self._oxigraph.Literal):
            if self._literals != "drop":
                return bucket(term) if self._literals == "bucket" else str(term)
            self._dropped["literals"] += 1
        else:
            self._dropped["triples as terms"] += 1
        return ""

    def _blank(self, label: str) -> str:
        if name := self._anonymous.get(label):
            return name
        unlabelled = self._unlabelled and label not in self._labelled and _ANONYMOUS.fullmatch(label)
        if not unlabelled and label not in self._given:  # the name of another if its line came too late
            return f"_:{label}"
        name = next(name for name in self._numbered if name not in self._labelled)
        self._given.add(name)
        return self._anonymous.setdefault(label, f"_:{name}")


def bucket(literal: Any) -> str:
    """The name of the entity that stands for a literal of pyoxigraph and for those like it.

    It depends on nothing but the literal, so that other triples never move it.
    """
    if literal.language:
        return f"literal:{literal.language}"
    kind = re.split(r"[#/:]", literal.datatype.value)[-1]
    if kind == "boolean":
        return f"literal:boolean:{literal.value}"
    if kind in _DATES and (year := _YEAR.match(literal.value)):
        return f"literal:{kind}:{int(year[1]) // 10 * 10}s"
    try:
        value = decimal("nan" if kind == "string" else literal.value)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        return f"literal:{kind}"
    exponent = int(f"{abs(value):.17e}".partition("e")[2])
    return f"literal:{kind}:{'-' * (value < 0)}1e{exponent}" if value else f"literal:{kind}:0"


def _written(name: str) -> str | None:
    if _BLANK.fullmatch(name) or _LITERAL.fullmatch(name):
        return name
    return f"<{_bare(name)}>" if _is_iri(name) else None


def _is_iri(name: str) -> bool:
    return bool(_IRI.fullmatch(_bare(name)))


def _bare(name: str) -> str:
    """A name without the angle brackets that some data sets have around IRIs."""
    return name[1:-1] if name.startswith("<") and name.endswith(">") else name
