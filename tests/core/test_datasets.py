import errno
import hashlib
import json
import os
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

import latticework as lw
from latticework.core import Capability, Dataset, RemoteFile, datasets
from latticework.core.capability import register
from latticework.core.progress import showing

CONTENT = b"eins\nzwei\n" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def read_words(locate, *, split="train"):
    return locate(f"words/{split}.txt").read_bytes()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answer
        self.send_response(200 if answer is not None else 404)
        self.send_header("Content-Length", str(self.server.promised or len(answer or b"")))
        self.end_headers()
        self.wfile.write(answer or b"")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    """A web server that answers every request with `answer`, or with 404, and remembers what was asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.answer, server.asked, server.promised = CONTENT, [], None
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Return a data folder and a cache of this test's own."""
    monkeypatch.setenv("LATTICEWORK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LATTICEWORK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data", tmp_path / "cache"


@pytest.fixture(autouse=True)
def words(server, monkeypatch):
    url = f"http://127.0.0.1:{server.server_port}/train.txt"
    files = (
        RemoteFile(path="words/train.txt", url=url, sha256=SHA256, size=len(CONTENT)),
        RemoteFile(path="words/test.txt"),
    )
    dataset = Dataset(
        name="words",
        summary="German words",
        source="https://example.org/words",
        licence="CC0-1.0",
        files=files,
        reader="declares_words:read_words",
    )
    monkeypatch.setitem(sys.modules, "declares_words", SimpleNamespace(WORDS=dataset, read_words=read_words))
    with register(Capability(name="words", summary="", datasets=("declares_words:WORDS",))):
        yield dataset


@pytest.fixture
def declare(words, monkeypatch):
    """Return a function that changes how the first file is declared."""

    def change(**changes):
        files = (replace(words.files[0], **changes), *words.files[1:])
        monkeypatch.setattr(sys.modules["declares_words"], "WORDS", replace(words, files=files))

    return change


def put(folder, path, content=CONTENT):
    target = Path(folder, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def everything(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_names_and_descriptions(places):
    assert "words" in datasets.names()
    put(places[1], "words/train.txt")
    described = datasets.describe("words")
    assert described["licence"] == "CC0-1.0"
    assert [file["found"] for file in described["files"]] == [str(places[1] / "words/train.txt"), None]
    assert json.loads(json.dumps(described))["files"][0]["sha256"] == SHA256


def test_look_up_prefers_the_explicit_folder_then_the_data_folder_then_the_cache(places, tmp_path, server):
    data, cache = places
    for folder in (cache, data, tmp_path / "mine"):
        expected = put(folder, "words/train.txt")
        chosen = tmp_path / "mine" if folder.name == "mine" else None
        assert datasets.path("words", "words/train.txt", folder=chosen, download=True) == expected
        assert datasets.load("words", folder=chosen) == CONTENT
    assert server.asked == []


def test_explicit_folder_may_hold_just_the_files(tmp_path):
    expected = put(tmp_path / "mine", "train.txt")
    assert datasets.path("words", "words/train.txt", folder=tmp_path / "mine") == expected


def test_explicit_folder_is_the_only_place_looked_in(places, tmp_path, server):
    put(places[0], "words/train.txt")
    for download in (False, True):
        with pytest.raises(
            lw.InputError,
            match=r"which is not in .*mine: get it from http.*, or pass download=True without folder$",
        ):
            datasets.load("words", folder=tmp_path / "mine", download=download)
    assert server.asked == []


def test_options_reach_the_reader(places):
    put(places[0], "words/test.txt", b"drei")
    assert datasets.load("words", split="test") == b"drei"


def test_nothing_is_downloaded_unless_asked_for(places, server):
    with pytest.raises(lw.InputError) as caught:
        datasets.load("words")
    for place in places:
        assert str(place / "words/train.txt") in str(caught.value)
    assert f"http://127.0.0.1:{server.server_port}/train.txt" in str(caught.value)
    assert "download=True" in str(caught.value)
    assert server.asked == []


def test_download_goes_to_the_cache_once(places, server):
    for _ in range(2):
        assert datasets.load("words", download=True) == CONTENT
    assert everything(places[1]) == [places[1] / "words/train.txt"]
    assert server.asked == ["/train.txt"]


def test_a_download_is_on_the_disk_before_it_has_its_name(monkeypatch):
    done = []

    def noted(function):
        return lambda *given: [done.append(function.__name__), function(*given)]

    for function in (os.fsync, os.replace):
        monkeypatch.setattr(os, function.__name__, noted(function))
    datasets.load("words", download=True)
    assert done[:2] == ["fsync", "replace"]


def test_download_shows_its_progress(capsys):
    with showing():
        datasets.load("words", download=True)
    assert "downloading train.txt: 10,000 of 10,000 bytes (100%)" in capsys.readouterr().err


@pytest.mark.parametrize("size", [len(CONTENT), None], ids=["size known", "size unknown"])
def test_another_content_is_refused_and_not_kept(places, server, declare, size):
    declare(size=size)
    server.answer = CONTENT.replace(b"zwei", b"drei")
    with pytest.raises(lw.InputError, match=r"has the checksum .* not the file we know"):
        datasets.load("words", download=True)
    assert everything(places[1]) == []


def test_a_longer_content_is_refused_before_it_fills_the_disk(places, server, declare, monkeypatch):
    server.answer = CONTENT * 100
    with pytest.raises(lw.InputError, match=r"larger than 10,000 bytes"):
        datasets.load("words", download=True)
    declare(size=None)
    monkeypatch.setattr(datasets, "MAX_DOWNLOAD_BYTES", 500)
    with pytest.raises(lw.InputError, match=r"larger than 500 bytes"):
        datasets.load("words", download=True)
    assert everything(places[1]) == []


def test_a_download_cut_off_is_refused_and_not_kept(places, server):
    server.answer, server.promised = CONTENT[:100], len(CONTENT)
    with pytest.raises(lw.InputError, match=r"words.*cut off"):
        datasets.load("words", download=True)
    assert everything(places[1]) == []


def test_a_full_disk_is_no_fault_of_the_address(places, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        datasets.load("words", download=True)
    assert caught.value.filename == str(places[1] / "words/train.txt")
    assert everything(places[1]) == []


def test_a_failing_server_says_which_file_to_put_where(places, server, declare):
    server.answer = None
    with pytest.raises(lw.InputError, match=r"cannot be downloaded \(.*404.*put it at"):
        datasets.load("words", download=True)
    declare(url="http://127.0.0.1:9/train.txt")  # nothing listens there
    with pytest.raises(lw.InputError, match=r"cannot be downloaded \(.*put it at .*words/train\.txt"):
        datasets.load("words", download=True)
    assert everything(places[1]) == []


def test_only_web_addresses_with_a_checksum_are_fetched(places, declare):
    secret = put(places[0], "secret.txt")
    declare(url=secret.as_uri())
    with pytest.raises(lw.InputError, match="not a web address"):
        datasets.load("words", download=True)
    for missing in ({"sha256": None}, {"url": None}):
        declare(**missing)
        with pytest.raises(lw.InputError, match="cannot be downloaded: it needs"):
            datasets.load("words", download=True)
    assert everything(places[1]) == []


def test_unknown_names_are_refused_and_the_known_named():
    with pytest.raises(lw.InputError, match=r"no data set 'wrods'; known here: .*words"):
        datasets.load("wrods")
    with pytest.raises(lw.InputError, match=r"words has no file 'dev\.txt', only words/train\.txt, words/test\.txt"):
        datasets.path("words", "dev.txt")


@pytest.mark.parametrize(
    "platform, variables, expected",
    [
        ("linux", {}, ".cache/latticework"),
        ("linux", {"XDG_CACHE_HOME": "/elsewhere"}, "/elsewhere/latticework"),
        ("darwin", {}, "Library/Caches/latticework"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/latticework/Cache"),
        ("linux", {"LATTICEWORK_CACHE": "/mine"}, "/mine"),
    ],
)
def test_cache_is_where_the_system_keeps_caches(monkeypatch, platform, variables, expected):
    for name in ("LATTICEWORK_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert datasets.cache_folder() == Path.home() / expected
