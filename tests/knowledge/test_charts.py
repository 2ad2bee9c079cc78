"""Charts: figures stand where their value is, and names are never markup."""

import numpy as np
import pytest
from knowledge.pictures import SVG, circles, parsed, texts

from latticework.core import InputError
from latticework.knowledge.charts import MOST_SHARES, bar_picture, change_picture, explanation_picture
from latticework.knowledge.drawing import map_picture, plane
from latticework.knowledge.results import Explanation, Heeded, Share

HOSTILE = "</text><script>alert(1)</script>&\x00"


def heeded(name, shares, gate=0.6):
    return Heeded(name, gate, tuple(Share(context, attention) for context, attention in shares))


def test_bars_of_an_explanation_are_as_long_as_the_attention():
    head = heeded("Ada", [(("Rome",), 0.5), ((), 0.25), (("Max",), 0.25)])
    relation = heeded("in", [((), 0.6), (("born in", "part of"), 0.4)], gate=0.25)
    picture = explanation_picture(Explanation(head, relation, heeded("Italy", [((), 1.0)]), -1.5, known=False))
    bars = [
        float(bar.get("width"))
        for bar in parsed(picture).iter(f"{SVG}rect")
        if "fill-opacity: 0.65" in bar.get("style")
    ]
    np.testing.assert_allclose(np.array(bars) / bars[-1], [0.5, 0.25, 0.25, 0.6, 0.4, 1.0], atol=0.01)
    assert {"head: Ada", "Rome", "Ada itself", "born in → part of", "60% itself", "25% itself"} <= set(texts(picture))
    assert "score −1.5, not in the graph" in picture.caption
    assert "Ada keeps 60% of itself and heeds Rome 0.50" in picture.alt


def test_of_many_neighbours_the_rest_is_counted():
    shares = [((f"n{number}",), 0.05) for number in range(20)]
    picture = explanation_picture(Explanation(*[heeded(name, shares) for name in "hrt"], 0.0, known=True))
    assert texts(picture).count(f"and {20 - MOST_SHARES} more, together 0.60") == 3


def test_changes_stand_where_their_figure_is():
    rows = [("in", {"before": 0.0, "after": 1.0}), ("near", {"before": 0.5, "after": 0.5})]
    picture = change_picture(rows, measure="MRR", caption="Some.")
    before, after = circles(picture, "muted")[1:], circles(picture, "series-2")[1:]
    left, right = before[0][0], after[0][0]
    assert before[1][0] == after[1][0] == pytest.approx((left + right) / 2, abs=0.2)
    assert "in before 0.00, after 1.00" in picture.alt


@pytest.mark.parametrize("rows", [[], [("a", {})], [("a", dict.fromkeys("abcde", 0.5))]])
def test_changes_of_no_model_or_of_too_many_are_refused(rows):
    with pytest.raises(InputError, match="1 to 4 models"):
        change_picture(rows, measure="MRR", caption="Some.")


def test_bars_compare_figures():
    picture = bar_picture({"update": 1.0, "refit": 4.0}, measure="seconds", caption="Some.")
    first, second = (float(bar.get("width")) for bar in parsed(picture).iter(f"{SVG}rect"))
    assert second == pytest.approx(4 * first, abs=0.2)
    assert picture.alt == "Bars of seconds: update 1, refit 4."
    assert parsed(bar_picture({"nothing": 0.0}, measure="seconds", caption="Some.")) is not None


def test_names_are_text_in_every_picture():
    part = heeded(HOSTILE, [((HOSTILE,), 0.5), ((), 0.5)])
    points = np.eye(3)
    for picture in (
        explanation_picture(Explanation(part, part, part, 0.0, known=True)),
        change_picture([(HOSTILE, {HOSTILE: 0.5})], measure=HOSTILE, caption=""),
        bar_picture({HOSTILE: 1.0}, measure=HOSTILE, caption=""),
        map_picture(plane(points + 1, points), [HOSTILE] * 3, np.ones(3, bool)),
    ):
        assert "<script" not in picture.svg
        assert "\x00" not in picture.svg
        assert parsed(picture).tag == f"{SVG}svg"
