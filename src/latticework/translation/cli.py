"""`latticework translate`: train a translator on two text files, translate, measure."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Final, cast

import typer

from latticework.core.commands import (
    Device,
    Json,
    Model,
    Output,
    Precision,
    Restart,
    Seed,
    ValidPair,
    print_json,
    print_result,
    text_file,
)
from latticework.core.files import decode_lines, read_lines
from latticework.core.progress import message, showing
from latticework.translation.io import read_pairs, sentences_in

CHUNK_LINES: Final = 2048  # lines translated together when input comes faster than it is translated

app = typer.Typer(help="Train a translator on your own parallel text, and translate with it.", no_args_is_help=True)


@app.command()
def fit(
    source: Annotated[Path, text_file("SRC", "Sentences to translate from, one a line (or a .tsv or .jsonl of pairs)")],
    target: Annotated[
        Path | None, text_file("[TGT]", "Their translations, line by line (none for a .tsv or .jsonl of pairs)")
    ] = None,
    *,
    output: Output,
    valid: ValidPair = None,
    preset: Annotated[str, typer.Option(help="tiny, small, base or big (the last two are the paper's).")] = "tiny",
    vocab_size: Annotated[int | None, typer.Option(min=1, help="Most pieces of the joint vocabulary.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Length of training; the preset's by default.")] = None,
    batch_tokens: Annotated[int | None, typer.Option(min=1, help="Padded tokens of a batch, each side.")] = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    logger: Annotated[list[str] | None, typer.Option(help="tensorboard or wandb, beside training/log.csv.")] = None,
    restart: Restart = False,
    sharded: Annotated[
        bool,
        typer.Option("--sharded", help="Under torchrun, keep a share of the model in each process: for large ones."),
    ] = False,
) -> None:
    """Train a translator on parallel text and save it in the folder --output.

    Interrupted, it goes on where it was when the same command is given again. With --valid, training keeps the weights
    that do best on those sentences.
    """
    pairs = read_pairs(source, target)
    held_out = read_pairs(*valid) if valid else None

    from dataclasses import replace

    from latticework.translation.estimator import TransformerTranslator
    from latticework.translation.presets import find_preset

    config = None if batch_tokens is None else replace(find_preset(preset).config, batch_tokens=batch_tokens)
    translator = TransformerTranslator(
        preset,
        vocab_size=vocab_size,
        max_epochs=epochs,
        config=config,
        random_state=seed,
        device=device,
        precision=precision,
    )
    translator.fit(*pairs, held_out, folder=output, restart=restart, loggers=logger or (), sharded=sharded)
    message(f"saved in {output}; try: echo 'a sentence' | latticework translate predict {output}")


@app.command()
def predict(
    model: Model,
    file: Annotated[Path, text_file("[FILE]", "Sentences, one a line (or the sources of a .tsv or .jsonl)")] = Path(
        "-"
    ),
    *,
    beam: Annotated[int, typer.Option("--beam", min=1, help="Hypotheses kept at each step; 1 is greedy.")] = 4,
    alpha: Annotated[float, typer.Option("--alpha", min=0, help="Length penalty: larger favours longer output.")] = 0.6,
    n_best: Annotated[int, typer.Option("--n-best", min=1, help="Translations of each sentence.")] = 1,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Translate a file, or standard input as it comes in, line by line and in order.

    One line of output for each line of input; with --n-best N, N lines. With --json each line of input gives one object
    with its translations and their scores.
    """
    from latticework.translation.decoding import check_search
    from latticework.translation.estimator import TransformerTranslator

    translator = TransformerTranslator.load(model).set_params(device=device)
    check_search(beam, alpha, n_best, len(translator.vocabulary_))  # even if there is nothing to translate
    lines = decode_lines(_unbuffered_input(), "<stdin>") if file == Path("-") else read_lines(file)
    for chunk in _chunks(sentences_in(lines, str(file))):
        with showing(shown=False):  # progress of a chunk says nothing about the whole
            found = translator.translations(chunk, beam_size=beam, length_penalty=alpha, n_best=n_best)
        for sentence, best in zip(chunk, found, strict=True):
            if as_json:
                print_json({"source": sentence, "translations": best})
            else:
                for translation in best:
                    print(translation.text)
        sys.stdout.flush()


@app.command()
def evaluate(
    model: Model,
    source: Annotated[Path, text_file("SRC", "Sentences to translate (or a .tsv or .jsonl of pairs)")],
    reference: Annotated[Path | None, text_file("[REF]", "Their reference translations, line by line")] = None,
    *,
    beam: Annotated[int, typer.Option("--beam", min=1, help="Hypotheses kept at each step; 1 is greedy.")] = 4,
    alpha: Annotated[float, typer.Option("--alpha", min=0, help="Length penalty: larger favours longer output.")] = 0.6,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Translate SRC and score it against REF: BLEU and chrF, with sacreBLEU's signatures."""
    sources, references = read_pairs(source, reference)

    from latticework.translation.estimator import TransformerTranslator
    from latticework.translation.metrics import corpus_scores

    translator = TransformerTranslator.load(model).set_params(device=device)
    scores = corpus_scores(translator.predict(sources, beam_size=beam, length_penalty=alpha), references)
    print_result(
        {
            "BLEU": scores.bleu,
            "BLEU signature": scores.bleu_signature,
            "chrF": scores.chrf,
            "chrF signature": scores.chrf_signature,
            "sentences": len(sources),
        },
        as_json=as_json,
    )


def _unbuffered_input() -> BinaryIO:
    """Standard input without the lock of its buffer: if Python ends while a thread waits inside that, it aborts."""
    buffer = sys.stdin.buffer
    return cast(BinaryIO, getattr(buffer, "raw", buffer))


def _chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Lines as they arrive, in chunks of all that came in while the last chunk was worked on.

    So a person who types gets an answer at once, and a file is translated in large batches.
    """
    arrived: queue.Queue[str | BaseException | None] = queue.Queue(maxsize=CHUNK_LINES)

    def read() -> None:
        try:
            for line in lines:
                arrived.put(line)
            arrived.put(None)
        except BaseException as error:
            arrived.put(error)

    threading.Thread(target=read, daemon=True).start()
    ended = False
    while not ended:
        chunk: list[str] = []
        item = arrived.get()
        while True:
            if item is None or isinstance(item, BaseException):
                ended = True
                break
            chunk.append(item)
            if len(chunk) == CHUNK_LINES or arrived.empty():
                break
            item = arrived.get()
        if chunk:
            yield chunk
        if isinstance(item, BaseException):
            raise item
