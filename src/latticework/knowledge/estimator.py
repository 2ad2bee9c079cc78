"""DKGE: embeddings of a knowledge graph, kept up to date by training what changed (Wu et al. 2022)."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, get_args

from sklearn.utils.validation import check_is_fitted

from latticework.core import InputError, State, spawn
from latticework.core.checks import one_of, whole_number
from latticework.core.errors import callers_level
from latticework.core.words import counted, shortened
from latticework.knowledge.choices import Affected, Init
from latticework.knowledge.config import DKGEConfig
from latticework.knowledge.deltas import Delta
from latticework.knowledge.differences import SinceFit
from latticework.knowledge.facts import HeldOut, Triples, read_graph, read_named, read_validation
from latticework.knowledge.graph import Missing
from latticework.knowledge.link_prediction import LinkPredictor
from latticework.knowledge.results import Evaluation, UpdateReport

if TYPE_CHECKING:
    from latticework.knowledge.known_triples import KnownTriples

RULES: Final = get_args(Affected)
UPDATING: Final = ("max_triples_per_entity", "update_epochs", "update_learning_rate", "new_entities")


class DKGE(LinkPredictor):
    """Embed a knowledge graph, and bring the embeddings up to date as facts come and go.

    Every entity and relation has a joint embedding o* of its own embedding and of its context: neighbours, or the paths
    beside its facts. A fact is likely where h* + r* is near t*. Entities and relations are known by name, across
    updates too.

    Parameters
    ----------
    dim : int
        Width of the embeddings.
    max_context : int
        Context elements of an object, at most; of more, those whose names have the smallest digests.
    max_epochs : int
        Length of training, at most; with validation it ends where nothing gets better.
    affected : str
        What an update trains beside what is new: "subgraph", entities among which and whose neighbours a fact came or
        went; "neighbours", those whose neighbours changed; "entity", those that got a new entity for a neighbour or
        lost one that is no more. Joint embeddings are refreshed wherever a context changed, whatever the rule.
    init : str
        "xavier": uniform, with rows of unit length on average. "transe": begin with embeddings that TransE has learnt.
    config : DKGEConfig, optional
        Everything else.
    random_state : int, optional
        The same number gives the same model.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".

    Attributes
    ----------
    graph_ : Graph
        The facts now.
    entity_embeddings_, relation_embeddings_ : arrays of float32, shape (entities, dim) and (relations, dim)
        Joint embeddings by number; those of removed entities mean nothing.
    history_ : list of dict
        What was logged during training.

    Examples
    --------
    >>> facts = [("Rome", "capital of", "Italy"), ("Milan", "in", "Italy"), ("Oslo", "capital of", "Norway")]
    >>> model = DKGE(dim=8, max_epochs=2, random_state=0).fit(facts)
    >>> report = model.partial_fit(add=[("Bergen", "in", "Norway")], remove=[("Milan", "in", "Italy")])
    >>> sorted(report.new), sorted(report.removed)
    (['Bergen'], ['Milan'])
    """

    config_class: ClassVar[type[Any] | None] = DKGEConfig

    def __init__(
        self,
        dim: int = 100,
        *,
        max_context: int = 30,
        max_epochs: int = 50,
        affected: Affected = "subgraph",
        init: str = "xavier",
        config: DKGEConfig | None = None,
        random_state: int | None = None,
        device: str = "auto",
    ) -> None:
        self.dim = dim
        self.max_context = max_context
        self.max_epochs = max_epochs
        self.affected = affected
        self.init = init
        self.config = config
        self.random_state = random_state
        self.device = device

    def fit(
        self,
        triples: Triples,
        validation: Triples | None = None,
        *,
        folder: str | os.PathLike[str] | None = None,
        restart: bool = False,
        loggers: Sequence[str] = (),
        sharded: bool = False,
    ) -> Self:
        """Learn from the facts of a graph.

        Parameters
        ----------
        triples
            (head, relation, tail) by name, as rows, an array, a table, a `Graph`, or the name of a file, or of a
            folder with a data set.
        validation
            Held-out facts, of a folder those to validate with: training keeps the weights with the best filtered MRR on
            them, and stops where that no longer grows. Those that the graph has, or whose names it does not have, are
            left out with a warning, until an update makes them of use.
        folder
            Where to save the model. The run checkpoints there too: the same call, made again after a crash, goes on
            where it was, and once the model is finished just loads it. Needs a `random_state`.
        restart
            Start over, and replace what `folder` holds once the new model is finished.
        loggers
            "tensorboard", "wandb": figures go there beside `folder`/training/log.csv. Needs `folder`.
        sharded
            Under `torchrun`, which spreads every batch over its processes, spread the embeddings of entities, their
            gradients and the optimiser's state as well while they train: each process holds its share of the rows.
            The first one puts the whole model together when it validates and saves, and all have it in the end. From
            200,000 entities on this is always so. What is learned is the same, but for rounding.

        Raises
        ------
        InputError
            If something given cannot be used; nothing has been trained then.
        FloatingPointError
            If training diverges.
        """
        config, dim, max_context, epochs = self._settings()

        from latticework.core.runs import Run
        from latticework.knowledge.fitting import fit_facts
        from latticework.knowledge.learning import fingerprint

        run = Run.begin(self, folder, restart=restart, loggers=loggers)
        graph = read_graph(triples)
        kept = read_validation(validation)
        held_out = HeldOut.of(kept, graph)
        held_out.warn("validation")
        settings = {"class": type(self).__name__, "seed": run.seed, "epochs": epochs, "dim": dim}
        settings |= {"max_context": max_context, "init": self.init, "affected": self.affected}
        run_fingerprint = fingerprint(settings, config, graph, kept)

        def learn() -> None:
            self.learned_, self.history_ = fit_facts(
                run,
                graph,
                held_out.triples,
                config,
                dim=dim,
                max_context=max_context,
                max_epochs=epochs,
                init=self.init,
                sharded=sharded,
                fingerprint=run_fingerprint,
            )
            self.config_, self.seed_, self.fingerprint_ = config, run.seed, run_fingerprint
            self.validation_ = kept
            self.updates_, self.since_fit_ = 0, SinceFit.none()
            self.watched_: list[tuple[str, int, str]] = []  # how far files of changes were applied: see `positions`

        run.once(self, run_fingerprint, learn)
        if self.updates_:
            updates = counted(self.updates_, "update")
            told = f"{folder} holds this run's model after {updates}; restart to fit it anew"
            warnings.warn(told, stacklevel=callers_level())
        return self

    def partial_fit(
        self,
        add: Triples = (),
        remove: Triples = (),
        *,
        validation: Triples | None = None,
        missing: Missing = "warn",
    ) -> UpdateReport:
        """Add facts and remove facts, in one transaction, and bring the embeddings up to date.

        The weights that all share stay. Trained are the embeddings of what is affected (see `affected`) and of what is
        new; everything whose context did not change keeps its joint embedding bit for bit. An entity that loses its
        last fact is removed. If anything fails the model stays as it was. Of `config`, as it is by then, count the
        figures of updates; everything else is as it was fitted.

        Parameters
        ----------
        add, remove
            As `fit` takes them. A fact that is in both is there afterwards.
        validation
            Held-out facts by which to stop; those about what is trained count. They take the place of those of `fit`
            from then on. When absent those there are, without what was removed since.
        missing
            What becomes of a fact to remove that the graph does not have: "warn" passes over it with a warning,
            "ignore" without, "raise" refuses the transaction.

        Raises
        ------
        InputError
            If something given cannot be used, or the update would leave no facts.
        FloatingPointError
            If training diverges.
        """
        return self.apply(
            Delta(add=tuple(read_named(add, "add")), remove=tuple(read_named(remove, "remove"))),
            validation=validation,
            missing=missing,
        )

    def apply(self, delta: Delta, *, validation: Triples | None = None, missing: Missing = "warn") -> UpdateReport:
        """As `partial_fit`, of a transaction that was read or found by comparing graphs."""
        check_is_fitted(self)
        one_of("affected", self.affected, RULES)
        from latticework.knowledge.online import learn_online
        from latticework.knowledge.scope import changed
        from latticework.knowledge.update_report import report_of

        started = time.monotonic()
        before, config = self.learned_, self._updating()
        given = read_validation(validation)
        graph, index, change, scope = changed(
            before, delta, rule=self.affected, most=config.max_triples_per_entity, missing=missing
        )
        if not len(graph):
            raise InputError("the update would leave a graph without facts")
        gone = set(delta.remove).difference(delta.add)  # which is true no more, whether or not it was in the graph
        kept = [fact for fact in self.validation_ if fact not in gone] if validation is None else given
        held_out = HeldOut.of(kept, graph)
        if validation is not None:
            held_out.warn("validation")
        if not change:
            self.validation_ = kept
            seconds = time.monotonic() - started
            share = len(self.since_fit_) / len(graph)
            return report_of(before, before, change, scope, epochs=0, seconds=seconds, changed=share)
        after, epochs = learn_online(
            before,
            graph,
            index,
            scope,
            held_out.triples,
            config,
            seed=spawn(self.seed_, f"update {self.updates_ + 1}"),
            device=self.device,
        )
        since_fit = self.since_fit_.updated(change)
        report = report_of(
            before,
            after,
            change,
            scope,
            epochs=epochs,
            seconds=time.monotonic() - started,
            changed=len(since_fit) / len(graph),
        )
        self.learned_, self.updates_, self.since_fit_, self.validation_ = after, self.updates_ + 1, since_fit, kept
        return report

    def evaluate(self, test: Triples) -> Evaluation:
        """Rank held-out facts among all entities there are, leaving out other facts that are known to be true.

        Of a folder these are the facts to test with.
        Known are those of the graph, of the validation and of the test. Facts of the graph, and such whose names it
        does not have, are left out with a warning; those of the validation, by which the model was chosen, count, with
        a warning; one that is there twice counts once. Ties count as they would on average in any order.

        Raises
        ------
        InputError
            If no fact is left.
        """
        check_is_fitted(self)
        from latticework.knowledge.evaluation import judge

        held_out, known = self._judged_by(test)
        return judge(self.learned_, held_out, known, seen=self.since_fit_.seen(self.graph_))

    def score(self, test: Triples) -> float:
        """The filtered MRR on held-out facts, from 0 to 1; see `evaluate`."""
        check_is_fitted(self)
        from latticework.knowledge.evaluation import ranks_of
        from latticework.knowledge.metrics import scores

        held_out, known = self._judged_by(test)
        return scores(ranks_of(self.learned_, held_out.triples, known)).mrr

    def _judged_by(self, test: Triples) -> tuple[HeldOut, KnownTriples]:
        """Held-out facts, and all that are known to be true."""
        from latticework.knowledge.known_triples import known_triples

        graph = self.graph_
        held_out = HeldOut.of(read_named(test, "test", "test"), graph)
        if not len(held_out.triples):
            raise InputError(
                f"test: there is no fact to judge by; {held_out.leaked:,} are in the graph, {held_out.unknown:,} name "
                "what it does not have"
            )
        held_out.warn("test")
        validation = HeldOut.of(self.validation_, graph)
        if validated := held_out.also_in(validation):
            told = f"test: the model was validated with them, so they look too good: {counted(validated, 'fact')}"
            warnings.warn(told, stacklevel=callers_level())
        return held_out, known_triples(graph, validation.triples, held_out.triples)

    def _about(self) -> dict[str, object]:
        graph = self.graph_
        return {
            "facts": len(graph),
            "entities": int(graph.present.sum()),
            "relations": int(graph.relations_present.sum()),
            "updates": self.updates_,
            "facts changed since fit": len(self.since_fit_),
        }

    def _settings(self) -> tuple[DKGEConfig, int, int, int]:
        config = DKGEConfig() if self.config is None else self.config
        if type(config) is not DKGEConfig:
            raise InputError(f"config={shortened(self.config)}: expected a DKGEConfig")
        one_of("affected", self.affected, RULES)
        one_of("init", self.init, get_args(Init))
        dim, max_context, epochs = (
            whole_number(name, getattr(self, name)) for name in ("dim", "max_context", "max_epochs")
        )
        return config, dim, max_context, epochs

    def _updating(self) -> DKGEConfig:
        """What the model was learned with, but updates as the parameter `config` says, if that is given."""
        if self.config is None:
            return self.config_
        config = self._settings()[0]
        return replace(self.config_, **{name: getattr(config, name) for name in UPDATING})

    def to_state(self) -> State:
        """Everything that was learned."""
        from latticework.knowledge.saving import state_of

        values = {
            "config": asdict(self.config_),
            "seed": self.seed_,
            "fingerprint": self.fingerprint_,
            "max_context": self.learned_.max_context,
            "updates": self.updates_,
            "watched": [list(position) for position in self.watched_],
        }
        return state_of(self.learned_, self.since_fit_, values, self.validation_, self.history_)

    def from_state(self, state: State) -> None:
        """Take back everything that was learned."""
        from latticework.knowledge.saving import learned_of

        values = state.values
        self.config_ = DKGEConfig(**values["config"])
        self.seed_, self.fingerprint_ = values["seed"], values["fingerprint"]
        self.updates_ = values["updates"]
        self.watched_ = [(str(name), int(lines), str(digest)) for name, lines, digest in values["watched"]]
        found = learned_of(state, self.config_, max_context=whole_number("max_context", values["max_context"]))
        self.learned_, self.since_fit_, self.validation_, self.history_ = found
