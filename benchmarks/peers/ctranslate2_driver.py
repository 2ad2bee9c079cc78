"""CTranslate2 with our weights, in an environment of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2
import sentencepiece

from benchmarks.peers import timing

# The budget in tokens of a batch that CTranslate2 makes of a whole file, sorted by length: the best of six tried.
BATCH_TOKENS = 2048


def decode(folder: Path, job: timing.Job, *, stored: str, apart: bool = False) -> dict[str, Any]:
    """`translate_batch`, with the search that our model is used with: no unknown, padding or beginning in an output.

    All threads work on one batch, or, with `apart`, each on a batch of its own, which only a whole file has enough of.
    """
    model, threads = folder / f"ctranslate2-{stored}", job["threads"]
    workers, each = (threads, 1) if apart else (1, threads)
    translator = ctranslate2.Translator(str(model), device="cpu", inter_threads=workers, intra_threads=each)
    if apart:
        job = job | {"cells": [cell for cell in job["cells"] if cell["batch"] is None]}
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "vocabulary.model"))

    def translate(sentences: list[str], *, beam: int, limit: int, whole: bool) -> list[str]:
        batches = {"max_batch_size": BATCH_TOKENS, "batch_type": "tokens"} if whole else {}
        results = translator.translate_batch(
            pieces.encode(sentences, out_type=str),
            beam_size=beam,
            length_penalty=0,
            max_decoding_length=limit,
            min_decoding_length=0,
            disable_unk=True,
            suppress_sequences=[["<pad>"], ["<s>"]],
            **batches,
        )
        return pieces.decode([result.hypotheses[0] for result in results])

    return timing.time_decoding(job, translate)


TASKS = {
    "decode-float32": partial(decode, stored="float32"),
    "decode-float32-apart": partial(decode, stored="float32", apart=True),
    "decode-int8": partial(decode, stored="int8"),
}

if __name__ == "__main__":
    timing.main(TASKS)
