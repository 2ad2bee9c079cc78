"""The page that lies in the folder of an exported translator: how it is used, and what CTranslate2 does otherwise.

Read from the source of CTranslate2 4.8; `tests/translation/test_export.py` runs its code.
"""

from __future__ import annotations

from typing import Final

from latticework.core.version import VERSION
from latticework.translation.decoding import EXTRA_LENGTH


def guide(max_length: int, positions: int, *, vocabulary: str) -> str:
    """The page, in Markdown.

    Parameters
    ----------
    max_length
        Most pieces of a text that was trained on, its end included.
    positions
        Most pieces that the exported model can read or write.
    vocabulary
        Name of SentencePiece's file.

    Examples
    --------
    >>> "nothing of more than 255 pieces" in guide(256, 2048, vocabulary="vocabulary.model")
    True
    """
    return PAGE.format(
        version=VERSION,
        vocabulary=vocabulary,
        extra=EXTRA_LENGTH,
        longest=max_length - 1,
        positions=positions,
        room=positions - EXTRA_LENGTH,
    )


PAGE: Final = """\
# A translator for CTranslate2

Trained and exported with Latticework {version}. `model.bin`, `config.json` and `shared_vocabulary.json` are
CTranslate2's, `{vocabulary}` is SentencePiece's. Serving takes `pip install ctranslate2 sentencepiece`, and this:

```python
import re
from pathlib import Path

import ctranslate2
import sentencepiece

folder = Path(".")  # the one that holds this file
vocabulary = sentencepiece.SentencePieceProcessor(model_file=str(folder / "{vocabulary}"))
translator = ctranslate2.Translator(str(folder), device="cpu")


def on_one_line(text):
    return re.sub("\\r\\n|\\r|\\n", " ", text.removesuffix("\\n").removesuffix("\\r"))


def translate(texts, beam_size=4):
    sources = [vocabulary.id_to_piece(vocabulary.encode(on_one_line(text))) for text in texts]
    found = translator.translate_batch(
        sources,
        beam_size=beam_size,
        length_penalty=0,
        max_decoding_length=max(map(len, sources), default=0) + {extra},
        min_decoding_length=0,
        max_input_length=0,
        max_batch_size=32,
        disable_unk=True,
        suppress_sequences=[["<pad>"], ["<s>"]],
    )
    outputs = []
    for text, source, result in zip(texts, sources, found):
        blank = not text.replace("▁", " ").strip()
        pieces = [] if blank else result.hypotheses[0][: len(source) + {extra}]
        outputs.append(on_one_line(vocabulary.decode(pieces)))
    return outputs
```

With `beam_size=1` it writes what Latticework's `predict` writes with `beam_size=1`. With a larger beam it
writes nearly always what `predict` writes with `length_penalty=0`. What is different:

- Length penalty: CTranslate2 divides by length^α, Latticework by ((5 + length) / 6)^α. For outputs of some n pieces,
  a `length_penalty` of α · n / (n + 5) there is the nearest to α here.
- Beams: CTranslate2 forgets a translation that ends when it is not among the best `beam_size` of its step; Latticework
  keeps it. With a penalty, CTranslate2 stops at the first `beam_size` that have ended, whatever could still be better.
- Scores: CTranslate2 shares out the probability of the pieces that may not be written; Latticework does not. The score
  of a translation that was cut off counts no end piece.
- Longest output: CTranslate2 has one for all texts of a call, Latticework for each its own, {extra} pieces more than it
  reads. Outputs are cut there above, which is the same for `beam_size=1`. It matters where a model repeats itself.
- Long texts: nothing of more than {longest} pieces was trained on. Latticework cuts such a text where a sentence ends.
  CTranslate2 takes it whole, and fails above {positions} pieces, read or written: cut texts of more than {room} first.
- Unknown characters: texts are encoded to numbers and then to pieces, as above. Encoded to pieces at once, some text
  such as `<s>` would be taken for a special piece.
- Blank texts: CTranslate2 makes something of nothing, so they are left blank above.
"""
