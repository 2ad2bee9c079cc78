"""What a page shows of a translator: its curves, its examples and its looks, with whatever text users have."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

import latticework as lw
from latticework.pages import Page, Section
from latticework.seq2seq import TransformerConfig
from latticework.translation import AttentionMaps, report

HOSTILE = "</svg><script>alert(1)</script> & \u2028"


def maps(target=("▁ein", "▁Haus", "</s>"), source=("▁a", "</s>")):
    """Return maps of two layers with two heads; in the last layer the mean of the heads is 0.1 .. 0.6."""
    cross = np.zeros((2, 2, len(target), len(source)), dtype=np.float32)
    values = np.arange(1, 1 + len(target) * len(source)).reshape(len(target), len(source)) / 10
    cross[0] = 1
    cross[1] = values - 0.05, values + 0.05
    return AttentionMaps(list(source), list(target), cross, cross, cross)


def translator(*rows, smoothing=0.1):
    return SimpleNamespace(history_=list(rows), config_=TransformerConfig(label_smoothing=smoothing))


def test_the_loss_is_drawn_against_steps():
    picture = report.loss_curve(
        translator(
            {"step": 20, "loss": 4.0},
            {"step": 40, "loss": 3.0},
            {"step": 50, "valid_loss": 2.5},
            {"step": 60, "loss": 1.5, "valid_loss": 2.25},
        )
    )
    assert picture.alt.startswith("Lines of loss, nats per piece against step of training.")
    assert "training (smoothed targets): from 4 to 1.5, lowest 1.5, highest 4." in picture.alt
    assert "validation: from 2.5 to 2.25, lowest 2.25, highest 2.5." in picture.alt


def test_without_validation_there_is_one_curve():
    picture = report.loss_curve(translator({"step": 20, "loss": 4.0}, {"step": 40, "loss": 3.0}, smoothing=0.0))
    assert "smoothed" not in picture.alt
    assert "validation" not in picture.alt + picture.svg
    assert "from 4 to 3" in picture.alt


def test_a_trained_and_a_loaded_translator_have_the_same_curve(translator_with_rows, tmp_path):
    picture = report.loss_curve(translator_with_rows)
    assert "from " in picture.alt
    assert report.loss_curve(lw.load(tmp_path / "model")) == picture


@pytest.fixture
def translator_with_rows(settings, corpus, tmp_path):
    from latticework.translation import TransformerTranslator

    held_out = (corpus.source[:4], corpus.target[:4])
    short = TransformerTranslator(**settings | {"max_epochs": 5})
    return short.fit(corpus.source, corpus.target, held_out, folder=tmp_path / "model")


def test_the_heat_map_is_the_mean_of_the_heads_of_the_last_layer():
    picture = report.cross_attention(maps())
    assert picture.alt == (
        "Heat map of share of attention: 3 rows (written) by 2 columns (read), "
        "from 0.1 to 0.6, the largest at </s>, </s>."
    )
    assert all(f">{piece}<" in picture.svg for piece in ("▁ein", "▁Haus", "▁a"))


def test_the_heat_map_of_a_translator_can_be_drawn(request, corpus):
    (looked,) = request.getfixturevalue("translator").attention(corpus.source[:1])
    picture = report.cross_attention(looked)
    assert f"{len(looked.target)} rows (written) by {len(looked.source)} columns (read)" in picture.alt
    weights = looked.cross[-1].mean(0)
    row, column = np.unravel_index(weights.argmax(), weights.shape)
    assert picture.alt.endswith(f"the largest at {looked.target[row]}, {looked.source[column]}.")


def test_examples_say_which_are_right_and_what_the_others_should_be():
    table = report.examples(["one", "two"], ["eins", "zwei"], ["eins", "zwo"])
    assert list(table.header) == ["source", "translation", "as in the reference"]
    assert [tuple(row) for row in table.rows] == [("one", "eins", "yes"), ("two", "zwo", "no: zwei")]
    with pytest.raises(ValueError, match="zip"):
        report.examples(["one"], ["eins", "zwei"], ["eins"])


def test_text_of_users_is_escaped():
    pictures = [report.cross_attention(maps((HOSTILE, "b"), ("<b>", "&amp;")))]
    section = Section("t", "s", pictures=pictures, tables=[report.examples([HOSTILE], [HOSTILE], ["<i>"])])
    html = Page("p", "i", [section]).html()
    assert "<script" not in html
    assert "<i>" not in html
    assert "&lt;i&gt;" in html
    assert re.search(r"no: &lt;/svg&gt;&lt;script&gt;alert\(1\)&lt;/script&gt; &amp; ", html)


def test_a_translator_that_logged_nothing_has_no_curve():
    assert report.loss_curve(translator()) is None
