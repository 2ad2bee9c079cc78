"""Training: the schedule, the batches, what validation says, and that the loss is the CRF's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latticework.ner import (
    CharacterTagger,
    FlatConfig,
    FlatTagger,
    LatticeTagger,
    SoftLexiconTagger,
    TaggerConfig,
    WordConfig,
    WordTagger,
)
from latticework.ner.decoding import TagSet, decode
from latticework.ner.features import Inputs
from latticework.ner.learning import TaggingTask, alike_batches, fingerprint, training_plan, warmup_then_linear
from latticework.ner.lexicon import Lexicon
from latticework.ner.metrics import span_scores
from latticework.ner.parts import Parts
from latticework.ner.pretrained import Given
from latticework.ner.tags import Span

SENTENCES = [list("我爱长江"), list("他在长城了"), [], list("走")]
SPANS = [[Span(2, 4, "RIV")], [Span(2, 4, "LOC")], [], []]
LEXICON = Lexicon.of(["长江", "长城"])
CONFIG = TaggerConfig(char_size=8, word_size=6, batch_size=2, char_dropout=0, word_dropout=0, state_dropout=0)


@pytest.fixture(params=[LatticeTagger, CharacterTagger])
def task(request):
    tagger = request.param(config=CONFIG)
    inputs = Inputs.learn(SENTENCES, LEXICON, pairs=False, places=False, words=tagger.architecture.reads_words)
    tag_set = TagSet(("LOC", "RIV"))
    torch.manual_seed(0)
    model = tagger.architecture.build(inputs, CONFIG, tags=len(tag_set.names), hidden_size=12)
    parts = Parts.of(SENTENCES[:2], most=2)
    held_out = parts, inputs.encode(parts.tokens), SPANS[:2]
    return TaggingTask(model, tag_set, inputs.encode(SENTENCES), SPANS, held_out, batch_size=2, seed=3)


def test_an_epoch_has_every_sentence_that_is_not_empty_once_in_an_order_of_its_own(task):
    epochs = [[sorted(batch.tolist()) for batch in task.batches(epoch)] for epoch in range(6)]
    assert all(sorted(index for batch in batches for index in batch) == [0, 1, 3] for batches in epochs)
    assert len({str(batches) for batches in epochs}) > 1
    assert [batch.tolist() for batch in task.batches(2)] == [batch.tolist() for batch in task.batches(2)]
    assert task.terms(np.array([0, 2])) == 2


@settings(max_examples=150)
@given(st.lists(st.integers(0, 60), max_size=80), st.integers(1, 9), st.integers(0, 99))
def test_batches_of_texts_alike_have_every_text_once_and_the_size_that_was_asked(lengths, size, seed):
    found = alike_batches(np.array(lengths, dtype=np.int64), size, np.random.default_rng(seed))
    assert sorted(index for batch in found for index in batch.tolist()) == list(range(len(lengths)))
    assert all(0 < len(batch) <= size for batch in found)
    assert sum(len(batch) < size for batch in found) <= 1


def test_batches_of_texts_alike_fill_up_little_and_change_from_draw_to_draw():
    lengths = np.random.default_rng(0).integers(1, 60, 2000)
    first, second = (alike_batches(lengths, 16, np.random.default_rng(seed)) for seed in (1, 2))
    padded = sum(len(batch) * lengths[batch].max() for batch in first)
    assert padded < 1.1 * lengths.sum()
    assert {tuple(sorted(batch.tolist())) for batch in first}.isdisjoint(tuple(sorted(b.tolist())) for b in second)
    assert len({tuple(np.sort(lengths[batch])) for batch in first[:20]}) == 20  # no order by length is left


def test_loss_is_the_sum_over_sentences_whatever_the_batch(task):
    task.model.eval()
    whole = task.module(*task.inputs(np.arange(4)))
    alone = sum(task.module(*task.inputs(np.array([index]))) for index in (0, 1, 3))
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-5)


def test_loss_is_that_of_the_gold_tags_among_all(task):
    task.model.eval()
    batch = task.inputs(np.array([0]))[0]
    crf, emissions = task.model.crf.requires_grad_(False), task.model.emissions(batch)[0].detach()
    gold = [task.tag_set.names.index(tag) for tag in ("O", "O", "B-RIV", "E-RIV")]
    scores = {}
    for path in np.ndindex(*[len(task.tag_set.names)] * 4):
        steps = sum(crf.transitions[path[t], path[t + 1]] for t in range(3))
        scores[path] = float(crf.start[path[0]] + crf.end[path[3]] + steps + sum(emissions[range(4), path]))
    total = np.logaddexp.reduce(list(scores.values()))
    assert float(task.module(batch).detach()) == pytest.approx(total - scores[tuple(gold)], rel=1e-4)


def test_validation_is_strict_f1_of_legal_tags(task):
    task.model.eval()
    parts, features, gold = task.validation
    assert gold == SPANS[:2]
    found = decode(task.model, task.tag_set, features, device=torch.device("cpu"))
    assert len(found) == 5
    scores = span_scores(gold, parts.join(found))
    figures = task.validate()
    assert figures == {"f1": scores.f1, "precision": scores.precision, "recall": scores.recall}


def test_gradients_reach_every_weight(task):
    task.model.train()
    task.module(*task.inputs(np.arange(4))).backward()
    missing = [name for name, parameter in task.model.named_parameters() if parameter.grad is None]
    assert missing == []
    silent = {name for name, parameter in task.model.named_parameters() if not parameter.grad.abs().sum()}
    assert silent == set()


@pytest.mark.parametrize(
    "tagger",
    [
        LatticeTagger(config=CONFIG),
        CharacterTagger(config=replace(CONFIG, bigrams=True, softword=True)),
        WordTagger(config=WordConfig(char_lstm=True)),
        SoftLexiconTagger(config=CONFIG),
        FlatTagger(config=FlatConfig(heads=2)),
    ],
    ids=lambda tagger: type(tagger).__name__,
)
def test_a_single_character_without_words_has_gradients_of_all_weights(tagger):
    """Processes of torchrun wait for all of them, and one may have no other sentence in its share."""
    inputs = tagger.architecture.learn_inputs(SENTENCES, LEXICON, tagger.config, Given())
    tag_set = TagSet(("LOC", "RIV"))
    model = tagger.architecture.build(inputs, tagger.config, tags=len(tag_set.names), hidden_size=12)
    task = TaggingTask(model, tag_set, inputs.encode(SENTENCES), SPANS, None, batch_size=2, seed=3)
    model.train()
    task.module(*task.inputs(np.array([3]))).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_learning_rate_grows_and_falls_to_nothing():
    rates = [warmup_then_linear(step, peak=0.01, warmup_steps=10, total=100) for step in range(1, 101)]
    assert max(rates) == rates[9] == pytest.approx(0.01)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.0002


def test_a_short_run_warms_up_for_a_tenth_of_it():
    plan = training_plan(TaggerConfig(batch_size=10, warmup_steps=100), sentences=95, max_epochs=5)
    assert plan.warmup_steps == 5
    assert plan.learning_rate(5) == TaggerConfig().learning_rate


def test_fingerprint_tells_runs_apart(task):
    first = fingerprint({"seed": 0}, CONFIG, task)
    assert fingerprint({"seed": 0}, CONFIG, task) == first
    assert fingerprint({"seed": 1}, CONFIG, task) != first
    assert fingerprint({"seed": 0}, TaggerConfig(), task) != first
    task.validation = (*task.validation[:2], [[], []])
    assert fingerprint({"seed": 0}, CONFIG, task) != first


def test_the_last_bits_of_drawn_weights_which_are_a_machines_own_make_no_other_run(task):
    first = fingerprint({"seed": 0}, CONFIG, task)
    with torch.no_grad():
        for parameter in task.model.parameters():
            parameter.copy_(torch.nextafter(parameter, torch.ones_like(parameter)))
    assert fingerprint({"seed": 0}, CONFIG, task) == first
