import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import latticework as lw
from latticework.core import State, persistence, write_folder

pytestmark = pytest.mark.usefixtures("fakes_registered")


def forge(folder, **changes):
    """Change the config and give it the checksum it would have, as somebody with bad intentions can."""
    config = json.loads((folder / "config.json").read_bytes()) | changes
    del config["checksum"]
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    config["checksum"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))


def entries(folder, kind):
    return json.loads((folder / "config.json").read_bytes())[kind]


def refuse(folder, *words):
    with pytest.raises(lw.InputError) as caught:
        lw.load(folder)
    for word in (folder.name, *words):
        assert word in str(caught.value)


def test_a_flipped_bit_in_any_byte_is_noticed(copied):
    for path in sorted(copied.iterdir()):
        good = path.read_bytes()
        for position in range(len(good)):
            path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
            refuse(copied)
        path.write_bytes(good)
    lw.load(copied)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_flipped_bits_are_noticed_or_harmless(saved, tmp_path_factory, data):
    folder, model = saved
    name = data.draw(st.sampled_from(sorted(os.listdir(folder))))
    good = (folder / name).read_bytes()
    position, mask = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(1, 255))
    copy = Path(shutil.copytree(folder, tmp_path_factory.mktemp("flipped") / "model"))
    (copy / name).write_bytes(good[:position] + bytes([good[position] ^ mask]) + good[position + 1 :])
    try:
        loaded = lw.load(copy)
    except lw.InputError:
        return
    assert name == "config.json"
    assert json.loads((copy / name).read_bytes()) == json.loads(good), "only a change of white space may go unnoticed"
    assert np.array_equal(loaded.bank_, model.bank_)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_truncated_or_extended_files_are_noticed(saved, tmp_path_factory, data):
    folder, _ = saved
    name = data.draw(st.sampled_from(sorted(os.listdir(folder))))
    good = (folder / name).read_bytes()
    bad = data.draw(st.integers(0, len(good) - 1).map(lambda end: good[:end]) | st.just(good + b"x"))
    copy = Path(shutil.copytree(folder, tmp_path_factory.mktemp("cut") / "model"))
    (copy / name).write_bytes(bad)
    refuse(copy)


@pytest.mark.parametrize("pattern", ["bank-*", "weights-*", "note-*", "config.json"])
def test_missing_files_are_named(copied, pattern):
    path = next(copied.glob(pattern))
    path.unlink()
    refuse(copied, path.name)


def test_swapped_files_are_noticed(copied):
    bank, weights = next(copied.glob("bank-*")), next(copied.glob("weights-*"))
    bank.rename(bank.with_name("third"))
    weights.rename(bank)
    bank.with_name("third").rename(weights)
    refuse(copied)


def test_absent_folder_and_file_in_its_place_are_refused(tmp_path):
    refuse(tmp_path / "absent", "no such folder")
    (tmp_path / "file").write_text("")
    refuse(tmp_path / "file", "no such folder")


@pytest.mark.parametrize("name", ["model.pkl", "weights.pt", "pytorch_model.bin", "model.joblib"])
def test_pickles_are_never_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    refuse(tmp_path, name, "pickles are never read")
    assert os.listdir(tmp_path) == [name]


def test_payload_that_is_a_pickle_is_refused(copied):
    path = next(copied.glob("bank-*"))
    evil = b"cos\nsystem\n(S'touch pwned'\ntR."
    sha256 = hashlib.sha256(evil).hexdigest()
    path.unlink()
    (copied / f"bank-{sha256[:16]}.safetensors").write_bytes(evil)
    entry = {"name": f"bank-{sha256[:16]}.safetensors", "sha256": sha256, "size": len(evil), "framework": "numpy"}
    forge(copied, tensors=entries(copied, "tensors") | {"bank": entry})
    refuse(copied, "not a readable safetensors file")


@pytest.mark.parametrize("size", [0, 7, 2**20, 2**40, 2**63, 2**64 - 1])
def test_odd_header_sizes_of_safetensors_are_refused(copied, size):
    path = next(copied.glob("bank-*"))
    evil = size.to_bytes(8, "little") + path.read_bytes()[8:]
    sha256 = hashlib.sha256(evil).hexdigest()
    name = f"bank-{sha256[:16]}.safetensors"
    (copied / name).write_bytes(evil)
    entry = {"name": name, "sha256": sha256, "size": len(evil), "framework": "numpy"}
    forge(copied, tensors=entries(copied, "tensors") | {"bank": entry})
    refuse(copied, "not a readable safetensors file")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"format"', "{}", '{"format": "1"}', '{"format": true}', '{"format": NaN}', "[" * 10**5],
)
def test_config_that_is_not_ours_is_refused(copied, text):
    (copied / "config.json").write_text(text)
    refuse(copied, "config.json")


