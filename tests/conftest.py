"""Set up before any test module is imported: few threads, and real data only where there is some."""

import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # read when the libraries are first imported

import errno  # noqa: E402
import gc  # noqa: E402
import io  # noqa: E402
import re  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Iterable, Iterator  # noqa: E402
from contextlib import suppress  # noqa: E402
from threading import Timer  # noqa: E402
from typing import NamedTuple  # noqa: E402

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from programs import MAIN  # noqa: E402
from shape_check import begin_a_test, install  # noqa: E402
from texts import lines  # noqa: E402

install()

from latticework.cli import main  # noqa: E402
from latticework.core import hardware  # noqa: E402

# A busy machine is no defect, and what fails here fails everywhere; --hypothesis-profile=search draws anew.
settings.register_profile("latticework", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("latticework")

LONGEST = ("test_snippets.py", "translation/test_tour.py")
SECONDS = 120  # within which any command here ends, even on a busy machine


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def unlistable(tmp_path, monkeypatch):
    """A folder whose files may be read and written, and which may not be listed."""
    opened = os.open

    def refused(path, *arguments, **options):
        if path == tmp_path:  # as to whoever is not root, and lacks r on the folder
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refused)
    return tmp_path


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    """Tests have no examples, and looking for some takes seconds in every process."""
    return [collector for collector in (yield) if type(collector) is pytest.Module]


@pytest.fixture(autouse=True, scope="session")
def cpu_alone():
    """Hide accelerators from "auto": a model is compared bit for bit with what is loaded of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "best_device", lambda: hardware.resolve_device("cpu"))
        yield


@pytest.fixture(scope="module")
def on_the_cpu():
    """Let nothing ask which device is the best: what has no --device computes on the CPU, whatever else there is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "best_device", lambda: pytest.fail("the best device is asked for"))
        yield


@pytest.fixture
def data_folder():
    """The folder of real data; for tests marked `realdata`."""
    return Path(os.environ["LATTICEWORK_DATA"])


@pytest.fixture
def latticework(capfd, monkeypatch):
    """Run the command in this process, which is quick; warnings show as they do for a user."""

    def run(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            status = main([str(argument) for argument in arguments])
        return Ended(status, *capfd.readouterr())

    return run


@pytest.fixture
def refused(latticework):
    """Run a command that ends with status 2 and one line on stderr alone; give what that says after "error: ".

    `begun` is a pattern of the one line before it, of a command that finds out later.
    """

    def run(*arguments, stdin=b"", begun=""):
        ended = latticework(*arguments, stdin=stdin)
        assert (ended.status, ended.out) == (2, ""), ended
        found = re.fullmatch((begun and f"{begun}\n") + r"error: (.+)\n", ended.err)
        assert found, ended.err
        return found[1]

    return run


@pytest.fixture
def undescribed(latticework, monkeypatch):
    """Give the options of a command, separated by spaces, that its help does not describe in more than three words."""

    def run(*command, options):
        monkeypatch.setenv("COLUMNS", "220")
        ended = latticework(*command, "--help")
        assert (ended.status, ended.err) == (0, "")
        rows = [row for row in ended.out.splitlines() if "│" in row]
        told = {
            option: [
                len(re.findall(r"\w+", row.split(option)[1]))
                for row in rows
                if re.search(rf"(?<![\w-]){option}(?![\w-])", row)
            ]
            for option in options.split()
        }
        return [option for option, words in told.items() if len(words) != 1 or words[0] <= 3]

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Iterable[str] | str | bytes], Path]:
    """Write lines, or a text or bytes as they are, into a file of the test's folder."""

    def run(name: str, content: Iterable[str] | str | bytes) -> Path:
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else lines(content))
        return tmp_path / name

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the command in a process of its own; what still runs when the test ends, or after two minutes, is killed.

    `before` is a line of Python for that process to begin with.
    """
    started = []

    def run(*arguments: object, before: str = "") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", f"{before}\n{MAIN}", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": ""},
        )
        started.append((process, Timer(SECONDS, process.kill)))
        started[-1][1].start()
        return process

    yield run
    for process, alarm in started:
        alarm.cancel()
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with suppress(BrokenPipeError):  # what was asked of a process that has ended
                stream.close()


def pytest_make_parametrize_id(config, val, argname):
    """Bytes are numbered: of what is packed, some tell the second, and processes must call a test the same."""
    return argname if isinstance(val, bytes) else None


def pytest_runtest_setup():
    begin_a_test()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))  # first, so that no process is left alone
    data = os.environ.get("LATTICEWORK_DATA")
    for item in items:
        if mark := item.get_closest_marker("realdata"):
            needed = mark.args or (item.path.parent.name,)  # by default the folder of the capability
            if missing := [name for name in needed if not data or not Path(data, name).is_dir()]:
                reason = f"needs real data: set LATTICEWORK_DATA to the folder that holds {' and '.join(missing)}"
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish():
    """Tests live until the end, thousands of them: let no collection of garbage look at them again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter):
    """Say so loudly where tests did not run for want of data, of a program, a library or a device."""
    skipped = terminalreporter.stats.get("skipped", [])
    of_data = [report for report in skipped if "realdata" in report.keywords]
    if of_data:
        text = f"{len(of_data)} tests on real data did NOT run: LATTICEWORK_DATA names no folder that has them"
        terminalreporter.section(text, yellow=True, bold=True)
    reasons = [report.longrepr[2].removeprefix("Skipped: ") for report in skipped if report not in of_data]
    wanting = Counter(reason for reason in reasons if reason.startswith(("needs ", "could not import ")))
    if wanting:
        text = "; ".join(f"{reason} ({count})" for reason, count in wanting.most_common())
        terminalreporter.section(f"{wanting.total()} tests did NOT run: {text}", yellow=True, bold=True)
