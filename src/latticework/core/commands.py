"""What the commands of all capabilities share: options that mean the same everywhere, and how a result is printed.

Only modules that define commands import this one: it needs Typer, which `import latticework` does without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from latticework.core.checks import n_jobs
from latticework.core.errors import InputError, require
from latticework.core.files import check_not_read, file_to_write, is_stream
from latticework.core.hardware import check_device
from latticework.core.terminal import printable
from latticework.core.values import strict_json


def valid_data(help: str, *, metavar: str = "PATH") -> typer.models.OptionInfo:
    """Declare `--valid`: what a model is judged by as it is fitted, and does not learn from.

    Parameters
    ----------
    help
        What it is for, as what follows "Validation data".
    metavar
        Its value in the list of options.

    Examples
    --------
    >>> valid_data(" instead of those of fit.").help
    'Validation data instead of those of fit.'
    """
    information: typer.models.OptionInfo = typer.Option(
        "--valid", metavar=metavar, help=f"Validation data{help}", show_default=False
    )
    return information


Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a saved model.", show_default=False)]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="PATH", help="Where to write the result.", show_default=False)
]
Valid = Annotated[
    Path | None,
    valid_data(", of the same form: training stops, or weights are kept, where they do best on it."),
]
ValidPair = Annotated[
    tuple[Path, Path] | None,
    valid_data(", of the same form; one file that holds both sides (a .tsv, say) is given twice.", metavar="SRC TGT"),
]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="The same seed gives the same result.")]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        callback=check_device,
        help="auto (the accelerator if there is one, else the CPU), cpu, cuda (or cuda:1, the second) or mps.",
    ),
]
Precision = Annotated[str, typer.Option("--precision", metavar="NAME", help="Of the numbers: auto, 64, 32 or bf16.")]
Restart = Annotated[
    bool,
    typer.Option("--restart", help="Start over, and replace the model that is there."),
]
Loggers = Annotated[
    list[str] | None,
    typer.Option("--logger", metavar="NAME", help="tensorboard or wandb, beside training/log.csv; may be repeated."),
]
Sharded = Annotated[
    bool,
    typer.Option("--sharded", help="Under torchrun, keep a share of the weights in each process: for large models."),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        metavar="N",
        callback=lambda jobs: n_jobs("--jobs", jobs),
        help="Processes that work, as joblib counts them: -1 is one a processor.",
    ),
]
OutputFile = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there instead.", show_default=False)
]
PageFile = Annotated[
    Path | None, typer.Option("--page", metavar="FILE", help="Write an HTML page there.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def job(help: str) -> typer.Typer:
    """Make the group that a capability's commands are added to, whose help reads like that of the others.

    Parameters
    ----------
    help
        What the job is, as a sentence.

    Examples
    --------
    >>> app = job("Keep balls in the air.")
    >>> @app.command()
    ... def throw() -> None:
    ...     "Throw."
    """
    # As Markdown a paragraph is filled to the terminal's width. Completion is the root's: it knows all jobs.
    return typer.Typer(help=help, no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")


def text_file(metavar: str, help: str) -> typer.models.ArgumentInfo:
    """Declare a text file argument: plain or .gz, or `-` for standard input.

    Parameters
    ----------
    metavar
        Its name in the usage line.
    help
        What it holds, as a phrase without a full stop.

    Examples
    --------
    >>> text_file("SRC", "Sentences, one a line").help
    'Sentences, one a line; plain or .gz, - for standard input.'
    """
    information: typer.models.ArgumentInfo = typer.Argument(
        metavar=metavar, help=f"{help}; plain or .gz, - for standard input.", show_default=False
    )
    return information


def read_stdin_once(*files: Path | None) -> None:
    """Refuse standard input as more than one of the files of a command: it can be read only once.

    Examples
    --------
    >>> read_stdin_once(Path("-"), Path("a.txt"), None)
    """
    if files.count(Path("-")) > 1:
        raise InputError("standard input (-) can be only one of the files: it is read once")


def given(**options: object) -> dict[str, Any]:
    """Those options of a command that were given: what is None stays with the default of whatever takes it.

    Examples
    --------
    >>> given(epochs=3, batch_size=None)
    {'epochs': 3}
    """
    return {name: value for name, value in options.items() if value is not None}


def check_json(as_json: bool, /, **others: object) -> None:
    """Refuse `--json`, which is for what is printed, beside options that say how or where to write something else.

    Parameters
    ----------
    as_json
        What `--json` says.
    others
        Such options by name; None is not given.

    Raises
    ------
    InputError
        If it is asked for together with another.

    Examples
    --------
    >>> check_json(True, format=None, output=Path("tags.bmes"))
    Traceback (most recent call last):
    latticework.core.errors.InputError: --json is for what is printed: leave out --output, or --json
    """
    if as_json and (names := [f"--{name}" for name in given(**others)]):
        raise InputError(f"--json is for what is printed: leave out {' and '.join(names)}, or --json")


def check_output(path: Path | None, *read: Path | None, option: str = "--output") -> None:
    """Find out before long work whether a file can be written where an option says; what is no file is not looked at.

    Nor is `-`, standard output.

    Raises
    ------
    InputError
        If it cannot, or if it is a file that is read, or of a folder that is.

    Examples
    --------
    >>> check_output(Path("absent/tags.jsonl"))
    Traceback (most recent call last):
    latticework.core.errors.InputError: --output absent/tags.jsonl cannot be written: there is no folder absent
    """
    if path is None or is_stream(path):
        return
    what = f"{option} "
    file_to_write(path, what=what)
    check_not_read(path, *read, what=what)
    from latticework.core.folders import check_writable

    check_writable(path.absolute().parent)


def check_page(page: Path | None, *read: Path | None, option: str = "--page") -> None:
    """Find out before long work whether a page can be written where an option says, beside what is printed.

    Raises
    ------
    InputError
        If it cannot, would be printed itself, or is a file that is read, or of a folder that is.
    MissingExtraError
        If what writes pages is not installed.
    """
    if page is None:
        return
    if page == Path("-"):
        raise InputError(f"{option} -: standard output is for the result, expected the name of a file to write")
    check_output(page, *read, option=option)
    for module in ("jinja2", "matplotlib"):
        require(module, extra="pages", purpose="writing HTML pages")


def print_json(result: object) -> None:
    """Print one line of strict JSON on standard output.

    Examples
    --------
    >>> print_json({"text": "Grüße", "score": -1.5})
    {"text": "Grüße", "score": -1.5}
    """
    print(strict_json(result))


def print_result(result: Mapping[str, object], *, as_json: bool) -> None:
    """Print named figures on standard output: aligned for people, or as one JSON object.

    Parameters
    ----------
    result
        Names and values; a value may be a mapping itself, which is indented.
    as_json
        What the command's `--json` says.

    Examples
    --------
    >>> print_result({"BLEU": 34.21987, "signature": "nrefs:1"}, as_json=False)
    BLEU       34.22
    signature  nrefs:1
    """
    if as_json:
        print_json(result)
    else:
        for line in _lines(result):
            print(line)


def _lines(figures: Mapping[str, object], indent: str = "") -> list[str]:
    width = max((len(str(name)) for name in figures), default=0)
    lines = []
    for name, value in figures.items():
        if is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name!s:<{width}}  {_readable(value)}".rstrip())
    return lines


def _readable(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_readable(item) for item in value)
    if value is None or value == {}:
        return "-"
    return printable(str(value))
