"""CTranslate2 with our weights, in an environment of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import ctranslate2
import sentencepiece

from benchmarks.peers import timing

# The budget of a batch that CTranslate2 makes of a whole file, in tokens; it sorts by length then.
BATCH_TOKENS = 2048


def decode(folder: Path, job: timing.Job, *, stored: str) -> dict[str, Any]:
    """`translate_batch`, with the search that our model is used with: no unknown, padding or beginning in an output."""
    model = folder / f"ctranslate2-{stored}"
    translator = ctranslate2.Translator(str(model), device="cpu", inter_threads=1, intra_threads=job["threads"])
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "vocabulary.model"))

    def translate(sentences: list[str], *, beam: int, limit: int, whole: bool) -> list[str]:
        batches = {"max_batch_size": BATCH_TOKENS, "batch_type": "tokens"} if whole else {}
        results = translator.translate_batch(
            pieces.encode(sentences, out_type=str),
            beam_size=beam,
            length_penalty=0,
            max_decoding_length=limit,
            disable_unk=True,
            suppress_sequences=[["<pad>"], ["<s>"]],
            **batches,
        )
        return pieces.decode([result.hypotheses[0] for result in results])

    return timing.time_decoding(job, translate)


TASKS = {f"decode-{stored}": partial(decode, stored=stored) for stored in ("float32", "int8")}

if __name__ == "__main__":
    timing.main(TASKS)
