"""The commands of `latticework kg` that keep a model up to date: one transaction, or a stream of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from latticework.core.commands import (
    Device,
    Json,
    Model,
    PageFile,
    check_page,
    print_json,
    print_result,
    read_stdin_once,
    text_file,
    valid_data,
)
from latticework.core.errors import InputError
from latticework.core.progress import showing
from latticework.core.streams import stream_name
from latticework.core.values import plain
from latticework.core.words import counted, listed
from latticework.knowledge.choices import Affected
from latticework.knowledge.cli_files import BlankNodesOption, LiteralsOption, graph_of
from latticework.knowledge.config import DKGEConfig

if TYPE_CHECKING:
    from latticework.knowledge.deltas import Delta
    from latticework.knowledge.results import UpdateReport
    from latticework.knowledge.saved_model import SavedModel

CHANGES: Final = "Changes, one a line: + or - (or add, remove in JSON), head, relation, tail; with tabs"
PAUSE: Final = 2.0  # seconds

ONCE: Final = "fit saves it, update and watch take it this once."
AS_FITTED: Final = "; of update and watch, as fitted"
AFFECTED: Final = typer.Option(
    help="What an update trains: entities around which a fact changed (subgraph), whose neighbours changed, or one of "
    f"whose neighbours is new or gone (entity). {ONCE}",
    show_default=f"subgraph{AS_FITTED}",
)
UpdateEpochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"Length of an update, at most. {ONCE}",
        show_default=f"{DKGEConfig.update_epochs}{AS_FITTED}",
    ),
]
MaxTriples = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"Facts of an affected entity that an update trains with, at most: it bounds hubs. {ONCE}",
        show_default=f"{DKGEConfig.max_triples_per_entity}{AS_FITTED}",
    ),
]
Facts = Annotated[
    list[Path] | None, typer.Option(metavar="TRIPLES", help="A file of facts; may be given again.", show_default=False)
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse a transaction that removes what is not there, instead of warning.")
]


def update(
    model: Model,
    changes: Annotated[Path | None, text_file("CHANGES", CHANGES)] = None,
    *,
    add: Facts = None,
    remove: Facts = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="Save it there, and leave MODEL.", show_default=False),
    ] = None,
    valid: Annotated[Path | None, valid_data(", in the place of those of fit from then on.")] = None,
    affected: Annotated[Affected | None, AFFECTED] = None,
    epochs: UpdateEpochs = None,
    max_triples: MaxTriples = None,
    literals: LiteralsOption = "drop",
    blank_nodes: BlankNodesOption = "keep",
    strict: Strict = False,
    page: PageFile = None,
    test: Annotated[
        Path | None,
        typer.Option(
            metavar="TRIPLES",
            help="Held-out facts that the page ranks before and after, or a folder with some to test with.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Add facts and remove facts, as one transaction, and bring the model up to date by training what changed.

    Of lines of CHANGES about one fact the last counts; a fact of both --add and --remove is there afterwards. The model
    is replaced as a whole: a crash leaves the old one or the new one.
    """
    read = (changes, *(add or ()), *(remove or ()), valid, test)
    read_stdin_once(*read)
    if changes is None and not add and not remove:
        raise InputError("nothing to do: give a file of changes (or - for standard input), --add or --remove")
    if test is not None and page is None:
        raise InputError("--test is for the page of --page: evaluate ranks the facts of a file without one")
    check_page(page, *read, model, output)

    from latticework.core.persistence import check_free
    from latticework.knowledge.io.formats import read_rows

    if output is not None:
        check_free(output)
    elif model.is_dir() and not os.access(model, os.W_OK):
        raise InputError(f"{model} cannot be written to: --output says where else to save the model")
    policies: dict[str, Any] = {"literals": literals, "blank_nodes": blank_nodes}
    delta = _delta(changes, add or (), remove or (), policies)
    validation = None if valid is None else read_rows(valid, "valid", **policies)
    judged = None if test is None else read_rows(test, "test", **policies)
    with _alone(model):
        saved = _saved_model(model, device, affected, epochs, max_triples)
        before = copy(saved.model)
        done = saved.model.apply(delta, validation=validation, missing="raise" if strict else "warn")
        if page is not None:  # before the model is saved: if there can be no page, nothing has happened
            from latticework.knowledge import report

            report.page(before, saved.model, done, test=judged, name=model.name).write(page)
        now = saved.model
        if output is not None or (now.updates_, now.validation_) != (before.updates_, before.validation_):
            saved.save(output)
    if as_json:
        print_json(_object(done))
    else:
        print_result(_told(done), as_json=False)


