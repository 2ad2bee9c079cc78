"""What all taggers of characters share: learn from labelled sentences, tag text, find entities, save and load."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeAlias

import numpy as np
from sklearn.utils.validation import check_is_fitted

from latticework.core.checks import one_of, whole_number
from latticework.core.errors import InputError
from latticework.core.estimator import Estimator
from latticework.core.persistence import State
from latticework.core.progress import message
from latticework.core.seeds import spawn
from latticework.core.values import from_json, to_json
from latticework.ner.config import TaggerConfig
from latticework.ner.labelled import check_labelled, check_training
from latticework.ner.lexicon import Lexicon, plain_source
from latticework.ner.matching import Matcher
from latticework.ner.metrics import span_scores
from latticework.ner.parts import Parts
from latticework.ner.results import Entity, Match, entities_in, matches_in
from latticework.ner.tags import SCHEMES, Span, tags_of
from latticework.ner.text import characters, check_sentences, check_texts

if TYPE_CHECKING:
    import torch

    from latticework.ner.decoding import TagSet
    from latticework.ner.features import Inputs
    from latticework.ner.model import TaggerModel
    from latticework.ner.pretrained import Given

PRECISION: Final = "32"  # a recurrence rounds at every character; and on CPUs bfloat16 gains nothing here

Sentences = Iterable[str | Sequence[str]]
Vectors = str | os.PathLike[str]
Words: TypeAlias = str | os.PathLike[str] | Sequence[str] | Mapping[str, int] | Lexicon | None


class Tagger(Estimator):
    """Base of the taggers; a subclass says what it reads of a text and which encoder it has.

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
    reads_words: ClassVar[bool] = True  # whether words that match are part of its input
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
        folder: str | os.PathLike[str] | None = None,
        restart: bool = False,
        loggers: Sequence[str] = (),
    ) -> Self:
        """Learn from sentences and their tags.

        Parameters
        ----------
        sentences
            Each a string, whose characters other than white space are tagged, or a list of characters.
        tags
            For each sentence a tag a character: BMES, BIOES or BIO.
        validation
            Held-out sentences and tags: training keeps the weights with the best F1 on them.
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

        import torch

        from latticework.core.hardware import fork_random
        from latticework.core.runs import Run
        from latticework.ner.decoding import TagSet
        from latticework.ner.learning import TaggingTask, fingerprint, tell_of, training_plan, usual_epochs
        from latticework.ner.pretrained import Given

        run = Run.begin(folder, random_state=self.random_state, device=self.device, restart=restart, loggers=loggers)
        training, held_out = check_training(sentences, tags, validation, repair=config.repair)
        lexicon = Lexicon.of(self.lexicon if self._reads_lexicon(config) else None)
        given = Given.read(self.char_vectors, self.word_vectors, lexicon)
        config = given.sized(config)
        inputs = self._learn_inputs(training.tokens, lexicon, config, given)
        tag_set = TagSet(tuple(training.labels))
        with fork_random(torch.device("cpu"), spawn(run.seed, "weights")):
            model = self._build(inputs, tag_set, config, hidden_size)
        for name, count in model.begin_with(given, inputs).items():
            if getattr(self, name) is not None and not count:
                warnings.warn(
                    f"{name}: {getattr(self, name)} has no vector of what {type(self).__name__} reads of the training "
                    "text",
                    stacklevel=2,
                )
        features = inputs.encode(training.tokens)
        if self.lexicon is not None and self._reads_lexicon(config):
            tell_of(lexicon, features)
        task = TaggingTask(
            model,
            tag_set,
            features,
            training.spans,
            None if held_out is None else (inputs.encode(held_out.tokens), held_out.spans),
            batch_size=config.batch_size,
            seed=spawn(run.seed, "batches"),
        )
        filled = sum(map(bool, training.tokens))
        epochs = epochs or usual_epochs(self.default_epochs, config, sentences=filled)
        settings = {"class": type(self).__name__, "seed": run.seed, "epochs": epochs, "hidden_size": hidden_size}
        run_fingerprint = fingerprint(settings | {"lexicon": lexicon.sha256}, config, task)

        def learn() -> None:
            plan = training_plan(config, sentences=filled, max_epochs=epochs)
            history = run.train(task, plan, precision=PRECISION, fingerprint=run_fingerprint)
            if held_out is not None and not max(row.get("valid_f1", 0) for row in history):
                message("the best F1 on the validation sentences is 0: train longer (--epochs, max_epochs)")
            self.config_, self.hidden_size_, self.inputs_, self.tag_set_ = config, hidden_size, inputs, tag_set
            self.model_, self.scheme_ = model, training.scheme
            self.history_, self.fingerprint_ = history, run_fingerprint

        run.once(self, run_fingerprint, learn)
        return self

    @property
    def labels_(self) -> tuple[str, ...]:
        """The types of entity, sorted."""
        return self.tag_set_.labels

    @property
    def lexicon_(self) -> Lexicon:
        """The words that match now."""
        return self.inputs_.lexicon

    def predict(self, sentences: Sentences) -> list[list[str]]:
        """Tag sentences.

        Parameters
        ----------
        sentences
            Strings, whose characters other than white space are tagged, or lists of characters. One of more than 1,000
            characters is tagged in parts, cut where a sentence ends.

        Returns
        -------
        list of list of str
            A tag a character, always legal, in the scheme of the training tags.

        Raises
        ------
        InputError
            If `sentences` is one string, or one of them is neither a string nor a list of characters.
        """
        check_is_fitted(self)
        tokens = check_sentences(sentences, "sentences")
        return [
            tags_of(spans, len(sentence), self.scheme_)
            for sentence, spans in zip(tokens, self._spans(tokens), strict=True)
        ]

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
            If `texts` is one string, or one of them is none.
        """
        check_is_fitted(self)
        given = check_texts(texts)
        read = [characters(text) for text in given]
        found, scores = self._scored_spans([tokens for tokens, _ in read])
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
        states = self.character_states(sentences)
        return (
            np.stack([row.mean(0) if len(row) else np.zeros(self.hidden_size_, np.float32) for row in states])
            if states
            else np.zeros((0, self.hidden_size_), np.float32)
        )

    def character_states(self, sentences: Sentences) -> list[np.ndarray]:
        """What the encoder makes of each character: a float32 array (characters, hidden_size) for each sentence."""
        check_is_fitted(self)
        from latticework.ner.decoding import states

        tokens = check_sentences(sentences, "sentences")
        parts = Parts.of(tokens)
        with self._inference() as device:
            features = self.inputs_.encode(parts.tokens)
            found = features.spread(states(self.model_, features, device=device))
        return [np.concatenate([found[index] for index in mine]) for mine in parts.of_each()]

    def matches(self, text: str) -> list[Match]:
        """The words of the lexicon in a text, from left to right, shorter ones first."""
        check_is_fitted(self)
        [given] = check_texts([text])
        return matches_in(given, self.inputs_.matcher)

    def with_lexicon(self, lexicon: Words) -> Self:
        """The same model with another lexicon, without training.

        Words that training did not match share the vector of the unknown word, which training prepares by hiding rare
        words: that such a word is there still counts. This model stays as it is.

        Raises
        ------
        InputError
            If it is no lexicon, see `Lexicon.of`.
        """
        check_is_fitted(self)
        plain_source(lexicon)
        other = copy.copy(self)
        other.lexicon = lexicon
        other.inputs_ = replace(self.inputs_, matcher=Matcher(Lexicon.of(lexicon)))
        return other

    def describe(self) -> dict[str, object]:
        """Return what is worth knowing about the tagger, as plain values; `latticework show` prints it."""
        description = super().describe()
        if hasattr(self, "model_"):
            learnt = {name: len(known) - 1 for name, known in self.inputs_.vocabularies().items()}
            description |= {
                "labels": list(self.labels_),
                "scheme": self.scheme_,
                "lexicon": {"words": len(self.lexicon_.words), "sha256": self.lexicon_.sha256},
                "vocabulary": learnt,
                "weights": sum(parameter.numel() for parameter in self.model_.parameters()),
            }
        return description

    # What a subclass says

    def _learn_inputs(
        self, sentences: Sequence[Sequence[str]], lexicon: Lexicon, config: TaggerConfig, given: Given
    ) -> Inputs:
        from latticework.ner.features import Inputs

        return Inputs.learn(
            sentences, lexicon, pairs=config.bigrams, places=config.softword, words=self.reads_words, given=given
        )

    def _reads_lexicon(self, config: TaggerConfig) -> bool:
        return self.reads_words or config.softword

    def _encoder(self, char_size: int, inputs: Inputs, config: Any, hidden_size: int) -> Any:
        raise NotImplementedError

    # How it is done

    def _settings(self) -> tuple[TaggerConfig, int, int | None]:
        expected = self.config_class or TaggerConfig
        config = expected() if self.config is None else self.config
        if type(config) is not expected:  # one with more fields would be saved, and could not be loaded
            raise InputError(f"config={self.config!r}: expected a {expected.__name__}")
        plain_source(self.lexicon)
        hidden_size = whole_number("hidden_size", self.hidden_size, least=2)
        if hidden_size % 2:
            raise InputError(f"hidden_size={hidden_size}: expected an even number, half of it for each direction")
        return config, hidden_size, None if self.max_epochs is None else whole_number("max_epochs", self.max_epochs)

    def _build(self, inputs: Inputs, tag_set: TagSet, config: Any, hidden_size: int) -> TaggerModel:
        from latticework.ner.model import CharacterVectors, TaggerModel

        vectors = CharacterVectors(inputs, config)
        encoder = self._encoder(vectors.size, inputs, config, hidden_size)
        return TaggerModel(vectors, encoder, len(tag_set.names), config)

    def _spans(self, tokens: list[list[str]]) -> list[list[Span]]:
        from latticework.ner.decoding import decode

        parts = Parts.of(tokens)
        features = self.inputs_.encode(parts.tokens)
        with self._inference() as device:
            found = decode(self.model_, self.tag_set_, features, device=device)
        return parts.join(features.over_characters(found))

    def _scored_spans(self, tokens: list[list[str]]) -> tuple[list[list[Span]], list[list[float]]]:
        from latticework.ner.decoding import decode_with_scores

        parts = Parts.of(tokens)
        features = self.inputs_.encode(parts.tokens)
        with self._inference() as device:
            found, scores = decode_with_scores(self.model_, self.tag_set_, features, device=device)
        joined = [[score for index in mine for score in scores[index]] for mine in parts.of_each()]
        return parts.join(features.over_characters(found)), joined

    def _inference(self) -> AbstractContextManager[torch.device]:
        """Evaluation on the chosen device."""
        from latticework.core.hardware import evaluating

        return evaluating(self.model_, self.device, PRECISION)

    def to_state(self) -> State:
        """Everything that was learned."""
        from latticework.core.loggers import without_timings

        return State(
            values={
                "config": asdict(self.config_),
                "hidden_size": self.hidden_size_,
                "labels": list(self.labels_),
                "scheme": self.scheme_,
                "lexicon_sha256": self.lexicon_.sha256,
                "lexicon_was_read": isinstance(self.lexicon, Lexicon),
                "fingerprint": self.fingerprint_,
            },
            tensors={"weights": self.model_.state_dict()},
            files=({"lexicon.txt": self.lexicon_.to_bytes()} if len(self.lexicon_) else {})
            | {
                "lexicon_parameter.json": to_json(plain_source(self.lexicon), "lexicon"),
                "vocabularies.json": to_json(self.inputs_.to_values(), "vocabularies"),
                "history.json": to_json(without_timings(self.history_), "history"),
            },
        )

    def from_state(self, state: State) -> None:
        """Take back everything that was learned."""
        import torch

        from latticework.core.hardware import fork_random
        from latticework.ner.decoding import TagSet
        from latticework.ner.model import check_sizes

        values = state.values
        lexicon = Lexicon.from_bytes(state.files.get("lexicon.txt", b""))
        if lexicon.sha256 != values["lexicon_sha256"]:
            raise ValueError("its lexicon is not the one that was saved")
        given = from_json(state.files["lexicon_parameter.json"])
        self.lexicon = lexicon if values["lexicon_was_read"] else given
        config_class = self.config_class or TaggerConfig
        self.config_ = config_class(**values["config"])
        self.hidden_size_ = whole_number("hidden_size", values["hidden_size"], least=2)
        self.inputs_ = self._inputs_from(from_json(state.files["vocabularies.json"]), lexicon)
        self.tag_set_, self.scheme_ = TagSet(tuple(values["labels"])), values["scheme"]
        one_of("scheme", self.scheme_, SCHEMES)
        if not all(isinstance(label, str) for label in self.labels_) or len(set(self.labels_)) < len(self.labels_):
            raise ValueError("its labels are not what a model has")
        self.history_, self.fingerprint_ = from_json(state.files["history.json"]), values["fingerprint"]

        def build() -> TaggerModel:
            return self._build(self.inputs_, self.tag_set_, self.config_, self.hidden_size_)

        weights = dict(state.tensors["weights"])
        check_sizes(weights, build)
        with fork_random(torch.device("cpu"), 0):  # what it draws is of no account
            self.model_ = build()
        self.model_.load_state_dict(weights)
        self.model_.eval()

    def _inputs_from(self, values: dict[str, Any], lexicon: Lexicon) -> Inputs:
        from latticework.ner.features import Inputs

        inputs = Inputs.from_values(values, lexicon)
        found = inputs.pairs is not None, inputs.places, inputs.words is not None
        if found != (self.config_.bigrams, self.config_.softword, self.reads_words):
            raise ValueError("its vocabularies are not those that its configuration says")
        return inputs
