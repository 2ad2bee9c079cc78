"""Files of named entities, read, written and converted, and the public data set that the paper made.

A file named .jsonl or .json holds JSON lines (`latticework.ner.jsonl`), any other file CoNLL columns
(`latticework.ner.conll`); both may end in .gz.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from latticework.core.checks import one_of
from latticework.core.datasets import Dataset, RemoteFile
from latticework.core.errors import InputError, callers_level
from latticework.core.files import check_not_read, is_jsonl, read_lines, write_lines
from latticework.core.streams import output_name, stream_name
from latticework.core.words import listed, shortened
from latticework.ner.choices import Repair, Scheme
from latticework.ner.conll import conll_lines, read_conll
from latticework.ner.jsonl import jsonl_line, read_jsonl, text_of
from latticework.ner.repair import convert_tags
from latticework.ner.tagged import TaggedText
from latticework.ner.tags import REPAIRS, SCHEMES, TAG

_OBJECT: Final = re.compile(r'\s*\{\s*"')  # as a line of JSON begins; a line of CoNLL may begin with a brace alone
_ROW: Final = re.compile(rf"\S+[ \t]+(\S+[ \t]+)*{TAG}[ \t]*")  # of CoNLL


def read_tagged(path: str | os.PathLike[str], *, repair: Repair = "close") -> TaggedText:
    r"""Read sentences with their entities from a CoNLL or JSONL file; of ``"-"``, standard input, the first line tells.

    Illegal tags are repaired as `spans_of` says, with one warning that counts them and says where the first ones are.
    No sentence is dropped, however long.

    Raises
    ------
    InputError
        With file and line, if the file cannot be read as such, or holds no sentence.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "some.bmes"
    ...     _ = file.write_text("中 B-LOC\n国 E-LOC\n\n好 O\n")
    ...     read_tagged(file).sentences
    [['中', '国'], ['好']]
    """
    one_of("repair", repair, REPAIRS)
    name = stream_name(path)
    jsonl, lines = _told_apart(read_lines(path), name)
    read = None if jsonl else read_conll(lines, name, repair=repair)
    tagged = read_jsonl(lines, name) if read is None else read.text
    if not tagged.sentences:
        raise InputError(f"{name} holds no sentence")
    if read and read.normalised.illegal:
        warnings.warn(read.normalised.warning(name, repair), stacklevel=callers_level())
    if read and read.blank:
        warnings.warn(
            f"{name}: {len(read.blank)} tokens left out that are white space: {listed(read.blank)}",
            stacklevel=callers_level(),
        )
    return tagged


def texts_in(lines: Iterable[str], name: str) -> Iterator[str]:
    """The texts to be tagged, as the lines of a file of that name come in: plain text, or the "text" of JSON lines.

    Of standard input, ``<stdin>``, the first line that is not blank tells which. Blank lines of a JSONL file are
    nothing, as to `jsonl.read_jsonl`; of plain text they are empty texts. Lines that look like
    columns of CoNLL are texts too, with a warning.

    Raises
    ------
    InputError
        With file and line, if a line of a JSONL file has no text.

    Examples
    --------
    >>> list(texts_in(['{"text": "中国"}'], "some.jsonl"))
    ['中国']
    """
    jsonl, lines = _told_apart(lines, name)
    rows = 0  # one after the other that look like those of a file of tags
    for number, line in enumerate(lines, start=1):
        if not jsonl:
            rows = rows + 1 if rows >= 2 or _ROW.fullmatch(line) else 0
            if rows == 2:
                warnings.warn(
                    f"{name}:{number}: {shortened(line)} and the line before look like tokens with tags, and are taken "
                    "for texts; `latticework ner convert FILE TEXTS.jsonl` makes texts of a file of tags",
                    stacklevel=callers_level(),
                )
            yield line
        elif line.strip():
            yield text_of(line, f"{name}:{number}")


def _told_apart(lines: Iterable[str], name: str) -> tuple[bool, Iterator[str]]:
    """Whether the lines of a file of that name are JSON lines, and the lines.

    Where no name says it the first does that is not blank.
    """
    lines = iter(lines)
    if name != stream_name("-"):
        return is_jsonl(name), lines
    first: list[str] = []
    for line in lines:
        first.append(line)
        if line.strip():
            break
    return any(map(_OBJECT.match, first)), chain(first, lines)


def tagged_lines(tagged: TaggedText, *, jsonl: bool, scheme: Scheme = "BMES") -> Iterator[str]:
    """The lines of a JSONL file, or of a CoNLL file in that scheme.

    A sentence without tokens is only in the former.
    """
    if jsonl:
        for index, text in enumerate(tagged.texts):
            yield jsonl_line(text, tagged.text_spans(index))
    else:
        for tokens, tags in zip(tagged.sentences, tagged.tags_in(scheme), strict=True):
            if tokens:
                yield from conll_lines(tokens, tags)


def write_conll(
    path: str | os.PathLike[str],
    sentences: Iterable[Sequence[str]],
    tags: Iterable[Sequence[str]],
    *,
    scheme: Scheme = "BMES",
) -> None:
    """Write sentences with BMES tags as CoNLL columns in that scheme, compressed if the name ends in .gz.

    Raises
    ------
    InputError
        As `conll_lines`, or if the file cannot be written.
    """
    named = tags if scheme == "BMES" else (convert_tags(row, "BMES", scheme) for row in tags)
    pairs = zip(sentences, named, strict=True)
    write_lines(path, (line for tokens, row in pairs for line in conll_lines(tokens, row)))


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    scheme: Scheme = "BMES",
    repair: Repair = "close",
) -> TaggedText:
    """Read one file and write another; the name of `target` says whether as JSONL or as CoNLL in that scheme.

    ``"-"`` is standard input, or standard output.

    Sentences without tokens have no place in CoNLL; a warning says which they are.

    Raises
    ------
    InputError
        As `read_tagged`, or if both are one file, or that cannot be written.
    """
    one_of("scheme", scheme, SCHEMES)
    check_not_read(target, source)
    tagged = read_tagged(source, repair=repair)
    write_lines(target, tagged_lines(tagged, jsonl=is_jsonl(target), scheme=scheme))
    empty = [place for place, tokens in zip(tagged.places, tagged.sentences, strict=True) if not tokens]
    if empty and not is_jsonl(target):
        warnings.warn(
            f"{len(empty)} sentences without tokens have no lines in {output_name(target)}: {listed(empty)}",
            stacklevel=callers_level(),
        )
    return tagged


RESUME: Final = Dataset(
    name="resume-ner",
    summary="Chinese résumés with entities of 8 types: 3,821 sentences to train, 463 to validate, 477 to test.",
    source="https://github.com/jiesutd/LatticeLSTM/tree/master/ResumeNER",
    licence="none stated; collected from Sina Finance by the authors of the paper, for research",
    files=tuple(  # without addresses: what has no licence is fetched by hand
        RemoteFile(path=f"ner/resume_ner/{split}.char.bmes", sha256=sha256, size=size)
        for split, sha256, size in (
            ("train", "93b9bb0be5dd4730121587f9dc1378de3fbbe55cba1c575edec271f822c27be7", 1_094_528),
            ("dev", "1b0d67153e6e8543e9444936ed1b107bd843078c282533898085e1a9aa293952", 120_251),
            ("test", "c4a9f42622819a4b59f66e184d446ebfa89b2f1dbba06e11d70675e59fe7e79b", 135_064),
        )
    ),
    reader="latticework.ner.io:read_resume",
)


def read_resume(path: Callable[[str], Path], *, split: str = "train", repair: Repair = "close") -> TaggedText:
    """A split, "train", "dev" or "test"; of "train" four tags are illegal, which a warning says.

    Raises
    ------
    InputError
        If there is no such split.
    """
    one_of("split", split, ("train", "dev", "test"))
    return read_tagged(path(f"ner/resume_ner/{split}.char.bmes"), repair=repair)
