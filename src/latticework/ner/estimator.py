"""What all taggers of characters share: learn from labelled sentences, tag text, find entities, save and load."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeAlias

import numpy as np
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import one_of, whole_number
from latticework.core.errors import InputError, callers_level
from latticework.core.estimator import Estimator
from latticework.core.persistence import State
from latticework.core.progress import message
from latticework.core.seeds import spawn
from latticework.core.words import shortened
from latticework.ner.architecture import Architecture
from latticework.ner.choices import Scheme
from latticework.ner.config import TaggerConfig
from latticework.ner.labelled import check_labelled, check_training
from latticework.ner.lexicon import Lexicon, plain_source
from latticework.ner.metrics import span_scores
from latticework.ner.parts import Parts
from latticework.ner.results import Entity, Match, entities_in, matches_in
from latticework.ner.tags import SCHEMES, Span, tags_of
from latticework.ner.text import characters, check_sentences, check_texts

if TYPE_CHECKING:
    import torch

    from latticework.ner.model import TaggerModel

PRECISION: Final = "32"  # a recurrence rounds at every character; and on CPUs bfloat16 gains nothing here

Sentences = Iterable[str | Sequence[str]]
Vectors = str | os.PathLike[str]
Words: TypeAlias = str | os.PathLike[str] | Sequence[str] | Mapping[str, int] | Lexicon | None


class Tagger(Estimator):
    """Base of the taggers; a subclass names the architecture of its model.

    Parameters
    ----------
    lexicon : "jieba", path, list of str, dict of str to int, Lexicon or None
        The words that may match: jieba's dictionary (the extra `jieba`), a file with a word a line, the words, or the
        words with their frequencies, which segmentation heeds; None for no words. A set has no order, and is refused.
    char_vectors : path, optional
        Vectors to begin with, in word2vec's text format: of single characters and, if the model reads them, of pairs.
    word_vectors : path, optional
        The same for words of the lexicon.
    hidden_size : int
        Of a character's state, both directions together.
    max_epochs : int, optional
        Length of training. When absent the class's own, `default_epochs`, or, of few sentences, as many as 1,500 steps
        of the optimiser take, but at most 200.
    config : TaggerConfig, optional
        Everything else.
    random_state : int, optional
        The same number gives the same model.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".

    Attributes
    ----------
    learned_ : latticework.ner.learned.Learned
        All that training decided, of which these are parts:
    labels_ : tuple of str
        The types of entity.
    scheme_ : str
        That of the training tags, in which `predict` answers.
    lexicon_ : Lexicon
        The words that match now.
    model_ : torch.nn.Module
        The module.
    history_ : list of dict
        What was logged during training. A saved model keeps it without the timings, so that the same run gives the
        same files.
    """

    config_class: ClassVar[type[Any] | None] = TaggerConfig
    parameters_in_state: ClassVar[tuple[str, ...]] = ("lexicon",)  # it may be a million words
    architecture: ClassVar[Architecture]
    unread: ClassVar[tuple[str, ...]] = ("forget",)  # fields of the configuration that mean nothing to this model
    default_epochs: ClassVar[int] = 20

    def __init__(
        self,
        lexicon: Words = "jieba",
        *,
        char_vectors: Vectors | None = None,
        word_vectors: Vectors | None = None,
        hidden_size: int = 200,
        max_epochs: int | None = None,
        config: TaggerConfig | None = None,
        random_state: int | None = None,
        device: str = "auto",
    ) -> None:
        self.lexicon = lexicon
        self.char_vectors = char_vectors
        self.word_vectors = word_vectors
        self.hidden_size = hidden_size
        self.max_epochs = max_epochs
        self.config = config
        self.random_state = random_state
        self.device = device

    def fit(
        self,
        sentences: Sentences,
        tags: Iterable[Sequence[str]],
        validation: tuple[Sentences, Iterable[Sequence[str]]] | None = None,
        *,
        scheme: Scheme | None = None,
        folder: str | os.PathLike[str] | None = None,
        restart: bool = False,
        loggers: Sequence[str] = (),
    ) -> Self:
        """Learn from sentences and their tags.

        Parameters
        ----------
        sentences
            Each a string, whose characters other than white space are tagged, or a list of characters. One of more than
            1,000 characters is read in parts, as by `predict`, but not cut within an entity.
        tags
            For each sentence a tag a character: BMES, BIOES or BIO.
        validation
            Held-out sentences and tags: training keeps the weights with the best F1 on them, which is that of `score`.
        scheme
            What all tags are in, "BMES", "BIOES" or "BIO"; if it is not given it is guessed, of training and of
            validation tags for themselves.
        folder
            Where to save the model. The run checkpoints there too: the same call, made again after a crash, goes on
            where it was, and once the model is finished just loads it. Needs a `random_state`.
        restart
            Start over, and replace what `folder` holds once the new model is finished.
        loggers
            "tensorboard", "wandb": figures go there beside `folder`/training/log.csv. Needs `folder`.

        Raises
        ------
        InputError
            If something given cannot be used; nothing has been trained then.
        FloatingPointError
            If training diverges.
        """
        config, hidden_size, epochs = self._settings()
        if scheme is not None:
            one_of("scheme", scheme, SCHEMES)
        if config.patience is not None and validation is None:
            raise InputError(f"patience={config.patience} needs validation sentences, which fit was not given")

        import torch

        from latticework.core.hardware import fork_random
        from latticework.core.runs import Run
        from latticework.ner.decoding import TagSet
        from latticework.ner.learned import Learned
        from latticework.ner.learning import TaggingTask, fingerprint, tell_of, training_plan, usual_epochs
        from latticework.ner.pretrained import Given, readable

        run = Run.begin(self, folder, restart=restart, loggers=loggers)
        training, held_out = check_training(sentences, tags, validation, repair=config.repair, scheme=scheme)
        reads_lexicon = self.architecture.reads_lexicon(config)
        lexicon = Lexicon.of(self.lexicon if reads_lexicon else None)
        parts = Parts.of(training.tokens, whole=training.spans)
        given = Given.read(self.char_vectors, self.word_vectors, lexicon, readable(parts.tokens, pairs=config.bigrams))
        config = given.sized(config)
        inputs = self.architecture.learn_inputs(parts.tokens, lexicon, config, given)
        tag_set = TagSet(tuple(training.labels))
        with fork_random(torch.device("cpu"), spawn(run.seed, "weights")):
            model = self.architecture.build(inputs, config, tags=len(tag_set.names), hidden_size=hidden_size)
        for name, count in model.begin_with(given, inputs).items():
            if getattr(self, name) is not None and not count:
                warnings.warn(
                    f"{name}: {getattr(self, name)} has no vector of what {type(self).__name__} reads of the training "
                    "text",
                    stacklevel=callers_level(),
                )
        features = inputs.encode(parts.tokens)
        if self.lexicon is not None and reads_lexicon:
            tell_of(lexicon, features)
        held_out_parts = Parts.of([] if held_out is None else held_out.tokens)
        task = TaggingTask(
            model,
            tag_set,
            features,
            parts.divide(training.spans),
            None if held_out is None else (held_out_parts, inputs.encode(held_out_parts.tokens), held_out.spans),
            batch_size=config.batch_size,
            seed=spawn(run.seed, "batches"),
        )
        filled = sum(map(bool, parts.tokens))
        epochs = epochs or usual_epochs(self.default_epochs, config, sentences=filled)
        settings = {
            "class": type(self).__name__,
            "seed": run.seed,
            "epochs": epochs,
            "hidden_size": hidden_size,
            "lexicon": lexicon.sha256,
            "given": given.sha256,
            "scheme": training.scheme,
            "vocabularies": inputs.to_values(),
        }
        run_fingerprint = fingerprint(settings, config, task)

        def learn() -> None:
            plan = training_plan(config, sentences=filled, max_epochs=epochs)
            history = run.train(task, plan, precision=PRECISION, fingerprint=run_fingerprint)
            if held_out is not None and not max(row.get("valid_f1", 0) for row in history):
                message("the best F1 on the validation sentences is 0: train longer (--epochs, max_epochs)")
            self.learned_ = Learned(config, hidden_size, inputs, tag_set, training.scheme, model)
            self.history_, self.fingerprint_ = history, run_fingerprint

        run.once(self, run_fingerprint, learn)
        return self

    @property
    def config_(self) -> TaggerConfig:
        """The configuration that was used."""
        return self.learned_.config

    @property
    def labels_(self) -> tuple[str, ...]:
        """The types of entity, sorted."""
        return self.learned_.tag_set.labels

    @property
    def scheme_(self) -> Scheme:
        """That of the training tags."""
        return self.learned_.scheme

    @property
    def lexicon_(self) -> Lexicon:
        """The words that match now."""
        lexicon: Lexicon = self.learned_.inputs.lexicon
        return lexicon

    @property
    def model_(self) -> TaggerModel:
        """The module."""
        return self.learned_.model

    def predict(self, sentences: Sentences) -> list[list[str]]:
        """Tag sentences.

        Parameters
        ----------
        sentences
            Strings, whose characters other than white space are tagged, or lists of characters. One of more than 1,000
            characters is tagged in parts of at most that many, cut after the last end of a sentence in their second
            half if there is one.

        Returns
        -------
        list of list of str
            A tag a character, always legal, in the scheme of the training tags.

        Raises
        ------
        InputError
            If `sentences` is one string, a set or a table, or one of them is neither a string nor a list of characters.
        """
        check_is_fitted(self)
        tokens = check_sentences(sentences, "sentences")
        return [tags_of(spans, len(row), self.scheme_) for row, spans in zip(tokens, self._spans(tokens), strict=True)]

    def spans(self, sentences: Sentences) -> list[list[Span]]:
        """What `predict` says, as entities: for each sentence from left to right, over its characters.

        Raises
        ------
        InputError
            As `predict`.
        """
        check_is_fitted(self)
        return self._spans(check_sentences(sentences, "sentences"))

    def entities(self, texts: Iterable[str]) -> list[list[Entity]]:
        """Find the entities of texts.

        Parameters
        ----------
        texts
            Strings.

        Returns
        -------
        list of list of Entity
            For each text its entities from left to right; offsets index the original string, white space included.

        Raises
        ------
        InputError
            If `texts` is one string, a set or a table, or one of them is none.
        """
        check_is_fitted(self)
        given = check_texts(texts)
        read = [characters(text) for text in given]
        with self._inference() as device:
            found, scores = self.learned_.scored_spans([tokens for tokens, _ in read], device)
        return [
            entities_in(text, offsets, spans, likely)
            for text, (_, offsets), spans, likely in zip(given, read, found, scores, strict=True)
        ]

    def score(self, sentences: Sentences, tags: Iterable[Sequence[str]]) -> float:
        """Strict span F1, from 0 to 1: an entity counts if its start, its end and its label are right.

        Raises
        ------
        InputError
            As `fit`, for sentences or tags that cannot be used.
        """
        check_is_fitted(self)
        gold = check_labelled(sentences, tags, "score", repair=self.config_.repair)
        return span_scores(gold.spans, self._spans(gold.tokens)).f1

    def transform(self, sentences: Sentences) -> np.ndarray:
        """The mean of the states of each sentence's characters.

        Returns
        -------
        array of float32, shape (n, hidden_size)
            A sentence without characters has zeros.
        """
        check_is_fitted(self)
        tokens = check_sentences(sentences, "sentences")
        with self._inference() as device:
            return self.learned_.mean_states(tokens, device)

    def character_states(self, sentences: Sentences) -> list[np.ndarray]:
        """What the encoder makes of each character: a float32 array (characters, hidden_size) for each sentence."""
        check_is_fitted(self)
        tokens = check_sentences(sentences, "sentences")
        with self._inference() as device:
            return self.learned_.states(tokens, device)

    def matches(self, text: str) -> list[Match]:
        """The words of the lexicon in a text, from left to right, shorter ones first."""
        check_is_fitted(self)
        [given] = check_texts([text])
        return matches_in(given, self.learned_.inputs.matcher)

    def with_lexicon(self, lexicon: Words) -> Self:
        """The same model with another lexicon, without training.

        Words that training did not match share the vector of the unknown word, which training prepares by hiding rare
        words: that such a word is there still counts. This model stays as it is.

        Raises
        ------
        InputError
            If it is no lexicon, see `Lexicon.of`, or this model reads no words.
        """
        check_is_fitted(self)
        plain_source(lexicon)
        if not self.architecture.reads_lexicon(self.config_):
            raise InputError(f"a {type(self).__name__} like this reads no words: leave out the lexicon (--lexicon)")
        other = copy.copy(self)
        other.lexicon = lexicon
        other.learned_ = self.learned_.with_lexicon(Lexicon.of(lexicon))
        other.fingerprint_ = ""  # no run ends in this model
        return other

    def check_options(self) -> None:
        """Refuse options that nothing could be trained with, before a text is read.

        Raises
        ------
        InputError
            With the option.
        """
        self._settings()

    def _about(self) -> dict[str, object]:
        """Its labels, words and size."""
        return {
            "labels": list(self.labels_),
            "scheme": self.scheme_,
            "lexicon": {"words": len(self.lexicon_.words), "sha256": self.lexicon_.sha256},
            "vocabulary": {name: len(known) - 1 for name, known in self.learned_.inputs.vocabularies().items()},
            "weights": sum(parameter.numel() for parameter in self.model_.parameters()),
        }

    def _settings(self) -> tuple[TaggerConfig, int, int | None]:
        expected = self.config_class or TaggerConfig
        config = expected() if self.config is None else self.config
        if type(config) is not expected:  # one with more fields would be saved, and could not be loaded
            raise InputError(f"config: expected a {expected.__name__}, got {type(config).__name__}")
        for name in self.unread:
            if (value := getattr(config, name)) != getattr(expected, name):
                raise InputError(f"{name}={shortened(value)}: {type(self).__name__} has no use for it; leave it out")
        plain_source(self.lexicon)
        hidden_size = whole_number("hidden_size", self.hidden_size, least=2)
        if hidden_size % 2:
            raise InputError(f"hidden_size={hidden_size}: expected an even number, half of it for each direction")
        return config, hidden_size, None if self.max_epochs is None else whole_number("max_epochs", self.max_epochs)

    def _spans(self, tokens: list[list[str]]) -> list[list[Span]]:
        with self._inference() as device:
            return self.learned_.spans(tokens, device)

    def _inference(self) -> AbstractContextManager[torch.device]:
        """Evaluation on the chosen device."""
        from latticework.core.hardware import evaluating

        return evaluating(self.model_, self.device, PRECISION)

    def to_state(self) -> State:
        """Everything that was learned."""
        from latticework.ner.saving import state_of

        return state_of(self.learned_, self.lexicon, self.history_, self.fingerprint_)

    def from_state(self, state: State) -> None:
        """Take back everything that was learned."""
        from latticework.ner.saving import learned_of

        found = learned_of(state, self.architecture, self.config_class or TaggerConfig)
        self.learned_, self.lexicon, self.history_, self.fingerprint_ = found
