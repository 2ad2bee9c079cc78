"""`latticework ner` without a model: words of a list in a text, files in other formats, vectors to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from latticework.core.commands import Json, Output, Seed, check_output, print_json, read_stdin_once, text_file
from latticework.core.files import JSON_LINES, read_lines
from latticework.core.progress import message
from latticework.core.streams import output_name, stream_name
from latticework.ner.choices import Scheme

TAGGED: Final = f"CoNLL columns, or a {JSON_LINES} of texts with entities"

Words = Annotated[
    str | None,
    typer.Option(
        "--lexicon",
        metavar="WORDS",
        help="The words that may match: a file with one a line, a .vec of word vectors, or jieba for its dictionary.",
        show_default=False,
    ),
]


def lexicon_file(lexicon: str | None) -> Path | None:
    """What --lexicon names, as a file: it stays text elsewhere, since ./jieba is a file and jieba is none."""
    return None if lexicon is None else Path(lexicon)


def match(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text itself.", show_default=False)],
    *,
    lexicon: Words = None,
    as_json: Json = False,
) -> None:
    """Print the words of the lexicon in TEXT, with the places where they begin and end.

    Without --lexicon, jieba's dictionary is the word list.
    """
    from latticework.ner.lexicon import Lexicon
    from latticework.ner.matching import Matcher
    from latticework.ner.results import matches_in

    found = matches_in(text, Matcher(Lexicon.of("jieba" if lexicon is None else lexicon)))
    if as_json:
        print_json({"text": text, "matches": found})
    else:
        for start, end, word in found:
            print(f"{start}\t{end}\t{word}")


def convert(
    source: Annotated[Path, text_file("SOURCE", f"Sentences with their entities: {TAGGED}")],
    target: Annotated[
        Path,
        typer.Argument(metavar="TARGET", help=f"A {JSON_LINES}, or else CoNLL; .gz compresses, - for standard output."),
    ],
    *,
    scheme: Annotated[Scheme, typer.Option(help="Of the tags, if TARGET is CoNLL.")] = "BMES",
) -> None:
    """Read tagged sentences of any format and scheme, and write them in another.

    The name of TARGET says the format. Illegal tags are repaired, with a warning that says where they are.
    """
    from latticework.ner.io import convert as convert_file

    tagged = convert_file(source, target, scheme=scheme)
    entities = sum(map(len, tagged.spans))
    message(f"{len(tagged.sentences):,} sentences with {entities:,} entities are in {output_name(target)}")


def vectors(
    text: Annotated[Path, text_file("TEXT", f'Texts without tags, one a line (or the "text" of a {JSON_LINES})')],
    *,
    output: Output,
    lexicon: Words = None,
    size: Annotated[int, typer.Option(min=1, help="Numbers of a vector.")] = 50,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the text.")] = 5,
    seed: Seed = 0,
) -> None:
    """Learn vectors from unlabelled text, for fit to begin with.

    Without --lexicon, vectors of characters and of pairs of neighbours, for --char-vectors; with it, of the words that
    it has, for --word-vectors. The file is word2vec's text format.
    """
    read_stdin_once(text, lexicon_file(lexicon))
    check_output(output, text, lexicon_file(lexicon))

    from latticework.ner.io import texts_in
    from latticework.ner.unlabelled import character_vectors, word_vectors
    from latticework.ner.vectors import write_vectors

    texts = texts_in(read_lines(text), stream_name(text))
    options = {"size": size, "epochs": epochs, "seed": seed}
    found = character_vectors(texts, **options) if lexicon is None else word_vectors(texts, lexicon, **options)
    write_vectors(output, *found)
    message(f"{len(found[0]):,} vectors are in {output_name(output)}")
