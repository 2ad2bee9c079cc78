import logging
import os
import re
import warnings
from contextlib import nullcontext

import pytest
import torch

import latticework as lw
from latticework.core import hardware
from latticework.core.hardware import (
    PRECISIONS,
    best_device,
    computing,
    fork_random,
    make_fabric,
    random_states,
    resolve_device,
    resolve_precision,
    restore_random,
    threads,
)

CPU = torch.device("cpu")


def accelerator(monkeypatch, kind, count=1):
    """Pretend that the machine has accelerators, which "auto" sees."""
    monkeypatch.setattr(hardware, "best_device", best_device)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: kind is not None)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: kind and torch.device(kind))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: count - 1)


@pytest.mark.parametrize(
    "kind, name, expected",
    [
        (None, "auto", "cpu"),
        (None, "cpu", "cpu"),
        (None, "cpu:0", "cpu"),
        ("cuda", "auto", "cuda:1"),
        ("cuda", "cpu", "cpu"),
        ("cuda", "cuda", "cuda:1"),
        ("cuda", "cuda:0", "cuda:0"),
        ("mps", "auto", "mps"),
        ("mps", "mps", "mps"),
    ],
)
def test_device_is_the_one_asked_for(monkeypatch, kind, name, expected):
    accelerator(monkeypatch, kind, count=2)
    assert resolve_device(name) == torch.device(expected)


@pytest.mark.parametrize("world, expected", [("1", [0, 1, None, None]), ("2", [])])
def test_a_card_is_the_current_one_meanwhile_unless_the_process_has_its_own(monkeypatch, world, expected):
    accelerator(monkeypatch, "cuda", count=2)
    asked = []
    monkeypatch.setattr(torch.accelerator, "device_index", lambda index: asked.append(index) or nullcontext())
    monkeypatch.setenv("WORLD_SIZE", world)
    for name in ("cuda:0", "cuda", "cpu"):
        with hardware.current(name):
            pass
    accelerator(monkeypatch, "mps")
    with hardware.current("auto"):
        pass
    assert asked == expected


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:-2", "cpu,cuda", None, "x" * 999])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(lw.InputError, match=r"^device=.{,70} is not a device: expected auto, cpu, cuda, cuda:1 or mps"):
        resolve_device(name)


@pytest.mark.parametrize(
    "kind, name", [(None, "cuda"), (None, "mps"), (None, "meta"), ("cuda", "cuda:2"), ("cuda", "mps"), ("mps", "cuda")]
)
def test_device_that_is_not_there_is_refused(monkeypatch, kind, name):
    accelerator(monkeypatch, kind, count=2)
    with pytest.raises(lw.InputError, match=f"device='{name}' is not on this machine"):
        resolve_device(name)


def test_a_device_is_checked_as_it_is_resolved_unless_it_is_always_there(monkeypatch):
    accelerator(monkeypatch, "cuda", count=2)
    assert [hardware.check_device(name) for name in ("cpu", "cuda:1")] == ["cpu", "cuda:1"]
    with pytest.raises(lw.InputError, match="device='cuda:2' is not on this machine"):
        hardware.check_device("cuda:2")
    monkeypatch.setattr(hardware, "resolve_device", pytest.fail)
    assert [hardware.check_device(name) for name in ("auto", "cpu")] == ["auto", "cpu"]


@pytest.mark.parametrize("name", PRECISIONS)
def test_precision_is_the_one_asked_for(name):
    assert resolve_precision(name, CPU) == name


@pytest.mark.parametrize(
    "features, expected", [({}, "32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16")]
)
def test_automatic_precision_is_what_the_processor_multiplies(monkeypatch, features, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **features})
    assert resolve_precision("auto", CPU) == expected
    assert resolve_precision("auto", torch.device("mps")) == "32"


@pytest.mark.parametrize("supported, expected", [(True, "bf16"), (False, "32")])
def test_automatic_precision_is_what_the_card_multiplies(monkeypatch, supported, expected):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: supported and not including_emulation
    )
    assert resolve_precision("auto", torch.device("cuda")) == expected


@pytest.mark.parametrize("name", ["16", "bf16-mixed", "float32", 32, None, ["32"]])
def test_unknown_precision_is_refused(name):
    with pytest.raises(lw.InputError, match=re.escape(f"precision={name!r}: expected one of auto, 64, 32, bf16")):
        resolve_precision(name, CPU)


def test_precision_that_a_device_does_not_have_is_refused():
    with pytest.raises(lw.InputError, match="precision='64': device='mps' has no such numbers"):
        resolve_precision("64", torch.device("mps"))


def test_bf16_computes_under_autocast_and_others_do_not():
    ones = torch.ones(2, 2)
    with computing(CPU, "bf16"):
        assert (ones @ ones).dtype == torch.bfloat16
    for precision in ("32", "64"):
        with computing(CPU, precision):
            assert (ones @ ones).dtype == torch.float32


