"""The tour's stop: a translator learns to write English numbers in German from 20,000 pairs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from latticework.seq2seq.config import TransformerConfig
from latticework.translation.numbers import draw_numbers, english, german

if TYPE_CHECKING:
    from latticework.pages import Section

CONFIG: Final = TransformerConfig(
    layers=1,
    d_model=96,
    heads=3,
    feed_forward=384,
    dropout=0.05,
    label_smoothing=0.0,  # there is one right answer: nothing is gained by doubting it
    batch_tokens=1024,
    warmup_steps=400,
    average_checkpoints=3,
)
EPOCHS: Final = 5
VOCABULARY: Final = 140  # letters, and what most words are made of: endings are spelled alike wherever they stand


def stop(*, seed: int) -> Section:
    """Train, test on numbers from blocks that were held out, and look inside."""
    from latticework.pages import Section
    from latticework.translation import report
    from latticework.translation.estimator import TransformerTranslator
    from latticework.translation.metrics import corpus_scores

    drawn = draw_numbers(seed)
    pairs = {
        name: ([english(n) for n in numbers], [german(n) for n in numbers]) for name, numbers in vars(drawn).items()
    }
    translator = TransformerTranslator(
        vocab_size=VOCABULARY, max_epochs=EPOCHS, config=CONFIG, random_state=seed, device="cpu"
    )
    started = time.monotonic()
    translator.fit(*pairs["train"], pairs["validation"])
    seconds = time.monotonic() - started
    sources, references = pairs["test"]
    translations = translator.predict(sources)
    exact = sum(a == b for a, b in zip(translations, references, strict=True)) / len(references)
    wrong = [i for i in range(len(references)) if translations[i] != references[i]]
    shown = [*range(5), *[i for i in wrong if i >= 5][:3]]
    longest = max(range(5), key=lambda i: len(sources[i]))
    looked_at = report.cross_attention(translator.attention([sources[longest]])[0])
    return Section(
        "Translation: numbers in words, from English to German",
        f"A Transformer saw {len(drawn.train):,} numbers written out in both languages. It writes "
        f"{exact:.1%} of {len(references):,} unseen ones without an error; their hundreds were held out whole.",
        facts=[
            ("exact translations", f"{exact:.1%}"),
            ("chrF", f"{corpus_scores(translations, references).chrf:.1f}"),
            ("seconds of training", f"{seconds:.0f}"),
            ("weights", sum(parameter.numel() for parameter in translator.model_.parameters())),
        ],
        paragraphs=[
            "German says the units before the tens and writes a number as one word, so that the translator has to "
            "reorder what it reads. In the picture, pieces that change places show as steps off the diagonal."
        ],
        pictures=[picture for picture in (report.loss_curve(translator), looked_at) if picture],
        tables=[report.examples(*([texts[i] for i in shown] for texts in (sources, references, translations)))],
    )
