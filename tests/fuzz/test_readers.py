"""Whatever is wrong with a file: it is read, or refused with an `InputError`, soon and in little memory.

A few examples of each format, always the same; `python -m tests.fuzz` tries as many as there is time for.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from pathlib import Path
from random import Random

import numpy as np
import pytest
from fuzz import examples
from fuzz.examples import Format, exhausted, tried, write
from fuzz.formats import FORMATS
from hypothesis import given, settings
from hypothesis import strategies as st

import latticework
from latticework.core.errors import InputError

SOURCE = Path(latticework.__file__).parent
OPENERS = {"read_lines", "decode_lines", "read_bytes", "read_text", "read_strictly", "read_object", "safe_open", "open"}
# Functions that have the name of a reader, or open a file, and read nothing that users bring, and why.
OTHERS = {
    "core/folders.py:_sync": "opens what it has written",
    "core/loggers.py:log": "writes",
    "core/loggers.py:_id": "reads what it has written",
    "core/files.py:holds": "compares with what is to be written",
    "core/estimator.py:load": "is `read_saved`, as other formats have it, of one class",
    "core/persistence.py:_listed": "reads which files a model has that is to be replaced; `load` reads more of it",
    "cli/app.py:main": "opens the null device",
    "core/terminal.py:forget": "opens the null device",
    "pages/page.py:_file": "reads files of the package",
    "anomaly/preparation/prepared.py:_class_ids": "copies what `read_class_ids` has read",
    "knowledge/watching.py:__init__": "calls `read_transactions` of lines",
    "knowledge/watching.py:watch": "as `__init__`",
    "ner/cli.py:predict": "calls `texts_in` of lines",
    "ner/cli_files.py:vectors": "calls `texts_in` of lines",
    "translation/cli.py:predict": "calls `sentences_in` of lines",
    "translation/cli.py:lines": "as `predict`",
    "core/datasets.py:load": "finds a public data set, whose checksum is known, and calls its reader",
    "core/streams.py:read_ahead": "reads lines of others in a thread of its own",
    "core/streams.py:read": "what `read_ahead` does there",
    "core/checkpoint.py:read_restarted": "calls `read`",
    "core/commands.py:read_stdin_once": "counts files",
    "translation/io.py:read_multi30k": "calls `read_pairs` of a file with a known checksum",
    "ner/io.py:read_resume": "calls `read_tagged` of a file with a known checksum",
    "knowledge/io/yago.py:read_yago": "calls `read_openke` of files with known checksums",
    "knowledge/cli_files.py:read_source": "calls `read_triples` or finds a data set",
    "knowledge/facts.py:read_graph": "of triples, not of files; of a path it calls `read_triples`",
    "knowledge/facts.py:read_named": "as `read_graph`, by `read_rows`",
    "knowledge/facts.py:read_validation": "as `read_named`",
    "anomaly/encoders/pretrained.py:load": "calls `load_vit` and `load_point_mae`",
    "mediation/cli_study.py:read": "a command that calls `read_study`",
}
READERS = [name for name, form in FORMATS.items() if not form.estimator]


@pytest.mark.parametrize("name", READERS)
def test_what_is_whole_is_read(name, tmp_path):
    for files in FORMATS[name].made:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exhausted(FORMATS[name].read(write(FORMATS[name].sealed(files), tmp_path / "whole")))


@pytest.mark.parametrize("name", READERS)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_what_is_damaged_is_read_or_refused(name, tmp_path_factory, seed):
    form = FORMATS[name]
    folder = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    failure = tried(form, form.example(Random(seed)), folder)
    assert failure is None, f"{failure.what} at {failure.where}\n{failure.trace}"


def test_a_refusal_that_quotes_a_whole_file_is_a_failure(tmp_path):
    def read(folder):
        raise InputError(f"no: {(folder / 'a').read_text()}")

    assert tried(Format("a", list, read), {"a": b"b" * 100}, tmp_path / "a") is None
    assert tried(Format("a", list, read), {"a": b"b" * 10**5}, tmp_path / "a").what == "a long text"


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="no peak of memory that can be set back")
def test_memory_is_that_of_an_example_whatever_was_taken_before(tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "MEGABYTES", 64)
    for megabytes in (96, 96, 32):
        form = Format("a", list, lambda folder, size=megabytes: np.ones(2**20 * size, np.uint8).any())
        failure = tried(form, {"a": b""}, tmp_path / "a")
        assert (failure.what if failure else None) == ("memory" if megabytes > 64 else None)


def opens(function: ast.FunctionDef) -> bool:
    """Whether a function reads a file itself."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
    return bool(names & OPENERS)


def readers() -> set[str]:
    """The functions of the package that have the name of a reader, or open a file: module and name."""
    found = set()
    for file in SOURCE.rglob("*.py"):
        module = file.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (node.name.split("_")[0] in ("read", "load") or opens(node)):
                found.add(f"{module}:{node.name}")
    return found


def test_every_reader_of_the_package_has_a_format(tmp_path):
    called = set()

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(str(SOURCE)):
            called.add(f"{Path(frame.f_code.co_filename).relative_to(SOURCE).as_posix()}:{frame.f_code.co_name}")

    for form, files in ((each, files) for each in FORMATS.values() for files in each.made):
        folder = write(form.sealed(files), tmp_path / "whole")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sys.setprofile(note)
            try:
                exhausted(form.read(folder))
            finally:
                sys.setprofile(None)
    missing = readers() - called - OTHERS.keys()
    assert not missing, "give each a format in tests/fuzz, or say in OTHERS why it needs none"
    assert OTHERS.keys() <= readers()
