"""DKGE beside its published code, on YAGO-3SP, by turns in one process, where both must come to the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import measuring, records
from benchmarks.measuring import agree

MOST = 30  # elements of a context
BATCH, STEPS = 500, 10  # of a training step beside the published code's; so many steps a round
ASKED = 100  # facts that the loop of the published code ranks; ours ranks all
DRAWN = 20_000  # facts that get a negative each in a round
# Between ours and the padded one, which sums in another order, at most, of the loss of any of the first steps. Later
# ones tell less: Adam makes a whole step of what rounding leaves of a gradient of zero, and ten steps grow it tenfold.
LOSS_APART, COMPARED = 1e-5, 20
RATE_APART = 0.02  # of the share of heads among what negatives replace

OURS, LITERAL = "ours", "published way"
STEP, CONTEXTS, RANKS, WRONG = "training step", "building contexts", "filtered ranks", "negatives"
PACKED, UPDATED, ENCODED = "building contexts, and packing all once", "contexts of the next snapshot", "encoding all"
TARGETS = {STEP: ">= 10", CONTEXTS: ">= 10", RANKS: ">= 50"}
UNITS = {
    STEP: ("ms", 1e3),
    CONTEXTS: ("s", 1),
    PACKED: ("s", 1),
    RANKS: ("ms a fact", 1e3),
    WRONG: ("µs each", 1e6),
    UPDATED: ("ms", 1e3),
    ENCODED: ("s", 1),
}

Seconds = dict[str, dict[str, list[float]]]  # by what, by system: of one step, fact, negative, ..., a number a round


def measure_yago(before: Any, after: Any, dim: int, threads: int, repeats: int) -> dict[str, Any]:
    """Systems take turns in this process; `before` are the splits of a snapshot, `after` is the graph of the next."""
    import torch

    torch.set_num_threads(threads)
    jobs, check = make_jobs(before, after, dim, rounds=1 + repeats)
    taken, _ = measuring.take_turns({key: job for key, (job, _) in jobs.items()}, repeats)
    seconds: Seconds = {}
    for (what, system), values in taken.items():
        seconds.setdefault(what, {})[system] = [value / jobs[what, system][1] for value in values]
    return {"seconds": seconds, "figures": check()}


def make_jobs(
    before: Any, after: Any, dim: int, *, rounds: int
) -> tuple[dict[tuple[str, str], tuple[Callable[[], object], int]], Callable[[], dict[str, float]]]:
    """For each task and system what to do and how many things that does; and what compares the results afterwards."""
    import numpy as np
    import torch

    from benchmarks import knowledge_reference as reference
    from latticework.knowledge.differences import difference
    from latticework.knowledge.index import ContextIndex
    from latticework.knowledge.known_triples import known_triples
    from latticework.knowledge.learning import joint_embeddings
    from latticework.knowledge.packing import pack
    from latticework.knowledge.sampling import Sampler
    from latticework.knowledge.translation_ranking import rank_translation

    graph = before.graph
    facts = [tuple(fact) for fact in graph.triples.tolist()]
    sizes = len(graph.entities), len(graph.relations)
    digests = make_digests(graph)
    results: dict[tuple[str, str], Any] = {}
    jobs: dict[tuple[str, str], tuple[Callable[[], object], int]] = {}

    def add(what: str, system: str, job: Callable[[], object], count: int = 1) -> None:
        def run() -> None:
            results[what, system] = job()

        jobs[what, system] = run, count

    def packed() -> Any:
        index = ContextIndex.of(graph, MOST)
        return [
            pack(contexts, np.arange(len(contexts)), padded_to=MOST) for contexts in (index.entities, index.relations)
        ]

    add(CONTEXTS, OURS, lambda: ContextIndex.of(graph, MOST))
    add(PACKED, OURS, packed)
    add(CONTEXTS, LITERAL, lambda: reference.build(facts, *sizes, MOST, digests))

    index = ContextIndex.of(graph, MOST)
    tables = reference.build(facts, *sizes, MOST, digests)
    steps, model, losses = make_steps(graph, index, tables, dim, rounds)
    count = min(STEPS, len(graph) // BATCH)
    for system, step in steps.items():
        add(STEP, system, step, count)

    contexts = index.entities, index.relations
    add(ENCODED, OURS, lambda: joint_embeddings(model, contexts, open_gate=False))
    entities, relations = map(torch.from_numpy, joint_embeddings(model, contexts, open_gate=False))
    known = known_triples(graph, before.valid, before.test)
    known_set = {tuple(fact) for part in (graph.triples, before.valid, before.test) for fact in part.tolist()}
    some = before.test[:: max(1, len(before.test) // ASKED)][:ASKED]
    add(RANKS, OURS, lambda: rank_translation(entities, relations, before.test, known), len(before.test))
    asked = [tuple(fact) for fact in some.tolist()]
    add(RANKS, LITERAL, lambda: reference.ranks(entities, relations, asked, known_set), len(asked))

    sampler = Sampler.of(graph.triples, entities=sizes[0], relations=sizes[1], rule="reference", seed=0)
    drawn = graph.triples[:: max(1, len(graph) // DRAWN)][:DRAWN]
    drawn_facts, true = [tuple(fact) for fact in drawn.tolist()], set(facts)
    rate = float(sampler.head_rates[0])
    add(WRONG, OURS, lambda: sampler.corrupt(drawn, np.arange(len(drawn))), len(drawn))
    add(WRONG, LITERAL, lambda: reference.negatives(drawn_facts, true, sizes[0], rate, 0), len(drawn))

    delta = difference(graph, after)
    changed, change = graph.apply(delta)
    add(UPDATED, OURS, lambda: index.updated(changed, change)[0])
    add(UPDATED, "rebuilt", lambda: ContextIndex.of(changed, MOST))

    def check() -> dict[str, float]:
        compare_contexts(results[CONTEXTS, OURS], results[CONTEXTS, LITERAL])
        compare_indices(results[UPDATED, OURS], results[UPDATED, "rebuilt"])
        mine, theirs = (np.array(losses[system][:COMPARED]) for system in (OURS, LITERAL))
        apart = float(np.max(np.abs(mine - theirs) / np.abs(theirs)))
        agree(apart <= LOSS_APART, f"losses are {apart:.2g} of themselves apart")
        places = [int(np.flatnonzero((before.test == fact).all(1))[0]) for fact in some]
        ranks = results[RANKS, OURS].optimistic[places]
        agree((ranks == np.array(results[RANKS, LITERAL])).all(), "ranks differ")
        wrong = {OURS: results[WRONG, OURS][:, 0], LITERAL: np.array(results[WRONG, LITERAL])}
        shares = []
        for system, found in wrong.items():
            agree(not sampler.known.contains(found).any(), f"{system}: a negative is a known fact")
            shares.append(float((found[:, 0] != drawn[:, 0]).mean()))
        agree(abs(shares[0] - shares[1]) <= max(RATE_APART, 4 * len(drawn) ** -0.5), f"heads are replaced at {shares}")
        return {
            "loss apart": apart,
            "steps compared": len(mine),
            "facts of the delta": len(delta.add) + len(delta.remove),
        }

    return jobs, check


def make_digests(graph: Any) -> tuple[Callable[[int], int], Callable[[tuple[int, ...]], int]]:
    """What decides which neighbours, and which paths, an object with too many keeps."""
    import numpy as np

    from latticework.knowledge.paths import path_digests

    count = len(graph.relations)
    paths = [(first, second) for first in range(count) for second in range(-1, count)]
    columns = np.array(paths, np.int64).reshape(-1, 2)
    values = path_digests(columns, graph.relations.digests()).tolist()
    of_paths: dict[tuple[int, ...], int] = {
        (one,) if other < 0 else (one, other): value for (one, other), value in zip(paths, values, strict=True)
    }
    return graph.entities.digests().tolist().__getitem__, of_paths.__getitem__


def make_steps(
    graph: Any, index: Any, tables: Any, dim: int, rounds: int
) -> tuple[dict[str, Callable[[], object]], Any, dict[str, list[float]]]:
    """Rounds of training steps of both from the same weights on the same facts and negatives; our model; their losses.

    Ours draws its negatives within the step; those of the published code are drawn beforehand, as there.
    """
    import numpy as np
    import torch

    from benchmarks import knowledge_reference as reference
    from latticework.knowledge.config import DKGEConfig
    from latticework.knowledge.learning import LinkTask, numbered_batches, training_plan
    from latticework.knowledge.model import DKGEModel
    from latticework.knowledge.triples import NO_TRIPLES

    config = DKGEConfig(compat="reference", loss="margin", negatives=1, batch_size=BATCH)
    generator = torch.Generator().manual_seed(0)
    sizes = len(graph.entities), len(graph.relations)
    model = DKGEModel(*sizes, dim, compat="reference", max_context=MOST, generator=generator)
    task = LinkTask(model, graph, index.both, NO_TRIPLES, config, seed=0)
    padded = reference.Padded(model.state_dict(), tables, margin=config.margin, norm=config.norm)
    plan = training_plan(config, facts=len(graph), max_epochs=1)
    optimizers = {
        OURS: plan.optimizer(model.parameters()),
        LITERAL: torch.optim.Adam(padded.parameters(), lr=config.learning_rate),
    }
    full = [
        batch
        for epoch in range(1 + rounds * STEPS * BATCH // len(graph))
        for batch in numbered_batches(len(graph), BATCH, epoch, seed=0)
        if len(batch) == BATCH
    ]
    given = []
    for batch in full[: rounds * STEPS]:
        facts = graph.triples[batch % len(graph)]
        wrong = task.objective.sampler.corrupt(facts, batch, negatives=1)[:, 0]
        given.append((batch, torch.from_numpy(np.ascontiguousarray(facts)), torch.from_numpy(wrong)))
    losses: dict[str, list[float]] = {OURS: [], LITERAL: []}

    def steps(system: str) -> None:
        done = len(losses[system])
        for batch, facts, wrong in given[done : done + min(STEPS, len(graph) // BATCH)]:
            loss = task.module(*task.inputs(batch)) if system == OURS else padded(facts, wrong)
            optimizers[system].zero_grad()
            loss.backward()
            optimizers[system].step()
            losses[system].append(float(loss.detach()))

    return {OURS: lambda: steps(OURS), LITERAL: lambda: steps(LITERAL)}, model, losses


def compare_contexts(index: Any, tables: Any) -> None:
    """Make sure that both found the same elements and as many edges among them."""
    import numpy as np

    for what, contexts, members, matrices in (
        ("entity", index.entities, tables.neighbours, tables.entity_matrices),
        ("relation", index.relations, tables.paths, tables.relation_matrices),
    ):
        linked = (matrices[:, 1:, 1:] > 0).sum((1, 2)).numpy() - MOST
        agree((linked == np.diff(contexts.edge_indptr)).all(), f"edges among the context of an {what} differ")
        for number in range(len(contexts)):
            rows = contexts.elements[contexts.indptr[number] : contexts.indptr[number + 1]].tolist()
            mine = {
                first if what == "entity" else (first,) if second < 0 else (first, second) for first, second in rows
            }
            agree(mine == set(members.get(number, [])), f"the context of {what} {number} differs")


def compare_indices(one: Any, other: Any) -> None:
    """Make sure that contexts are equal to the last edge."""
    for side in ("entities", "relations"):
        ours, theirs = vars(getattr(one, side)), vars(getattr(other, side))
        agree(all((ours[name] == theirs[name]).all() for name in theirs), f"contexts of {side} differ after an update")


def yago_rows(found: Mapping[str, Any]) -> list[records.Row]:
    """Ratios, then what both take, then what was compared."""
    seconds: Seconds = found["seconds"]
    told = {
        STEP: f"YAGO-3SP 1: {STEP}, {BATCH} facts, dense and padded over ours",
        CONTEXTS: f"YAGO-3SP 1: {CONTEXTS}, published way over ours",
        RANKS: f"YAGO-3SP 1: {RANKS}, loop (on {ASKED} facts) over ours (on all), a fact",
        WRONG: f"YAGO-3SP 1: {WRONG}, loop over ours",
    }
    rows = [
        records.Row.of(
            name, measuring.paired_ratios(seconds[what][LITERAL], seconds[what][OURS]), "times", TARGETS.get(what)
        )
        for what, name in told.items()
    ]
    rebuilt = measuring.paired_ratios(seconds[UPDATED]["rebuilt"], seconds[UPDATED][OURS])
    changed = f"{found['figures']['facts of the delta']:,} facts changed"
    rows.append(records.Row.of(f"YAGO-3SP 1: {UPDATED}, {changed}, rebuilt over updated", rebuilt, "times"))
    for what, (unit, scale) in UNITS.items():
        for system, values in seconds[what].items():
            rows.append(records.Row.of(f"YAGO-3SP 1: {what}: {system}", [scale * value for value in values], unit))
    for name in ("loss apart", "steps compared"):
        limit = f"<= {LOSS_APART:f}" if name == "loss apart" else None
        rows.append(records.Row(f"YAGO-3SP 1: {STEP}: {name}", found["figures"][name], "", limit))
    return rows
