"""A tagger as what a folder holds: weights, vocabularies, the lexicon, and how it was fitted."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from latticework.core.checks import one_of, whole_number
from latticework.core.hardware import fork_random
from latticework.core.loggers import HISTORY, Row, history_file, history_of
from latticework.core.persistence import State
from latticework.core.values import from_json, to_json
from latticework.ner.architecture import Architecture
from latticework.ner.decoding import TagSet
from latticework.ner.learned import Learned
from latticework.ner.lexicon import Lexicon, plain_source
from latticework.ner.model import TaggerModel, check_sizes
from latticework.ner.tags import SCHEMES


def state_of(learned: Learned, given_lexicon: object, history: list[Row], fingerprint: str) -> State:
    """Everything, with the parameter `lexicon` as it was given."""
    lexicon = learned.inputs.lexicon
    words = {"lexicon.txt": lexicon.to_bytes()} if len(lexicon) else {}
    if isinstance(given_lexicon, Lexicon) and given_lexicon != lexicon:  # a model that reads no words has learned none
        words["lexicon_parameter.txt"] = given_lexicon.to_bytes()
    return State(
        values={
            "config": asdict(learned.config),
            "hidden_size": learned.hidden_size,
            "labels": list(learned.tag_set.labels),
            "scheme": learned.scheme,
            "lexicon_sha256": lexicon.sha256,
            "lexicon_was_read": isinstance(given_lexicon, Lexicon),
            "fingerprint": fingerprint,
        },
        tensors={"weights": learned.model.everything()},
        files={
            **words,
            "lexicon_parameter.json": to_json(plain_source(given_lexicon), "lexicon"),
            "vocabularies.json": to_json(learned.inputs.to_values(), "vocabularies"),
            **history_file(history),
        },
    )


def learned_of(
    state: State, architecture: Architecture, config_class: type[Any]
) -> tuple[Learned, Any, list[Row], str]:
    """What was saved, checked to fit together.

    Raises
    ------
    ValueError
        If it does not.
    """
    values, files = state.values, state.files
    lexicon = Lexicon.from_bytes(files.get("lexicon.txt", b""))
    if lexicon.sha256 != values["lexicon_sha256"]:
        raise ValueError("its lexicon is not the one that was saved")
    given_lexicon = from_json(files["lexicon_parameter.json"])
    if values["lexicon_was_read"]:
        other = files.get("lexicon_parameter.txt")
        given_lexicon = lexicon if other is None else Lexicon.from_bytes(other)
    config = config_class(**values["config"])
    hidden_size = whole_number("hidden_size", values["hidden_size"], least=2)
    inputs = architecture.inputs_from(from_json(files["vocabularies.json"]), lexicon, config)
    labels, scheme = tuple(values["labels"]), one_of("scheme", values["scheme"], SCHEMES)
    if not all(isinstance(label, str) for label in labels) or len(set(labels)) < len(labels):
        raise ValueError("its labels are not what a model has")
    tag_set = TagSet(labels)

    def build() -> TaggerModel:
        return architecture.build(inputs, config, tags=len(tag_set.names), hidden_size=hidden_size)

    weights = dict(state.tensors["weights"])
    check_sizes(weights, build)
    with fork_random(torch.device("cpu"), 0):  # what it draws is of no account
        model = build()
    for name, tensor in model.everything().items():
        tensor.copy_(weights[name])
    model.eval()
    learned = Learned(config, hidden_size, inputs, tag_set, scheme, model)
    return learned, given_lexicon, history_of(files[HISTORY]), values["fingerprint"]
