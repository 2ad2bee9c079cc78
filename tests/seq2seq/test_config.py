import json
import math
from dataclasses import FrozenInstanceError, asdict, replace
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest

from latticework import InputError
from latticework.seq2seq import config


def without_type_checks():
    """The class as users have it: those of the tests would refuse wrong types before it can."""
    spec = spec_from_file_location("plain_config", config.__file__)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TransformerConfig


TransformerConfig = without_type_checks()

WHOLE = [
    "layers",
    "d_model",
    "heads",
    "feed_forward",
    "batch_tokens",
    "accumulate",
    "warmup_steps",
    "average_checkpoints",
    "max_length",
    "validate_every",
    "patience",
]
SHARES = ["dropout", "label_smoothing"]
FACTORS = ["learning_rate", "clip_norm"]


def test_defaults_are_the_papers_base_model():
    """Table 3, sections 5.1 to 5.4 and 6.1."""
    base = TransformerConfig()
    assert (base.layers, base.d_model, base.feed_forward, base.heads) == (6, 512, 2048, 8)
    assert (base.dropout, base.label_smoothing, base.warmup_steps, base.learning_rate) == (0.1, 0.1, 4000, 1.0)
    assert (base.batch_tokens, base.average_checkpoints, base.clip_norm) == (25_000, 5, None)
    assert (base.norm_first, base.positions) == (False, "paper")


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [0, -1, 2.0, True, "2", math.nan, np.inf])
def test_whole_numbers_are_positive_whole_numbers(name, value):
    with pytest.raises(InputError, match=f"{name}={value!r}: expected a whole number"):
        TransformerConfig(**{name: value})


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("value", [-0.1, 1, 1.0, 2.5, math.nan, math.inf, True, "0.1", None])
def test_shares_lie_from_0_to_below_1(name, value):
    with pytest.raises(InputError, match=f"{name}="):
        TransformerConfig(**{name: value})


@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize("value", [0, 0.0, -1.0, math.nan, math.inf, True, "1"])
def test_factors_are_positive_and_finite(name, value):
    with pytest.raises(InputError, match=f"{name}="):
        TransformerConfig(**{name: value})


@pytest.mark.parametrize("name", [*WHOLE[:-2], *SHARES, "learning_rate", "norm_first", "positions"])
def test_none_stands_only_for_what_can_be_absent(name):
    with pytest.raises(InputError, match=f"{name}=None"):
        TransformerConfig(**{name: None})


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"d_model": 10, "heads": 4}, "multiple of heads=4"),
        ({"d_model": 9, "heads": 3}, "must be even"),
        ({"d_model": 2, "heads": 1, "positions": "t2t"}, "d_model of at least 4"),
        ({"positions": "learned"}, "expected one of paper, t2t"),
        ({"norm_first": 1}, "expected True or False"),
        ({"max_length": 1}, "at least 2"),
    ],
)
def test_shapes_that_cannot_be_built_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        TransformerConfig(**wrong)


def test_extremes_that_can_be_built_are_accepted():
    smallest = TransformerConfig(
        layers=1, d_model=2, heads=1, feed_forward=1, dropout=0, label_smoothing=0, max_length=2
    )
    assert replace(smallest, d_model=4, positions="t2t", clip_norm=1, dropout=0.999).heads == 1


def test_numbers_of_numpy_become_plain_so_that_they_can_be_saved():
    given = {name: np.int64(4) for name in WHOLE} | {name: np.float32(0.5) for name in [*SHARES, *FACTORS]}
    given["norm_first"] = np.True_
    kept = asdict(TransformerConfig(**given))
    assert {name: kept[name] for name in given} == given
    assert {type(kept[name]) for name in WHOLE} == {int}
    assert {type(kept[name]) for name in [*SHARES, *FACTORS]} == {float}
    assert json.loads(json.dumps(kept)) == kept


def test_configuration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        TransformerConfig().dropout = 0.5
