"""No command that writes goes untried: what each takes that is a path is known to be read, or to be written."""

from __future__ import annotations

from hardness.commands import COMMANDS, READ, WRITTEN, WRITTEN_ARGUMENTS, paths


def test_every_option_that_names_an_output_is_in_the_table() -> None:
    tried = {(command.path, option) for command in COMMANDS for option in command.options}
    there = [(path, option) for path, option in paths() if option in WRITTEN]
    assert len(there) > 20
    missing = [f"{' '.join(path)} {option}" for path, option in there if (path, option) not in tried]
    assert not missing, "give each to a command in tests/hardness/commands.py"


def test_every_argument_that_names_an_output_is_in_the_table() -> None:
    there = {path: option for path, option in paths() if WRITTEN_ARGUMENTS.get(path) == option}
    assert there == WRITTEN_ARGUMENTS
    assert there.keys() <= {command.path for command in COMMANDS}


def test_all_that_is_a_path_and_not_written_is_read_by_that_command() -> None:
    there: dict[str, set[str]] = {}
    for path, option in paths():
        if option not in WRITTEN and WRITTEN_ARGUMENTS.get(path) != option:
            there.setdefault(" ".join(path), set()).add(option)
    assert there == READ, "say in tests/hardness/commands.py whether it is read or written"


def test_names_are_their_own_and_what_each_writes_is_among_its_words() -> None:
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
    for command in COMMANDS:
        words = {word.removeprefix("{to}") for word in command.words.split()}
        tops = {name.partition("/")[0] for name in command.writes}
        assert tops <= words | set(command.changes), command.name
