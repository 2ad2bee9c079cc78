"""The root of the command: its own tools, and one lazily loaded job per registered capability."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from latticework.cli.datasets import datasets
from latticework.cli.errors import INTERRUPTED, Invocation, exit_status
from latticework.cli.show import show
from latticework.cli.tour import tour
from latticework.core.capability import Capability, capabilities, resolve
from latticework.core.progress import showing

app = typer.Typer(rich_markup_mode="markdown", context_settings={"help_option_names": ["-h", "--help"]})
for tool in (show, tour, datasets):
    app.command(rich_help_panel="Tools")(tool)


class Job(TyperGroup):
    """A capability's commands, listed by the capability's summary and imported when the first of them is asked for."""

    def __init__(self, name: str, summary: str, reference: str) -> None:
        super().__init__(name=name, help=summary.replace("[", r"\["), rich_help_panel="Jobs")
        self.reference = reference

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse the arguments with the command that this one stands for."""
        command = typer.main.get_command(resolve(self.reference))
        return command.make_context(info_name, args, parent=parent, **extra)


def jobs(registered: Sequence[Capability], *, taken: Sequence[str]) -> dict[str, Job]:
    """Return the commands of the capabilities, by name; one whose name is taken is left out, with a warning."""
    found: dict[str, Job] = {}
    for capability in registered:
        if capability.command is None or capability.commands is None:
            continue
        if capability.command in (*taken, *found):
            warnings.warn(f"{capability.name}: the command {capability.command!r} is taken already", stacklevel=2)
        else:
            found[capability.command] = Job(capability.command, capability.summary, capability.commands)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 done, 1 failed, 2 bad usage or bad input, 130 interrupted.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after `latticework`; those of the process when absent.

    Examples
    --------
    >>> main(["--version"])
    latticework ...
    0
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # it was closed by who started this process
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # Results are UTF-8 whatever the terminal's locale; a capturing stream of a test has nothing to configure.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    invocation = Invocation()

    def run() -> object:
        group = typer.main.get_command(app)
        assert isinstance(group, TyperGroup)
        group.commands = {**jobs(capabilities(), taken=list(group.commands)), **group.commands}
        with showing():
            return group.main(arguments, prog_name="latticework", standalone_mode=False, obj=invocation)

    status = exit_status(run, invocation)
    if status == INTERRUPTED and arguments is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process ends: an impatient Ctrl-C has nothing left to stop
    return status


def _print_version(wanted: bool) -> None:
    if wanted:
        import latticework

        typer.echo(f"latticework {latticework.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Learn representations of structured data, and find out what they know."""
    context.obj.debug = debug
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
