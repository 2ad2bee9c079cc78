"""Numbers from 0 to 999,999 in English and German words: parallel text with real grammar, made by rule.

German puts units before tens and writes everything in one word: 21,047 is "einundzwanzigtausendsiebenundvierzig".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from latticework.core.checks import whole_number
from latticework.core.errors import InputError
from latticework.core.seeds import seed_from

LIMIT: Final = 1_000_000
BLOCK: Final = 100  # numbers that share everything but their last two digits

_BELOW_TWENTY: Final = (
    ("zero", "null"),
    ("one", "eins"),
    ("two", "zwei"),
    ("three", "drei"),
    ("four", "vier"),
    ("five", "fünf"),
    ("six", "sechs"),
    ("seven", "sieben"),
    ("eight", "acht"),
    ("nine", "neun"),
    ("ten", "zehn"),
    ("eleven", "elf"),
    ("twelve", "zwölf"),
    ("thirteen", "dreizehn"),
    ("fourteen", "vierzehn"),
    ("fifteen", "fünfzehn"),
    ("sixteen", "sechzehn"),
    ("seventeen", "siebzehn"),
    ("eighteen", "achtzehn"),
    ("nineteen", "neunzehn"),
)
_TENS: Final = (  # from 20 on
    ("twenty", "zwanzig"),
    ("thirty", "dreißig"),
    ("forty", "vierzig"),
    ("fifty", "fünfzig"),
    ("sixty", "sechzig"),
    ("seventy", "siebzig"),
    ("eighty", "achtzig"),
    ("ninety", "neunzig"),
)
_ENGLISH, _GERMAN = ([words[side] for words in _BELOW_TWENTY] for side in (0, 1))
_ENGLISH_TENS, _GERMAN_TENS = ([words[side] for words in _TENS] for side in (0, 1))


def english(number: int) -> str:
    """A number in British English words.

    Raises
    ------
    InputError
        If it is not a whole number from 0 to 999,999.

    Examples
    --------
    >>> english(921_047)
    'nine hundred and twenty-one thousand and forty-seven'
    """
    number = _checked(number)
    if number >= 1000:
        thousands, rest = divmod(number, 1000)
        words = f"{english(thousands)} thousand"
        joint = " and " if rest < 100 else " "
        return words + (joint + english(rest) if rest else "")
    if number >= 100:
        hundreds, rest = divmod(number, 100)
        return f"{_ENGLISH[hundreds]} hundred" + (f" and {english(rest)}" if rest else "")
    if number < 20:
        return _ENGLISH[number]
    tens, unit = divmod(number, 10)
    return _ENGLISH_TENS[tens - 2] + (f"-{_ENGLISH[unit]}" if unit else "")


def german(number: int) -> str:
    """A number in German words.

    Raises
    ------
    InputError
        If it is not a whole number from 0 to 999,999.

    Examples
    --------
    >>> german(921_047)
    'neunhunderteinundzwanzigtausendsiebenundvierzig'
    >>> german(101_001)
    'einhunderteintausendeins'
    """
    number = _checked(number)
    if number == 0:
        return _GERMAN[0]
    thousands, rest = divmod(number, 1000)
    words = f"{_below_thousand(thousands)}tausend" if thousands else ""
    return words + _below_thousand(rest) + ("s" if rest % 100 == 1 else "")


def _checked(number: int) -> int:
    return whole_number("number", number, least=0, most=LIMIT - 1)


def _below_thousand(number: int) -> str:
    """A number as a part of a word: "ein", not "eins"."""
    hundreds, rest = divmod(number, 100)
    words = f"{_part(hundreds)}hundert" if hundreds else ""
    if rest < 20:
        return words + (_part(rest) if rest else "")
    tens, unit = divmod(rest, 10)
    return words + (f"{_part(unit)}und" if unit else "") + _GERMAN_TENS[tens - 2]


def _part(digit: int) -> str:
    return "ein" if digit == 1 else _GERMAN[digit]


@dataclass(frozen=True)
class Numbers:
    """Numbers to train on, to validate on and to test on."""

    train: list[int]
    validation: list[int]
    test: list[int]


def draw_numbers(seed: int, *, train: int = 20_000, validation: int = 300, test: int = 1_000) -> Numbers:
    """Draw numbers so that none of the held-out ones has a neighbour in training.

    A tenth of the blocks of a hundred are held out whole: what is tested was never seen with other last digits. A fifth
    of the numbers are below 10,000, which would otherwise be one in a hundred (among very many held-out ones, as many
    as there are). Numbers below 100 are always trained on, and `train` may hold a number twice.

    Parameters
    ----------
    seed
        The same seed gives the same numbers.
    train, validation, test
        How many of each: at least 100 to train on, at most 99,900 held out.

    Raises
    ------
    InputError
        If there are not that many.

    Examples
    --------
    >>> drawn = draw_numbers(0)
    >>> blocks = {number // 100 for number in drawn.train}
    >>> any(number // 100 in blocks for number in drawn.test + drawn.validation)
    False
    """
    train = whole_number("train", train, least=BLOCK)
    validation, test = whole_number("validation", validation, least=0), whole_number("test", test, least=0)
    generator = np.random.default_rng(seed_from(seed))
    blocks = generator.permutation(np.arange(1, LIMIT // BLOCK))
    held_out = np.zeros(LIMIT // BLOCK, dtype=bool)
    held_out[blocks[: len(blocks) // 10]] = True
    most = int(held_out.sum()) * BLOCK
    if validation + test > most:
        raise InputError(f"validation={validation} and test={test}: expected at most {most:,} together")
    pool = max(train, 2 * (validation + test))
    small = generator.integers(0, 10_000, 4 * pool)
    large = generator.integers(0, LIMIT, 16 * pool)
    candidates = generator.permutation(np.concatenate([small, large]))
    seen = candidates[~held_out[candidates // BLOCK]]
    unseen = np.array(list(dict.fromkeys(candidates[held_out[candidates // BLOCK]].tolist())))
    others = np.setdiff1d(np.flatnonzero(held_out.repeat(BLOCK)), unseen)
    unseen = np.concatenate([unseen, generator.permutation(others)])
    return Numbers(
        train=[*range(BLOCK), *seen[: train - BLOCK].tolist()],
        validation=unseen[:validation].tolist(),
        test=unseen[validation : validation + test].tolist(),
    )
