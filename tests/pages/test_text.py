from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latticework.core.terminal import columns
from latticework.pages.text import is_number, label, printable, show

any_text = st.text(st.characters(categories=None), max_size=40)  # control characters and lone surrogates included


@given(any_text)
def test_printable_text_survives_utf8_and_xml(text):
    shown = printable(text)
    element = ElementTree.Element("text")
    element.text = shown
    assert ElementTree.fromstring(ElementTree.tostring(element, encoding="utf-8")).text in (shown, None)


@given(any_text, st.integers(1, 30))
def test_a_label_fits_its_width_on_one_line(text, width):
    shown = label(text, width=width)
    assert columns(shown) <= width
    assert not {"\n", "\r", "\t", "\u2028", "\u2029"} & set(shown)


@pytest.mark.parametrize(
    "text, shown",
    [
        ("dog", "dog"),
        ("a\nb", "a↵b"),
        ("\t", "⇥"),
        (" ", "␣"),
        ("重庆市长江大桥", "重庆市长…"),
        ("abcdefghijk", "abcdefghi…"),
        ("", ""),
    ],
)
def test_labels_show_what_is_there(text, shown):
    assert label(text, width=10) == shown


@pytest.mark.parametrize(
    "value, shown",
    [
        (0.98765, "0.9877"),
        (-0.5, "−0.5"),
        (12345.6, "12,346"),
        (1e20, "1e+20"),
        (np.int64(-60_522_496), "−60,522,496"),
        (np.float32(0.25), "0.25"),
        (float("nan"), "nan"),
        (True, "True"),
        ("-x", "-x"),
        (None, "–"),
    ],
)
def test_values_are_formatted_for_readers(value, shown):
    assert show(value) == shown


def test_a_bool_is_no_number():
    assert not is_number(True)
    assert is_number(np.float32(1))
