import hashlib
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from reference import transformer as reference

from latticework.core.training import train
from latticework.nn.sequences import EncodedText
from latticework.seq2seq import learning
from latticework.seq2seq.config import TransformerConfig
from latticework.seq2seq.learning import (
    PairsTask,
    fingerprint,
    negative_log_likelihood,
    training_plan,
    warmup_then_inverse_square_root,
)
from latticework.seq2seq.model import EncoderDecoder
from latticework.seq2seq.search import beam_search
from latticework.seq2seq.vocabulary import END, PAD, SPECIAL

SYMBOLS, LONGEST = 10, 8


def texts(sequences):
    return EncodedText.from_sequences([[*sequence, END] for sequence in sequences])


def random_sequences(count, seed):
    draw = np.random.default_rng(seed)
    return [
        tuple(draw.integers(SPECIAL, SPECIAL + SYMBOLS, draw.integers(1, LONGEST + 1)).tolist()) for _ in range(count)
    ]


@pytest.mark.parametrize("step, rate", [(1, 1.746928e-7), (4000, 6.987712e-4), (16000, 3.493856e-4)])
def test_rate_of_the_base_model_is_equation_3(step, rate):
    """512^-½·4000^-1½ at first, 512^-½·4000^-½ at the top, half of that at four times the steps."""
    assert warmup_then_inverse_square_root(step, d_model=512, warmup_steps=4000) == pytest.approx(rate, rel=1e-6)
    assert training_plan(TransformerConfig(), max_epochs=1, max_steps=None).learning_rate(step) == pytest.approx(
        rate, rel=1e-6
    )


