"""The commands of `latticework kg` about graphs as files: what is in one, what changed, other formats, and exports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from latticework.core.commands import Json, Model, check_json, check_output, print_json, read_stdin_once, text_file
from latticework.core.files import JSON_LINES
from latticework.core.persistence import has_config
from latticework.core.progress import message
from latticework.core.streams import output_name, stream_name
from latticework.core.terminal import table_lines
from latticework.core.words import counted
from latticework.knowledge.choices import BlankNodes, ExportFormat, FileFormat, Literals

if TYPE_CHECKING:
    from latticework.knowledge.graph import Graph
    from latticework.knowledge.io.dataset import Loaded
    from latticework.knowledge.statistics import Statistics

GRAPH: Final = "Facts: .tsv, .csv, RDF (.nt, .nq, .ttl, .trig), .parquet, .npy, or a folder with train.txt or OpenKE's"
SOURCE: Final = f"{GRAPH}, or of a model"
MOST: Final = 20  # rows of a table for people

LiteralsOption = Annotated[
    Literals,
    typer.Option(
        "--literals", help="Of RDF: leave out facts about texts and numbers, keep these, or one for all that are alike."
    ),
]
BlankNodesOption = Annotated[
    BlankNodes, typer.Option("--blank-nodes", help="Of RDF: nodes without a name of their own.")
]


def stats(
    triples: Annotated[Path, text_file("TRIPLES", SOURCE)],
    *,
    hubs: Annotated[int, typer.Option(min=0, help="How many entities with the most facts to name.")] = 10,
    literals: LiteralsOption = "drop",
    blank_nodes: BlankNodesOption = "keep",
    as_json: Json = False,
) -> None:
    """Say what a graph is like: sizes, hubs, kinds of relations, which of these say the same, what was left out."""
    from latticework.knowledge.statistics import statistics

    loaded = read_source(triples, literals=literals, blank_nodes=blank_nodes)
    found = statistics(loaded.graph, hubs=hubs, duplicates=loaded.duplicates, left_out=loaded.dropped)
    if as_json:
        print_json(found)
    else:
        for line in statistics_lines(found):
            print(line)


def diff(
    old: Annotated[Path, text_file("OLD", SOURCE)],
    new: Annotated[Path, text_file("NEW", SOURCE)],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help=f"Write it there instead; as lines of JSON if it ends in {JSON_LINES}.",
            show_default=False,
        ),
    ] = None,
    literals: LiteralsOption = "drop",
    blank_nodes: BlankNodesOption = "keep",
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as lines of JSON.")] = False,
) -> None:
    """Write what makes one graph of another: changes that kg update applies, of which each is + or -, and a fact."""
    read_stdin_once(old, new)
    check_json(as_json, output=output)
    check_output(output, old, new)

    from latticework.core.files import write_lines
    from latticework.knowledge.deltas import delta_lines, write_delta
    from latticework.knowledge.differences import difference

    before, after = (
        graph_of(path, read_source(path, literals=literals, blank_nodes=blank_nodes)) for path in (old, new)
    )
    delta = difference(before, after)
    if as_json:
        write_lines("-", delta_lines(delta, jsonl=True))
    else:
        write_delta(output or "-", delta)
    message(f"{counted(len(delta.add), 'fact')} came, {len(delta.remove):,} went")


def convert(
    source: Annotated[Path, text_file("SOURCE", SOURCE)],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET",
            help="What its name says: .tsv, .csv, .nt (or .nq, .ttl, .trig), .parquet or .npy; .gz compresses a text, "
            "a name without an ending is a folder of OpenKE, - is standard output.",
            show_default=False,
        ),
    ],
    *,
    from_: Annotated[
        FileFormat | None, typer.Option("--from", help="Of SOURCE, if its name does not say it.", show_default=False)
    ] = None,
    to: Annotated[
        FileFormat | None, typer.Option("--to", help="Of TARGET, if its name does not say it.", show_default=False)
    ] = None,
    literals: LiteralsOption = "drop",
    blank_nodes: BlankNodesOption = "keep",
) -> None:
    """Read facts of any format, and write them in another.

    A folder with parts to learn from, to validate and to test with becomes such a folder of OpenKE as a whole; else
    only the facts to learn from are taken.
    """
    from latticework.knowledge.io import read_splits, write_triples
    from latticework.knowledge.io.dataset import told_left_out
    from latticework.knowledge.io.formats import kind_to_write
    from latticework.knowledge.io.openke import write_openke

    kind = kind_to_write(target, format=to)
    if kind != "openke":
        check_output(target, source, option="TARGET")
    if kind == "openke" and source.is_dir() and not _is_model(source) and from_ is None:
        splits = read_splits(source, literals=literals, blank_nodes=blank_nodes)
        write_openke(target, splits)
        count = len(splits.train) + len(splits.valid) + len(splits.test)
        message(f"{target}: {counted(count, 'fact')}{told_left_out(splits.dropped)}")
        return
    loaded = read_source(source, format=from_, literals=literals, blank_nodes=blank_nodes)
    write_triples(target, loaded.graph, format=to)
    message(f"{output_name(target)}: {loaded.told()}")


def export(
    model: Model,
    target: Annotated[
        Path,
        typer.Argument(metavar="TARGET", help="Where to write: a .npy, .parquet, .vec or .faiss.", show_default=False),
    ],
    *,
    format: Annotated[
        ExportFormat | None,
        typer.Option(help="What it is written as, if its name does not say it.", show_default=False),
    ] = None,
    relations: Annotated[bool, typer.Option("--relations", help="Those of relations instead of entities.")] = False,
) -> None:
    """Write the embeddings for other tools: an array, a table, word vectors, or an index of nearest neighbours.

    Beside an array or an index, a file that ends in .names.txt says whose each row is.
    """
    from latticework.knowledge.estimator import DKGE

    kind: Literal["entities", "relations"] = "relations" if relations else "entities"
    rows = DKGE.load(model, device="cpu").export(target, kind=kind, format=format)
    what = counted(rows, "relation") if relations else counted(rows, "entity", "entities")
    message(f"the embeddings of {what} are in {target}")


def read_source(path: Path, **options: Any) -> Loaded:
    """The facts of a file or folder, or those of a model now."""
    from latticework.knowledge.io import read_triples
    from latticework.knowledge.io.dataset import Loaded

    if _is_model(path):
        from latticework.knowledge.estimator import DKGE

        return Loaded(_present(DKGE.load(path, device="cpu").graph_))
    return read_triples(path, **options)


def graph_of(path: Path, loaded: Loaded) -> Graph:
    """What was read of a file; what was left out is told."""
    if loaded.dropped:
        message(f"{stream_name(path)}: {loaded.told()}")
    return loaded.graph


def statistics_lines(found: Statistics) -> list[str]:
    """What a graph is like, for people."""
    left_out = [counted(found.duplicates, "duplicate")] if found.duplicates else []
    left_out += [f"{counted(count, 'fact')} with {reason}" for reason, count in found.left_out.items() if count]
    degrees = found.degrees
    lines = [
        f"{counted(found.triples, 'fact')}, {counted(found.entities, 'entity', 'entities')}, "
        f"{counted(found.relations, 'relation')}",
        f"left out: {', '.join(left_out) or 'nothing'}; entities without a fact: {found.isolated:,}",
        f"facts of an entity: {degrees['mean']:.1f} on average, median {degrees['median']:g}, "
        f"at most {degrees['largest']:,}; {found.self_loops:,} from an entity to itself",
        f"connected parts: {found.components:,}; the largest has {found.largest_component:.1%} of the entities",
    ]
    lines += _table(("entity", "facts"), [(name, f"{count:,}") for name, count in found.hubs])
    kinds = [(kind, f"{relations:,}", f"{facts:,}") for kind, (relations, facts) in found.kinds.items()]
    lines += _table(("kind", "relations", "facts"), kinds)
    rows = [
        (each.name, each.kind, f"{each.triples:,}", f"{each.heads_per_tail:.2f}", f"{each.tails_per_head:.2f}")
        for each in found.by_relation
    ]
    lines += _table(("relation", "kind", "facts", "heads of a tail", "tails of a head"), rows, texts=2)
    alike = [
        (each.first, "is the reverse of" if each.inverse else "says the same as", each.second, f"{each.share:.0%}")
        for each in found.overlaps
    ]
    return lines + _table(("relation", "", "relation", "of its facts"), alike, texts=3)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> list[str]:
    """A table below a blank line; nothing without rows."""
    if not rows:
        return []
    more = [f"... and {len(rows) - MOST:,} more"] if len(rows) > MOST else []
    return ["", *table_lines(header, rows[:MOST], texts=texts), *more]


def _is_model(path: Path) -> bool:
    return has_config(path)


def _present(graph: Graph) -> Graph:
    """The graph without the names that updates have left in no fact."""
    from latticework.knowledge.graph import Graph

    return Graph.of(graph.named())
