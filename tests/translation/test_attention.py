"""Attention maps: a distribution for every piece, over what it may see."""

from __future__ import annotations

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


def test_attention_wants_as_many_targets_as_sources(translator):
    with pytest.raises(InputError, match="attention: 2 sources but 1 targets"):
        translator.attention(["a", "b"], ["c"])
