"""The training loop against gradient descent written out by hand."""

import math
import random
import tempfile
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from tasks import Regression, adam, as_logged, learn, plan, read_log, sgd
from torch import nn

from latticework.core import checkpoint, progress, store_tensors, training
from latticework.core.candidates import mean
from latticework.core.loggers import without_timings


def descend(task, steps, *, rate=lambda step: 0.1 / step, accumulate=1, clip=None):
    """Weights after, and mean loss before, each step of gradient descent from 0."""
    weights, path, losses, epoch = np.zeros(task.x.shape[1]), [], [], 0
    while len(path) < steps:
        batches = task.batches(epoch)
        for start in range(0, len(batches), accumulate):
            rows = np.concatenate(batches[start : start + accumulate])
            errors = task.x[rows] @ weights - task.y[rows]
            gradient = errors @ task.x[rows] / len(rows)
            if clip is not None:  # as torch does it, with 1e-6 in the denominator
                gradient = gradient * min(1, clip / (np.sqrt(gradient @ gradient) + 1e-6))
            losses.append(0.5 * np.mean(errors**2))
            weights = weights - rate(len(path) + 1) * gradient
            path.append(weights)
        epoch += 1
    return path[:steps], losses[:steps]


@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_steps_are_those_of_gradient_descent(accumulate, clip):
    task = Regression((5, 1, 4, 2))
    rows = learn(task, plan(accumulate=accumulate, clip_norm=clip))
    steps = 3 * math.ceil(4 / accumulate)
    path, losses = descend(task, steps, accumulate=accumulate, clip=clip)
    np.testing.assert_allclose(task.weights(), path[-1], rtol=0, atol=1e-12)
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, steps + 1))
    np.testing.assert_allclose([row["loss"] for row in rows if "loss" in row], losses, rtol=0, atol=1e-12)


def test_accumulated_batches_are_one_large_batch():
    parts, whole = Regression((5, 1, 3)), Regression((9,))
    learn(parts, plan(accumulate=3, optimizer=adam))
    learn(whole, plan(optimizer=adam))
    np.testing.assert_allclose(parts.weights(), whole.weights(), rtol=0, atol=1e-12)


def test_loss_between_two_rows_is_the_mean_over_all_terms():
    task = Regression((5, 1, 4, 2))
    rows = learn(task, plan(log_every=3, max_steps=7))
    _, losses = descend(task, 7)
    sizes = np.array([5, 1, 4, 2, 5, 1, 4])
    expected = [np.average(losses[part], weights=sizes[part]) for part in (slice(0, 3), slice(3, 4), slice(4, 6))]
    logged = {row["step"]: row["loss"] for row in rows if "loss" in row}
    assert list(logged) == [3, 4, 6, 7]  # each third step, and each end
    np.testing.assert_allclose([logged[3], logged[4], logged[6]], expected, rtol=0, atol=1e-12)


def test_learning_rate_of_each_step_is_asked_for_by_its_number():
    table = dict(enumerate([0.3, 0.01, 0.2, 0.0, 0.1, 0.05], start=1))  # a KeyError for any other number
    task = Regression()
    rows = learn(task, plan(learning_rate=table.__getitem__, max_epochs=2))
    path, _ = descend(task, 6, rate=table.__getitem__)
    np.testing.assert_allclose(task.weights(), path[-1], rtol=0, atol=1e-12)
    assert {row["step"]: row["learning_rate"] for row in rows} == table


