"""`latticework derive`: a derivative, its steps, its code; and whether an answer is right."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from typer.core import TyperCommand

from latticework.calculus.choices import Language, Layout
from latticework.core.checks import one_of
from latticework.core.commands import Json, OutputFile, check_json, print_json
from latticework.core.errors import InputError
from latticework.core.files import suffix, write_lines
from latticework.core.progress import message
from latticework.core.terminal import table_lines
from latticework.core.values import strict_json

if TYPE_CHECKING:
    from latticework.calculus.derivation import Derivation

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

Format = Literal["text", "latex", "html", "json"]
_FORMATS: Final[dict[str, Format]] = {".tex": "latex", ".html": "html", ".htm": "html", ".json": "json"}


class _Command(TyperCommand):
    """A command whose argument may begin with a minus sign, as a negative log-likelihood does."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put such an argument behind `--`, where nothing is taken for an option."""
        options = {name: param for param in self.params for name in (*param.opts, *param.secondary_opts)}
        kept: list[str] = []
        expressions: list[str] = []
        words = iter(args)
        for word in words:
            if word == "--":
                expressions.extend(words)
            elif word.startswith("-") and not _is_option(word) and word not in (*options, "-h"):
                expressions.append(word)
            else:
                kept.append(word)
                if (
                    word in options
                    and not getattr(options[word], "is_flag", False)
                    and options[word].param_type_name == "option"
                ):
                    kept.extend(itertools.islice(words, 1))
        return super().parse_args(ctx, [*kept, *(["--", *expressions] if expressions else [])])


def _is_option(word: str) -> bool:
    """Whether a word with a minus sign is a long option, the sign alone, or -o with a file: -o'*log(p) is none."""
    return word[1:2] in ("-", "") or (word[1:2] == "o" and not set("*'(^+").intersection(word))


@app.command(cls=_Command)
def derive(
    expression: Annotated[
        str | None,
        typer.Argument(metavar="EXPR", help="Such as 'norm2(X*w - y)^2'.", show_default=False),
    ] = None,
    *,
    wrt: Annotated[str | None, typer.Option(metavar="NAME", help="The variable to differentiate by.")] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:SIZES", help="X:N,n for a matrix, w:n for a vector, b: for a scalar; repeat it."),
    ] = None,
    order: Annotated[int, typer.Option(min=1, max=4, help="1 for gradients and Jacobians, 2 for Hessians.")] = 1,
    layout: Annotated[
        Layout, typer.Option(help="numerator: a row for each function; denominator: its transpose.")
    ] = "numerator",
    assume: Annotated[list[str] | None, typer.Option(metavar="WHAT", help="Such as 'A symmetric'; repeat it.")] = None,
    steps: Annotated[bool, typer.Option("--steps", help="Show every step and the rule that it follows.")] = False,
    format: Annotated[
        Format | None,
        typer.Option(help="Of the derivation: what the name of the file says, or else text.", show_default=False),
    ] = None,
    export: Annotated[Language | None, typer.Option(help="Print the code of a function instead.")] = None,
    check: Annotated[str | None, typer.Option(metavar="ANSWER", help="Say whether this is the derivative.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare with automatic differentiation, or with differences.")
    ] = False,
    lesson: Annotated[
        str | None, typer.Option(metavar="NAME", help="A section of the paper with examples and an exercise; 'list'.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List all rules.")] = False,
    output: OutputFile = None,
    as_json: Json = False,
) -> None:
    """Differentiate a matrix or vector expression in closed form.

    Shapes that are not declared are inferred: capitals are matrices, a to g scalars and other letters vectors, unless
    that does not fit. With --check the exit status is 1 if the answer is wrong.
    """
    of_paper = rules or lesson is not None
    _refuse_together(
        {
            "--rules": rules,
            "--lesson": lesson is not None,
            "--check": check is not None,
            "--export": export is not None,
        },
        {
            "--steps": steps,
            "--verify": verify,
            "--json": as_json and export is not None,
            "EXPR": of_paper and expression is not None,
            "--wrt": of_paper and wrt is not None,
            "--shape": of_paper and shape is not None,
            "--assume": of_paper and assume is not None,
        },
    )
    check_json(as_json, format=format, output=output)
    if format is None:
        format = "json" if as_json else _format_of(output)
    if check is not None and output is not None:
        raise InputError("--check prints its verdict: it cannot be given with --output")
    if rules:
        one_of("--rules: format", format, ("text", "json"))
        from latticework.calculus.reference import rules_json, rules_text

        return _print(rules_json() if format == "json" else rules_text(), output)
    if lesson is not None:
        return _lesson(lesson, format, output)
    if expression is None:
        raise InputError("what is to be derived? Give an expression, such as 'norm2(X*w - y)^2', and --wrt")
    if wrt is None:
        raise InputError("by which variable? Give --wrt NAME")
    if check is not None:
        one_of("--check: format", format, ("text", "json"))
    if export is not None:
        one_of("--export: format", format, ("text",))
    shapes = shapes_of(shape or [])

    from latticework.calculus.derivation import derive

    found = derive(expression, wrt, shapes, order=order, layout=layout, assume=assume or None)
    strange = sorted(shapes.keys() - found.parameters.keys())
    if strange:
        raise InputError(
            f"--shape: there is no variable {strange[0]!r}; the expression has {', '.join(found.parameters)}"
        )
    if check is not None:
        return _check(found, check, format)
    for note in _notes(found, shapes, told=steps or format != "text"):
        message(f"note: {note}")
    if export is not None:
        return _print(found.source(export), output)
    _print(_written(found, format, steps=steps), output)
    if verify:
        verification = found.verify()
        typer.echo(str(verification), err=True)
        if not verification:
            raise typer.Exit(1)
    return None


