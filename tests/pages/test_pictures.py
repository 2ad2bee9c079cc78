"""Both kinds of pictures: hostile labels, the same bytes every time, gaps, bad input."""

import itertools
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from latticework import InputError
from latticework.pages import heat_map, line_plot, svg
from latticework.pages.lines import _ticks
from latticework.pages.plotting import default_parameters

HOSTILE = [
    "<script>alert(1)</script>",
    "a & b",
    '"quotes"',
    "$x^2$",
    r"$\frac{",
    "line\nbreak",
    "重庆市",
    "a\x00b",
    "</svg>",
    "]]>",
]


def lines(names=("training",), **options):
    chosen = {"x_label": "step", "y_label": "loss", "caption": "It learns.", **options}
    return line_plot({name: ([1, 2, 3], [3.0, 2.0, 1.5]) for name in names}, **chosen)


def cells(rows=("der", "Hund"), columns=("the", "dog"), values=None, **options):
    values = np.arange(len(rows) * len(columns)).reshape(len(rows), len(columns)) if values is None else values
    chosen = {"x_label": "read", "y_label": "written", "value_label": "attention", "caption": "It looks.", **options}
    return heat_map(values, rows, columns, **chosen)


def texts(picture):
    return [element.text for element in ElementTree.fromstring(picture.svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("picture", [lines(HOSTILE), cells(HOSTILE, HOSTILE)])
def test_hostile_labels_are_well_formed_and_literal(picture):
    shown = texts(picture)
    for literal in ["a & b", '"quotes"', "$x^2$", r"$\frac{", "line↵break", "重庆市", "a\ufffdb", "</svg>", "]]>"]:
        assert literal in shown
    assert not list(ElementTree.fromstring(picture.svg).iter("{http://www.w3.org/2000/svg}script"))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_axis_names_are_well_formed(hostile):
    for picture in (
        lines(x_label=hostile, y_label=hostile),
        cells(x_label=hostile, y_label=hostile, value_label=hostile),
    ):
        ElementTree.fromstring(picture.svg)


def test_long_labels_are_cut_and_the_picture_stays_narrow():
    picture = cells(["Donaudampfschifffahrtsgesellschaft" * 10], ["x" * 1000])
    assert "Donaudampfschifffah…" in texts(picture)
    assert svg.width_of(picture.svg) < 500


@pytest.mark.parametrize("make", [lines, cells])
def test_the_same_picture_has_the_same_bytes(make):
    assert make() == make()


def test_another_process_with_another_style_draws_the_same_bytes(tmp_path):
    (tmp_path / "matplotlibrc").write_text(
        "font.size: 30\nlines.linewidth: 9\nsvg.fonttype: path\naxes.facecolor: red\n"
    )
    code = (
        "import sys\n"
        "from latticework.pages import line_plot\n"
        "labels = {'x_label': 'step', 'y_label': 'loss', 'caption': 'It learns.'}\n"
        "picture = line_plot({'training': ([1, 2, 3], [3.0, 2.0, 1.5])}, **labels)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "sys.stdout.buffer.write(picture.svg.encode())\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode() == lines().svg


def test_matplotlib_is_left_as_it_was():
    before = dict(matplotlib.rcParams)
    lines()
    assert dict(matplotlib.rcParams) == before


def test_a_drawing_waits_while_another_has_the_parameters_of_the_process():
    before = dict(matplotlib.rcParams)
    with ThreadPoolExecutor(1) as pool:
        with default_parameters({"svg.fonttype": "path"}):
            other = pool.submit(lines)
            assert not wait([other], timeout=0.3).done
        assert other.result() == lines()
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("make", [lines, cells])
def test_a_picture_refers_to_nothing_outside(make):
    found = re.findall(r'(?:href="|url\()([^")]*)', make().svg)
    assert found
    assert all(reference.startswith(("#", "data:image/png;base64,")) for reference in found)


@pytest.mark.parametrize("make", [lines, cells])
def test_every_colour_follows_the_theme(make):
    styles = " ".join(element.get("style", "") for element in ElementTree.fromstring(make().svg).iter())
    assert not re.findall(r"(?<!, )#[0-9a-f]{6}", styles)


def test_a_line_with_gaps_says_so_and_skips_them():
    y = [1.0, np.nan, 2.0, np.inf, 3.0]
    picture = line_plot({"loss": (range(5), y)}, x_label="step", y_label="loss", caption="A run.")
    assert picture.caption == "A run. A gap marks each value that is not finite (2 here)."
    assert picture.svg.count("<use ") == 3  # no neighbours, so each of the three is a dot
    assert "nan" not in picture.svg


def test_many_points_have_dots_only_where_no_line_reaches():
    y = np.ones(100)
    y[[4, 6]] = np.nan
    picture = line_plot({"loss": (range(100), y)}, x_label="step", y_label="loss", caption="A run.")
    assert picture.svg.count("<use ") == 1


def test_a_line_without_any_finite_value_is_told():
    picture = line_plot({"loss": ([1, 2], [np.nan, np.inf])}, x_label="step", y_label="loss", caption="Diverged.")
    assert picture.alt == "Lines of loss against step. loss: no finite value."


def test_a_matrix_with_gaps_has_crosses_and_says_so():
    picture = cells(values=[[np.nan, 1.0], [0.5, -np.inf]])
    assert picture.caption == "It looks. A cross marks each value that is not finite (2 here)."
    assert picture.svg.count("<use ") == 2
    assert "from 0.5 to 1, the largest at der, dog" in picture.alt


@pytest.mark.parametrize(
    "values", [[[0, 0], [0, 0]], [[-3, -1], [-2, -5]], [[1e308, -1e308], [0, 0]], [[5e-324, 0], [0, 0]]]
)
def test_extreme_matrices_are_drawn(values):
    ElementTree.fromstring(cells(values=values).svg)


@pytest.mark.parametrize(
    "x, y", [([5], [5]), ([1, 1], [2, 2]), ([1e15, 2e15], [1e-300, 2e-300]), ([0, 1], [-1e150, 1e150])]
)
def test_extreme_lines_are_drawn(x, y):
    ElementTree.fromstring(line_plot({"a": (x, y)}, x_label="x", y_label="y", caption="c").svg)


def test_a_long_line_makes_a_small_picture():
    y = np.sin(np.arange(200_000) / 10_000)
    picture = line_plot({"a": (np.arange(200_000), y)}, x_label="x", y_label="y", caption="c")
    assert len(picture.svg) < 100_000


@pytest.mark.parametrize(
    "series, message",
    [
        ({}, "1 to 12 series, got 0"),
        ({str(number): ([1], [1]) for number in range(13)}, "got 13"),
        ({"a": ([], [])}, "at least 1; got (0,)"),
        ({"a": ([1, 2], [1])}, "got (2,), (1,)"),
        ({"a": ([[1]], [[1]])}, "one dimension"),
        ({"a": ([np.nan], [1])}, "x = nan"),
        ({"a": ([1], [1e300])}, "reaches 1e+300"),
        ({"a": (["one"], [1])}, "'a' must be a pair (x, y) of numbers"),
        ({"a": ([1], [1], [1])}, "'a' must be a pair"),
        ({"a": None}, "'a' must be a pair"),
    ],
)
def test_bad_series_are_refused(series, message):
    with pytest.raises(InputError, match=re.escape(message)):
        line_plot(series, x_label="x", y_label="y", caption="c")


@pytest.mark.parametrize(
    "values, rows, columns, message",
    [
        ([[1, 2]], ["a"], ["b"], "1 rows and 1 columns needs that shape, got (1, 2)"),
        ([1, 2], ["a"], ["b", "c"], "got (2,)"),
        (np.zeros((0, 0)), [], [], "got 0 and 0"),
        (np.zeros((257, 1)), ["a"] * 257, ["b"], "1 to 256 rows and columns, got 257 and 1"),
        ([[np.nan]], ["a"], ["b"], "at least one finite value"),
        ([["x"]], ["a"], ["b"], "matrix of numbers"),
        ([[1, 2], [3]], ["a", "b"], ["c", "d"], "matrix of numbers"),
    ],
)
def test_bad_matrices_are_refused(values, rows, columns, message):
    with pytest.raises(InputError, match=re.escape(message)):
        cells(rows, columns, values)


@pytest.mark.parametrize(
    "values, told",
    [
        ([1_450_000.0, 1_450_000.9], ["1,450,000.00", "1,450,000.25", "1,450,000.50", "1,450,000.75"]),
        ([0.0, 1.0], ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ([-3e6, 3e6], ["−3,000,000", "−1,500,000", "0", "1,500,000"]),
        ([0.0, 4e20], ["0", "1e+20", "2e+20", "3e+20", "4e+20"]),
        ([1 - 2e-9, 1 + 2e-9], ["0.999999998", "0.999999999", "1.000000000", "1.000000001", "1.000000002"]),
    ],
)
def test_numbers_beside_an_axis_differ(values, told):
    drawn = line_plot({"a": ([0, 1], values)}, x_label="x", y_label="y", caption="c").svg
    assert all(text in drawn for text in told)
    places = np.linspace(*values, 5).tolist()
    assert len(set(_ticks(places))) == 5


def test_what_is_told_of_a_line_that_hardly_moves_differs():
    picture = line_plot({"a": ([0, 1], [-523411.25, -523411.0])}, x_label="x", y_label="y", caption="c")
    assert "lowest −523,411.2, highest −523,411." in picture.alt


@pytest.mark.parametrize(
    "low, high, least",
    [
        (1_700_000_000, 1_700_000_050, 2),
        (1_700_000_000_000, 1_700_000_050_000, 2),
        (1e14, 1e14 + 1, 1),
        (-1e-9, 1e-9, 2),
        (0, 7, 4),
        (-123_456, 123_456, 3),
    ],
)
@pytest.mark.parametrize("heights", [(0, 1), (1e14, 1e14 + 1)])
def test_long_numbers_below_an_axis_neither_meet_nor_are_cut_off(low, high, least, heights):
    picture = line_plot({"a": ([low, high], heights)}, x_label="x", y_label="y", caption="c")
    root = ElementTree.fromstring(picture.svg)
    numbers = [text for text in root.iter("{http://www.w3.org/2000/svg}text") if 195 < float(text.get("y")) < 205]
    ends = []
    for number in numbers:
        width, x = 7.2 * len(number.text), float(number.get("x"))
        anchor = re.search("text-anchor: (start|middle|end)", number.get("style"))[1]
        begin = x - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        ends.append((begin, begin + width))
    assert (least if heights == (0, 1) else 1) <= len(numbers) == len({number.text for number in numbers})
    assert ends[0][0] >= 0
    assert ends[-1][1] <= 380
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))
