"""`latticework ner`: train a tagger on labelled sentences and a word list, tag text, measure, match and convert."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from latticework.core.commands import (
    Device,
    Json,
    Loggers,
    Model,
    Output,
    OutputFile,
    Restart,
    Seed,
    Valid,
    check_json,
    check_output,
    given,
    job,
    print_json,
    read_stdin_once,
    text_file,
)
from latticework.core.errors import InputError
from latticework.core.files import JSON_LINES, is_jsonl, read_lines, suffix, write_lines
from latticework.core.progress import message
from latticework.core.streams import answers, stream_name
from latticework.ner.choices import Forget, Scheme
from latticework.ner.cli_files import TAGGED, Words, convert, lexicon_file, match, vectors
from latticework.ner.config import FlatConfig, TaggerConfig

if TYPE_CHECKING:
    from latticework.ner.estimator import Tagger
    from latticework.ner.lexicon import Lexicon
    from latticework.ner.tagged import TaggedText

app = job("Tag entities in Chinese text, with your own word list.")


CLASSES: Final = {
    "lattice": "LatticeTagger",
    "characters": "CharacterTagger",
    "words": "WordTagger",
    "softlexicon": "SoftLexiconTagger",
    "flat": "FlatTagger",
}
Kind = Literal["lattice", "characters", "words", "softlexicon", "flat"]
Format = Literal["conll", "jsonl", "html"]


@app.command()
def fit(
    train: Annotated[Path, text_file("TRAIN", f"Sentences with their entities: {TAGGED}")],
    *,
    output: Output,
    valid: Valid = None,
    lexicon: Words = None,
    model: Annotated[
        Kind, typer.Option(help="lattice is the paper's; characters and words are what it is compared with.")
    ] = "lattice",
    char_vectors: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Vectors of characters, and of pairs, to begin with.")
    ] = None,
    word_vectors: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Vectors of the lexicon's words to begin with.")
    ] = None,
    bigrams: Annotated[
        bool | None,
        typer.Option(
            "--bigrams/--no-bigrams",
            help="Read each pair of neighbouring characters too.",
            show_default="no-bigrams; bigrams of flat",
        ),
    ] = None,
    softword: Annotated[
        bool | None, typer.Option("--softword", help="Read the place of each character in its word too.")
    ] = None,
    char_lstm: Annotated[
        bool | None, typer.Option("--char-lstm", help="Of the word tagger: read the characters of each word too.")
    ] = None,
    forget: Annotated[
        Forget | None,
        typer.Option(
            help="Of the lattice: coupled is 1 - input gate, independent the paper's gate of its own.",
            show_default=TaggerConfig.forget,
        ),
    ] = None,
    hidden_size: Annotated[
        int | None, typer.Option(min=2, help="Width of a character's state, an even number.", show_default="200")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Length of training; the model's by default.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Sentences of a batch.", show_default=f"{TaggerConfig.batch_size}")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Of Adam, at its highest.",
            show_default=f"{TaggerConfig.learning_rate:g}; {FlatConfig.learning_rate:g} of flat",
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    logger: Loggers = None,
    restart: Restart = False,
) -> None:
    """Train a tagger and save it in the folder --output.

    Interrupted, it goes on where it was when the same command is given again. Without --lexicon, jieba's dictionary is
    the word list.
    """
    read_stdin_once(train, valid, char_vectors, word_vectors, lexicon_file(lexicon))

    from latticework import ner
    from latticework.core.runs import Run
    from latticework.ner.io import read_tagged

    chosen = getattr(ner, CLASSES[model])
    options = given(
        bigrams=bigrams,
        softword=softword,
        char_lstm=char_lstm,
        forget=forget,
        batch_size=batch_size,
        learning_rate=learning_rate,
    )
    read = {field.name for field in fields(chosen.config_class)}.difference(chosen.unread)
    unread = [name for name in options if name not in read]
    if model == "characters":  # places in words alone, with --softword
        unread += given(word_vectors=word_vectors, lexicon=None if softword else lexicon)
    if unread:
        option = ("no-" if options.get(unread[0]) is False else "") + unread[0].replace("_", "-")
        hint = ", or give --softword" if option == "lexicon" else ""
        raise InputError(f"--{option} means nothing to --model {model}: leave it out{hint}")
    config = chosen.config_class(**options) if options else None
    tagger = chosen(
        "jieba" if lexicon is None else lexicon,
        char_vectors=char_vectors,
        word_vectors=word_vectors,
        random_state=seed,
        device=device,
        **given(max_epochs=epochs, hidden_size=hidden_size, config=config),
    )
    tagger.check_options()
    Run.begin(tagger, output, restart=restart, loggers=logger or ())  # as `fit` will, once the texts have been read
    training = read_tagged(train)
    validation = None if valid is None else read_tagged(valid)
    scheme = _scheme(training)
    tagger.fit(
        training.sentences,
        training.tags_in(scheme),
        None if validation is None else (validation.sentences, validation.tags_in(scheme)),
        scheme=scheme,
        folder=output,
        restart=restart,
        loggers=logger or (),
    )
    message(f"the model is in {output}; try: echo 'a text' | latticework ner predict {quote(str(output))}")


@app.command()
def predict(
    model: Model,
    file: Annotated[Path, text_file("FILE", f'Texts, one a line (or the "text" of a {JSON_LINES})')] = Path("-"),
    *,
    format: Annotated[
        Format | None,
        typer.Option(
            help="Of the file: a character and its tag a line; an object a text; or a page to look at. "
            "What its name says, or else conll.",
            show_default=False,
        ),
    ] = None,
    lexicon: Words = None,
    output: OutputFile = None,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each text.")] = False,
) -> None:
    """Tag texts from a file, or from standard input as they come in, in order.

    As JSON each text gives one line, with the entities' places in it and their probabilities; as conll a line for each
    character in the scheme of the training tags, and a blank line after each text (nothing for a blank one). With
    --lexicon the words of another list match instead of those of the training, without training again.
    """
    read_stdin_once(file, lexicon_file(lexicon))
    check_output(output, file, lexicon_file(lexicon), model)
    check_json(as_json, format=format, output=output)
    if format is None:
        format = "jsonl" if as_json else _format_of(output)
    if format == "html":
        from latticework.core.errors import require

        require("jinja2", extra="pages", purpose="writing HTML pages")

    from latticework.ner.estimator import Tagger
    from latticework.ner.io import texts_in

    tagger = Tagger.load(model, device=device)
    if lexicon is not None:
        tagger = tagger.with_lexicon(_words(lexicon))
    name = stream_name(file)
    texts = texts_in(read_lines(file), name)
    if format == "html":
        from latticework.ner.report import page

        shown = page(tagger, texts, name)
        if output is None:
            print(shown.html())
        else:
            shown.write(output)
    elif output is None:
        for line in _lines(tagger, texts, format):
            print(line)
    else:
        write_lines(output, _lines(tagger, texts, format))


@app.command()
def evaluate(
    model: Model,
    file: Annotated[Path, text_file("FILE", f"Sentences with their entities: {TAGGED}")],
    *,
    lexicon: Words = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Tag sentences and compare with the tags of FILE: precision, recall and F1 of whole entities.

    Given over all, by type, for entities that are words of the lexicon and others, by length of the entity and of the
    sentence. With --json every mistake is listed too.
    """
    read_stdin_once(file, lexicon_file(lexicon))

    from latticework.ner.estimator import Tagger
    from latticework.ner.io import read_tagged
    from latticework.ner.scoring import as_dict, score_lines, scores

    tagger = Tagger.load(model, device=device)
    words = None if lexicon is None else _words(lexicon)
    if words is not None and tagger.architecture.reads_lexicon(tagger.config_):
        tagger = tagger.with_lexicon(words)
    tagged = read_tagged(file)
    found = scores(tagger, tagged, words)
    if as_json:
        print_json(as_dict(found, tagged))
    else:
        for line in score_lines(found):
            print(line)


for each in (match, convert, vectors):
    app.command()(each)


def _format_of(output: Path | None) -> Format:
    """What the name of a file says of its contents."""
    if output is None:
        return "conll"
    if is_jsonl(output):
        return "jsonl"
    return "html" if suffix(output) in (".html", ".htm") else "conll"


def _scheme(tagged: TaggedText) -> Scheme:
    """That of the file, in which the model is to answer; BMES if there were spans."""
    from latticework.ner.tags import SCHEMES

    return next((each for each in SCHEMES if each == tagged.scheme), SCHEMES[0])


def _words(lexicon: str) -> Lexicon:
    """The words of --lexicon."""
    from latticework.ner.lexicon import Lexicon

    words = Lexicon.of(lexicon)
    if not len(words):
        warnings.warn(f"--lexicon {lexicon} has no word of two or more characters", stacklevel=2)
    return words


def _lines(tagger: Tagger, texts: Iterator[str], format: Format) -> Iterator[str]:
    """What is printed of texts as they come in."""
    from latticework.ner.answers import conll_of, jsonl_of

    return answers(texts, partial(conll_of if format == "conll" else jsonl_of, tagger))
