"""Sentences that look Chinese, in which the word list decides where an entity is: for the tour, and to try things out.

Each has three characters ABC of which either AB or BC is a word of the list, never both. After "住在" and its like that
word is a place, after "见到" and its like a person, after others nothing. No two sentences share such a word, and which
of the two it is was drawn with a coin: the characters say nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from latticework.core.checks import whole_number
from latticework.core.errors import InputError
from latticework.core.seeds import seed_from
from latticework.ner.tags import Span, tags_of

TIMES: Final = ("昨天", "今天", "上午", "下午", "去年", "周末", "刚才")
SUBJECTS: Final = ("我们", "他们", "同学", "记者", "邻居", "朋友")
CUES: Final = {
    "LOC": ("住在", "来到", "离开", "参观"),
    "PER": ("见到", "采访", "认识", "感谢"),
    "": ("购买", "修理", "画了", "忘记"),  # what follows is no entity, though the list has its word
}
ENDS: Final = ("以后回家", "非常高兴", "没有说话", "又吃早饭", "大家都知道")
NAMES: Final = (
    "江河湖海山岭峰林石泉云雪松柏竹梅兰菊春秋金银玉珠龙凤虎鹤鹿马红蓝青白黑紫东西南北"
    "京津川陕鲁晋宁甘新华国建军志明文武德福寿康安平永长清正光辉宏伟杰英秀丽芳娟静"
)
CONTEXT: Final = (*TIMES, *SUBJECTS, *(cue for cues in CUES.values() for cue in cues))
MOST: Final = 2000  # sentences: beyond, pairs of these characters become rare


@dataclass(frozen=True)
class Sentences:
    """Sentences with their entities.

    Attributes
    ----------
    texts : list of str
        Without white space.
    spans : list of list of Span
        At most one entity a sentence.
    """

    texts: list[str]
    spans: list[list[Span]]

    @property
    def tags(self) -> list[list[str]]:
        """BMES tags."""
        return [tags_of(spans, len(text)) for text, spans in zip(self.texts, self.spans, strict=True)]

    def share_right(self, found: Sequence[Sequence[Span]]) -> float:
        """The share of the entities that are among those found; 0 where there are none."""
        right = [span in said for spans, said in zip(self.spans, found, strict=True) for span in spans]
        return sum(right) / len(right) if right else 0.0


@dataclass(frozen=True)
class Planted:
    """What to train on and what to test with.

    Attributes
    ----------
    train, validation, test : Sentences
        No word that decides is in two of them.
    words : list of str
        The word list: of each sentence AB or BC, and the words of the context.
    swapped : list of str
        The same, with the other of the two.
    swapped_test : Sentences
        The texts of `test` with the entities that `swapped` makes.
    """

    train: Sentences
    validation: Sentences
    test: Sentences
    words: list[str]
    swapped: list[str]
    swapped_test: Sentences


def plant(seed: int, *, train: int = 600, validation: int = 60, test: int = 200) -> Planted:
    """Draw sentences and their word list.

    Parameters
    ----------
    seed
        The same seed gives the same sentences.
    train, validation, test
        How many of each; a third of them has no entity.

    Raises
    ------
    InputError
        If they are more than 2,000 together.

    Examples
    --------
    >>> planted = plant(0)
    >>> print(planted.test.texts[1], *planted.test.spans[1])
    周末同学见到静伟红大家都知道。 Span(start=6, end=8, label='PER')
    >>> print(*planted.swapped_test.spans[1])
    Span(start=7, end=9, label='PER')
    """
    sizes = [
        whole_number(name, size, least=1)
        for name, size in (("train", train), ("validation", validation), ("test", test))
    ]
    if sum(sizes) > MOST:
        raise InputError(f"{sum(sizes):,} sentences: expected at most {MOST:,} together")
    generator = np.random.default_rng(seed_from(seed))
    used: set[str] = set()
    drawn = [_sentence(generator, used, number) for number in range(sum(sizes))]
    parts = np.split(np.arange(len(drawn)), np.cumsum(sizes)[:-1])
    sides = [
        [Sentences([drawn[i].text for i in part], [drawn[i].spans(side) for i in part]) for part in parts]
        for side in (0, 1)
    ]
    words = [[*CONTEXT, *(each.words[side] for each in drawn)] for side in (0, 1)]
    training, held_out, tested = sides[0]
    return Planted(training, held_out, tested, words[0], words[1], sides[1][2])


@dataclass(frozen=True)
class _Drawn:
    text: str
    start: int  # of A
    right: bool  # whether BC is the word
    label: str

    @property
    def words(self) -> tuple[str, str]:
        """The word, and the one that is none."""
        first, second = (self.text[self.start + shift : self.start + shift + 2] for shift in (0, 1))
        return (second, first) if self.right else (first, second)

    def spans(self, side: int) -> list[Span]:
        start = self.start + (self.right != bool(side))
        return [Span(start, start + 2, self.label)] if self.label else []


def _sentence(generator: np.random.Generator, used: set[str], number: int) -> _Drawn:
    def pick(choices: Sequence[str]) -> str:
        return choices[int(generator.integers(len(choices)))]

    label = list(CUES)[number % len(CUES)]
    while True:
        name = "".join(pick(NAMES) for _ in range(3))
        pairs = {name[:2], name[1:]}
        if len(pairs) == 2 and not pairs & used:
            break
    used |= pairs
    start = pick(TIMES) + pick(SUBJECTS) + pick(CUES[label])
    return _Drawn(f"{start}{name}{pick(ENDS)}。", len(start), bool(generator.integers(2)), label)
