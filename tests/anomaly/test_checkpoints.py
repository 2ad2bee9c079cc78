import argparse
import pickle
import threading
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from latticework.anomaly.encoders import checkpoints
from latticework.anomaly.encoders.checkpoints import read_tensors
from latticework.core.errors import InputError

STATE = {"a": torch.arange(6.0).view(2, 3), "b.c": torch.ones(2, dtype=torch.int64)}


class Harmful:
    """Its pickle makes a file when it is read as pickle reads."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(autouse=True)
def _nothing_more_is_trusted_afterwards():
    before = set(torch.serialization.get_safe_globals())
    yield
    assert set(torch.serialization.get_safe_globals()) == before


def same(found, expected=STATE):
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def written(path, state, **options):
    torch.save(state, path, **options)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
@pytest.mark.parametrize("archive", [True, False])
def test_what_torch_saves_now_and_what_it_saved_once_is_read(suffix, archive, tmp_path):
    path = written(tmp_path / f"some{suffix}", STATE, _use_new_zipfile_serialization=archive)
    assert same(read_tensors(path))


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "some.safetensors")
    assert same(read_tensors(tmp_path / "some.safetensors"))


def test_parameters_are_read_as_tensors_and_whatever_else_is_left_out(tmp_path):
    state = {"p": torch.nn.Parameter(torch.ones(1)), "epoch": 3, "lr": [0.1], 7: torch.ones(1), "none": None}
    found = read_tensors(written(tmp_path / "some.pth", state))
    assert same(found, {"p": torch.ones(1)})
    assert type(found["p"]) is torch.Tensor
    assert not found["p"].requires_grad


def test_dictionaries_in_the_dictionary_are_read_and_those_in_them_are_not(tmp_path):
    state = {"teacher": {"a": torch.ones(1), "deep": {"b": torch.ones(1)}}, "c": torch.ones(1)}
    assert set(read_tensors(written(tmp_path / "some.pth", state))) == {"teacher.a", "c"}


@pytest.mark.parametrize("archive", [True, False])
def test_options_and_numpy_scalars_of_training_scripts_are_passed_over(archive, tmp_path):
    beside = {
        "args": argparse.Namespace(arch="vit_base", patch_size=8, lr=np.float64(0.1)),
        "best_metrics": {"acc": np.float64(0.9)},
        "metrics": [np.float32(1), np.int64(3)],
    }
    path = written(tmp_path / "some.pth", STATE | beside, _use_new_zipfile_serialization=archive)
    assert same(read_tensors(path))


def test_numpy_scalars_of_earlier_numpys_are_passed_over(tmp_path):
    written(tmp_path / "now.pth", {"acc": np.float64(0.9), **STATE})
    with zipfile.ZipFile(tmp_path / "now.pth") as now, zipfile.ZipFile(tmp_path / "then.pth", "w") as then:
        for name in now.namelist():
            then.writestr(name, now.read(name).replace(b"numpy._core", b"numpy.core"))
    assert same(read_tensors(tmp_path / "then.pth"))


@pytest.mark.parametrize("archive", [True, False])
def test_a_pickle_that_could_run_code_is_refused_and_runs_none(archive, tmp_path):
    state = STATE | {"more": Harmful(tmp_path / "made")}
    path = written(tmp_path / "some.pth", state, _use_new_zipfile_serialization=archive)
    with pytest.raises(InputError, match=r"some\.pth is refused: it holds more than tensors.* Save the weights alone"):
        read_tensors(path)
    assert not (tmp_path / "made").exists()


def test_a_whole_model_is_refused_with_what_it_is(tmp_path):
    path = written(tmp_path / "some.pth", torch.nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"more than tensors \('torch\.nn\.modules\.linear\.Linear'\)"):
        read_tensors(path)


def test_a_plain_pickle_is_refused(tmp_path):
    (tmp_path / "some.pth").write_bytes(pickle.dumps(Harmful(tmp_path / "made"), protocol=2))
    with pytest.raises(InputError, match=r"some\.pth"):
        read_tensors(tmp_path / "some.pth")
    assert not (tmp_path / "made").exists()


def test_a_compressed_archive_is_refused_before_it_fills_the_memory(tmp_path):
    written(tmp_path / "some.pth", {"a": torch.zeros(10**6)})
    bomb = zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "some.pth") as plain, bomb:
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    with pytest.raises(InputError, match="is a compressed archive"):
        read_tensors(tmp_path / "bomb.pth")


def test_sizes_are_bounded(tmp_path, monkeypatch):
    path = written(tmp_path / "some.pth", STATE)
    monkeypatch.setattr(checkpoints, "MAX_PICKLE_BYTES", 100)
    with pytest.raises(InputError, match="says more than 100 bytes about its tensors"):
        read_tensors(path)
    monkeypatch.setattr(checkpoints, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"has [\d,]+ bytes, weights of at most 1,000 are read"):
        read_tensors(path)


def test_an_archive_that_says_it_is_larger_than_it_is_is_refused(tmp_path):
    data = bytearray(written(tmp_path / "some.pth", {"a": torch.zeros(1000)}).read_bytes())
    place = data.rindex(b"PK\x01\x02", 0, data.rindex(b"some/data/0"))  # its entry in the list at the end
    for at in (place + 20, place + 24):  # both sizes of it
        data[at : at + 4] = (10**9).to_bytes(4, "little")
    (tmp_path / "some.pth").write_bytes(data)
    with pytest.raises(InputError, match="its parts are larger than the whole"):
        read_tensors(tmp_path / "some.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("archive", [True, False])
def test_damaged_files_give_an_error_and_nothing_else(suffix, archive, tmp_path):
    path = tmp_path / f"some{suffix}"
    if suffix == ".pth":
        whole = written(path, STATE, _use_new_zipfile_serialization=archive).read_bytes()
    else:
        save_file(STATE, path)
        whole = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[:length] for length in (0, 1, 10, len(whole) // 2, len(whole) - 1)]
    for _ in range(60):
        changed = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            changed[place] = rng.integers(256)
        damaged.append(bytes(changed))
    for data in damaged:
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a protocol of pickles that torch does not write
            with suppress(InputError):
                read_tensors(path)


@pytest.mark.parametrize("end", [b"\n", b""], ids=["ended", "endless"])
@pytest.mark.parametrize("archive", [True, False])
def test_a_class_of_an_absurd_name_is_refused_before_torch_searches_it(archive, end, tmp_path, monkeypatch):
    """Torch's search takes time that grows with the square: minutes for a file that is damaged in one byte."""
    short, long = b"ctorch._utils\n", b"c" + b"x" * 200_000 + end

    def changed(data):
        before, _, after = data.partition(short)
        return before + long + after.replace(b"\n", b"" if not end else b"\n")

    path = written(tmp_path / "some.pth", STATE, _use_new_zipfile_serialization=archive)
    if archive:
        with zipfile.ZipFile(path) as whole:
            parts = {entry.filename: whole.read(entry) for entry in whole.infolist()}
        with zipfile.ZipFile(path, "w") as damaged:
            for name, data in parts.items():
                damaged.writestr(name, changed(data) if name.endswith(".pkl") else data)
    else:
        path.write_bytes(changed(path.read_bytes()))
    monkeypatch.setattr(torch, "load", lambda *given, **options: pytest.fail("torch searches it"))
    with pytest.raises(InputError, match=r"^\S+some\.pth is damaged: the name of a class in it has 200,\d+ characters"):
        read_tensors(path)


