"""The Transformer (Vaswani et al. 2017) as an estimator: sentences in one language in, sentences in another out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import one_of, whole_number
from latticework.core.errors import InputError
from latticework.core.estimator import Estimator
from latticework.core.persistence import State
from latticework.core.progress import message
from latticework.core.seeds import spawn
from latticework.seq2seq.config import TransformerConfig
from latticework.translation.attention import AttentionMaps, check_sizes
from latticework.translation.decoding import Translation
from latticework.translation.metrics import corpus_scores, scorer
from latticework.translation.pairs import without_empty
from latticework.translation.presets import find_preset
from latticework.translation.text import check_pairs, check_sentences, check_validation

if TYPE_CHECKING:
    import torch

    from latticework.seq2seq.model import EncoderDecoder
    from latticework.seq2seq.vocabulary import Vocabulary

Pairs = tuple[Iterable[str], Iterable[str]]


class TransformerTranslator(Estimator):
    """Translator that is trained on pairs of sentences.

    Parameters
    ----------
    preset : {"base", "big", "small", "tiny"}
        Shape and training. "base" and "big" are the paper's, for millions of pairs; "tiny" learns from 30,000 pairs
        on a laptop.
    vocab_size : int, optional
        Most pieces of the joint vocabulary; a small corpus gets fewer. The preset's when absent.
    max_epochs, max_steps : int, optional
        Length of training, whichever ends first. The preset's when both are absent.
    config : TransformerConfig, optional
        Everything else; replaces the preset's as a whole.
    random_state : int, optional
        The same number gives the same model.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : {"auto", "32", "bf16", "64"}
        Of training and of inference on a GPU. "auto" is "bf16" where the hardware multiplies it.

    Attributes
    ----------
    learned_ : latticework.translation.learned.Learned
        All that training decided, of which these are parts:
    config_ : TransformerConfig
        The configuration that was used.
    vocabulary_ : Vocabulary
        The learnt pieces.
    model_ : EncoderDecoder
        The torch module. Whoever changes its weights through `.data` or NumPy calls its `eval` afterwards: searches
        share a decoder that is laid out anew when torch has counted a change or the mode is set.
    pairs_ : dict
        How many training pairs were given and used, and why others were not; of those to validate on, if there were
        any, the same under "validation".
    history_ : list of dict
        What was logged during training. A saved model keeps it without the timings, so that the same run gives the
        same files.

    Examples
    --------
    >>> from latticework.translation import TransformerConfig, TransformerTranslator
    >>> digits, words = list("123") * 20, ["eins", "zwei", "drei"] * 20
    >>> shape = {"layers": 1, "d_model": 32, "heads": 2, "feed_forward": 64, "dropout": 0.0}
    >>> small = TransformerConfig(**shape, batch_tokens=64, warmup_steps=50, learning_rate=0.2)
    >>> translator = TransformerTranslator(vocab_size=16, max_epochs=20, config=small, random_state=0, device="cpu")
    >>> translator.fit(digits, words).predict(["2"])
    ['zwei']
    """

    config_class: ClassVar[type[Any] | None] = TransformerConfig

    def __init__(
        self,
        preset: str = "base",
        *,
        vocab_size: int | None = None,
        max_epochs: int | None = None,
        max_steps: int | None = None,
        config: TransformerConfig | None = None,
        random_state: int | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.preset = preset
        self.vocab_size = vocab_size
        self.max_epochs = max_epochs
        self.max_steps = max_steps
        self.config = config
        self.random_state = random_state
        self.device = device
        self.precision = precision

    def fit(
        self,
        source: Iterable[str],
        target: Iterable[str],
        validation: Pairs | None = None,
        *,
        folder: str | os.PathLike[str] | None = None,
        restart: bool = False,
        loggers: Sequence[str] = (),
        sharded: bool = False,
    ) -> Self:
        """Learn the vocabulary and the model.

        Pairs with an empty side, or with more than `max_length` pieces on one, are left out with a warning and counted
        in `pairs_`, those to train on and those to validate on alike.

        Parameters
        ----------
        source, target
            Sentences; target n is the translation of source n.
        validation
            Held-out sources and targets: training keeps the weights that do best on them.
        folder
            Where to save the model. The run checkpoints there too: the same call, made again after a crash, goes on
            where it was, and once the model is finished just loads it. Needs a `random_state`. One run at a time; under
            `torchrun` all processes must share the folder.
        restart
            Start over, and replace what `folder` holds once the new model is finished. Interrupted, the same call goes
            on with the new run; to start over yet again, remove `folder`/training.
        loggers
            "tensorboard", "wandb": figures go there beside `folder`/training/log.csv. Needs `folder`.
        sharded
            Under `torchrun`, spread weights, gradients and the optimiser's state over the processes while they train:
            slower, but each holds only its share. The first one puts the whole weights together on its device when it
            validates, and in its memory when it saves.

        Raises
        ------
        InputError
            If something given cannot be used; nothing has been trained then.
        FloatingPointError
            If training diverges.
        """
        config, vocab_size, epochs, steps = self._settings()
        if config.patience is not None and validation is None:
            raise InputError(f"patience={config.patience} needs validation pairs, which fit was not given")

        import torch

        from latticework.core.hardware import fork_random, resolve_device, resolve_precision
        from latticework.core.runs import Run
        from latticework.seq2seq.learning import PairsTask, fingerprint, training_plan
        from latticework.seq2seq.model import EncoderDecoder
        from latticework.seq2seq.vocabulary import Vocabulary
        from latticework.translation.learned import Learned

        run = Run.begin(self, folder, restart=restart, loggers=loggers)
        precision = resolve_precision(self.precision, resolve_device(self.device))
        held_out = None if validation is None else without_empty(*check_validation(validation), "validation")
        pairs = without_empty(*check_pairs(source, target, "training"), "training")
        message(f"learning a vocabulary from {len(pairs.sources):,} pairs")
        vocabulary = Vocabulary.train([*pairs.sources, *pairs.targets], size=vocab_size)
        training = pairs.encode(vocabulary, config.max_length)
        checking = None if held_out is None else held_out.encode(vocabulary, config.max_length)
        counts = {**pairs.counts, **({"validation": held_out.counts} if held_out else {})}
        del pairs, held_out  # the text of millions of pairs is not needed while they are trained on
        pieces = hashlib.sha256(vocabulary.model).hexdigest()
        # The precision as it was asked for: what "auto" is on a machine does not make a finished model another.
        asked = {"epochs": epochs, "steps": steps, "precision": self.precision}
        settings = {"seed": run.seed, **asked, "vocabulary": pieces}
        run_fingerprint = fingerprint(settings, config, [*training, *(checking or ())])

        def learn() -> None:
            with fork_random(torch.device("cpu"), spawn(run.seed, "weights")):
                model = EncoderDecoder(config, len(vocabulary))
            history = run.train(
                PairsTask(model, training, checking, seed=spawn(run.seed, "batches")),
                training_plan(config, max_epochs=epochs, max_steps=steps),
                precision=precision,
                fingerprint=run_fingerprint,
                shards=model.parts if sharded else None,
            )
            self.learned_ = Learned(config, vocabulary, model)
            self.pairs_, self.history_, self.fingerprint_ = counts, history, run_fingerprint

        run.once(self, run_fingerprint, learn)
        return self

    @property
    def config_(self) -> TransformerConfig:
        """The configuration that was used."""
        return self.learned_.config

    @property
    def vocabulary_(self) -> Vocabulary:
        """The learnt pieces."""
        return self.learned_.vocabulary

    @property
    def model_(self) -> EncoderDecoder:
        """The module."""
        return self.learned_.model

    def predict(
        self,
        sentences: Iterable[str],
        *,
        beam_size: int = 4,
        length_penalty: float = 0.6,
        n_best: int = 1,
    ) -> list[Any]:
        """Translate sentences, in order.

        An empty sentence gives an empty translation. One of more than `config_.max_length` pieces is translated in
        parts, cut where a sentence or a word ends, with a warning; spaces stand between the translations of parts where
        the language has them.

        Parameters
        ----------
        sentences
            In the source language.
        beam_size
            Hypotheses kept at each step (section 6.1); 1 is greedy search.
        length_penalty
            α of section 6.1; larger values favour longer translations.
        n_best
            How many translations of each sentence, at most `beam_size`.

        Returns
        -------
        list
            A text for each sentence, or with `n_best` above 1 a list of texts, best first.

        Raises
        ------
        InputError
            If an option is out of its range, or a sentence is not text.
        """
        found = self.translations(sentences, beam_size=beam_size, length_penalty=length_penalty, n_best=n_best)
        if n_best == 1:
            return [best[0].text for best in found]
        return [[translation.text for translation in best] for best in found]

    def translations(
        self,
        sentences: Iterable[str],
        *,
        beam_size: int = 4,
        length_penalty: float = 0.6,
        n_best: int = 1,
    ) -> list[list[Translation]]:
        """The `n_best` translations of each sentence with their scores, best first; parameters as for `predict`.

        A sentence translated in parts has the sums of its parts' scores.
        """
        check_is_fitted(self)

        from latticework.seq2seq.decoding import check_search

        options = check_search(beam_size, length_penalty, n_best, len(self.vocabulary_))
        texts = check_sentences(sentences, "sentences")
        with self._inference() as device:
            return self.learned_.translations(texts, options, device)

    def export(self, format: str, folder: str | os.PathLike[str], *, quantization: str | None = None) -> None:
        """Write the translator as a model of another library, to be served without this one.

        "ctranslate2" makes a folder for CTranslate2: its files, the vocabulary as `vocabulary.model`, and `README.md`
        with the lines of Python that translate with it and what it does otherwise. Decoding with a beam of one gives
        what `predict` does. `lw.load` does not read it: save the model too.

        Parameters
        ----------
        format : {"ctranslate2"}
            For which library.
        folder
            Created; may exist if it is empty. Either all of it is written or nothing.
        quantization
            How CTranslate2 stores weights: "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16",
            "bfloat16" or "float32", which is what it does when absent, whatever the precision of training was.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If `fit` was not called.
        InputError
            If there is no such format or quantization, or the folder is not empty or cannot be written.
        MissingExtraError
            If CTranslate2 is not installed.
        """
        check_is_fitted(self)

        from latticework.translation.export import FORMATS, export_ctranslate2

        one_of("format", format, FORMATS)
        export_ctranslate2(self.model_, self.vocabulary_, folder, quantization=quantization)

    def score(self, source: Iterable[str], references: Iterable[str]) -> float:
        """SacreBLEU's BLEU, from 0 to 100, of the translations of `source` with the default search."""
        scorer()
        sources, targets = check_pairs(source, references, "score")
        return corpus_scores(self.predict(sources), targets).bleu

    def transform(self, sentences: Iterable[str]) -> np.ndarray:
        """Mean of the encoder's states over each sentence.

        Returns
        -------
        array of float32, shape (n, d_model)
            A sentence of more than `config_.max_length` pieces is the mean over all of its parts' states.
        """
        check_is_fitted(self)
        texts = check_sentences(sentences, "sentences")
        with self._inference() as device:
            return self.learned_.states(texts, device)

    def perplexity(self, source: Iterable[str], target: Iterable[str]) -> float:
        """Exp of the mean negative log-probability of a target piece, the end piece included, without smoothing.

        An empty sentence is its end piece. Pairs of more than `config_.max_length` pieces on a side are measured whole,
        with a warning: nothing that long was trained on.
        """
        check_is_fitted(self)
        sources, targets = check_pairs(source, target, "perplexity")
        with self._inference():
            return self.learned_.perplexity(sources, targets)

    def attention(self, source: Iterable[str], target: Iterable[str] | None = None) -> list[AttentionMaps]:
        """Attention weights of every layer and head, for each pair of sentences.

        An empty sentence is its end piece. Pairs of more than `config_.max_length` pieces on a side are looked at
        whole, with a warning.

        Parameters
        ----------
        source
            Sentences in the source language.
        target
            Their translations; the model's own when absent.

        Raises
        ------
        InputError
            If sentences cannot be used, or a pair is so long that its weights would fill the memory.
        """
        check_is_fitted(self)
        sources = check_sentences(source, "source")
        check_sizes(self.config_, self.vocabulary_.encode(sources).lengths)
        sources, targets = check_pairs(sources, self.predict(sources) if target is None else target, "attention")
        with self._inference() as device:
            return self.learned_.attention(sources, targets, device)

    def _about(self) -> dict[str, object]:
        """Its shape, its vocabulary, what it was trained on and how that went."""
        names = ["step", "epoch", "loss"]
        last = {name: row[name] for row in self.history_ for name in names if name in row}
        losses = [row["valid_loss"] for row in self.history_ if "valid_loss" in row]
        if losses:
            last["best_valid_loss"] = min(losses)
        return {
            "config": asdict(self.config_),
            "vocabulary": len(self.vocabulary_),
            "weights": sum(parameter.numel() for parameter in self.model_.parameters()),
            "pairs": dict(self.pairs_),
            "training": last,
        }

    def _settings(self) -> tuple[TransformerConfig, int, int | None, int | None]:
        preset = find_preset(self.preset)
        config = preset.config if self.config is None else self.config
        if not isinstance(config, TransformerConfig):
            raise InputError(f"config: expected a TransformerConfig, got {type(config).__name__}")
        given = {"vocab_size": self.vocab_size, "max_epochs": self.max_epochs, "max_steps": self.max_steps}
        vocab_size, epochs, steps = (
            None if value is None else whole_number(name, value) for name, value in given.items()
        )
        if epochs is None and steps is None:
            epochs, steps = preset.max_epochs, preset.max_steps
        return config, vocab_size or preset.vocab_size, epochs, steps

    def _inference(self) -> AbstractContextManager[torch.device]:
        """Evaluation on the chosen device."""
        from latticework.core.hardware import evaluating

        return evaluating(self.model_, self.device, self.precision)

    def to_state(self) -> State:
        """Everything that was learned."""
        from latticework.translation.saving import state_of

        return state_of(self.learned_, self.pairs_, self.history_, self.fingerprint_)

    def from_state(self, state: State) -> None:
        """Take back everything that was learned."""
        from latticework.translation.saving import learned_of

        self.learned_, self.pairs_, self.history_, self.fingerprint_ = learned_of(state)
