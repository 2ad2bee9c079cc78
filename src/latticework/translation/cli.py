"""`latticework translate`: train a translator on two text files, translate, measure."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from latticework.core.commands import (
    Device,
    Json,
    Loggers,
    Model,
    Output,
    OutputFile,
    Precision,
    Restart,
    Seed,
    Sharded,
    ValidPair,
    check_json,
    check_output,
    job,
    print_result,
    read_stdin_once,
    text_file,
)
from latticework.core.files import is_jsonl, read_lines, write_lines
from latticework.core.progress import message
from latticework.core.streams import answers, stream_name
from latticework.core.values import strict_json
from latticework.core.words import listed
from latticework.translation.io import PAIRS, read_pairs, sentences_in

if TYPE_CHECKING:
    from latticework.translation.decoding import Translation
    from latticework.translation.estimator import TransformerTranslator

Beam = Annotated[int, typer.Option("--beam", min=1, help="Hypotheses kept at each step; 1 is greedy.")]
Alpha = Annotated[float, typer.Option("--alpha", min=0, help="Length penalty: larger favours longer output.")]

app = job("Train a translator on your own parallel text, and translate with it.")


@app.command()
def fit(
    source: Annotated[Path, text_file("SRC", f"Sentences to translate from, one a line (or {PAIRS})")],
    target: Annotated[Path | None, text_file("TGT", f"Their translations, line by line (none for {PAIRS})")] = None,
    *,
    output: Output,
    valid: ValidPair = None,
    preset: Annotated[str, typer.Option(help="tiny, small, base or big (the last two are the paper's).")] = "tiny",
    vocab_size: Annotated[
        int | None, typer.Option(min=1, help="Most pieces of the joint vocabulary; the preset's by default.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Length of training; the preset's by default.")] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Padded tokens of a batch, each side; the preset's by default.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    precision: Precision = "auto",
    logger: Loggers = None,
    restart: Restart = False,
    sharded: Sharded = False,
) -> None:
    """Train a translator on parallel text and save it in the folder --output.

    Interrupted, it goes on where it was when the same command is given again. With --valid, training keeps the weights
    that do best on those sentences.
    """
    read_stdin_once(source, target, *(valid or ()))

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
    training = _read_when_needed(source, target)
    validation = _read_when_needed(*valid) if valid else None
    translator.fit(*training, validation, folder=output, restart=restart, loggers=logger or (), sharded=sharded)
    message(f"the model is in {output}; try: echo 'a sentence' | latticework translate predict {quote(str(output))}")


@app.command()
def predict(
    model: Model,
    file: Annotated[Path, text_file("FILE", f"Sentences, one a line (or the sources of {PAIRS})")] = Path("-"),
    *,
    beam: Beam = 4,
    alpha: Alpha = 0.6,
    n_best: Annotated[int, typer.Option("--n-best", min=1, help="Translations of each sentence.")] = 1,
    output: OutputFile = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Translate a file, or standard input as it comes in, line by line and in order.

    One line of output for each line of input; with --n-best N, N lines. With --json, or where --output names a .jsonl
    file, each line of input gives one object with its translations and their scores.
    """
    check_output(output, file, model)
    check_json(as_json, output=output)
    objects = as_json or (output is not None and is_jsonl(output))
    translator = _load(model, device, beam, alpha, n_best)
    name, first = stream_name(file), 1

    def translated(chunk: list[str]) -> Iterator[tuple[str, list[Translation]]]:
        nonlocal first
        with _lines_named(name, first):
            found = translator.translations(chunk, beam_size=beam, length_penalty=alpha, n_best=n_best)
        first += len(chunk)
        return zip(chunk, found, strict=True)

    def lines() -> Iterator[str]:
        for sentence, best in answers(sentences_in(read_lines(file), name), translated):
            if objects:
                yield strict_json({"source": sentence, "translations": best})
            else:
                yield from (translation.text for translation in best)

    if output is None:
        for line in lines():
            print(line)
    else:
        write_lines(output, lines())


@app.command()
def evaluate(
    model: Model,
    source: Annotated[Path, text_file("SRC", f"Sentences to translate (or {PAIRS})")],
    reference: Annotated[Path | None, text_file("REF", "Their reference translations, line by line")] = None,
    *,
    beam: Beam = 4,
    alpha: Alpha = 0.6,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Translate SRC and score it against REF: BLEU and chrF, with sacreBLEU's signatures."""
    from latticework.translation.metrics import corpus_scores, scorer

    scorer()
    read_stdin_once(source, reference)
    translator = _load(model, device, beam, alpha)
    sources, references = read_pairs(source, reference)
    with _lines_named(stream_name(source), 1):
        translations = translator.predict(sources, beam_size=beam, length_penalty=alpha)
    scores = corpus_scores(translations, references)
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


@app.command()
def export(
    model: Model,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write it: a new folder.")],
    *,
    format: Annotated[str, typer.Option("--format", metavar="NAME", help="For which library: ctranslate2.")] = (
        "ctranslate2"
    ),
    quantization: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="How weights are stored: int8, int16, float16, ...; float32 by default."),
    ] = None,
) -> None:
    """Write a translator for CTranslate2, which serves it without torch. README.md in FOLDER says how."""
    from latticework.translation.estimator import TransformerTranslator

    TransformerTranslator.load(model, device="cpu").export(format, folder, quantization=quantization)
    message(f"the model for {format} is in {folder}; {folder / 'README.md'} says how to use it")


def _read_when_needed(source: Path, target: Path | None) -> tuple[Iterator[str], Iterator[str]]:
    """The two sides of parallel text, read when the first sentence is asked for: after all that is quicker to check."""
    pairs = cache(lambda: read_pairs(source, target))

    def side(number: int) -> Iterator[str]:
        yield from pairs()[number]

    return side(0), side(1)


def _load(model: Path, device: str, beam: int, alpha: float, n_best: int = 1) -> TransformerTranslator:
    """Load a translator, and refuse what it cannot be asked before there is anything to translate."""
    from latticework.seq2seq.decoding import check_search
    from latticework.translation.estimator import TransformerTranslator

    translator = TransformerTranslator.load(model, device=device)
    check_search(beam, alpha, n_best, len(translator.vocabulary_))
    return translator


@contextmanager
def _lines_named(name: str, first: int) -> Iterator[None]:
    """Let a warning of long sentences say which lines of the input they are; sentence 0 is line `first`."""
    from latticework.translation.parts import LongSentences

    with warnings.catch_warnings(record=True) as caught:
        yield
    for warning in caught:
        said = warning.message
        if isinstance(said, LongSentences):
            lines = listed(f"{name}:{first + index}" for index in said.indices)
            warnings.warn(f"{lines}: more than max_length={said.max_length} pieces, translated in parts", stacklevel=3)
        else:
            warnings.warn_explicit(said, warning.category, warning.filename, warning.lineno)
