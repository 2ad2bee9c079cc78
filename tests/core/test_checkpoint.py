import json
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import latticework as lw
from latticework.core import State, checkpoint, read_folder, store_tensors, write_folder
from latticework.core.checkpoint import Checkpoint, Position, flatten

CPU = torch.device("cpu")
OPTIMIZERS = {
    "plain": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1),
    "fused": lambda parameters: torch.optim.Adam(parameters, lr=0.1, fused=True),
    "AMSGrad": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, amsgrad=True),
    "Adagrad": lambda parameters: torch.optim.Adagrad(parameters, lr=0.1),
    "RMSprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.1, momentum=0.5, centered=True),
}


def learner(kind="Adam", seed=0):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 1))
    return module, OPTIMIZERS[kind](module.parameters())


def take_steps(module, optimizer, count):
    for _ in range(count):
        optimizer.zero_grad()
        module(torch.randn(5, 3)).square().mean().backward()
        optimizer.step()


def state_of(module, optimizer, **changes):
    whole = Checkpoint(
        position=Position(step=7),
        history=[],
        module=module.state_dict(),
        optimizer=flatten(optimizer),
        generators={"cpu": torch.get_rng_state()[None]},
        snapshots={},
        best=None,
        precision="32",
    )
    return replace(whole, **changes)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_what_is_restored_goes_on_to_the_last_bit(tmp_path, kind):
    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        module, optimizer = learner(kind)
        take_steps(module, optimizer, 3)
        checkpoint.write(tmp_path, "run", state_of(module, optimizer))
        take_steps(module, optimizer, 3)

        other, its_optimizer = learner(kind, seed=1)
        torch.manual_seed(99)
        checkpoint.restore(checkpoint.read(tmp_path, "run", CPU), other, its_optimizer, CPU, 0)
        take_steps(other, its_optimizer, 3)
    for name, tensor in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def test_each_process_gets_its_own_random_numbers_back(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "process_count", lambda: 2)
    module, optimizer = learner()
    rows = torch.stack([torch.Generator().manual_seed(seed).get_state() for seed in (5, 6)])
    checkpoint.write(tmp_path, "run", state_of(module, optimizer, generators={"cpu": rows}))
    with torch.random.fork_rng([]):
        for rank, seed in enumerate((5, 6)):
            checkpoint.restore(checkpoint.read(tmp_path, "run", CPU), module, optimizer, CPU, rank)
            expected = torch.rand(3, generator=torch.Generator().manual_seed(seed))
            assert torch.equal(torch.rand(3), expected)


def test_position_and_weights_on_disk_come_back_in_order(tmp_path):
    module, optimizer = learner()
    names = [f"snapshot-{step}" for step in (8, 10, 12)]
    snapshots = {name: store_tensors(tmp_path, name, {"x": torch.full((2,), float(n))}) for n, name in enumerate(names)}
    best = store_tensors(tmp_path, "best", {"x": torch.ones(3)})
    position, history = Position(step=12, best_step=3), [{"step": 1, "loss": 0.1 + 0.2, "norm": math.nan}]
    written = {name: stored.path.stat().st_mtime_ns for name, stored in snapshots.items()}
    state = state_of(module, optimizer, position=position, history=history, snapshots=snapshots, best=best)
    checkpoint.write(tmp_path, "run", state)
    found = checkpoint.read(tmp_path, "run", CPU)
    assert found.position == position
    assert repr(found.history) == repr(history)
    assert list(found.snapshots) == names
    assert [stored["x"][0] for stored in found.snapshots.values()] == [0, 1, 2]
    assert {name: stored.path.stat().st_mtime_ns for name, stored in found.snapshots.items()} == written
    assert found.best["x"].tolist() == [1, 1, 1]


def test_snapshots_that_are_no_longer_listed_leave_with_the_next_checkpoint(tmp_path):
    module, optimizer = learner()
    old = store_tensors(tmp_path, "snapshot-1", {"x": torch.ones(1)})
    checkpoint.write(tmp_path, "run", state_of(module, optimizer, snapshots={"snapshot-1": old}))
    new = store_tensors(tmp_path, "snapshot-2", {"x": torch.ones(1)})
    assert old.path.exists()
    checkpoint.write(tmp_path, "run", state_of(module, optimizer, snapshots={"snapshot-2": new}))
    assert not old.path.exists()
    assert new.path.exists()


def test_no_checkpoint_is_none(tmp_path):
    assert checkpoint.read(tmp_path / "absent", "run", CPU) is None
    (tmp_path / "log.csv").write_text("step\n")
    assert checkpoint.read(tmp_path, "run", CPU) is None


@pytest.fixture
def folder(tmp_path):
    module, optimizer = learner()
    checkpoint.write(tmp_path / "run", "run", state_of(module, optimizer))
    return tmp_path / "run"


def test_another_run_is_refused(folder):
    with pytest.raises(lw.InputError, match=r"other data or settings.*--restart \(restart=True\).*another folder"):
        checkpoint.read(folder, "another run", CPU)