def _format_of(output: Path | None) -> Format:
    """What the name of a file says of its contents."""
    return "text" if output is None else _FORMATS.get(suffix(output), "text")


def _refuse_together(jobs: dict[str, bool], others: dict[str, bool]) -> None:
    """Only one thing can be asked for, and what belongs to a derivation only of one.

    Raises
    ------
    InputError
        If two options contradict each other.
    """
    asked = [name for name, given in jobs.items() if given]
    asked += [name for name, given in others.items() if given and asked]
    if len(asked) > 1:
        raise InputError(f"{asked[0]} and {asked[1]} cannot be given together")


def _notes(found: Derivation, shapes: dict[str, str], *, told: bool) -> list[str]:
    """What a reader of the answer alone would not know: guesses that matter, and kinks."""
    from latticework.calculus.parser import usual_rank

    inferred = {name: node for name, node in found.parameters.items() if name not in shapes}
    unusual = any(
        not name[0].isupper() and (node.rank == 0) != (usual_rank(name) == 0) for name, node in inferred.items()
    )
    notes = [] if told else list(found.kinks)
    if inferred and (unusual or found.expression.rank):
        shown = ", ".join(f"{name} {node.shape_text}" for name, node in inferred.items())
        notes.append(f"the function is a {found.expression.shape_text}; inferred: {shown}; --shape declares a variable")
    return notes


def shapes_of(declared: list[str]) -> dict[str, str]:
    """Read `X:N,n`.

    Raises
    ------
    InputError
        If there is no colon, or a variable is declared twice.

    Examples
    --------
    >>> shapes_of(["X:N,n", "b:"])
    {'X': 'N,n', 'b': ''}
    """
    shapes: dict[str, str] = {}
    for each in declared:
        name, colon, sizes = each.partition(":")
        if not colon:
            raise InputError(f"--shape {each!r}: expected a name, a colon and sizes, such as X:N,n or w:n or b:")
        if name.strip() in shapes:
            raise InputError(f"--shape: {name.strip()!r} is declared twice")
        shapes[name.strip()] = sizes
    return shapes


def _written(found: Derivation, format: Format, *, steps: bool) -> object:
    if format == "latex":
        return found.latex(steps=steps)
    if format == "html":
        return found.html()
    if format == "json":
        return found.as_dict()
    return found.text(steps=steps)


def _check(found: Derivation, answer: str, format: Format) -> None:
    from latticework.calculus.marking import mark

    marked = mark(found, answer)
    if format == "json":
        shown = marked.counterexample
        print_json(
            {
                "verdict": marked.verdict,
                "message": marked.message,
                "counterexample": None if shown is None else vars(shown),
                "expected": str(marked.expected),
            }
        )
    else:
        typer.echo(str(marked))
    if not marked:
        raise typer.Exit(1)


def _lesson(name: str, format: Format, output: Path | None) -> None:
    from latticework.calculus.course import LESSONS, lesson

    if name == "list":
        one_of("--lesson list: format", format, ("text",))
        rows = [(each.name, each.title) for each in LESSONS.values()]
        return _print("\n".join(table_lines(["lesson", "title"], rows, texts=2)), output)
    one_of("--lesson: format", format, ("text", "html", "json"))
    found = lesson(name)
    if format == "html":
        return _print(found.html(), output)
    return _print(found.as_dict() if format == "json" else found.text(), output)


def _print(result: object, output: Path | None) -> None:
    if output is not None:
        text = result if isinstance(result, str) else strict_json(result, indent=1)
        write_lines(output, [text.rstrip("\n")])
    elif isinstance(result, str):
        typer.echo(result.rstrip("\n"))
    else:
        print_json(result)
