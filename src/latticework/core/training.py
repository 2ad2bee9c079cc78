"""The training loop: every capability that learns by gradients supplies batches and a loss, and uses this one.

A run lives in a folder. It is checkpointed there atomically; started again with the same data and settings it goes on
where it was, and ends with the same weights as a run that was never interrupted: weights, optimiser, random numbers and
the place in the data are all restored. Under `torchrun` each process takes its share of every batch.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from latticework.core import checkpoint
from latticework.core.candidates import Candidates, holding
from latticework.core.checkpoint import Position
from latticework.core.folders import make_folder
from latticework.core.hardware import current, fork_random, make_fabric, random_states, resolve_precision, threads
from latticework.core.loggers import CSVLogger, Logger, Row
from latticework.core.persistence import RESTART
from latticework.core.processes import check_agreed, gather
from latticework.core.progress import message, progress
from latticework.core.seeds import spawn
from latticework.core.sharding import Part, set_aside, sharding, whole
from latticework.core.task import Plan, Task
from latticework.core.words import counted

if TYPE_CHECKING:
    import numpy as np
    from lightning_fabric import Fabric


def train(
    task: Task,
    plan: Plan,
    *,
    seed: int,
    device: str = "auto",
    precision: str = "auto",
    folder: str | os.PathLike[str] | None = None,
    fingerprint: str = "",
    restart: bool = False,
    loggers: Sequence[Logger] = (),
    shards: Sequence[Part] | None = None,
) -> list[Row]:
    """Train `task.module` in place and return what was logged.

    The module ends up with the candidate that validated best, or with the last one where nothing is validated. A
    candidate is the mean of the weights at the last `plan.average` validations.

    Parameters
    ----------
    task, plan
        What to train, and how.
    seed
        Of dropout and the like; each process of `torchrun` gets its own stream.
    device, precision
        As in `core.hardware`.
    folder
        Where the run keeps its checkpoint and `log.csv`; under `torchrun` all processes must see the same one. A
        temporary one when absent: nothing to resume then.
    fingerprint
        Says which data and settings the run belongs to; a checkpoint of another run is refused.
    restart
        Begin anew, whatever the folder holds, unless it is this very run, begun by such a call: that goes on.
    loggers
        Receive each logged row, beside `log.csv`.
    shards
        If given, weights, gradients and optimiser are spread over the processes of `torchrun`. Each of these parts that
        is a module, which must be called as such, has its weights gathered only while it computes; one that is a
        parameter is a table that must be read by `core.sharding.rows_of_all`, and never gathered.

    Raises
    ------
    InputError
        If the folder holds the checkpoint of another run, of one with more or fewer processes, on another kind of
        device or in another precision, or a damaged one, or if processes do not find the same in it.
    FloatingPointError
        If the loss or a weight is no longer finite; the checkpoint is one from before.
    """
    if plan.max_epochs is None and plan.max_steps is None:
        raise ValueError("a plan needs max_epochs or max_steps")
    with ExitStack() as stack:
        place = Path(folder) if folder is not None else Path(stack.enter_context(TemporaryDirectory()))
        stack.enter_context(threads())
        stack.enter_context(current(device))  # Fabric makes it so, and leaves it
        fabric = make_fabric(device, precision, shard=None if shards is None else sharding(task.module, shards))
        stack.enter_context(fork_random(fabric.device, spawn(seed, f"training-{fabric.global_rank}")))
        precision = resolve_precision(precision, fabric.device)
        spread = shards if fabric.world_size > 1 else None
        keep = folder is not None
        loop = _Loop(fabric, task, plan, place, fingerprint, precision, keep=keep, restart=restart, shards=spread)
        stack.callback(loop.aside.close)
        resumed = keep and loop.resume()
        # Each process has looked by itself; and this waits for all, so that none discards what another still reads.
        check_agreed((resumed, loop.position.step, fingerprint, precision), place, fabric.device)
        if fabric.is_global_zero:
            make_folder(place)
            if restart and not resumed:
                checkpoint.discard(place)
            loop.loggers = [CSVLogger(place / "log.csv", loop.history), *loggers]
        for logger in loop.loggers:
            stack.callback(logger.close)
        try:
            loop.run()
        except KeyboardInterrupt:
            if loop.saved_at:
                message(f"the same again goes on after step {loop.saved_at:,}")
            raise
        return loop.history


class _Loop:
    """A run in progress in this process."""

    def __init__(
        self,
        fabric: Fabric,
        task: Task,
        plan: Plan,
        folder: Path,
        fingerprint: str,
        precision: str,
        *,
        keep: bool,
        restart: bool,
        shards: Sequence[Part] | None,
    ) -> None:
        self.keep = keep  # the checkpoint: there is a folder to resume from
        self.fabric, self.task, self.plan, self.folder = fabric, task, plan, folder
        self.fingerprint, self.precision = fingerprint, precision
        self.restart, self.sharded = restart, shards is not None
        fabric.strategy.precision.convert_module(task.module)
        # A module that is shared cannot be made whole again, so a copy is; the task's own validates, and is the result.
        tables = {id(part): part for part in shards or () if isinstance(part, nn.Parameter)}  # of them only rows are
        self.trained = deepcopy(task.module, {**tables}) if self.sharded else task.module
        self.module = fabric.setup_module(self.trained)
        self.aside = ExitStack()
        if self.sharded and not fabric.is_global_zero:  # nobody validates with it here, until it gets the result
            self.aside.enter_context(set_aside(task.module))
        self.plain_optimizer = plan.optimizer(self.trained.parameters())
        self.optimizer = cast(torch.optim.Optimizer, fabric.setup_optimizers(self.plain_optimizer))
        self.position = Position()
        self.history: list[Row] = []
        self.candidates = Candidates(folder, average=plan.average, keep=keep)
        self.loggers: Sequence[Logger] = ()
        widest = torch.float32 if fabric.device.type == "mps" else torch.float64
        self.loss = torch.zeros((), device=fabric.device, dtype=widest)  # of this process since the last row
        self.terms = 0  # of all processes since the last row
        self.row_started = self.started = self.saved = time.monotonic()
        self.saving = 0.0  # seconds that the last checkpoint took
        self.saved_at = 0  # the step of that checkpoint, if there is one

    def resume(self) -> bool:
        """Go on where the checkpoint is, if there is one to go on from."""
        device, rank = self.fabric.device, self.fabric.global_rank
        read = checkpoint.read_restarted if self.restart else checkpoint.read
        found = read(self.folder, self.fingerprint, device, self.precision)
        if found is None:
            return False
        self.position, self.history = found.position, found.history
        self.candidates.snapshots, self.candidates.best = found.snapshots, found.best
        with checkpoint.damage_told(self.folder):
            checkpoint.restore(found, self.trained, self.plain_optimizer, device, rank)
        again = f" of the run that {RESTART} began; remove {self.folder} to begin anew" if self.restart else ""
        message(f"going on after step {self.position.step:,}{again}")
        self.saved_at = self.position.step
        return True

    def run(self) -> None:
        position, plan = self.position, self.plan
        self.started = time.monotonic() - position.seconds
        epochs = math.inf if plan.max_epochs is None else plan.max_epochs * len(self._steps(position.epoch))
        total = int(min(epochs, math.inf if plan.max_steps is None else plan.max_steps))
        if total < plan.warmup_steps:
            steps = counted(total, "step")
            message(f"training ends after {steps}, before the {plan.warmup_steps:,} of warm-up do: {plan.if_short}")
        with progress("training", total=total, unit="steps", done=position.step) as bar:
            while not (position.finished or self._at_end()):
                of_epoch = self._steps(position.epoch)
                for batches in of_epoch[position.step_in_epoch :]:
                    self._step(batches)
                    if position.step % plan.log_every == 0:
                        row = self._row()
                        self._log(row)
                        bar.update(loss=row["loss"], speed=f"{row['terms_per_second']:,.0f} {plan.terms}/s")
                    bar.advance()
                    if plan.validate_every and position.step % plan.validate_every == 0:
                        last = position.epoch + 1 == plan.max_epochs and position.step_in_epoch == len(of_epoch)
                        bar.update(**self._validate(last=last))
                    if position.finished or self._at_end():
                        break
                    if self.keep and position.step % plan.log_every == 0 and self._due():
                        self._save()
                else:
                    position.epoch, position.step_in_epoch = position.epoch + 1, 0
                    if plan.validate_every is None:
                        bar.update(**self._validate())
            if position.validated_at != position.step:
                bar.update(**self._validate())
            if position.stale == plan.patience and position.step < total:
                bar.stop(self._best())
            self._finish()

    def _at_end(self) -> bool:
        return self.position.step == self.plan.max_steps or self.position.epoch == self.plan.max_epochs

    def _steps(self, epoch: int) -> list[Sequence[np.ndarray]]:
        batches, size = self.task.batches(epoch), self.plan.accumulate
        return [batches[start : start + size] for start in range(0, len(batches), size)]

    def _step(self, batches: Sequence[np.ndarray]) -> None:
        """One step of the optimiser; the loss is normalised over the terms of all batches and processes."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        terms = sum(self.task.terms(batch) for batch in batches)
        self.module.train()
        for number, batch in enumerate(batches, start=1):
            share = batch[rank::world]
            weight = world / terms if len(share) else 0.0  # a process without a share still takes part, at weight 0
            inputs = [tensor.to(self.fabric.device) for tensor in self.task.inputs(share if len(share) else batch[:1])]
            with self.fabric.no_backward_sync(self.module, enabled=number < len(batches)):
                loss = self.module(*inputs)
                self.fabric.backward(loss * weight)  # processes average their gradients, hence the factor `world`
            if len(share):
                self.loss += loss.detach()
        if self.plan.clip_norm is not None:
            limit = self.plan.clip_norm
            self.fabric.clip_gradients(self.module, self.optimizer, max_norm=limit, error_if_nonfinite=False)
        self.position.step += 1
        self.position.step_in_epoch += 1
        for group in self.plain_optimizer.param_groups:
            group["lr"] = self.plan.learning_rate(self.position.step)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.terms += terms

    def _row(self) -> Row:
        """What happened since the last row."""
        position, now = self.position, time.monotonic()
        position.seconds = now - self.started
        row = {
            "step": position.step,
            "epoch": position.epoch,
            "seconds": position.seconds,
            "learning_rate": self.plan.learning_rate(max(1, position.step)),
        }
        if self.terms:
            self.fabric.all_reduce(self.loss, reduce_op="sum")
            loss = float(self.loss) / self.terms
            [norm] = whole({"norm": nn.utils.get_total_norm(self.trained.parameters())}).values()
            if not math.isfinite(loss + float(norm)):
                raise FloatingPointError(
                    f"training diverged by step {position.step}: the loss is {loss}, the norm of the weights {norm}; "
                    f"{self.plan.if_diverged}"
                )
            row["loss"] = loss
            row["terms_per_second"] = self.terms / max(1e-9, now - self.row_started)
        self.loss.zero_()
        self.terms = 0
        return row

    def _log(self, row: Row) -> None:
        self.history.append(row)
        for logger in self.loggers:
            logger.log(row)
        self.row_started = time.monotonic()

    def _validate(self, *, last: bool = False) -> Row:
        """Judge the candidate and keep it if it is the best so far; then checkpoint. Returns its figures.

        Whether it is at the last step of the last epoch is said by who has not yet counted that epoch.
        """
        position, row = self.position, self._row()
        figures: Row = {}
        position.validated_at = position.step
        weights = self._weights()
        if self.fabric.is_global_zero:
            self.candidates.add(position.step, weights)
        if self.task.validates:
            if self.fabric.is_global_zero:
                module, candidate = self.task.module, self.candidates.latest(weights)
                with holding(module, candidate, self.fabric.device, spare=self.sharded), self.fabric.autocast():
                    figures = dict(self.task.validate())
                    if self._decisive(figures) < position.best_loss:
                        self.candidates.keep_best(module.state_dict())
            figures = self.fabric.broadcast(figures)
            position.stale += 1
            if (decisive := self._decisive(figures)) < position.best_loss:
                position.best_loss, position.best_step, position.stale = decisive, position.step, 0
                position.best_epoch = position.begun
            figures = {f"valid_{name}": value for name, value in figures.items()}
        position.finished = last or self._at_end() or (self.task.validates and position.stale == self.plan.patience)
        self._log(row | figures)
        if self.keep:
            self._save()
        return figures

    def _best(self) -> str:
        """Which epoch was the best."""
        position, plan = self.position, self.plan
        best = -position.best_loss if plan.larger_is_better else position.best_loss
        told = f"epoch {position.best_epoch} was the best ({plan.decides} {best:.4g}) and is kept"
        return f"of {position.begun} epochs, {told if position.best_epoch else 'none was better than another'}"

    def _decisive(self, figures: Mapping[str, float]) -> float:
        figure = figures[self.plan.decides]
        return -figure if self.plan.larger_is_better else figure

    def _weights(self) -> dict[str, Tensor]:
        """The weights now, for the process that writes."""
        return whole(self.trained.state_dict(), wanted=self.fabric.is_global_zero)

    def _due(self) -> bool:
        pause = max(self.plan.checkpoint_seconds, self.plan.checkpoint_pause * self.saving)
        return bool(self.fabric.broadcast(time.monotonic() - self.saved >= pause))

    def _save(self) -> None:
        started, device = time.monotonic(), self.fabric.device
        generators = {kind: gather(state.to(device)).cpu() for kind, state in random_states(device).items()}
        module = self._weights()
        optimizer = whole(checkpoint.flatten(self.plain_optimizer), wanted=self.fabric.is_global_zero)
        if self.fabric.is_global_zero:
            checkpoint.write(
                self.folder,
                self.fingerprint,
                checkpoint.Checkpoint(
                    position=self.position,
                    history=self.history,
                    module=module,
                    optimizer=optimizer,
                    generators=generators,
                    snapshots=self.candidates.snapshots,
                    best=self.candidates.best,
                    precision=self.precision,
                    restarted=self.restart,
                ),
            )
        self.saved, self.saved_at = time.monotonic(), self.position.step
        self.saving = self.saved - started

    def _finish(self) -> None:
        """Leave the chosen candidate in the module of every process."""
        self.aside.close()
        module, weights = self.task.module.to(self.fabric.device), self._weights()
        if self.fabric.is_global_zero:
            module.load_state_dict(self.candidates.result(weights))
        if self.fabric.world_size > 1:
            for tensor in module.state_dict().values():
                torch.distributed.broadcast(tensor, src=0)
        module.eval()