def test_config_that_is_not_text_or_too_large_is_refused(copied, monkeypatch):
    (copied / "config.json").write_bytes(b"\xff\xfe{}")
    refuse(copied, "config.json is not JSON")
    monkeypatch.setattr(persistence, "MAX_CONFIG_BYTES", 10)
    (copied / "config.json").write_text('{"format": 1}')
    refuse(copied, "larger than 10 bytes")
    with pytest.raises(lw.InputError, match="at most 10 fit"):
        write_folder(copied / "new", header={}, state=State())


def test_newer_format_says_what_to_do(copied):
    forge(copied, format=2)
    refuse(copied, "newer Latticework", "format 2", "pip install --upgrade latticework")


@pytest.mark.parametrize("version", [0, -1])
def test_unknown_older_formats_are_refused(copied, version):
    forge(copied, format=version)
    refuse(copied)


@pytest.mark.parametrize("key", ["fake.Unknown", "NeighbourBank", "os.system", "fakes:NeighbourBank", "", 3, None])
def test_unknown_classes_are_refused_and_never_imported(copied, key):
    forge(copied, **{"class": key})
    refuse(copied, "estimator")
    if isinstance(key, str):
        refuse(copied, repr(key), "fake.NeighbourBank")


def test_other_kinds_of_folder_are_not_models(tmp_path):
    write_folder(tmp_path, header={"kind": "checkpoint"}, state=State())
    refuse(tmp_path, "holds a checkpoint, not a model")


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/passwd", "sub/secret.txt", "config.json", "..", "", "C:\\x", 7]
)
@pytest.mark.parametrize("kind, logical", [("files", "note.txt"), ("tensors", "bank"), ("files", "../../up.txt")])
def test_names_that_lead_elsewhere_are_refused(copied, name, kind, logical):
    (copied.parent / "secret.txt").write_text("secret")
    entry = next(iter(entries(copied, kind).values())) | {"name": name}
    forge(copied, **{kind: {logical: entry}})
    refuse(copied, repr(name), "never gives")


@pytest.mark.parametrize("change", [{"size": "12"}, {"size": True}, {"size": -1}, {"sha256": "x"}, {"sha256": 5}])
def test_odd_entries_are_refused(copied, change):
    forge(copied, files={"note.txt": entries(copied, "files")["note.txt"] | change})
    refuse(copied)


@pytest.mark.parametrize(
    "change",
    [{"files": []}, {"tensors": None}, {"files": {"note.txt": 1}}, {"parameters": 1}, {"values": {"$float": {}}}],
)
def test_configs_with_odd_parts_are_refused(copied, change):
    forge(copied, **change)
    refuse(copied)


def test_unknown_framework_is_refused(copied):
    bank = entries(copied, "tensors")["bank"] | {"framework": "pickle"}
    forge(copied, tensors=entries(copied, "tensors") | {"bank": bank})
    refuse(copied, "pickle")


def test_parameters_the_class_does_not_take_are_refused(copied):
    forge(copied, parameters={"no_such": 1})
    refuse(copied, "Twofold", "no_such")


def test_state_that_lacks_something_is_refused(copied):
    forge(copied, values={})
    refuse(copied, "Twofold", "offset")


@pytest.mark.parametrize("pattern", ["config.json", "bank-*", "note-*"])
def test_links_are_not_followed(copied, pattern):
    path = next(copied.glob(pattern))
    target = path.rename(copied.parent / "elsewhere")
    path.symlink_to(target)
    refuse(copied, path.name, "link")


@pytest.mark.parametrize("pattern", ["config.json", "bank-*", "note-*"])
def test_pipes_and_folders_in_the_place_of_files_are_refused(copied, pattern):
    path = next(copied.glob(pattern))
    path.unlink()
    os.mkfifo(path)
    refuse(copied, path.name)
    path.unlink()
    path.mkdir()
    refuse(copied, path.name)


def test_a_link_to_the_folder_is_followed(saved, tmp_path):
    (tmp_path / "latest").symlink_to(saved[0])
    assert np.array_equal(lw.load(tmp_path / "latest").bank_, saved[1].bank_)
