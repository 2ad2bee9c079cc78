"""The configuration of taggers: what is refused, with its name."""

import numpy as np
import pytest

from latticework.core import InputError
from latticework.ner import (
    CharacterTagger,
    FlatConfig,
    FlatTagger,
    SoftLexiconTagger,
    TaggerConfig,
    WordConfig,
    WordTagger,
)


@pytest.mark.parametrize(
    "name, value",
    [
        ("char_size", 0),
        ("word_size", 1.5),
        ("batch_size", True),
        ("average_checkpoints", 0),
        ("patience", 0),
        ("char_dropout", 1.0),
        ("word_dropout", -0.1),
        ("state_dropout", float("nan")),
        ("word_unknown_rate", -1),
        ("learning_rate", 0),
        ("learning_rate", float("inf")),
        ("clip_norm", 0),
        ("weight_decay", float("inf")),
        ("bigrams", 1),
        ("softword", "yes"),
        ("forget", "both"),
        ("repair", "ignore"),
    ],
)
def test_what_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=f"{name}="):
        TaggerConfig(**{name: value})


def test_numbers_of_numpy_become_plain():
    config = WordConfig(char_size=np.int64(7), char_dropout=np.float32(0.5), clip_norm=None, char_lstm=np.True_)
    assert type(config.char_size) is int
    assert type(config.char_dropout) is float
    assert config.char_lstm is True
    assert TaggerConfig(bigrams=np.True_).bigrams is True


@pytest.mark.parametrize(
    "tagger",
    [
        CharacterTagger(config=TaggerConfig(forget="independent")),
        SoftLexiconTagger(config=TaggerConfig(forget="independent")),
        FlatTagger(config=FlatConfig(forget="independent")),
        WordTagger(config=WordConfig(forget="independent")),
        WordTagger(config=WordConfig(word_dropout=0.5)),
        WordTagger(config=WordConfig(bigrams=True)),
        WordTagger(config=WordConfig(softword=True)),
    ],
    ids=lambda tagger: type(tagger).__name__,
)
def test_what_means_nothing_to_a_model_is_refused_before_text_is_read(tagger):
    given = "forget='independent'|word_dropout=0.5|bigrams=True|softword=True"
    message = f"^({given}): {type(tagger).__name__} has no use for it; leave it out$"
    with pytest.raises(InputError, match=message):
        tagger.fit(map(pytest.fail, ["read"]), [])


def test_patience_without_validation_is_refused_before_text_is_read():
    tagger = CharacterTagger(config=TaggerConfig(patience=2))
    with pytest.raises(InputError, match=r"^patience=2 needs validation sentences, which fit was not given$"):
        tagger.fit(map(pytest.fail, ["read"]), [])