@pytest.mark.parametrize("had, has", [(1, 2), (3, 1)])
def test_another_number_of_processes_is_refused(folder, monkeypatch, had, has):
    module, optimizer = learner()
    states = torch.stack([torch.get_rng_state()] * had)
    checkpoint.write(folder, "run", state_of(module, optimizer, generators={"cpu": states}))
    monkeypatch.setattr(checkpoint, "process_count", lambda: has)
    with pytest.raises(lw.InputError, match=f"of {had} processes, this one has {has}: .*--restart"):
        checkpoint.read(folder, "run", CPU)


def test_another_kind_of_device_is_refused(folder):
    module, optimizer = learner()
    state = torch.get_rng_state()[None]
    checkpoint.write(folder, "run", state_of(module, optimizer, generators={"cpu": state, "cuda": state}))
    with pytest.raises(lw.InputError, match=r"unfinished run on cuda, this one is on cpu: .*--restart"):
        checkpoint.read(folder, "run", CPU)


def test_another_precision_is_refused(folder):
    for precision in ("32", None):
        assert checkpoint.read(folder, "run", CPU, precision).precision == "32"
    with pytest.raises(
        lw.InputError,
        match=r"unfinished run in precision '32', this one is in 'bf16': .*machine like its own.*--restart",
    ):
        checkpoint.read(folder, "run", CPU, "bf16")
    assert checkpoint.read_restarted(folder, "run", CPU, "bf16") is None
    with pytest.raises(lw.InputError, match="other data or settings"):
        checkpoint.read(folder, "another run", CPU, "bf16")


def test_model_is_no_checkpoint(tmp_path):
    write_folder(tmp_path, header={"kind": "model"}, state=State())
    with pytest.raises(lw.InputError, match="holds a model, not the checkpoint"):
        checkpoint.read(tmp_path, "run", CPU)


@pytest.mark.parametrize("group", ["module", "optimizer", "generators"])
def test_damage_is_found(folder, group):
    [path] = folder.glob(f"{group}-*")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    module, optimizer = learner()
    with pytest.raises(lw.InputError, match="does not match its checksum"):
        checkpoint.restore(checkpoint.read(folder, "run", CPU), module, optimizer, CPU, 0)


def test_discarding_leaves_the_files_of_others(folder):
    (folder / "log.csv").write_text("step\n")
    checkpoint.discard(folder)
    assert [path.name for path in folder.iterdir()] == ["log.csv"]
    checkpoint.discard(folder)
    checkpoint.discard(folder / "absent")
    assert not (folder / "absent").exists()


def test_checkpoint_that_was_being_discarded_is_none(folder, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.Path, "unlink", killed)  # of the emptied config.json, the last thing that is done
        with pytest.raises(KeyboardInterrupt):
            checkpoint.discard(folder)
    assert json.loads((folder / "config.json").read_text())["tensors"] == {}
    assert checkpoint.read(folder, "run", CPU) is None
    assert checkpoint.read(folder, "", CPU) is None
    checkpoint.discard(folder)
    assert not (folder / "config.json").exists()


NOT_OURS = [
    *({"values": values} for values in ({"step": "7"}, {"finished": 1}, {"no_such": 1})),
    *({"files": {"history.json": text}} for text in (b"", b"[", b"{}", b"[1]", b'[{"loss": "low"}]', b"\xff")),
    *({"files": {}}, {"header": {}}, {"header": {"fingerprint": "run"}}),
    {"header": {"fingerprint": "run", "precision": "32"}},
    *({"without": group} for group in ("module", "optimizer", "generators")),
    {"generators": {"cpu": torch.zeros(1, 3)}},
    {"generators": {"cpu": torch.tensor(1)}},
    {"module": {"weight": torch.zeros(2)}},
    {"optimizer": {"first": torch.zeros(2)}},
    {"optimizer": {"99.step": torch.zeros(2)}},
]


@pytest.mark.parametrize("changed", NOT_OURS, ids=str)
def test_what_somebody_changed_behind_the_checksums_is_refused(tmp_path, changed):
    module, optimizer = learner()
    take_steps(module, optimizer, 1)
    checkpoint.write(tmp_path, "run", state_of(module, optimizer))
    header, state = read_folder(tmp_path)
    tensors = {name: changed.get(name, dict(group)) for name, group in state.tensors.items()}
    tensors.pop(changed.get("without"), None)
    header = {"kind": "checkpoint", **changed["header"]} if "header" in changed else header
    changed = State(changed.get("values", state.values), tensors, changed.get("files", state.files))
    write_folder(tmp_path, header=header, state=changed)
    damaged = r"holds a damaged checkpoint .*: start over with --restart \(restart=True\)$"
    with pytest.raises(lw.InputError, match=damaged), checkpoint.damage_told(tmp_path):
        checkpoint.restore(checkpoint.read(tmp_path, "run", CPU), module, optimizer, CPU, 0)
