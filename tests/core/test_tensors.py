import os

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

import latticework as lw
from latticework.core import State, Stored, read_folder, store_tensors, tensors, write_folder

NUMPY_DTYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">i4", ">f8"]


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_arrays_come_back_as_they_were(tmp_path, dtype, shape):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    stored = store_tensors(tmp_path, "group", {"array": array, "turned": array.T, "one": np.ones(1, "i1")})
    read = stored.read()
    np.testing.assert_array_equal(read["array"], array)
    np.testing.assert_array_equal(read["turned"], array.T)
    assert read["array"].dtype == array.dtype.newbyteorder("=")
    read["array"].fill(0)  # ours to change
    library = safetensors.numpy.load_file(stored.path)
    np.testing.assert_array_equal(library["array"], array)


TORCH_DTYPES = [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", TORCH_DTYPES)
def test_torch_tensors_come_back_as_they_were(tmp_path, dtype):
    whole = torch.randint(0, 100, (3, 4), generator=torch.Generator().manual_seed(0)).to(dtype)
    tensors = {"whole": whole, "tied": whole, "view": whole[1:, ::2], "turned": whole.T, "scalar": whole[0, 0]}
    tensors["parameter"] = torch.nn.Parameter(torch.ones(2, dtype=torch.float32))
    stored = store_tensors(tmp_path, "group", tensors)
    for read in (stored.read(), safetensors.torch.load_file(stored.path)):
        assert read.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert read[name].dtype == tensor.dtype
            assert torch.equal(read[name], tensor)


def test_tensors_come_back_in_the_framework_they_came_in(tmp_path):
    groups = {"array": {"x": np.ones(2)}, "tensor": {"x": torch.ones(2)}, "empty": {}}
    write_folder(tmp_path, header={}, state=State(tensors=groups))
    _, state = read_folder(tmp_path)
    assert type(state.tensors["array"]["x"]) is np.ndarray
    assert type(state.tensors["tensor"]["x"]) is torch.Tensor
    assert dict(state.tensors["empty"]) == {}


def test_stored_group_is_listed_without_being_written_again(tmp_path):
    first = store_tensors(tmp_path, "weights", {"x": np.arange(5)})
    written = first.path.stat().st_mtime_ns
    for step in range(3):
        write_folder(tmp_path, header={"step": step}, state=State(tensors={"weights": first}))
        assert first.path.stat().st_mtime_ns == written
    _, state = read_folder(tmp_path)
    listed = state.tensors["weights"]
    assert isinstance(listed, Stored)
    write_folder(tmp_path, header={"step": 3}, state=State(tensors={"weights": listed}))
    assert first.path.stat().st_mtime_ns == written
    assert np.array_equal(listed["x"], np.arange(5))


def test_stored_group_is_copied_to_another_folder_or_name(tmp_path):
    stored = store_tensors(tmp_path / "one", "weights", {"x": np.arange(5)})
    write_folder(tmp_path / "other", header={}, state=State(tensors={"weights": stored, "best": stored}))
    _, state = read_folder(tmp_path / "other")
    assert [state.tensors[name]["x"].tolist() for name in ("weights", "best")] == [[0, 1, 2, 3, 4]] * 2


def test_stored_group_is_removed_when_it_is_not_listed(tmp_path):
    stored = store_tensors(tmp_path, "weights", {"x": np.arange(5)})
    write_folder(tmp_path, header={}, state=State())
    assert not stored.path.exists()
    with pytest.raises(lw.InputError, match="missing"):
        write_folder(tmp_path, header={}, state=State(tensors={"weights": stored}))
    read_folder(tmp_path)


def test_groups_are_read_only_when_looked_into(tmp_path):
    groups = {"small": {"x": np.ones(1)}, "large": {"x": np.zeros(9)}}
    write_folder(tmp_path, header={}, state=State(tensors=groups))
    path = next(tmp_path.glob("large-*"))
    path.write_bytes(b"\0" * path.stat().st_size)
    _, state = read_folder(tmp_path)
    assert state.tensors["small"]["x"].tolist() == [1]
    with pytest.raises(lw.InputError, match=r"large-.*checksum"):
        state.tensors["large"]["x"]


def test_group_that_is_read_again_is_verified_again_only_if_its_file_was_touched(tmp_path, monkeypatch):
    stored, verified = store_tensors(tmp_path, "weights", {"x": np.arange(5)}), []
    digest = tensors.digest
    monkeypatch.setattr(tensors, "digest", lambda path: verified.append(path) or digest(path))
    for _ in range(3):
        assert stored.read()["x"].tolist() == [0, 1, 2, 3, 4]
    assert len(verified) == 1
    stored.path.write_bytes(stored.path.read_bytes()[:-1] + b"?")
    os.utime(stored.path, ns=(0, 0))  # the clock of a file system may be too coarse to tell
    for _ in range(2):
        with pytest.raises(lw.InputError, match="does not match its checksum"):
            stored.read()
    assert len(verified) == 3


def test_file_that_goes_while_it_is_read_is_an_input_error(tmp_path, monkeypatch):
    stored = store_tensors(tmp_path, "bank", {"x": np.arange(3)})
    usual = tensors.regular_file

    def vanished(*arguments):
        path = usual(*arguments)
        path.unlink()
        return path

    monkeypatch.setattr(tensors, "regular_file", vanished)
    with pytest.raises(lw.InputError, match=f"{stored.name} cannot be read: No such file"):
        stored.read()


def test_folder_that_cannot_be_read_is_an_input_error(tmp_path, monkeypatch):
    write_folder(tmp_path, header={}, state=State(files={"note.txt": b"kept"}))

    def fail(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tensors.Path, "read_bytes", fail)
    with pytest.raises(lw.InputError, match=f"{tmp_path} cannot be read: Permission denied"):
        read_folder(tmp_path)
