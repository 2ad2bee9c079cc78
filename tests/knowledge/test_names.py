import re

import numpy as np
import pytest

from latticework.core.errors import InputError
from latticework.knowledge.names import Names, from_lines, to_lines


def test_known_names_keep_their_numbers():
    names = Names(["b", "a"])
    extended = names.extended(["c", "a", "d", "c"])
    assert list(extended) == ["b", "a", "c", "d"]
    assert extended.numbers(["b", "a", "c", "d", "e"]).tolist() == [0, 1, 2, 3, -1]
    assert list(names) == ["b", "a"]
    assert "c" not in names


def test_nothing_new_is_the_same_object():
    names = Names(["b", "a"])
    assert names.extended(["a"]) is names


def test_numbers_of_no_names():
    assert Names().numbers([]).shape == (0,)
    assert Names().numbers([]).dtype == np.int64


def test_digests_are_those_of_the_name_whatever_its_number():
    first, second = Names(["a", "β", "c"]), Names(["c", "a"]).extended(["β"])
    assert first.digests().dtype == np.uint64
    assert dict(zip(first, first.digests(), strict=True)) == dict(zip(second, second.digests(), strict=True))


def test_digests_are_extended_when_they_were_there_before():
    names = Names(["a", "b"])
    before = names.digests()
    after = names.extended(["c"]).digests()
    assert after.tolist() == Names("abc").digests().tolist()
    assert before.tolist() == after[:2].tolist()


def test_digests_never_change_between_versions():
    assert Names(["Rome"]).digests().tolist() == [0xF0FE3AAA6D978D9C]


@pytest.mark.parametrize(
    "names, message",
    [
        (["a", ""], r"names\[1\]: '' cannot be a name"),
        (["a", 3], r"names\[1\]: 3 cannot be a name"),
        (["a", None], r"names\[1\]: None cannot be a name"),
        (["a", "\ud800"], r"names\[1\].*not valid Unicode"),
        (["a", "b", "a"], r"names\[2\]|names\[0\].*twice"),
    ],
)
def test_what_is_no_name_is_refused(names, message):
    with pytest.raises(InputError, match=message):
        Names(names)


def test_extending_by_what_is_no_name_is_refused():
    with pytest.raises(InputError, match="cannot be a name"):
        Names(["a"]).extended([""])


def test_an_unknown_name_is_told_with_those_near_it():
    with pytest.raises(InputError, match="there is no relation 'bornIn'; near it are: 'born_in'"):
        Names(["born_in", "BornAt", "capital"]).number("bornIn", what="relation")


def test_case_alone_is_near():
    with pytest.raises(InputError, match="near it are: 'ROME'"):
        Names(["ROME", "Oslo"]).number("rome")


def test_longer_names_and_such_with_other_blanks_are_near():
    names = Names(["Ann", "Eddie_Lewis_(footballer)", "New_York"])
    with pytest.raises(InputError, match=r"near it are: 'Eddie_Lewis_\(footballer\)'$"):
        names.number("eddie lewis")
    with pytest.raises(InputError, match=r"near it are: 'New_York'$"):
        names.number("new york")


def test_where_nothing_is_near_a_few_names_are_told_all_and_many_not_at_all():
    with pytest.raises(InputError, match=r"there is no name 'xyz'; all there are: 'Rome', 'Oslo'$"):
        Names(["Rome", "Oslo"]).number("xyz")
    with pytest.raises(InputError, match=r"there is no name 'xyz'$"):
        Names([f"other {number}" for number in range(11)]).number("xyz")


def test_long_names_are_told_in_part():
    told = "'" + "a" * 59 + "..."
    for asked, begin in (("a" * 999, "near it are: "), ("xyz", "all there are: 'Rome', ")):
        with pytest.raises(InputError, match=f"{begin}{re.escape(told)}$"):
            Names(["Rome", "a" * 1000]).number(asked)


def test_among_many_names_only_those_that_begin_alike_are_compared():
    names = Names([f"other {number}" for number in range(30_000)] + ["Rome"])
    with pytest.raises(InputError, match="near it are: 'Rome'"):
        names.number("Roma")


def test_names_with_blanks_and_tabs_stay_what_they_are():
    assert list(Names([" a b\t", "a b"])) == [" a b\t", "a b"]


def test_names_compare_by_content():
    assert Names("ab") == Names("a").extended("b")
    assert Names("ab") != Names("ba")
    assert Names("ab") != ["a", "b"]


def test_odd_names_come_back_from_lines():
    odd = ["a\\nb", "a\nb", "\\", "\r", "\u2028", "x\\\\y", "\\\n", "tab\there", "é", "\x85", "\0", "\\0"]
    assert from_lines(to_lines(odd)) == odd
    assert to_lines(odd).count(b"\n") == len(odd)
