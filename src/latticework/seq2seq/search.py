"""Beam search with a length penalty: Vaswani et al. 2017, section 6.1, after Wu et al. 2016, equation 14.

A hypothesis scores log P / ((5 + length) / 6)^α, its end token counted. Alive and finished hypotheses are kept apart,
as in the authors' code, so that a finished one never takes the place of one that could still grow.

Differs from the paper: the search never writes the unknown piece.

Differs from the paper: a hypothesis that reaches its maximum length must end there, and is scored with that end.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latticework.core.checks import whole_number
from latticework.core.errors import InputError
from latticework.seq2seq.model import DecoderSteps, EncoderDecoder, Memory, Past
from latticework.seq2seq.vocabulary import BEGIN, END, PAD, UNKNOWN

NEVER = (PAD, UNKNOWN, BEGIN)  # pieces no output may hold


@dataclass(frozen=True)
class Hypothesis:
    """One output: its tokens without the end token, its penalised score and its log-probability in nats."""

    tokens: list[int]
    score: float
    log_probability: float


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6)^α; `length` counts the end token.

    Examples
    --------
    >>> length_penalty(1, 0.6), round(length_penalty(7, 1.0), 6)
    (1.0, 2.0)
    """
    return float(((5 + length) / 6) ** alpha)


@torch.inference_mode()
def beam_search(
    model: EncoderDecoder,
    memory: Memory,
    *,
    beam_size: int,
    max_lengths: Int[Tensor, " sentences"],
    alpha: float = 0.6,
    n_best: int = 1,
    steps: DecoderSteps | None = None,
) -> list[list[Hypothesis]]:
    """The best outputs of every sentence of a batch, best first.

    Parameters
    ----------
    model
        In evaluation mode.
    memory
        Of the sentences, from `model.memory`.
    beam_size
        Hypotheses kept alive for each sentence; 1 is greedy search.
    max_lengths
        Most tokens of each sentence's output, the end token included; there a hypothesis can only end.
    alpha
        Length penalty, at least 0, which compares plain log-probabilities.
    n_best
        Outputs to return for each sentence, at most `beam_size`.
    steps
        From `model.kept_steps()`, which is asked if they are not given.

    Returns
    -------
    list of list of Hypothesis
        Fewer than `n_best` only where fewer outputs exist. Cost: one decoder step a token over the sentences still
        open; a sentence is closed when none of its alive hypotheses can beat the `n_best` finished ones.

    Raises
    ------
    InputError
        If `n_best` is more than `beam_size`, or an output may have no token.
    """
    whole_number("n_best", n_best, most=whole_number("beam_size", beam_size))
    if len(max_lengths) and (least := int(max_lengths.min())) < 1:
        raise InputError(f"max_lengths must be at least 1, room for the end token, got {least}")
    past = Past(steps or model.kept_steps())
    search = _Search(memory, past, beam_size, max_lengths, alpha, n_best)
    while not search.done:
        logits = model.step(search.tokens[:, :, -1], search.memory, past)
        search.advance(logits.float())
    return search.outcomes


