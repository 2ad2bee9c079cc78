"""The tour's stop: where an entity is depends on which of two overlapping words the list has, and on nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from latticework.ner.config import TaggerConfig
from latticework.ner.planted import Sentences, plant

if TYPE_CHECKING:
    from latticework.ner.estimator import Tagger
    from latticework.pages import Section

CONFIG: Final = TaggerConfig(
    char_dropout=0.2,
    word_dropout=0.2,
    state_dropout=0.2,
    word_unknown_rate=5.0,  # every word that is tested is unknown: so are five of six in training
    batch_size=16,
    learning_rate=0.01,
    warmup_steps=20,
    average_checkpoints=2,
)
HIDDEN: Final = 60
EPOCHS: Final = 8
SHOWN: Final = 3  # sentences


def stop(*, seed: int) -> Section:
    """Train a lattice and the baseline without words, test both, and exchange the lattice's word list."""
    from latticework.ner import report
    from latticework.ner.taggers import CharacterTagger, LatticeTagger
    from latticework.pages import Section, Table

    planted = plant(seed)
    options: dict[str, Any] = {
        "hidden_size": HIDDEN,
        "max_epochs": EPOCHS,
        "config": CONFIG,
        "random_state": seed,
        "device": "cpu",
    }
    started = time.monotonic()
    lattice, characters = (
        tagger.fit(planted.train.texts, planted.train.tags, (planted.validation.texts, planted.validation.tags))
        for tagger in (LatticeTagger(planted.words, **options), CharacterTagger(None, **options))
    )
    seconds = time.monotonic() - started
    exchanged = lattice.with_lexicon(planted.swapped)
    right, by_characters = (_share_right(tagger, planted.test) for tagger in (lattice, characters))
    flipped = _share_right(exchanged, planted.swapped_test)
    deciding = [text for text, spans in zip(planted.test.texts, planted.test.spans, strict=True) if spans][:SHOWN]
    rows = [
        ["Lattice LSTM", right, flipped],
        ["characters alone", by_characters, _share_right(characters, planted.swapped_test)],
    ]
    return Section(
        "Named entities: the word list decides",
        f"In each sentence three characters ABC hold one word of the list, AB or BC, and that word is the entity. With "
        f"words that training never had, the Lattice LSTM finds {right:.1%} of the entities; without a word list "
        f"{by_characters:.1%}, as by a coin.",
        facts=[
            ("entities found", f"{right:.1%}"),
            ("without the word list", f"{by_characters:.1%}"),
            ("found with the other list", f"{flipped:.1%}"),
            ("seconds of training, both", f"{seconds:.0f}"),
        ],
        paragraphs=[
            "The other list has BC where the first has AB, and AB where it has BC. The same model reads it without "
            "being trained again, and the entities move."
        ],
        passages=[
            report.lattices(
                [tagger.explain(text) for text in deciding for tagger in (lattice, exchanged)],
                f"Sentences that were not trained on, with either list. {report.LEGEND}",
                ["with the list of the training", "with the other list"] * SHOWN,
            )
        ],
        tables=[
            Table(
                ["model", "with the list", "with the other list"],
                [[name, *(f"{share:.1%}" for share in shares)] for name, *shares in rows],
                "Entities found, where the list decides which they are.",
            )
        ],
    )


def _share_right(tagger: Tagger, sentences: Sentences) -> float:
    return sentences.share_right(tagger.spans(sentences.texts))
