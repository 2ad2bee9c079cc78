"""The commands of `latticework kg` that ask a model: what is likely, why, and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from latticework.core.commands import Json, Model, print_json, text_file
from latticework.core.errors import InputError
from latticework.core.progress import message
from latticework.core.terminal import printable, table_lines
from latticework.knowledge.cli_files import BlankNodesOption, LiteralsOption

if TYPE_CHECKING:
    from latticework.knowledge.estimator import DKGE
    from latticework.knowledge.metrics import Scores
    from latticework.knowledge.results import Evaluation, Heeded

ASKED: Final = "?"
SHOWN: Final = 8  # parts of a context in a table for people
MOST: Final = 20  # relations in one
FORMS: Final = 'HEAD RELATION "?", "?" RELATION TAIL, HEAD "?" TAIL, or ENTITY alone'


def query(
    model: Model,
    terms: Annotated[
        list[str],
        typer.Argument(
            metavar="QUESTION",
            help=f"By name: {FORMS}. The question mark is what is asked for; shells want it in quotes.",
            show_default=False,
        ),
    ],
    *,
    path: Annotated[
        list[str] | None,
        typer.Option(
            "--path",
            metavar="RELATIONS",
            help="From ENTITY follow these, with commas between them; ~ before one follows it backwards.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many answers.")] = 10,
    known: Annotated[bool, typer.Option("--known", help="Also answers that are facts of the graph already.")] = False,
    as_json: Json = False,
) -> None:
    """Ask for what completes a fact, for where a path of relations leads, or for what is similar to an entity.

    The best answers come first; a score is the negative distance. Answers to a path may be known, others are not.
    """
    _check(terms, path)

    from latticework.knowledge.estimator import DKGE

    estimator = DKGE.load(model, device="cpu")
    facts: list[tuple[str, str, str]] | None = None
    if path:
        steps = _steps(path, estimator)
        question: list[str] = [terms[0], *steps, ASKED]
        found = estimator.answer(terms[0], steps, k)
    elif len(terms) == 1:
        question, found = [terms[0]], estimator.similar(terms[0], k)
    else:
        question = terms
        head, relation, tail = terms
        if tail == ASKED:
            found = estimator.predict_tails(head, relation, k, exclude_known=not known)
            facts = [(head, relation, name) for name, _ in found]
        elif head == ASKED:
            found = estimator.predict_heads(relation, tail, k, exclude_known=not known)
            facts = [(name, relation, tail) for name, _ in found]
        else:
            found = estimator.predict_relations(head, tail, k, exclude_known=not known)
            facts = [(head, name, tail) for name, _ in found]
    graph = estimator.graph_
    marks = [None] * len(found) if facts is None else graph.contains(graph.numbered(facts)).tolist()
    answers = [
        {"name": name, "score": score} | ({} if is_known is None else {"known": is_known})
        for (name, score), is_known in zip(found, marks, strict=True)
    ]
    if as_json:
        print_json({"question": question, "answers": answers})
    else:
        _print_answers(answers)


def explain(
    model: Model,
    head: Annotated[str, typer.Argument(metavar="HEAD", help="An entity, by name.", show_default=False)],
    relation: Annotated[str, typer.Argument(metavar="RELATION", help="By name.", show_default=False)],
    tail: Annotated[str, typer.Argument(metavar="TAIL", help="An entity, by name.", show_default=False)],
    *,
    as_json: Json = False,
) -> None:
    """Say why a fact has its score: how much each part heeds itself, and which of its context."""
    from latticework.knowledge.estimator import DKGE

    found = DKGE.load(model, device="cpu").explain(head, relation, tail)
    if as_json:
        print_json(found)
        return
    print(f"score {found.score:.4g}; {'a fact of the graph' if found.known else 'not in the graph'}")
    for what, part in (("head", found.head), ("relation", found.relation), ("tail", found.tail)):
        for line in _heeded_lines(what, part):
            print(line)


def evaluate(
    model: Model,
    test: Annotated[Path, text_file("TEST", "Facts that the model has not seen, or a folder with some to test with")],
    *,
    literals: LiteralsOption = "drop",
    blank_nodes: BlankNodesOption = "keep",
    as_json: Json = False,
) -> None:
    """Rank held-out facts among all that the model could answer: MR, MRR, Hits@k and adjusted mean rank index.

    Beside it stands what relations alone tell that hold between the same entities: a floor for a model.
    """
    from latticework.knowledge.estimator import DKGE
    from latticework.knowledge.io.formats import read_rows

    fitted = DKGE.load(model, device="cpu")
    found = fitted.evaluate(read_rows(test, "test", literals=literals, blank_nodes=blank_nodes))
    if as_json:
        print_json(found)
    else:
        for line in evaluation_lines(found):
            print(line)
        if found.floor.mrr > found.all.mrr:
            message("the floor, which needs no learning, ranks better than the model: see the page of the capability")


def evaluation_lines(found: Evaluation) -> list[str]:
    """A table for people: a line for all questions, for each side, for the floor, and for each part of them."""
    rows: list[tuple[str, Scores | None]] = [
        ("all", found.all),
        ("asked for the head", found.head),
        ("asked for the tail", found.tail),
        ("floor, without learning", found.floor),
    ]
    rows += [("entities of the fit", found.seen), ("others among them", found.new)] if found.new is not None else []
    for title, parts in (("kind of relation", found.kinds), ("relation", found.relations)):
        largest = sorted(parts.items(), key=lambda item: -item[1].count) if parts is found.relations else parts.items()
        rows += [(title, None), *((f"  {name}", part) for name, part in list(largest)[:MOST])]
        rows += [(f"  ... and {len(parts) - MOST:,} more", None)] if len(parts) > MOST else []
    return table_lines(
        ["", "ranks", "MR", "MRR", "H@1", "H@3", "H@10", "AMRI"],
        [[title, *([] if part is None else _figures(part))] for title, part in rows],
    )


def _figures(part: Scores) -> list[str]:
    shares = part.mrr, part.hits1, part.hits3, part.hits10, part.amri
    return [f"{part.count:,}", f"{part.mr:,.1f}", *(f"{share:.3f}" for share in shares)]


def _check(terms: Sequence[str], path: Sequence[str] | None) -> None:
    if path:
        if len(terms) != 1:
            raise InputError(f"--path begins at one entity, got {len(terms)} words: {' '.join(terms)}")
    elif (len(terms) == 1 and terms[0] == ASKED) or len(terms) not in (1, 3):
        raise InputError(f"the question is {' '.join(terms)!r}: expected {FORMS}")
    elif len(terms) == 3 and list(terms).count(ASKED) != 1:
        asked = "none is" if ASKED not in terms else "several are"
        raise InputError(f"one of head, relation and tail is to be ?, and {asked} in {' '.join(terms)!r}")


def _steps(path: Sequence[str], model: DKGE) -> list[str]:
    """The relations of a path; a comma separates them unless it is part of a name."""
    relations = model.graph_.relations
    return [
        step
        for part in path
        for step in (
            [part] if part.removeprefix("~") in relations or part in relations else map(str.strip, part.split(","))
        )
    ]


def _print_answers(answers: Sequence[dict[str, Any]]) -> None:
    digits = len(str(len(answers)))
    rows = [
        [f"{place:>{digits}}", answer["name"], f"{answer['score']:.4f}", "known" if answer.get("known") else ""]
        for place, answer in enumerate(answers, start=1)
    ]
    for line in table_lines(["", "", "", ""], rows, texts=2)[1:]:
        print(line)


def _heeded_lines(what: str, part: Heeded) -> list[str]:
    """What an object heeds, for people."""
    lines = [f"{what} {printable(part.name)}: {part.gate:.1%} itself, the rest by attention to"]
    for share in part.shares[:SHOWN]:
        lines.append(f"  {share.attention:6.1%}  {printable(', '.join(share.context) or f'{part.name} itself')}")
    return lines + ([f"          ... and {len(part.shares) - SHOWN:,} more"] if len(part.shares) > SHOWN else [])