@pytest.fixture
def free_threads(monkeypatch):
    """As on a machine of eight processors where nobody decided on threads."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("local, expected", [(None, 3), ("1", 3), ("2", 4), ("3", 2), ("16", 1)])
@pytest.mark.usefixtures("free_threads")
def test_processes_of_a_machine_share_its_processors(monkeypatch, local, expected):
    if local is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    with threads():
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("local, number", [("1", "5"), ("1", "1"), ("2", "5")])
@pytest.mark.usefixtures("free_threads")
def test_threads_the_user_asked_for_are_kept(monkeypatch, local, number):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    monkeypatch.setenv("OMP_NUM_THREADS", number)
    with threads():
        assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("free_threads")
def test_one_thread_that_torchrun_sets_for_want_of_a_number_is_not_the_users(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with threads():
        assert torch.get_num_threads() == 4
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("free_threads")
def test_threads_are_counted_where_a_system_cannot_say_which_are_ours(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with threads():
        assert torch.get_num_threads() == 2


class Notes(logging.Handler):
    def __init__(self):
        super().__init__(level=logging.DEBUG)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_fabric_is_set_up_in_silence(precision, capfd):
    import lightning_fabric

    logger, notes = logging.getLogger("lightning_fabric"), Notes()
    level = logger.level
    logger.addHandler(notes)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            fabric = make_fabric("cpu", precision)
        assert (notes.texts, warned, *capfd.readouterr()) == ([], [], "", "")
        assert logger.level == level
        lightning_fabric.Fabric(
            accelerator="cpu", devices=1, precision="bf16-mixed"
        )  # that is said to those who use it
        assert notes.texts
    finally:
        logger.removeHandler(notes)
    assert (fabric.device, fabric.world_size, fabric.is_global_zero) == (CPU, 1, True)


def test_variables_of_a_batch_system_do_not_change_a_single_process(monkeypatch):
    for name, value in {"NTASKS": "4", "JOB_NAME": "train", "PROCID": "3", "LOCALID": "3", "NODEID": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    fabric = make_fabric("cpu", "64")
    assert (fabric.world_size, fabric.global_rank, fabric.is_global_zero) == (1, 0, True)


@pytest.mark.parametrize("precision, dtype", [("64", torch.float64), ("32", torch.float32), ("bf16", torch.float32)])
def test_loss_has_the_precision_of_the_weights(precision, dtype):
    fabric = make_fabric("cpu", precision)
    module = fabric.setup_module(torch.nn.Linear(3, 1))
    loss = module(torch.full((2, 3), 1 / 3, dtype=dtype)).sum()
    assert loss.dtype == dtype
    fabric.backward(loss / 3)
    # 2/9 in the precision of the weights; autocast multiplies in bfloat16, which keeps 8 bits
    tolerance = 1e-2 if precision == "bf16" else 4 * torch.finfo(dtype).eps
    expected = torch.full((1, 3), 2 / 9, dtype=dtype)
    torch.testing.assert_close(module.weight.grad, expected, rtol=tolerance, atol=0)


def test_random_numbers_are_seeded_inside_and_as_before_outside():
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    with fork_random(CPU, 7):
        assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(7)))
    assert torch.equal(torch.rand(3), expected)


def test_other_devices_are_not_seeded(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", seeded.append)
    with fork_random(CPU, 7):
        pass
    assert seeded == []


class Card:
    """The random numbers of a device that this machine does not have."""

    def __init__(self):
        self.state = torch.tensor([1], dtype=torch.uint8)

    def manual_seed(self, seed):
        self.state = torch.tensor([seed], dtype=torch.uint8)

    def get_rng_state(self, device):
        assert device.type == "cuda"
        return self.state

    def set_rng_state(self, state, device):
        assert device.type == "cuda"
        self.state = state


def test_random_numbers_of_a_device_are_forked_and_restored_with_the_processors(monkeypatch):
    card, device = Card(), torch.device("cuda", 0)
    monkeypatch.setattr(torch, "get_device_module", lambda _: card)
    monkeypatch.setattr(torch.random, "fork_rng", torch.random.fork_rng)
    with fork_random(device, 7):
        assert card.state == 7
        states = random_states(device)
        assert states.keys() == {"cpu", "cuda"}
        drawn = torch.rand(3)
        card.manual_seed(9)
        restore_random(device, states)
        assert card.state == 7
        assert torch.equal(torch.rand(3), drawn)
    assert card.state == 1


def test_a_module_is_evaluated_without_gradients_and_then_trains_as_before():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))
    with hardware.evaluating(module, "cpu", "bf16") as device:
        assert device == torch.device("cpu")
        found = module(torch.ones(1, 2))
        assert not module.training
        assert found.dtype is torch.float32
        assert not found.requires_grad
    assert module.train()(torch.ones(1, 2)).requires_grad
    with pytest.raises(lw.InputError, match="device='nowhere'"), hardware.evaluating(module, "nowhere", "32"):
        pass