@pytest.mark.parametrize("state", [[torch.ones(1)], torch.ones(1), 3])
def test_a_file_without_a_dictionary_is_refused(state, tmp_path):
    with pytest.raises(InputError, match="expected a dictionary of tensors"):
        read_tensors(written(tmp_path / "some.pth", state))


def test_a_torchscript_is_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "some.pt")
        with pytest.raises(InputError, match="TorchScript"):
            read_tensors(tmp_path / "some.pt")


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_tensors(tmp_path / "some.pth")
    with pytest.raises(InputError, match=r"there is no such file|cannot be read: File name too long"):
        read_tensors(tmp_path / ("a" * 300))
    with pytest.raises(InputError, match="is no file"):
        read_tensors(tmp_path)
    (tmp_path / "some.npz").touch()
    with pytest.raises(InputError, match=r"expected a file of weights: \.safetensors, \.pth, \.pt, \.bin"):
        read_tensors(tmp_path / "some.npz")


def test_files_may_be_read_by_several_threads_at_once(tmp_path):
    path = written(tmp_path / "some.pth", STATE | {"args": argparse.Namespace(lr=0.1)})
    failures = []

    def read():
        try:
            for _ in range(20):
                read_tensors(path)
        except InputError as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_file_that_may_not_be_read_is_an_error(tmp_path, monkeypatch):
    path = written(tmp_path / "some.pth", STATE)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"some\.pth cannot be read: Permission denied"):
        read_tensors(path)
