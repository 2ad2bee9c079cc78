"""A translator as what a folder holds: weights, vocabulary, and how it was fitted."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from latticework.core.hardware import fork_random
from latticework.core.loggers import HISTORY, Row, history_file, history_of
from latticework.core.persistence import State
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.model import EncoderDecoder
from latticework.seq2seq.vocabulary import Vocabulary
from latticework.translation.learned import Learned


def state_of(learned: Learned, pairs: dict[str, Any], history: list[Row], fingerprint: str) -> State:
    """Everything."""
    return State(
        values={"config": asdict(learned.config), "pairs": pairs, "fingerprint": fingerprint},
        tensors={"weights": learned.model.state_dict()},
        files={"vocabulary.model": learned.vocabulary.model, **history_file(history)},
    )


def learned_of(state: State) -> tuple[Learned, dict[str, Any], list[Row], str]:
    """What was saved, checked to fit together.

    Raises
    ------
    ValueError
        If it does not.
    """
    config = TransformerConfig(**state.values["config"])
    vocabulary = Vocabulary(state.files["vocabulary.model"])
    weights = dict(state.tensors["weights"])
    held = sum(tensor.numel() for tensor in weights.values())
    fewer = config.layers * config.d_model * (config.d_model + config.feed_forward) > held
    if fewer or weights["embedding"].shape != (len(vocabulary), config.d_model):  # found before memory is asked for
        raise ValueError("its weights are not those of its configuration and vocabulary")
    with fork_random(torch.device("cpu"), 0):  # what it draws is of no account
        model = EncoderDecoder(config, len(vocabulary)).to(weights["embedding"].dtype)
    model.load_state_dict(weights)
    model.eval()
    history = history_of(state.files[HISTORY])
    return Learned(config, vocabulary, model), dict(state.values["pairs"]), history, state.values["fingerprint"]