@pytest.mark.parametrize(
    "epochs, steps, ends", [(2, None, 6), (None, 4, 4), (2, 5, 5), (2, 6, 6), (2, 100, 6), (None, 7, 7)]
)
def test_training_ends_with_what_comes_first(epochs, steps, ends):
    task = Regression()
    rows = learn(task, plan(max_epochs=epochs, max_steps=steps))
    assert task.served == rows[-1]["step"] == ends
    assert rows[-1]["epoch"] == (ends // 3 if steps != 6 else 1)


def test_plan_without_an_end_is_refused():
    with pytest.raises(ValueError, match="max_epochs or max_steps"):
        learn(Regression(), plan(max_epochs=None))


@pytest.mark.parametrize("every, expected", [(None, [3, 6, 8]), (3, [3, 6, 8]), (2, [2, 4, 6, 8]), (5, [5, 8])])
def test_validates_every_so_many_steps_and_at_the_end(every, expected):
    task = Regression(validates=True)
    rows = learn(task, plan(validate_every=every, max_steps=8))
    path, _ = descend(task, 8)
    validated = {row["step"]: row["valid_loss"] for row in rows if "valid_loss" in row}
    assert list(validated) == expected
    assert [row["step"] for row in rows if "valid_weight" in row] == expected
    losses = [task.held_out_loss(path[step - 1]) for step in expected]
    np.testing.assert_allclose(list(validated.values()), losses, rtol=0, atol=1e-12)


class Told(Regression):
    """Its losses on held-out data are told in advance."""

    def __init__(self, losses):
        super().__init__(validates=True)
        self.losses = iter(losses)

    def validate(self):
        return {"loss": next(self.losses)}


@pytest.mark.parametrize(
    "losses, patience, ends, best",
    [
        ([3.0, 2.0, 2.5, 2.0, 1.0], 2, 4, 2),  # as good is not better
        ([3.0, 2.0, 2.5, 1.5, 1.7, 1.6], 2, 6, 4),  # a better one starts the count anew
        ([3.0, 4.0, 1.0], 1, 2, 1),
        ([3.0, math.nan, 2.0, math.inf, math.nan, 0.0], 2, 5, 3),
        ([3.0, 4.0, 5.0, 6.0, 2.0, 2.5, 2.6], None, 7, 5),
    ],
)
def test_stops_when_nothing_gets_better_and_keeps_the_best(losses, patience, ends, best):
    task = Told(losses)
    rows = learn(task, plan(validate_every=1, patience=patience, max_epochs=None, max_steps=len(losses)))
    path, _ = descend(task, ends)
    assert rows[-1]["step"] == ends
    np.testing.assert_allclose(task.weights(), path[best - 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "losses, every, told",
    [
        ([3.0, 2.0, 2.5, 2.25], None, "; stopped early: of 4 epochs, epoch 2 was the best (loss 2) and is kept"),
        ([3.0, 2.0, 2.5, 2.25], 2, "; stopped early: of 3 epochs, epoch 2 was the best (loss 2) and is kept"),
        ([math.nan] * 2, None, "; stopped early: of 2 epochs, none was better than another"),
        ([3.0, 2.0, 1.0, 2.5, 2.25], None, ""),  # it would have ended here anyhow
    ],
)
def test_training_that_stops_early_says_where_the_best_was(capsys, losses, every, told):
    with progress.showing():
        learn(Told(losses), plan(validate_every=every, patience=2, max_epochs=5))
    assert capsys.readouterr().err.splitlines()[-1].endswith(f" taken{told}")


@pytest.mark.parametrize("average", [2, 3])
def test_best_mean_of_the_last_validated_weights_is_kept(average):
    def rate(step):  # wild enough that the best candidate is neither the first nor the last
        return [0.4, 0.9, 0.3, 1.2][step % 4]

    task = Regression(validates=True)
    rows = learn(task, plan(learning_rate=rate, max_epochs=None, max_steps=12, validate_every=2, average=average))
    path, _ = descend(task, 12, rate=rate)
    validated = path[1::2]
    candidates = [np.mean(validated[max(0, end - average) : end], axis=0) for end in range(1, 7)]
    losses = [task.held_out_loss(candidate) for candidate in candidates]
    logged = [row["valid_loss"] for row in rows if "valid_loss" in row]
    np.testing.assert_allclose(logged, losses, rtol=0, atol=1e-12)
    assert 0 < int(np.argmin(losses)) < 5
    np.testing.assert_allclose(task.weights(), candidates[int(np.argmin(losses))], rtol=0, atol=1e-12)


@pytest.mark.parametrize("average", [1, 2, 5])
def test_without_validation_the_mean_of_the_last_weights_is_kept(average):
    task = Regression()
    learn(task, plan(max_epochs=None, max_steps=8, validate_every=2, average=average))
    path, _ = descend(task, 8)
    np.testing.assert_allclose(task.weights(), np.mean(path[1::2][-average:], axis=0), rtol=0, atol=1e-12)


def test_mean_is_that_of_all_and_keeps_whole_numbers(tmp_path):
    weights = [{"x": torch.tensor([0.1 * n, -n]), "seen": torch.tensor(4)} for n in (1.0, 2.0, 6.0)]
    stored = [store_tensors(tmp_path, f"weights-{n}", group) for n, group in enumerate(weights)]
    found = mean(stored)
    torch.testing.assert_close(found["x"], torch.tensor([0.3, -3.0], dtype=torch.float64), rtol=0, atol=1e-7)
    assert found["seen"] == 4


@pytest.mark.parametrize("options", [{}, {"clip_norm": 1.0}, {"accumulate": 2}])
def test_divergence_is_an_error_and_leaves_the_checkpoint_before(tmp_path, options):
    def rate(step):
        return 0.1 if step < 5 else math.inf

    for attempt in range(2):  # it diverges again when it goes on
        task = Regression(validates=True)
        chosen = plan(learning_rate=rate, validate_every=3, max_epochs=None, max_steps=50, **options)
        with pytest.raises(FloatingPointError, match=r"diverged by step 5: .*; lower the learning rate$"):
            learn(task, chosen, folder=tmp_path)
        found = checkpoint.read(tmp_path, "", torch.device("cpu"))
        assert found.position.step == 3, attempt
        assert all(tensor.isfinite().all() for group in (found.module, found.best) for tensor in group.values())


def test_advice_on_divergence_is_that_of_the_plan():
    with pytest.raises(FloatingPointError, match=r"; give it fewer features$"):
        learn(Regression(), plan(learning_rate=lambda step: math.inf, if_diverged="give it fewer features"))


def test_training_shorter_than_its_warm_up_is_remarked_on(capsys):
    def said(**options):
        with progress.showing():
            learn(Regression(), plan(if_short="walk", **options))
        return [line for line in capsys.readouterr().err.splitlines() if "warm-up" in line]

    assert said(warmup_steps=9) == []
    assert said(warmup_steps=10) == ["training ends after 9 steps, before the 10 of warm-up do: walk"]
    assert said(warmup_steps=10, max_steps=1) == ["training ends after 1 step, before the 10 of warm-up do: walk"]


@pytest.mark.parametrize("clip", [None, 1.0])
def test_divergence_is_seen_in_the_loss_too(clip):
    task = Regression()
    task.y[:] = math.nan
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        learn(task, plan(learning_rate=lambda step: 0.0, clip_norm=clip))


def test_random_numbers_of_the_caller_are_untouched():
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    learn(Regression(dropout=0.5, validates=True), plan(average=2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]


def test_same_seed_gives_the_same_bytes_whatever_the_caller_drew():
    found = []
    for seed, drawn in ((3, 0), (3, 100), (4, 0)):
        torch.rand(drawn)
        task = Regression(dropout=0.5)
        rows = learn(task, plan(optimizer=adam), seed=seed, precision="32")
        found.append((task.weights().tobytes(), without_timings(rows)))
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]


def test_module_is_left_in_evaluation_mode_with_weights_to_train_on():
    task = Regression(dropout=0.5)
    seen = []
    task.module.register_forward_hook(lambda module, *_: seen.append(module.training))
    learn(task, plan())
    assert seen
    assert all(seen)
    assert not task.module.training
    assert task.module.weight.requires_grad


def test_the_current_card_is_as_before(monkeypatch):
    now, before = [1], torch.accelerator.device_index

    @contextmanager
    def switched(index):
        now.append(index)
        with before(index):
            yield
        now.pop()

    monkeypatch.setattr(torch.accelerator, "device_index", switched)
    task = Regression()
    task.module.register_forward_hook(lambda *_: seen.append(now[-1]))
    seen = []
    learn(task, plan())
    assert set(seen) == {None}  # a processor has no number
    assert now == [1]


def test_threads_are_as_before(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if before == 1 else 1)
        chosen = torch.get_num_threads()
        learn(Regression(), plan())
        assert torch.get_num_threads() == chosen
        with pytest.raises(FloatingPointError):
            learn(Regression(), plan(learning_rate=lambda step: math.inf))
        assert torch.get_num_threads() == chosen
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("keep", [True, False])
def test_run_keeps_no_more_weights_on_disk_than_it_needs(tmp_path, monkeypatch, keep):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    most = {"best": 0, "snapshot": 0}

    class Watching(Regression):
        def validate(self):
            for kind in most:
                most[kind] = max(most[kind], len(list(tmp_path.glob(f"**/{kind}-*.safetensors"))))
            return {"loss": -self.served}  # always better than before

    task = Watching(validates=True)
    folder = tmp_path / "run" if keep else None
    learn(task, plan(validate_every=1, average=2), folder=folder)
    assert most == {"best": 1, "snapshot": 3 if keep else 2}  # the one before leaves with the next checkpoint
    if keep:
        kinds = sorted(path.name.split("-")[0] for path in folder.iterdir())
        others = ["best", "config.json", "generators", "history", "log.csv", "module", "optimizer"]
        assert kinds == [*others, "snapshot", "snapshot"]
    else:
        assert list(tmp_path.iterdir()) == []


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


def test_checkpoints_that_take_long_are_made_less_often(tmp_path, monkeypatch):
    class Timed(Regression):
        def inputs(self, batch):
            clock.now += 1
            return super().inputs(batch)

    def write(folder, fingerprint, state):
        saved.append(state.position.step)
        clock.now += taking.pop(0) if taking else 0

    clock, saved, taking = Clock(), [], [3, 0.1]
    monkeypatch.setattr(training, "time", clock)
    monkeypatch.setattr(checkpoint, "write", write)
    learn(Timed((2,) * 95), plan(max_epochs=1, checkpoint_seconds=10, checkpoint_pause=20), folder=tmp_path)
    assert saved == [10, 70, 80, 90, 95]  # after 10, 20 times 3, 10, 10 seconds, and once at the end


@pytest.mark.parametrize("every, saved", [(None, [2, 4]), (2, [2, 4]), (3, [3, 4]), (4, [4])])
def test_a_finished_run_is_written_once_and_not_again_when_it_is_taken_up(tmp_path, monkeypatch, every, saved):
    write, steps = checkpoint.write, []

    def noted(folder, fingerprint, state):
        steps.append(state.position.step)
        write(folder, fingerprint, state)

    monkeypatch.setattr(checkpoint, "write", noted)
    for _ in range(2):
        learn(Regression((2, 2), validates=True), plan(max_epochs=2, validate_every=every), folder=tmp_path)
    assert steps == saved


def test_rows_say_how_far_and_how_fast(tmp_path):
    rows = learn(Regression(validates=True), plan(log_every=2, max_steps=7), folder=tmp_path)
    assert read_log(tmp_path) == as_logged(rows)
    assert [(row["step"], row["epoch"]) for row in rows] == [(2, 0), (3, 1), (4, 1), (6, 1), (6, 2), (7, 2)]
    assert [set(row) - {"step", "epoch", "seconds", "learning_rate"} for row in rows if "valid_loss" not in row] == [
        {"loss", "terms_per_second"}
    ] * 3
    assert all(row["terms_per_second"] > 0 for row in rows if "loss" in row)
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)


def test_frozen_weights_and_buffers_go_through_a_run(tmp_path):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3))
            self.fixed = nn.Parameter(torch.ones(3), requires_grad=False)
            self.register_buffer("seen", torch.tensor(0))

        def forward(self, x, y):
            self.seen += 1
            return 0.5 * (x @ (self.fixed * self.weight) - y).square().sum()

    task = Regression()
    task.module = Scaled()
    learn(task, plan(average=2, max_epochs=2, optimizer=sgd), folder=tmp_path)
    path, _ = descend(task, 6)
    np.testing.assert_allclose(task.weights(), (path[2] + path[5]) / 2, rtol=0, atol=1e-12)
    assert task.module.fixed.tolist() == [1, 1, 1]


@pytest.mark.parametrize("larger", [True, False])
def test_another_figure_may_decide_and_the_larger_be_the_better(larger):
    task = Regression(validates=True)
    bouncing = plan(
        learning_rate=lambda step: 0.05 * (1 if step % 2 else -1),
        max_epochs=3,
        decides="weight",
        larger_is_better=larger,
    )
    rows = [row["valid_weight"] for row in learn(task, bouncing) if "valid_weight" in row]
    assert len(set(rows)) == 3
    assert task.weights()[0] == (max if larger else min)(rows)
