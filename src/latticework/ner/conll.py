r"""CoNLL files of named entities: a token and its tag a line, a blank line after each sentence.

Columns are separated by tabs, or by spaces if a line has no tab; of more than two, the first is the token and the last
the tag. Lines of ``-DOCSTART-`` and further blank lines only part sentences. A token that is white space is left out.
If every token ends in its place within its word, as in Weibo NER (``口0``, ``腔1``), these digits are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from latticework.core.errors import InputError
from latticework.core.words import shortened
from latticework.ner.choices import Repair
from latticework.ner.repair import Normalised, normalise
from latticework.ner.tagged import TaggedText
from latticework.ner.tags import TAG, Span

DOCUMENT_START: Final = "-DOCSTART-"
_TAG: Final = re.compile(TAG)
_SPACES: Final = re.compile(" +")
_TABS: Final = re.compile(" *\t[ \t]*")
_UNWRITABLE: Final = re.compile(r"[\t\r\n]|^ | $")
_NUMBERED: Final = re.compile(r"^([^0-9]+|[0-9])([0-9]+)$", re.DOTALL)  # a character and its place within its word


class _Block(NamedTuple):
    lines: list[int]
    tokens: list[str]
    tags: list[str]


class Read(NamedTuple):
    """What a CoNLL file holds, and the places where it is not as it should be."""

    text: TaggedText
    normalised: Normalised
    blank: list[str]


def read_conll(lines: Iterable[str], name: str, *, repair: Repair = "close") -> Read:
    r"""Read the lines of a file of that name, whatever its scheme.

    Raises
    ------
    InputError
        With file and line, if one has no tag, another number of columns than those before, or a tag that is none; with
        ``repair="refuse"`` also if a tag is illegal where it stands.

    Examples
    --------
    >>> read = read_conll(["中 B-LOC", "国 I-LOC", "", "好 O"], "some.bio")
    >>> read.text.sentences, read.text.tags_in(), read.text.scheme
    ([['中', '国'], ['好']], [['B-LOC', 'E-LOC'], ['O']], 'BIO')
    """
    blocks = list(_blocks(lines, name))
    _check_order(blocks, name)
    tags = [block.tags for block in blocks]
    normalised = normalise(tags, lambda sentence, token: f"{name}:{blocks[sentence].lines[token]}", repair=repair)
    numbered = _are_numbered(blocks)
    read = Read(TaggedText(normalised.scheme), normalised, [])
    for block, spans in zip(blocks, normalised.spans, strict=True):
        tokens = [_NUMBERED.sub(r"\1", token) for token in block.tokens] if numbered else block.tokens
        kept = [bool(token.strip()) for token in tokens]
        read.blank.extend(f"{name}:{line}" for line, keep in zip(block.lines, kept, strict=True) if not keep)
        new = [0, *accumulate(kept)]
        tokens = [token for token, keep in zip(tokens, kept, strict=True) if keep]
        moved = [Span(new[start], new[end], label) for start, end, label in spans if new[start] < new[end]]
        begins = [0, *accumulate(map(len, tokens))][: len(tokens)]
        read.text.add("".join(tokens), tokens, begins, moved, f"{name}:{block.lines[0]}")
    return read


def _blocks(lines: Iterable[str], name: str) -> Iterator[_Block]:
    block = _Block([], [], [])
    expected = 0  # columns
    for number, line in enumerate(lines, start=1):
        columns = _columns(line, expected) if line.strip() else [DOCUMENT_START]
        if columns[0] == DOCUMENT_START:
            if block.lines:
                yield block
                block = _Block([], [], [])
            continue
        if len(columns) == 1:
            raise InputError(f"{name}:{number}: expected a token and a tag, got {shortened(columns[0])} alone")
        if expected and len(columns) != expected:
            raise InputError(f"{name}:{number}: {len(columns)} columns, where the lines before have {expected}")
        expected = len(columns)
        block.lines.append(number)
        block.tokens.append(columns[0])
        block.tags.append(columns[-1])
    if block.lines:
        yield block


def _check_order(blocks: Sequence[_Block], name: str) -> None:
    """Refuse a file in whose first sentence every token is a tag and no tag is one."""
    if blocks:
        lines, tokens, tags = blocks[0]
        if all(map(_TAG.fullmatch, tokens)) and not any(map(_TAG.fullmatch, tags)):
            raise InputError(
                f"{name}:{lines[0]}: the first column is a tag, {shortened(tokens[0])}, and the last none: "
                "expected the token first and its tag last"
            )


def _columns(line: str, expected: int) -> list[str]:
    columns = (_TABS if "\t" in line else _SPACES).split(line.strip(" \t"))
    if line[0] in " \t" and len(columns) == (expected - 1 if expected else 1):
        return [" ", *columns]  # the token is white space itself
    return columns


def _are_numbered(blocks: Sequence[_Block]) -> bool:
    matches = [[_NUMBERED.fullmatch(token) for token in block.tokens] for block in blocks]
    return bool(blocks) and all(all(found) and found[0] is not None and found[0][2] == "0" for found in matches)


def conll_lines(tokens: Sequence[str], tags: Sequence[str]) -> list[str]:
    """The lines of a sentence with its tags, and the blank line after it.

    Token and tag are parted by a space, or by a tab where one of them holds a space.

    Raises
    ------
    InputError
        If there are not as many tags as tokens, or one of them could not be read again: a token is white space, or one
        begins or ends with a space, or holds a tab or a line end.

    Examples
    --------
    >>> conll_lines(["中", "国", "好"], ["B-LOC", "I-LOC", "O"])
    ['中 B-LOC', '国 I-LOC', '好 O', '']
    """
    if len(tokens) != len(tags):
        raise InputError(f"{len(tokens)} tokens but {len(tags)} tags")
    lines = []
    for index, (token, tag) in enumerate(zip(tokens, tags, strict=True)):
        if not token.strip() or token == DOCUMENT_START or _UNWRITABLE.search(token) or _UNWRITABLE.search(tag):
            raise InputError(
                f"token {index} with its tag, {shortened(token)} {shortened(tag)}, cannot be a line of a CoNLL file"
            )
        lines.append(f"{token}\t{tag}" if " " in token + tag else f"{token} {tag}")
    return [*lines, ""]
