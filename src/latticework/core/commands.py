"""What the commands of all capabilities share: options that mean the same everywhere, and how a result is printed.

Only modules that define commands import this one: it needs Typer, which `import latticework` does without.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated

import typer

from latticework.core.errors import InputError

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a saved model.", show_default=False)]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="PATH", help="Where to write the result.", show_default=False)
]
ValidPair = Annotated[
    tuple[Path, Path] | None,
    typer.Option(
        "--valid",
        metavar="SRC TGT",
        help="Two files of examples held out from training; one that holds both sides (a .tsv, say) is given twice.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="The same seed gives the same result.")]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda (or cuda:1, the second) or mps.")
]
Precision = Annotated[str, typer.Option("--precision", metavar="NAME", help="Of the numbers: auto, 64, 32 or bf16.")]
Restart = Annotated[
    bool,
    typer.Option(
        "--restart",
        help="Start over, and replace what is there. Interrupted, the same command goes on with the new run.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


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


def plain(value: object) -> object:
    """Turn a result into what JSON can hold: dataclasses, arrays, paths and sets become mappings, lists and strings.

    Not-a-number and the infinities become None, since strict JSON has no word for them.

    Examples
    --------
    >>> plain({"bleu": float("nan"), "file": Path("a.txt"), "lengths": (1, 2)})
    {'bleu': None, 'file': 'a.txt', 'lengths': [1, 2]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value)]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # a NumPy array or scalar, a torch tensor
        return plain(value.tolist())
    return str(value)


def print_json(result: object) -> None:
    """Print one line of strict JSON on standard output.

    Examples
    --------
    >>> print_json({"text": "Grüße", "score": -1.5})
    {"text": "Grüße", "score": -1.5}
    """
    print(json.dumps(plain(result), ensure_ascii=False, allow_nan=False))


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


def printable(text: str) -> str:
    r"""Make text safe for one line of a terminal: control characters, line ends among them, show as escapes.

    Examples
    --------
    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
