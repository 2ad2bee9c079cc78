"""What `benchmarks.translation_growth` measures in a process of its own: training, searching, and a very long line."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.translation_drawn import build, drawn_text, endless

if TYPE_CHECKING:
    from latticework.nn.sequences import EncodedText

STEPS = 40  # of training, in rows of so many; the first of these warms up
LOG_EVERY = 8
ROUNDS = 3
WARM_UP = 10  # pieces of the sentences of the search that does not count

LONG_WORDS = 5000
LONG_STEPS = 300  # of training: by then sentences end


def train(length: int, vocabulary: int) -> dict[str, Any]:
    """Seconds for 1,000 target tokens in the library's own training loop, on drawn pairs."""
    from latticework.core.hardware import resolve_device, resolve_precision
    from latticework.core.training import train as run
    from latticework.seq2seq.learning import PairsTask, training_plan

    model = build(vocabulary)
    pairs = STEPS * max(1, model.config.batch_tokens // length)
    task = PairsTask(model, (drawn_text(pairs, length, vocabulary, 0), drawn_text(pairs, length, vocabulary, 1)))
    # the steps alone: no averaging at the end, nothing said of a warm-up that is longer than this
    plan = replace(
        training_plan(model.config, max_epochs=None, max_steps=STEPS), average=1, warmup_steps=0, log_every=LOG_EVERY
    )
    history = run(task, plan, seed=0, device="cpu")
    speeds = [row["terms_per_second"] for row in history if "terms_per_second" in row]
    precision = resolve_precision("auto", resolve_device("cpu"))
    return {"seconds": [1000 / speed for speed in speeds[1:]], "precision": precision}


def search(length: int, vocabulary: int, beam: int) -> dict[str, Any]:
    """Seconds for 1,000 target tokens, where each output has as many as its input, the most it may have here."""
    import numpy as np

    from latticework.core.hardware import computing, resolve_device
    from latticework.seq2seq import decoding
    from latticework.seq2seq.decoding import check_search, search_texts

    model, device = endless(build(vocabulary)), resolve_device("cpu")
    options = check_search(beam, 0.6, 1, vocabulary)

    def find(texts: EncodedText) -> None:
        wanted = np.ones(len(texts), dtype=bool)
        found = search_texts(model, texts, wanted, options, extra_length=0, device=device, doing="searching")
        if [1 + len(best[0].tokens) for best in found] != texts.lengths.tolist():
            raise RuntimeError("an output is not of the length it should have")

    seconds = []
    texts = drawn_text(max(1, decoding.SEARCH_TOKENS // length), length, vocabulary, 0)  # a full batch with beam 1
    with computing(device, "32"):  # as a translator does
        find(drawn_text(2, WARM_UP, vocabulary, 1))
        for _ in range(ROUNDS):
            began = time.perf_counter()
            find(texts)
            seconds.append(1000 * (time.perf_counter() - began) / int(texts.lengths.sum()))
    return {"seconds": seconds, "precision": "32"}


def fit(folder: Path) -> dict[str, Any]:
    """Train for a moment on Multi30k with one very long pair among the others, and save."""
    import latticework as lw
    from latticework.translation import TransformerTranslator

    source, target = ([*side] for side in lw.datasets.load("multi30k", split="train"))
    for side in (source, target):
        side.insert(len(side) // 2, words_of(side))
    translator = TransformerTranslator("tiny", max_steps=LONG_STEPS, random_state=0, device="cpu")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        translator.fit(source, target)
    translator.save(folder / "model")
    told = any("1 of more than max_length=" in str(warning.message) for warning in caught)
    return {"pairs": translator.pairs_, "told": told}


def predict(folder: Path, *, long: bool) -> dict[str, Any]:
    """Translate the test sentences with the saved model, a very long line among them or not."""
    import latticework as lw
    from latticework.translation.parts import LongSentences, split_long

    translator = lw.load(folder / "model", device="cpu")
    lines = [*lw.datasets.load("multi30k", split="test_2016_flickr")[0]]
    place = len(lines) // 2
    extra = words_of(lines)
    if long:
        lines.insert(place, extra)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LongSentences)
        began = time.perf_counter()
        translations = translator.predict(lines)
        seconds = time.perf_counter() - began
    if not long:
        return {"seconds": seconds, "translations": translations}
    whole = translator.vocabulary_.encode([extra])
    parts = split_long(whole, translator.vocabulary_, translator.config_.max_length).text
    pieces = list(chain.from_iterable(parts[index][:-1].tolist() for index in range(len(parts))))
    held = sum(one == other for one, other in zip(pieces, whole[0][:-1].tolist(), strict=False))
    return {
        "seconds": seconds,
        "translations": translations,
        "place": place,
        "parts": len(parts),
        "held": 100 * held / (len(whole[0]) - 1),
        "words": len(translations[place].split()),
    }


def words_of(sentences: Sequence[str]) -> str:
    """A line of very many words: those of the sentences, again from the first where they end."""
    return " ".join(islice(cycle(" ".join(sentences).split()), LONG_WORDS))
