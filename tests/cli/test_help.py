"""Every command of every capability: how its help is laid out, what it says of arguments, what a device is to it."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import pytest
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from latticework.anomaly import M3DM, M3DMConfig
from latticework.cli.app import app, main
from latticework.core import estimator
from latticework.core.capability import capabilities, resolve
from latticework.core.errors import InputError
from latticework.core.estimator import Estimator
from latticework.knowledge import DKGE, DKGEConfig, saved_model
from latticework.ner import LatticeTagger, TaggerConfig

JOBS = {each.command: each.commands for each in capabilities() if each.command and each.commands}


def commands(command: TyperCommand | TyperGroup) -> Iterator[TyperCommand | TyperGroup]:
    yield command
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            assert isinstance(each, TyperCommand | TyperGroup)
            yield from commands(each)


def of_job(name: str) -> list[TyperCommand | TyperGroup]:
    group = typer.main.get_command(resolve(JOBS[name]))
    assert isinstance(group, TyperCommand | TyperGroup)
    return list(commands(group))


def of_root() -> list[TyperCommand | TyperGroup]:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return list(commands(group))


@pytest.fixture(params=["", *sorted(JOBS)])
def every(request: pytest.FixtureRequest) -> list[TyperCommand | TyperGroup]:
    """The commands of one job, or the tools of the root."""
    return of_job(request.param) if request.param else of_root()


def test_paragraphs_are_filled_to_the_width_of_the_terminal(every: list[TyperCommand | TyperGroup]) -> None:
    assert {command.rich_markup_mode for command in every} == {"markdown"}


def test_nothing_is_cut_off_where_a_terminal_is_as_narrow_as_they_come(
    every: list[TyperCommand | TyperGroup], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in every:
        with typer.Context(command, info_name=command.name) as context:
            print(command.get_help(context))
        options = [name for each in command.params for name in (*each.opts, *each.secondary_opts)]
        shown = capsys.readouterr().out
        assert [line for line in shown.splitlines() if "…" in line] == []
        assert [name for name in options if name.startswith("--") and name not in shown] == []


def test_completion_is_offered_by_the_root_alone_which_knows_all_jobs() -> None:
    def offering(found: list[TyperCommand | TyperGroup]) -> int:
        return sum(each.name == "install_completion" for command in found for each in command.params)

    assert offering(of_root()) == 1
    assert [name for name in JOBS if offering(of_job(name))] == []


def test_arguments_are_named_without_the_brackets_that_typer_puts_around_them(
    every: list[TyperCommand | TyperGroup],
) -> None:
    arguments = [each for command in every for each in command.params if isinstance(each, TyperArgument)]
    assert [each.metavar for each in arguments if not (each.metavar or "NAME").isalpha()] == []


def test_a_usage_line_has_one_pair_of_brackets_around_what_may_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "predict", "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "Usage: latticework translate predict [OPTIONS] {MODEL} [FILE]" in lines


@pytest.mark.parametrize(
    "job, estimator, option, parameter",
    [
        ("anomaly", M3DM, "--coreset", "coreset"),
        ("anomaly", M3DMConfig, "--held-out", "held_out"),
        ("anomaly", M3DMConfig, "--rate", "false_alarm_rate"),
        ("anomaly", M3DMConfig, "--size", "size"),
        ("kg", DKGE, "--affected", "affected"),
        ("kg", DKGEConfig, "--compat", "compat"),
        ("kg", DKGEConfig, "--loss", "loss"),
        ("kg", DKGEConfig, "--margin", "margin"),
        ("kg", DKGEConfig, "--learning-rate", "learning_rate"),
        ("kg", DKGEConfig, "--max-triples", "max_triples_per_entity"),
        ("ner", LatticeTagger, "--hidden-size", "hidden_size"),
        ("ner", TaggerConfig, "--forget", "forget"),
        ("ner", TaggerConfig, "--learning-rate", "learning_rate"),
    ],
)
def test_help_tells_the_default_of_what_a_command_leaves_to_the_class(
    job: str, estimator: type, option: str, parameter: str
) -> None:
    (fit,) = [command for command in of_job(job) if command.name == "fit"]
    (told,) = [each.show_default for each in fit.params if option in each.opts]
    default = signature(estimator).parameters[parameter].default
    assert str(told).split(";")[0] == (f"{default:g}" if isinstance(default, float) else str(default))


def taking(*names: str, without: str = "") -> pytest.MarkDecorator:
    """Ask every command, and its job, that takes these arguments and options, and not that one."""
    found = [
        (job, each, {name for taken in each.params for name in taken.opts})
        for job in sorted(JOBS)
        for each in of_job(job)
    ]
    asked = [(job, each) for job, each, taken in found if {*names} <= taken and without not in taken]
    return pytest.mark.parametrize("job, command", asked, ids=[f"{job} {each.name}" for job, each in asked])


@pytest.fixture
def loaded_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices that models are loaded on, which goes no further."""
    devices = []

    def load(folder: Path, *, device: str, **_: object) -> None:
        devices.append(device)
        raise InputError(f"{folder} is empty")

    monkeypatch.setattr(estimator, "read_saved", load)
    monkeypatch.setattr(saved_model, "read_saved", load)
    monkeypatch.setattr(Estimator, "load", load)
    return devices


def arguments_of(command: TyperCommand, folder: Path) -> list[str]:
    """What a command takes: a folder for a model, and a file of changes for all else."""
    (folder / "changes.tsv").write_text("+\tTurin\tin\tItaly\n", "utf-8")
    (folder / "model").mkdir()
    arguments = [each.name for each in command.params if isinstance(each, TyperArgument)]
    return [str(folder / ("model" if name == "model" else "changes.tsv")) for name in arguments]


@taking("--device")
def test_a_device_that_is_not_here_is_refused_before_anything_else(
    job: str, command: TyperCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([job, str(command.name), "--device", "cuda:99"]) == 2
    assert capsys.readouterr().err == "error: device='cuda:99' is not on this machine; expected auto or cpu\n"


@taking("--device", "model")
def test_a_model_is_loaded_on_the_device_that_is_named_or_else_on_the_best(
    job: str, command: TyperCommand, tmp_path: Path, loaded_on: list[str]
) -> None:
    arguments = arguments_of(command, tmp_path)
    assert [main([job, str(command.name), *arguments, *options]) for options in ([], ["--device", "cpu"])] == [2, 2]
    assert loaded_on == ["auto", "cpu"]


@taking("model", without="--device")
def test_a_model_that_computes_on_no_device_is_loaded_on_the_cpu(
    job: str, command: TyperCommand, tmp_path: Path, loaded_on: list[str]
) -> None:
    assert main([job, str(command.name), *arguments_of(command, tmp_path)]) == 2
    assert loaded_on == ["cpu"]


def test_what_a_model_is_can_be_shown_without_its_device(tmp_path: Path, loaded_on: list[str]) -> None:
    assert main(["show", str(tmp_path)]) == 2
    assert loaded_on == ["cpu"]