class _Search:
    """The beams of the sentences still open: one row a sentence, and its beams beside each other."""

    def __init__(self, memory: Memory, past: Past, beam: int, max_lengths: Tensor, alpha: float, n_best: int) -> None:
        rows, device = len(max_lengths), memory.layers[0][0].device
        self.memory = memory
        self.past = past
        self.alpha = alpha
        self.n_best = n_best
        self.outcomes: list[list[Hypothesis]] = [[] for _ in range(rows)]
        self.step = 0
        self.sentence = torch.arange(rows, device=device)
        self.closed = torch.zeros(rows, dtype=torch.bool, device=device)
        self.limit = max_lengths.to(device)
        self.limits = set(max_lengths.tolist())  # asked at every step, which a device should not wait for
        self.open = rows
        self.last_penalty = ((5 + self.limit) / 6) ** alpha
        self.tokens = torch.full((rows, beam, 1), BEGIN, device=device)
        self.alive = torch.full((rows, beam), -torch.inf, device=device)  # log P
        self.alive[:, 0] = 0.0  # the beams begin alike: only one may count
        self.finished = torch.full((rows, beam), -torch.inf, device=device)  # scores
        self.finished_tokens = torch.full((rows, beam, 1), PAD, device=device)

    @property
    def done(self) -> bool:
        return len(self.sentence) == 0

    def advance(self, logits: Float[Tensor, "rows beam vocabulary"]) -> None:
        """Extend every hypothesis by one token."""
        self.step += 1
        beam, vocabulary = logits.shape[1:]
        next_log_p = logits.log_softmax(-1)
        next_log_p[:, :, NEVER] = -torch.inf
        at_limit = self.limit == self.step
        if self.step in self.limits:
            ends = next_log_p[:, :, END].clone()
            next_log_p[at_limit] = -torch.inf
            next_log_p[:, :, END] = ends
        totals = next_log_p.add_(self.alive[:, :, None]).flatten(1)
        # Twice the beam, because half of the candidates may end. A beam of one is greedy: its only candidate decides.
        log_p, places = totals.topk(2 * beam if beam > 1 else 1)
        parents, tokens = places // vocabulary, places % vocabulary
        histories = torch.cat([_rows(self.tokens, parents), tokens[:, :, None]], dim=2)
        ended = tokens == END
        if bool(ended.any()):
            self._finish(histories, log_p.masked_fill(~ended, -torch.inf))
        self.alive, chosen = log_p.masked_fill(ended, -torch.inf).topk(beam)
        bound = self.alive[:, 0] / self.last_penalty  # log P only falls and the penalty grows to its last value
        if beam > 1:
            order = _in_place(parents.gather(1, chosen))
            self.alive, chosen = self.alive.gather(1, order), chosen.gather(1, order)
        before, self.tokens = self.tokens, _rows(histories, chosen)
        closing = ((self.finished[:, self.n_best - 1] >= bound) | at_limit) & ~self.closed
        self._close(closing)
        self._keep(parents.gather(1, chosen), before)

    def _finish(self, histories: Tensor, log_p: Tensor) -> None:
        """Merge newly ended hypotheses into the best finished ones."""
        scores = log_p / length_penalty(self.step, self.alpha)
        earlier = torch.nn.functional.pad(self.finished_tokens, (0, histories.shape[2] - self.finished_tokens.shape[2]))
        self.finished, best = torch.cat([self.finished, scores], 1).topk(self.finished.shape[1])
        self.finished_tokens = _rows(torch.cat([earlier, histories], 1), best)

    def _close(self, closing: Tensor) -> None:
        """Write down the outcomes of sentences that are decided."""
        rows = closing.nonzero().flatten().tolist()
        for row in rows:
            best = zip(
                self.finished[row, : self.n_best].tolist(),
                self.finished_tokens[row, : self.n_best].tolist(),
                strict=True,
            )
            self.outcomes[int(self.sentence[row])] = [
                _hypothesis(tokens, score, self.alpha) for score, tokens in best if score > -torch.inf
            ]
        self.closed |= closing
        self.open -= len(rows)

    def _keep(self, parents: Tensor, before: Tensor) -> None:
        """Let the caches follow the beams, and drop closed sentences once they are an eighth of the rows."""
        rows, beam = parents.shape
        if (rows - self.open) * 8 >= rows:
            open_rows = (~self.closed).nonzero().flatten()
            self.memory = self.memory.select(open_rows)
            for name in (
                "sentence",
                "closed",
                "limit",
                "last_penalty",
                "tokens",
                "alive",
                "finished",
                "finished_tokens",
            ):
                setattr(self, name, getattr(self, name)[open_rows])
            beams = (open_rows[:, None] * beam + parents[open_rows]).flatten()
            self.past.select(beams)
            return
        if beam == 1:
            return
        # What is cached of a position follows from the tokens up to it: where a beam has those it had before, it stays.
        changed = (self.tokens[:, :, :-1] != before).flatten(0, 1)
        moved = changed.any(1).nonzero().flatten()
        if len(moved):
            sources = (torch.arange(rows, device=parents.device)[:, None] * beam + parents).flatten()[moved]
            start = int(changed.any(0).nonzero()[0])
            self.past.copy(sources, moved, start=start)


def _in_place(parents: Int[Tensor, "rows beam"]) -> Int[Tensor, "rows beam"]:
    """The order of children in which the first child of each parent takes its parent's place.

    Examples
    --------
    >>> parents = torch.tensor([[2, 0, 2, 1], [0, 0, 3, 0]])
    >>> parents.gather(1, _in_place(parents)).tolist()
    [[0, 1, 2, 2], [0, 0, 0, 3]]
    """
    earlier_sibling = (parents[:, :, None] == parents[:, None, :]).tril(-1).any(2)
    has_child = (parents[:, :, None] == torch.arange(parents.shape[1], device=parents.device)).any(1)
    # Places without a child, then the others from left to right; further children, then first ones by their parents.
    places = has_child.sort(stable=True).indices
    children = parents.masked_fill(earlier_sibling, -1).sort(stable=True).indices
    return torch.empty_like(parents).scatter_(1, places, children)


def _rows(histories: Int[Tensor, "rows beam time"], chosen: Int[Tensor, "rows kept"]) -> Int[Tensor, "rows kept time"]:
    return histories.gather(1, chosen[:, :, None].expand(-1, -1, histories.shape[2]))


def _hypothesis(tokens: list[int], score: float, alpha: float) -> Hypothesis:
    length = tokens.index(END)  # the first token is BEGIN, so this counts END instead
    return Hypothesis(tokens[1:length], score, score * length_penalty(length, alpha))
