"""`latticework kg`: embed a knowledge graph, keep the model up to date as facts come and go, ask it, and measure it."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from latticework.core.commands import (
    Device,
    Loggers,
    Output,
    Restart,
    Seed,
    Sharded,
    Valid,
    given,
    job,
    read_stdin_once,
    text_file,
)
from latticework.core.errors import InputError
from latticework.core.progress import message
from latticework.core.streams import stream_name
from latticework.knowledge.choices import Affected, Compat, Init, Loss
from latticework.knowledge.cli_answers import evaluate, explain, query
from latticework.knowledge.cli_files import GRAPH, BlankNodesOption, LiteralsOption, convert, diff, export, stats
from latticework.knowledge.cli_updates import AFFECTED, MaxTriples, UpdateEpochs, update, watch
from latticework.knowledge.config import NEGATIVES, DKGEConfig

app = job("Embed a knowledge graph, and keep it up to date as facts come and go.")


@app.command()
def fit(
    triples: Annotated[Path, text_file("TRIPLES", GRAPH)],
    *,
    output: Output,
    valid: Valid = None,
    dim: Annotated[int, typer.Option(min=1, help="Width of the embeddings.")] = 100,
    epochs: Annotated[int, typer.Option(min=1, help="Length of training, at most.")] = 50,
    max_context: Annotated[int, typer.Option(min=1, help="Neighbours, or paths, that are heeded at most.")] = 30,
    affected: Annotated[Affected, AFFECTED] = "subgraph",
    init: Annotated[Init, typer.Option(help="transe begins with embeddings that TransE has learnt.")] = "xavier",
    compat: Annotated[
        Compat | None,
        typer.Option(
            help="reference: padding of contexts, first values and the margin's corruption are the published code's.",
            show_default=DKGEConfig.compat,
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Facts of a batch.", show_default=f"{DKGEConfig.batch_size}")
    ] = None,
    loss: Annotated[
        Loss | None,
        typer.Option(
            help="softmax asks which of many entities it is; margin is the paper's, with corrupted facts.",
            show_default=DKGEConfig.loss,
        ),
    ] = None,
    negatives: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Wrong answers for each fact.",
            show_default=f"{NEGATIVES['softmax']}, or {NEGATIVES['margin']} with the margin",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="By which facts are to be nearer than corrupted ones, if that is the loss.",
            show_default=f"{DKGEConfig.margin:g}",
        ),
    ] = None,
    norm: Annotated[
        int | None, typer.Option(min=1, max=2, help="Of the distance: 1 or 2.", show_default=f"{DKGEConfig.norm}")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Of Adam, at its highest: it falls to nothing.", show_default=f"{DKGEConfig.learning_rate:g}"
        ),
    ] = None,
    update_epochs: UpdateEpochs = None,
    max_triples: MaxTriples = None,
    literals: LiteralsOption = "drop",
    blank_nodes: BlankNodesOption = "keep",
    seed: Seed = 0,
    device: Device = "auto",
    logger: Loggers = None,
    restart: Restart = False,
    sharded: Sharded = False,
) -> None:
    """Learn the facts of a graph and save the model in the folder --output.

    Interrupted, it goes on where it was when the same command is given again. Of a folder with facts to validate with,
    these are the default of --valid.
    """
    read_stdin_once(triples, valid)
    if margin is not None and loss != "margin":
        raise InputError("--margin is of --loss margin: the softmax has none")

    from latticework.core.runs import Run
    from latticework.knowledge.estimator import DKGE
    from latticework.knowledge.io.formats import read_rows, read_triples

    settings = given(
        compat=compat,
        batch_size=batch_size,
        loss=loss,
        negatives=negatives,
        margin=margin,
        norm=norm,
        learning_rate=learning_rate,
        update_epochs=update_epochs,
        max_triples_per_entity=max_triples,
    )
    model = DKGE(
        dim,
        max_context=max_context,
        max_epochs=epochs,
        affected=affected,
        init=init,
        config=DKGEConfig(**settings) if settings else None,
        random_state=seed,
        device=device,
    )
    Run.begin(model, output, restart=restart, loggers=logger or ())  # as `fit` will, once the graph has been read
    loaded = read_triples(triples, literals=literals, blank_nodes=blank_nodes)
    message(f"{stream_name(triples)}: {loaded.told()}")
    validation = None
    if valid or triples.is_dir():
        source, needed = valid or triples, valid is not None
        validation = read_rows(source, "valid", needed=needed, literals=literals, blank_nodes=blank_nodes)
    model.fit(loaded.graph, validation, folder=output, restart=restart, loggers=logger or (), sharded=sharded)
    message(f'the model is in {output}; try: latticework kg query {quote(str(output))} "an entity" "a relation" "?"')


for each in (update, watch, query, explain, evaluate, stats, diff, convert, export):
    app.command()(each)