@pytest.mark.parametrize("d_model, warmup", [(512, 4000), (64, 1), (1024, 16000)])
def test_rate_rises_to_the_end_of_warmup_and_falls_from_there(d_model, warmup):
    steps = [1, 2, max(1, warmup // 2), warmup, warmup + 1, 3 * warmup, 100_000]
    rates = [warmup_then_inverse_square_root(step, d_model=d_model, warmup_steps=warmup, factor=2.0) for step in steps]
    np.testing.assert_allclose(rates, [2 * reference.learning_rate(step, d_model, warmup) for step in steps])
    assert max(rates) == rates[3]


def test_plan_is_the_papers_adam_and_the_configurations_figures():
    config = TransformerConfig(
        accumulate=3, clip_norm=1.5, validate_every=7, patience=4, average_checkpoints=6, learning_rate=0.5
    )
    plan = training_plan(config, max_epochs=2, max_steps=9)
    optimizer = plan.optimizer([torch.nn.Parameter(torch.ones(1))])
    assert isinstance(optimizer, torch.optim.Adam)
    assert optimizer.defaults["betas"] == (0.9, 0.98)
    assert optimizer.defaults["eps"] == 1e-9
    assert optimizer.defaults["weight_decay"] == 0
    assert (plan.accumulate, plan.clip_norm, plan.validate_every, plan.patience, plan.average) == (3, 1.5, 7, 4, 6)
    assert (plan.max_epochs, plan.max_steps) == (2, 9)
    assert plan.learning_rate(4000) == pytest.approx(0.5 * 6.987712e-4, rel=1e-6)


def small_task(**settings):
    sources, targets = random_sequences(50, 0), random_sequences(50, 1)
    config = TransformerConfig(layers=1, d_model=8, heads=2, feed_forward=8, batch_tokens=40, **settings)
    torch.manual_seed(0)
    model = EncoderDecoder(config, SPECIAL + SYMBOLS)
    pairs = texts(sources), texts(targets)
    return PairsTask(model, pairs, pairs, seed=3)


def test_batches_of_a_task_hold_every_pair_once_and_differ_from_epoch_to_epoch():
    task = small_task()
    epochs = [task.batches(epoch) for epoch in (0, 1)]
    for batches in epochs:
        assert sorted(np.concatenate(batches).tolist()) == list(range(50))
        for batch in batches:
            source, target = task.inputs(batch)
            assert max(source.numel(), target.numel()) <= 40
            assert task.terms(batch) == int((target != PAD).sum())
            assert [row[row != PAD].tolist() for row in source] == [task.source[int(i)].tolist() for i in batch]
            assert [row[row != PAD].tolist() for row in target] == [task.target[int(i)].tolist() for i in batch]
    as_lists = [[batch.tolist() for batch in batches] for batches in epochs]
    assert as_lists[0] != as_lists[1]
    assert as_lists[0] == [batch.tolist() for batch in small_task().batches(0)]


def test_validation_is_the_mean_loss_of_a_token_without_smoothing_or_dropout():
    task = small_task(dropout=0.5, label_smoothing=0.3)
    model = task.module.eval()
    singles = [
        model(torch.tensor([task.source[i].tolist()]), torch.tensor([task.target[i].tolist()])).item()
        for i in range(50)
    ]
    assert negative_log_likelihood(model, task.source, task.target) == pytest.approx(sum(singles), rel=1e-5)
    assert task.validate()["loss"] == pytest.approx(sum(singles) / task.target.lengths.sum(), rel=1e-5)
    without = PairsTask(model, (task.source, task.target))
    assert without.validate() == {}
    assert not without.validates
    assert task.validates


def test_fingerprint_tells_runs_apart():
    config = TransformerConfig()
    one, other = (EncodedText.from_sequences(sequences) for sequences in ([[5, 6], [7]], [[5], [6, 7]]))
    mark = fingerprint({"seed": 0}, config, [one])
    assert mark == fingerprint({"seed": 0}, TransformerConfig(), [EncodedText.from_sequences([[5, 6], [7]])])
    others = [
        fingerprint({"seed": 1}, config, [one]),
        fingerprint({"seed": 0}, TransformerConfig(dropout=0.2), [one]),
        fingerprint({"seed": 0}, config, [other]),
        fingerprint({"seed": 0}, config, [one, one]),
    ]
    assert len({mark, *others}) == 5


def test_run_of_another_recipe_is_another_run(monkeypatch):
    text = EncodedText.from_sequences([[5, 6], [7]])
    mark = fingerprint({"seed": 0}, TransformerConfig(), [text])
    monkeypatch.setattr(learning, "RECIPE", learning.RECIPE + 1)
    assert fingerprint({"seed": 0}, TransformerConfig(), [text]) != mark


def test_fingerprint_is_the_digest_of_settings_and_arrays():
    """A run that was interrupted before an update of the library goes on after it."""
    text, none = (EncodedText.from_sequences(sequences) for sequences in ([[5, 6], [7]], []))
    digest = hashlib.sha256(json.dumps([2, {"seed": 0}, asdict(TransformerConfig())], sort_keys=True).encode())
    for array in (text.offsets, text.tokens, none.offsets, none.tokens):
        digest.update(array.tobytes())
    assert fingerprint({"seed": 0}, TransformerConfig(), [text, none]) == digest.hexdigest()


def reverse(sequence):
    return sequence[::-1]


@pytest.fixture(scope="module")
def reversing():
    """A model trained on sequences and their reverse, and sequences it has not seen."""
    known = random_sequences(8000, 0)
    unseen = [each for each in dict.fromkeys(random_sequences(1500, 1)) if each not in set(known)]
    config = TransformerConfig(
        layers=1,
        d_model=64,
        heads=4,
        feed_forward=128,
        dropout=0.0,
        batch_tokens=512,
        warmup_steps=300,
        validate_every=50,
        average_checkpoints=4,
    )
    torch.manual_seed(0)
    model = EncoderDecoder(config, SPECIAL + SYMBOLS)
    task = PairsTask(model, (texts(known), texts([reverse(each) for each in known])), seed=0)
    train(task, training_plan(config, max_epochs=None, max_steps=1200), seed=0, device="cpu", precision="32")
    return model, unseen


def share_right(model, sequences):
    source = texts(sequences)
    with torch.inference_mode():
        memory = model.remember(source.padded(np.arange(len(source)), padding=PAD))
        limits = torch.from_numpy(source.lengths + 5)
        outcomes = beam_search(model, memory, beam_size=4, max_lengths=limits)
    right = [tuple(best[0].tokens) == reverse(each) for best, each in zip(outcomes, sequences, strict=True)]
    return sum(right) / len(right)


def test_model_learns_to_reverse(reversing):
    model, unseen = reversing
    assert len(unseen) > 800
    assert {len(sequence) for sequence in unseen} >= {4, 5, 6, 7, 8}
    assert share_right(model, unseen) >= 0.99


def test_reversing_model_looks_along_the_anti_diagonal(reversing):
    """Mean weight that step t gives to source position n - 1 - t; looking evenly would give it 1/(n + 1), some 0.15."""
    model, unseen = reversing
    along, across = [], []
    with torch.inference_mode():
        for sequence in [each for each in unseen if len(each) >= 5][:100]:
            *_, cross = model.attention_maps(
                torch.tensor([[*sequence, END]]), torch.tensor([[*reverse(sequence), END]])
            )
            words = len(sequence)
            steps = torch.arange(words)
            weights = cross[0][0].mean(0)
            along.append(weights[steps, words - 1 - steps].mean())
            across.append(weights[steps, steps].mean())
    diagonality = float(torch.stack(along).mean())
    print(f"diagonality {diagonality:.3f}, of the other diagonal {float(torch.stack(across).mean()):.3f}")
    assert diagonality > 0.8
    assert torch.stack(across).mean() < 0.25
