"""What damages files: the same from the same seed, and never the file that it was given."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from fuzz.formats import FORMATS
from fuzz.mutations import mutated, packed_tensors, unpacked_tensors

from latticework.core.errors import InputError

JSON = b'{"a": [1, {"b": null}], "c": "text"}'
TENSORS = {"w": ("F32", [2, 1], bytes(8)), "n": ("I64", [], bytes(8))}


@pytest.mark.parametrize(
    "name, data", [("a.bin", bytes(range(256))), ("a.json", JSON), ("a.txt", b"1\t2\n3 4\n"), ("a", b"")]
)
def test_one_seed_gives_one_change(name, data):
    first, again = ([mutated(data, name, Random(seed), data) for seed in range(200)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 20
    assert max(map(len, first)) < 2**20


def test_tensors_stay_well_formed_in_most_examples():
    data = packed_tensors(TENSORS)
    assert unpacked_tensors(data) == TENSORS
    whole = 0
    for seed in range(200):
        try:
            whole += unpacked_tensors(mutated(data, "a.safetensors", Random(seed))) != TENSORS
        except (ValueError, LookupError, TypeError, AttributeError):
            continue
    assert whole > 60


@pytest.mark.parametrize("name", ["saved-FlatTagger", "saved-DKGE", "saved-BIMA"])
def test_what_is_changed_in_a_saved_model_reaches_what_lies_behind_the_checksums(name, tmp_path):
    told = Counter()
    for seed in range(30):
        folder = tmp_path / str(seed)
        folder.mkdir()
        for file, data in FORMATS[name].example(Random(seed)).items():
            (folder / file).write_bytes(data)
        try:
            FORMATS[name].read(folder)
            told["read"] += 1
        except InputError as error:
            told["checksum" if "checksum" in str(error) else "other"] += 1
    assert told["checksum"] < told.total() / 2
