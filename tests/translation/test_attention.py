"""Attention maps: a distribution for every piece, over what it may see."""

from __future__ import annotations

import re
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from cases import assert_same

from latticework.core import InputError


def test_attention_has_a_map_for_every_layer_and_head(translator, corpus):
    (maps,) = translator.attention(corpus.source[:1], corpus.target[:1])
    source, target = len(maps.source), len(maps.target)
    assert "".join(maps.source).replace("▁", " ").strip() == corpus.source[0] + "</s>"
    assert "".join(maps.target).replace("▁", " ").strip() == corpus.target[0] + "</s>"
    assert source != target
    assert maps.encoder.shape == (2, 2, source, source)
    assert maps.decoder.shape == (2, 2, target, target)
    assert maps.cross.shape == (2, 2, target, source)
    for weights in (maps.encoder, maps.decoder, maps.cross):
        assert weights.dtype == np.float32
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


def test_maps_can_be_found_in_a_list(translator, corpus):
    looked = translator.attention(corpus.source[:1] * 2, corpus.target[:1] * 2)
    assert looked.index(looked[1]) == 1


def test_the_decoder_attends_to_its_past_only(translator, corpus):
    for maps in translator.attention(corpus.source[:5], corpus.target[:5]):
        assert (np.triu(maps.decoder, k=1) == 0).all()
        assert (np.tril(maps.decoder) > 0).sum() == maps.decoder.shape[0] * 2 * len(maps.target) * (
            len(maps.target) + 1
        ) // 2


def test_without_targets_attention_is_that_of_the_models_own(translator, corpus):
    source = list(corpus.source[:4])
    own = translator.attention(source)
    assert_same(own, translator.attention(source, translator.predict(source)))
    other = translator.attention(source, corpus.target[10:14])
    assert [maps.target for maps in other] != [maps.target for maps in own]
    assert_same([maps.encoder for maps in other], [maps.encoder for maps in own])


def test_attention_to_a_token_changes_with_the_source_alone_where_it_should(translator, corpus):
    first, second = translator.attention([corpus.source[0], corpus.source[1]], [corpus.target[0]] * 2)
    np.testing.assert_array_equal(first.decoder[0], second.decoder[0])  # the first layer has seen no source yet
    assert not np.allclose(first.decoder[1], second.decoder[1])


def test_attention_of_a_long_pair_is_that_of_the_whole_pair_with_a_warning(translator, corpus):
    source, target = ["the", " ".join(corpus.source[:2])], ["Der", corpus.target[0]]
    with pytest.warns(UserWarning, match=r"^1 of 2 pairs \(the first at index 1\) .* are taken whole"):
        _, maps = translator.attention(source, target)
    assert maps.cross.shape[-1] == len(maps.source) > 12
    np.testing.assert_allclose(maps.cross.sum(-1), 1, atol=1e-5)


def test_an_empty_sentence_is_its_end_piece(translator):
    both, none = translator.attention(["", "the"], ["", ""])
    assert both.source == both.target == none.target == ["</s>"]
    assert both.cross.shape == both.encoder.shape == both.decoder.shape == (2, 2, 1, 1)
    assert none.cross.shape == (2, 2, 1, len(none.source))


def test_maps_that_would_fill_the_memory_are_refused_before_anything_is_computed(translator, monkeypatch):
    long = "the dog " * 4000
    length = translator.vocabulary_.encode([long]).lengths[0]
    refusals = [
        (["the", long], None, f"attention: the pair at index 1 has {length} pieces: "),
        (["the", "cat", long], ["Der", "", "x"], f"attention: the pair at index 2 has {length} pieces: "),
        (["the", "cat"], [long, "x"], f"attention: the pair at index 0 has 2 and {length} pieces: "),
    ]
    monkeypatch.setattr(type(translator.model_), "embed", None)
    for source, target, message in refusals:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(InputError, match=f"^{re.escape(message)}.* weights in 4 heads, expected at most"):
                translator.attention(source, target)


def test_sizes_of_maps_are_counted_exactly(monkeypatch, translator, corpus):
    (maps,) = translator.attention(corpus.source[:1], corpus.target[:1])
    size = maps.encoder.size + maps.decoder.size + maps.cross.size
    for most, allowed in ((size, True), (size - 1, False)):
        monkeypatch.setattr("latticework.translation.attention.MAX_WEIGHTS", most)
        with nullcontext() if allowed else pytest.raises(InputError, match=f"{size:,} weights"):
            translator.attention(corpus.source[:1], corpus.target[:1])


def test_attention_wants_as_many_targets_as_sources(translator):
    with pytest.raises(InputError, match="attention: 2 sources but 1 targets"):
        translator.attention(["a", "b"], ["c"])
