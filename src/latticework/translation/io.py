"""Parallel text: two line-aligned files, or one of TSV or JSON lines; plain or gzip-compressed.

A file named .tsv gives its first column as source and its second as target; one named .jsonl or .json an object a line,
with "source" and "target". Any other file is plain text, a sentence a line. All of them may end in .gz.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, Literal, get_args

from latticework.core.checks import one_of
from latticework.core.datasets import Dataset, RemoteFile
from latticework.core.errors import InputError, callers_level
from latticework.core.files import JSON_LINES, is_jsonl, read_lines, suffix
from latticework.core.streams import stream_name
from latticework.core.values import read_object
from latticework.translation.text import check_sentence

Side = Literal["source", "target"]
SIDES: Final[tuple[Side, ...]] = get_args(Side)  # in the order of columns
PAIRS: Final = f"a .tsv, {JSON_LINES} of pairs"  # as help and errors say it


def read_sentences(path: str | Path, side: Side = "source") -> list[str]:
    r"""All sentences of one side of a file.

    Raises
    ------
    InputError
        With file and line, if a line has no such column or key, or is not text.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "pairs.tsv"
    ...     _ = file.write_text("a house\tein Haus\n")
    ...     read_sentences(file, "target")
    ['ein Haus']
    """
    return list(sentences_in(read_lines(path), stream_name(path), side))


def sentences_in(lines: Iterable[str], name: str, side: Side = "source") -> Iterator[str]:
    """The sentences of one side, as the lines of a file of that name come in."""
    one_of("side", side, SIDES)
    if not _holds_pairs(name):
        yield from lines
    else:
        for (sentence,) in _fields(lines, name, [side]):
            yield sentence


def _holds_pairs(name: str | Path) -> bool:
    """Whether a file of that name has both sides."""
    return suffix(name) == ".tsv" or is_jsonl(name)


def _fields(lines: Iterable[str], name: str, sides: Sequence[Side]) -> Iterator[list[str]]:
    """Of each line of a file of pairs the sides that are asked for."""
    extract = _from_json if is_jsonl(name) else _from_tsv
    if extract is _from_tsv and "target" in sides:
        lines = _told_of_columns(lines, name)
    for number, line in enumerate(lines, start=1):
        yield extract(line, sides, f"{name}:{number}")


def _told_of_columns(lines: Iterable[str], name: str) -> Iterator[str]:
    """The lines of a TSV file; at the first of more than two columns a warning says what becomes of the others."""
    lines = iter(lines)
    for number, line in enumerate(lines, start=1):
        if (columns := line.count("\t") + 1) <= 2:
            yield line
            continue
        told = "the first is the source, the second the target, and others are passed over"
        warnings.warn(f"{name}:{number} has {columns} columns: {told}", stacklevel=callers_level())
        yield from chain([line], lines)


def _from_tsv(line: str, sides: Sequence[Side], place: str) -> list[str]:
    columns = line.split("\t")
    for side in sides:
        if len(columns) <= SIDES.index(side):
            found = "1 column" if len(columns) == 1 else f"{len(columns)} columns"
            raise InputError(f"{place}: expected the {side} in column {SIDES.index(side) + 1}, got {found}")
    return [columns[SIDES.index(side)] for side in sides]


def _from_json(line: str, sides: Sequence[Side], place: str) -> list[str]:
    entry = read_object(line, place)
    for side in sides:
        if not isinstance(entry.get(side), str):
            raise InputError(f'{place}: expected an object with a text under "{side}"')
    return [check_sentence(entry[side], place) for side in sides]  # \u0000 can spell what a file must not hold


def read_pairs(source: str | Path, target: str | Path | None = None) -> tuple[list[str], list[str]]:
    """Sources and targets, line by line.

    Parameters
    ----------
    source, target
        Two files, or one of TSV or JSON lines that holds both.

    Raises
    ------
    InputError
        If the files have different numbers of lines, or no line at all.
    """
    name = stream_name(source)
    if _holds_pairs(source) and (target is None or Path(target) == Path(source)):
        pairs = list(_fields(read_lines(source), name, SIDES))
        sources, targets = [first for first, _ in pairs], [second for _, second in pairs]
    elif target is None:
        raise InputError(f"{name} is one side only: name the file with the translations too (or {PAIRS})")
    else:
        sources, targets = read_sentences(source, "source"), read_sentences(target, "target")
        if len(sources) != len(targets):
            raise InputError(
                f"{name} has {len(sources)} lines and {stream_name(target)} has {len(targets)}: "
                "line n of one must be the translation of line n of the other"
            )
    if not sources:
        raise InputError(f"{name} is empty")
    return sources, targets


def _multi30k_file(name: str, sha256: str, size: int) -> RemoteFile:
    return RemoteFile(
        path=f"translation/multi30k/{name}.gz",
        url=f"https://github.com/multi30k/dataset/raw/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/{name}.gz",
        sha256=sha256,
        size=size,
    )


MULTI30K: Final = Dataset(
    name="multi30k",
    summary="Image captions in English and German: 29,000 pairs to train, 1,014 to validate, 1,000 to test (2016).",
    source="https://github.com/multi30k/dataset",
    licence="none stated; derived from Flickr30K, for non-commercial research and education",
    files=(
        _multi30k_file("train.en", "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f", 568_929),
        _multi30k_file("train.de", "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6", 637_044),
        _multi30k_file("val.en", "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28", 21_650),
        _multi30k_file("val.de", "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a", 24_681),
        _multi30k_file(
            "test_2016_flickr.en", "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9", 21_077
        ),
        _multi30k_file(
            "test_2016_flickr.de", "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8", 22_890
        ),
    ),
    reader="latticework.translation.io:read_multi30k",
)


def read_multi30k(
    path: Callable[[str], Path], *, split: str = "train", languages: tuple[str, str] = ("en", "de")
) -> tuple[list[str], list[str]]:
    """Sources and targets of a split: "train", "val" or "test_2016_flickr".

    Raises
    ------
    InputError
        If there is no such split or language.
    """
    one_of("split", split, ("train", "val", "test_2016_flickr"))
    one_of("languages", languages, (("en", "de"), ("de", "en")))
    source, target = (path(f"translation/multi30k/{split}.{language}.gz") for language in languages)
    return read_pairs(source, target)
