"""Numbers in words: against tables built another way, and the promises of how they are drawn."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
import pytest

from latticework.core import InputError
from latticework.translation.numbers import LIMIT, draw_numbers, english, german

TRICKY = {
    0: ("zero", "null"),
    1: ("one", "eins"),
    7: ("seven", "sieben"),
    11: ("eleven", "elf"),
    12: ("twelve", "zwölf"),
    16: ("sixteen", "sechzehn"),
    17: ("seventeen", "siebzehn"),
    20: ("twenty", "zwanzig"),
    21: ("twenty-one", "einundzwanzig"),
    30: ("thirty", "dreißig"),
    66: ("sixty-six", "sechsundsechzig"),
    70: ("seventy", "siebzig"),
    77: ("seventy-seven", "siebenundsiebzig"),
    100: ("one hundred", "einhundert"),
    101: ("one hundred and one", "einhunderteins"),
    111: ("one hundred and eleven", "einhundertelf"),
    201: ("two hundred and one", "zweihunderteins"),
    271: ("two hundred and seventy-one", "zweihunderteinundsiebzig"),
    1000: ("one thousand", "eintausend"),
    1001: ("one thousand and one", "eintausendeins"),
    1016: ("one thousand and sixteen", "eintausendsechzehn"),
    1100: ("one thousand one hundred", "eintausendeinhundert"),
    1101: ("one thousand one hundred and one", "eintausendeinhunderteins"),
    11_011: ("eleven thousand and eleven", "elftausendelf"),
    21_000: ("twenty-one thousand", "einundzwanzigtausend"),
    31_001: ("thirty-one thousand and one", "einunddreißigtausendeins"),
    100_000: ("one hundred thousand", "einhunderttausend"),
    101_000: ("one hundred and one thousand", "einhunderteintausend"),
    101_001: ("one hundred and one thousand and one", "einhunderteintausendeins"),
    201_016: ("two hundred and one thousand and sixteen", "zweihunderteintausendsechzehn"),
    999_999: (
        "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
        "neunhundertneunundneunzigtausendneunhundertneunundneunzig",
    ),
}


@pytest.mark.parametrize("number", TRICKY)
def test_tricky_numbers(number):
    assert (english(number), german(number)) == TRICKY[number]


def words(text):
    return re.findall(r"\w+", text)


def english_below_thousand():
    """Build all names from the teens and tens upwards, with the parts joined instead of divided out."""
    units = words("one two three four five six seven eight nine")
    teens = words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
    tens = words("twenty thirty forty fifty sixty seventy eighty ninety")
    small = ["zero", *units, *teens, *(ten + end for ten in tens for end in ["", *(f"-{unit}" for unit in units)])]
    endings = ["", *(f" and {name}" for name in small[1:])]
    return small + [f"{unit} hundred{ending}" for unit in units for ending in endings]


def german_below_thousand():
    """Build all names as they end a word (eins) and as they go on (ein)."""
    units = words("ein zwei drei vier fünf sechs sieben acht neun")
    teens = words("zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn")
    tens = words("zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
    small = [*units, *teens, *(start + ten for ten in tens for start in ["", *(f"{unit}und" for unit in units)])]
    going_on = ["null", *small, *(f"{unit}hundert{rest}" for unit in units for rest in ["", *small])]
    return [re.sub("(^|hundert)ein$", r"\1eins", name) for name in going_on], going_on


def test_every_number_is_as_the_tables_say():
    low = english_below_thousand()
    ending, going_on = german_below_thousand()
    sample = np.random.default_rng(0).integers(10_000, LIMIT, 4000)
    for number in [*range(10_000), *sample.tolist(), *range(LIMIT - 1200, LIMIT)]:
        digits = f"{number:06}"
        thousands, rest = int(digits[:3]), int(digits[3:])
        link = "" if not (thousands and rest) else " " if digits[3] != "0" else " and "
        head = f"{low[thousands]} thousand" if thousands else ""
        assert english(number) == head + link + (low[rest] if rest or not thousands else "")
        head = f"{going_on[thousands]}tausend" if thousands else ""
        assert german(number) == head + (ending[rest] if rest or not thousands else "")


def test_no_two_numbers_read_the_same():
    numbers = [*range(3000), *range(99_000, 103_000), *range(LIMIT - 1000, LIMIT)]
    for spell in (english, german):
        assert len({spell(number) for number in numbers}) == len(numbers)


def test_draws_have_the_sizes_asked_for_and_the_small_numbers():
    drawn = draw_numbers(3, train=1500, validation=40, test=90)
    assert [len(drawn.train), len(drawn.validation), len(drawn.test)] == [1500, 40, 90]
    assert set(range(100)) <= set(drawn.train)
    default = draw_numbers(0)
    assert [len(default.train), len(default.validation), len(default.test)] == [20_000, 300, 1000]
    assert all(0 <= number < LIMIT for number in default.train + default.validation + default.test)
    assert all(type(number) is int for number in default.train[-3:] + default.validation[:3] + default.test[:3])


@pytest.mark.parametrize(
    "counts",
    [
        {"train": 100},
        {"train": 101, "validation": 0, "test": 1},
        {"train": 500},
        {"train": 100, "test": 0, "validation": 0},
        {"train": 4000, "validation": 3, "test": 30_000},
        {"train": np.int64(200), "validation": 99_000, "test": 900},
    ],
)
def test_draws_have_exactly_the_sizes_asked_for(counts):
    for seed in range(3):
        drawn = vars(draw_numbers(seed, **counts))
        asked = {"train": 20_000, "validation": 300, "test": 1000} | counts
        assert {name: len(numbers) for name, numbers in drawn.items()} == asked
        held_out = drawn["validation"] + drawn["test"]
        assert len(set(held_out)) == len(held_out)
        assert not {number // 100 for number in held_out} & {number // 100 for number in drawn["train"]}


@pytest.mark.parametrize(
    "counts, message",
    [
        ({"train": 99}, "train=99: expected a whole number of at least 100"),
        ({"train": 1e4}, "train=10000.0: expected a whole number of at least 100"),
        ({"validation": -1}, "validation=-1: expected a whole number of at least 0"),
        ({"test": True}, "test=True: expected a whole number of at least 0"),
        ({"test": None}, "test=None: expected a whole number of at least 0"),
        ({"validation": 50_000, "test": 50_000}, "validation=50000 and test=50000: expected at most 99,900 together"),
    ],
)
def test_sizes_that_cannot_be_are_named(counts, message):
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        draw_numbers(0, **counts)
    with pytest.raises(InputError, match="random_state must be at least 0"):
        draw_numbers(-1)


def test_the_draw_of_the_tour_is_what_it_was():
    digest = hashlib.sha256(json.dumps(vars(draw_numbers(0))).encode()).hexdigest()
    assert digest.startswith("7b5d2c8f2432"), "results on the tour's page are no longer comparable"


@pytest.mark.parametrize("spell", [english, german])
@pytest.mark.parametrize("number", [-1, LIMIT, 3.5, "7", None, True])
def test_what_is_no_number_of_up_to_six_digits_is_refused(spell, number):
    with pytest.raises(InputError, match=f"^number={number!r}: expected "):
        spell(number)


def test_a_number_of_more_digits_than_python_writes_is_refused():
    with pytest.raises(InputError, match=r"^number=<int that cannot be written>: expected at most 999,999$"):
        english(10**5000)


@pytest.mark.parametrize("seed", range(4))
def test_held_out_numbers_have_no_neighbours_in_training_and_no_duplicates(seed):
    drawn = draw_numbers(seed, train=3000)
    trained = {number // 100 for number in drawn.train}
    held_out = drawn.validation + drawn.test
    assert not trained & {number // 100 for number in held_out}
    assert len(set(held_out)) == len(held_out)


def test_a_fifth_of_the_numbers_is_small_and_a_tenth_of_the_blocks_is_held_out():
    drawn = draw_numbers(1)
    for numbers in (drawn.train[100:], drawn.test):
        assert 0.15 < np.mean(np.array(numbers) < 10_000) < 0.25
    held_out = {number // 100 for number in draw_numbers(1, validation=20_000, test=10_000).test}
    assert len(held_out) < 1000
    assert 0.15 < np.mean(np.array(draw_numbers(1, train=100, test=2000).test) < 10_000) < 0.25


def test_a_seed_repeats_its_draw_and_another_seed_does_not():
    assert draw_numbers(7, train=500) == draw_numbers(7, train=500)
    assert draw_numbers(7, train=500).test != draw_numbers(8, train=500).test
    assert draw_numbers(7, train=500).train != draw_numbers(8, train=500).train