def watch(
    model: Model,
    changes: Annotated[
        Path,
        typer.Argument(metavar="CHANGES", help=f"{CHANGES}; a growing file, - for standard input.", show_default=False),
    ] = Path("-"),
    *,
    every: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="SECONDS",
            help=f"So long without another line ends a transaction, too; {PAUSE:g} by default, if more is waited for.",
            show_default=False,
        ),
    ] = None,
    transactions: Annotated[
        bool, typer.Option("--transactions", help="Only a blank line ends a transaction, no pause.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Stop at the end of the file, do not wait for more.")] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Apply the whole file, what was applied before too.")
    ] = False,
    affected: Annotated[Affected | None, AFFECTED] = None,
    epochs: UpdateEpochs = None,
    max_triples: MaxTriples = None,
    strict: Strict = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Apply changes as they arrive: a blank line or a pause ends a transaction, and each is one update and one save.

    Killed at any moment, the saved model is the one before a transaction or the one after it. It remembers how far a
    file was applied, so that the same command goes on from there. A line is printed for each transaction once it is
    saved.
    """
    if transactions and every is not None:
        raise InputError("--every and --transactions do not go together: the one waits for pauses, the other does not")

    from latticework.knowledge.watching import watch as applied

    pause = None if transactions or (once and every is None) else (every or PAUSE)
    with _alone(model):
        saved = _saved_model(model, device, affected, epochs, max_triples)
        name = stream_name(changes)
        found = applied(
            saved, changes, every=pause, once=once, from_start=from_start, missing="raise" if strict else "warn"
        )
        with showing(shown=False):  # a bar for each of many updates tells nothing
            for report, lines in found:
                if as_json:
                    print_json({"source": name, "lines": lines, **_object(report)})
                else:
                    print(f"{name}:{lines}: {_short(report)}")
                sys.stdout.flush()


@contextmanager
def _alone(model: Path) -> Iterator[None]:
    """Keep other updates out of a model meanwhile."""
    from latticework.core.runs import alone

    with alone(model if model.is_dir() else None):
        yield


def _saved_model(
    model: Path, device: str, affected: Affected | None, epochs: int | None, max_triples: int | None
) -> SavedModel:
    """A saved model whose updates go by what is given."""
    from latticework.knowledge.saved_model import SavedModel

    saved = SavedModel.load(model, device=device)
    saved.update_by(affected=affected, update_epochs=epochs, max_triples_per_entity=max_triples)
    return saved


def _delta(changes: Path | None, add: Sequence[Path], remove: Sequence[Path], policies: Mapping[str, Any]) -> Delta:
    from latticework.knowledge.deltas import Delta, read_delta
    from latticework.knowledge.io import read_triples

    delta = Delta() if changes is None else read_delta(changes)
    added, removed = (
        [fact for path in paths for fact in graph_of(path, read_triples(path, **policies)).named()]
        for paths in (add, remove)
    )
    return Delta((*delta.add, *added), (*delta.remove, *removed), delta.undone)


def _object(report: UpdateReport) -> dict[str, object]:
    found = plain(report)
    assert isinstance(found, dict)
    return {**found, "refit_due": report.refit_due, "verdict": report.verdict}


def _told(report: UpdateReport) -> dict[str, object]:
    """The figures of an update for people."""
    furthest = max((*report.drift.items(), *report.relation_drift.items()), key=lambda item: item[1], default=None)
    return {
        "facts added": report.added_triples,
        "facts removed": report.removed_triples,
        "new entities": _names(report.new),
        "removed entities": _names(report.removed),
        "new relations": _names(report.new_relations),
        "removed relations": _names(report.removed_relations),
        "affected entities": _names(report.affected),
        "affected relations": _names(report.affected_relations),
        "moved furthest": None if furthest is None else f"{furthest[0]}, by {furthest[1]:.3g}",
        "facts trained": report.trained_triples,
        "epochs": report.epochs,
        "seconds": report.seconds,
        "changed since fit": f"{report.changed_share:.2%} of the facts",
        "strain": report.strain,
        "refit due": f"yes: {report.reasons}" if report.refit_due else "no",
    }


def _names(names: frozenset[str]) -> str:
    """How many, and the first of them."""
    return f"{len(names)}: {listed(sorted(names))}" if names else "0"


def _short(report: UpdateReport) -> str:
    return (
        f"+{report.added_triples} -{report.removed_triples} facts, "
        f"{len(report.new)} new, {len(report.removed)} removed and "
        f"{counted(len(report.affected), 'affected entity', 'affected entities')}, {report.seconds:.2f} s"
    )
