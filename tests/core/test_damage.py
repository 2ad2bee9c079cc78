import hashlib
import json
import os
import shutil
from contextlib import suppress
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


def forge_raw(folder, key, text):
    """Give a key of the config a value that is spelled as given, under the checksum of just these bytes."""
    config = json.loads((folder / "config.json").read_bytes()) | {key: "here"}
    del config["checksum"]
    raw = json.dumps(config, sort_keys=True, separators=(",", ":")).replace('"here"', text)
    checksum = hashlib.sha256(raw.encode()).hexdigest()
    (folder / "config.json").write_text(f'{raw[:-1]},"checksum":"{checksum}"}}')


def replace_bank(folder, content, framework="numpy"):
    """Put another file in the place of a group of tensors, with all the checksums it would have."""
    sha256 = hashlib.sha256(content).hexdigest()
    name = f"bank-{sha256[:16]}.safetensors"
    (folder / name).write_bytes(content)
    entry = {"name": name, "sha256": sha256, "size": len(content), "framework": framework}
    forge(folder, tensors=entries(folder, "tensors") | {"bank": entry})


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


@pytest.mark.parametrize("relative", [False, True])
def test_damage_is_told_once(copied, monkeypatch, relative):
    (bank,) = copied.glob("bank-*.safetensors")
    bank.write_bytes(bank.read_bytes()[:-1] + b"?")
    (elsewhere := copied.parent / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    with pytest.raises(lw.InputError) as caught:
        lw.load(Path("..", copied.name) if relative else copied)
    assert str(caught.value).count(copied.name) == str(caught.value).count("damaged") == 1


@given(data=st.data())
@settings(max_examples=150)
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
@settings(max_examples=60)
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
    refuse(tmp_path / "file", "is a file, expected the folder of a model")


@pytest.mark.parametrize("name", ["model.pkl", "weights.pt", "pytorch_model.bin", "model.joblib"])
def test_pickles_are_never_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    refuse(tmp_path, name, "pickles are never read")
    assert os.listdir(tmp_path) == [name]


def test_payload_that_is_a_pickle_is_refused(copied):
    replace_bank(copied, b"cos\nsystem\n(S'touch pwned'\ntR.")
    refuse(copied, "not a readable safetensors file")


@pytest.mark.parametrize("size", [0, 7, 2**20, 2**40, 2**63, 2**64 - 1])
def test_odd_header_sizes_of_safetensors_are_refused(copied, size):
    replace_bank(copied, size.to_bytes(8, "little") + next(copied.glob("bank-*")).read_bytes()[8:])
    refuse(copied, "not a readable safetensors file")


ROWS = {"dtype": "F64", "shape": [6, 2], "data_offsets": [0, 96]}
ODD_HEADERS = [
    *({"rows": ROWS | {"shape": shape}} for shape in ([2**40], [2**62, 4], [2**64], [2**32, 2**32], [-12], [1.5], 12)),
    *({"rows": ROWS | {"data_offsets": ends}} for ends in ([0, 2**40], [0, 2**63], [96, 0], [-8, 88], [8, 104], [0])),
    *({"rows": ROWS | {"dtype": dtype}} for dtype in ("pickle", "O", "F4", "BF16", None)),
    {"rows": ROWS, "more": ROWS},  # two tensors of the same bytes
    {"rows": None},
    "x" * 1000,
    '{"rows":' * 10**5,
    "[" * 10**5,
]


@pytest.mark.parametrize("framework", ["numpy", "torch"])
@pytest.mark.parametrize("header", ODD_HEADERS, ids=lambda header: str(header)[:60])
def test_safetensors_that_declare_what_they_do_not_hold_are_refused(copied, header, framework):
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    replace_bank(copied, len(text).to_bytes(8, "little") + text + bytes(96), framework)
    refuse(copied, "not a readable safetensors file")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"format"', "{}", '{"format": "1"}', '{"format": true}', '{"format": NaN}', "[" * 10**5],
)
def test_config_that_is_not_ours_is_refused(copied, text):
    (copied / "config.json").write_text(text)
    refuse(copied, "config.json")


@pytest.mark.parametrize("depth", [*range(100, 1100, 100), 5000])
@pytest.mark.parametrize("opening, closing", [('[{"a":', "}]"), ("[[1],", "]")], ids=["objects", "lists"])
@pytest.mark.parametrize("key", ["values", "odd"])
def test_deep_configs_are_read_or_refused_but_nothing_else(copied, key, opening, closing, depth):
    forge_raw(copied, key, f"{opening * depth}1{closing * depth}")
    if key == "odd" and depth < 1000:
        with suppress(lw.InputError):  # how much is too deep depends on who calls
            lw.load(copied)
    else:
        refuse(copied)


@pytest.mark.parametrize("key", ["values", "parameters", "class", "odd"])
@pytest.mark.parametrize(
    "text", ["1e999", "-1e999", "NaN", "-Infinity", '{"$float":"one"}', '{"$tuple":1}', '{"$dict":1}', "1" * 5000]
)
def test_numbers_that_json_has_not_are_refused(copied, key, text):
    forge_raw(copied, key, text)
    refuse(copied, "config.json")


@pytest.mark.parametrize("text", ['{"x":1,"x":1}', '[{"a":{"x":1,"y":2,"x":3}}]', '"model","class":"fake.Lexicon"'])
def test_names_used_twice_are_refused(copied, text):
    forge_raw(copied, "kind", text)
    refuse(copied, "config.json", "stands there twice")


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


def test_an_unfinished_run_is_called_that(tmp_path):
    write_folder(tmp_path / "training", header={"kind": "checkpoint"}, state=State())
    refuse(tmp_path, "holds an unfinished run, no model yet: repeat the command that began it")


def test_other_kinds_of_folder_are_not_models(tmp_path):
    write_folder(tmp_path, header={"kind": "checkpoint"}, state=State())
    refuse(tmp_path, "holds a checkpoint, not a model")


@pytest.mark.parametrize("entry", ["kind", "class"])
def test_of_a_long_text_in_the_place_of_a_name_a_little_is_told(copied, entry):
    forge(copied, **{entry: "x" * 10_000})
    with pytest.raises(lw.InputError) as caught:
        lw.load(copied)
    assert len(str(caught.value).replace(str(copied), "")) < 500


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/passwd", "sub/secret.txt", "config.json", "..", "", "C:\\x", 7]
)
@pytest.mark.parametrize(
    "kind, logical", [("files", "note.txt"), ("tensors", "bank"), ("files", "../../up.txt"), ("tensors", "../../up")]
)
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
