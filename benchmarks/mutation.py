"""How many small changes to the equations the tests notice: mutation testing of the pure maths of each capability.

`python -m benchmarks.mutation` copies the checkout, lets mutmut change one operator, number or argument at a time in
the modules below, and runs the tests named beside each. It writes results/mutation.json, and the mutants that lived,
each with the lines it changed, to results/mutants.txt. --sample tests so many mutants of each module, drawn at random,
which tells the shares in hours, not days: those of a capability, and of all, are then estimates, in which a module
counts by the mutants that it has, not by those drawn. --only takes capabilities or modules, and records nothing. With
--keep FOLDER what was found of each module stays there: stopped and given again, it tests what is missing. A folder
that --work names is emptied only if it is one that this made.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from benchmarks import measuring, records
from benchmarks.kept import Kept

NAME: Final = "mutation"
COMMAND: Final = "python -m benchmarks.mutation"
ROOT: Final = Path(__file__).resolve().parents[1]
LIVED: Final = ROOT / "benchmarks" / "results" / "mutants.txt"
KILLED: Final = ("killed", "timeout", "segfault", "suspicious")  # what mutmut says of mutants that a test noticed
LIVED_ON: Final = "survived"
UNTESTED: Final = "no tests"
MARK: Final = ".made-by-mutation"  # in a folder to work in
COPIED: Final = ("src", "tests", "benchmarks", "docs", "pyproject.toml", "README.md", "mkdocs.yml")

DERIVATIVES: Final = "calculus/test_cases calculus/test_random calculus/test_functions calculus/test_metamorphic"

# What is pure maths in a capability, and the tests that hold it; tests that train or start processes are left out.
MATHS: Final[dict[str, dict[str, str]]] = {
    "nn": {
        "nn/attention": "nn/test_attention nn/test_transformer seq2seq/test_model",
        "nn/chain": "nn/test_crf",
        "nn/crf": "nn/test_crf nn/test_viterbi",
        "nn/forward_backward": "nn/test_forward_backward nn/test_crf",
        "nn/lattice": "nn/test_lattice nn/test_lattice_lstm",
        "nn/lattice_cell": "nn/test_lattice_lstm",
        "nn/lattice_gradient": "nn/test_lattice_lstm",
        "nn/lattice_lstm": "nn/test_lattice_lstm",
        "nn/linear": "nn/test_linear nn/test_precision",
        "nn/losses": "nn/test_losses",
        "nn/positions": "nn/test_positions",
        "nn/stepping": "nn/test_stepping nn/test_lattice_lstm",
        "nn/transformer": "nn/test_transformer",
        "nn/vision": "nn/test_vision",
        "nn/viterbi": "nn/test_viterbi",
    },
    "translation": {
        "seq2seq/model": "seq2seq/test_model",
        "seq2seq/search": "seq2seq/test_search",
    },
    "ner": {
        "ner/flat": "ner/test_flat",
        "ner/metrics": "ner/test_metrics",
        "ner/repair": "ner/test_tags",
        "ner/softlexicon": "ner/test_softlexicon",
        "ner/tags": "ner/test_tags",
        "ner/words": "ner/test_words",
    },
    "anomaly": {
        "anomaly/encoders/alignment": "anomaly/test_alignment",
        "anomaly/encoders/sampling": "anomaly/test_sampling",
        "anomaly/features/fpfh": "anomaly/test_fpfh",
        "anomaly/features/geometry": "anomaly/test_geometry",
        "anomaly/features/form": "anomaly/test_form",
        "anomaly/features/windows": "anomaly/test_windows",
        "anomaly/findings/calibration": "anomaly/test_calibration",
        "anomaly/findings/defect_regions": "anomaly/test_defect_regions",
        "anomaly/findings/measures": "anomaly/test_measures",
        "anomaly/findings/metrology": "anomaly/test_defect_regions",
        "anomaly/findings/pixels": "anomaly/test_pixels anomaly/test_measures",
        "anomaly/fusion/decision": "anomaly/test_decision",
        "anomaly/memory/coreset": "anomaly/test_coreset",
        "anomaly/memory/distances": "anomaly/test_distances anomaly/test_neighbours",
        "anomaly/memory/neighbours": "anomaly/test_neighbours",
        "anomaly/memory/reweighting": "anomaly/test_reweighting",
        "anomaly/memory/whitening": "anomaly/test_whitening",
        "anomaly/preparation/planes": "anomaly/test_planes",
    },
    "knowledge": {
        "knowledge/adjacency": "knowledge/test_adjacency knowledge/test_index",
        "knowledge/affected": "knowledge/test_affected",
        "knowledge/cooccurrence": "knowledge/test_cooccurrence",
        "knowledge/distances": "knowledge/test_distances knowledge/test_ranking knowledge/test_objective",
        "knowledge/encoding": "knowledge/test_encoding",
        "knowledge/metrics": "knowledge/test_metrics",
        "knowledge/model": "knowledge/test_model",
        "knowledge/objective": "knowledge/test_objective",
        "knowledge/optimiser": "knowledge/test_optimiser",
        "knowledge/packing": "knowledge/test_packing knowledge/test_encoding",
        "knowledge/paths": "knowledge/test_paths knowledge/test_index",
        "knowledge/ragged": "knowledge/test_ragged knowledge/test_rows",
        "knowledge/ranking": "knowledge/test_ranking",
        "knowledge/rows": "knowledge/test_rows",
        "knowledge/sampling": "knowledge/test_sampling",
        "knowledge/statistics": "knowledge/test_statistics",
    },
    "mediation": {
        "mediation/conjugate": "mediation/test_mediator_model mediation/test_spike_slab",
        "mediation/diagnosis": "mediation/test_diagnosis",
        "mediation/eigen": "mediation/test_kernels mediation/test_basis",
        "mediation/kernels": "mediation/test_kernels",
        "mediation/maps": "mediation/test_maps",
        "mediation/mediator_model": "mediation/test_mediator_model",
        "mediation/outcome_model": "mediation/test_outcome_model",
        "mediation/rows": "mediation/test_rows mediation/test_spike_slab",
        "mediation/scan": "mediation/test_spike_slab mediation/test_spike_slab_joint",
        "mediation/simulation": "mediation/test_simulation",
        "mediation/spike_slab": "mediation/test_spike_slab mediation/test_spike_slab_joint",
        "mediation/thresholded": "mediation/test_thresholded",
    },
    "calculus": {
        "calculus/chain": "calculus/test_explain calculus/test_graph",
    } | {
        f"calculus/{module}": DERIVATIVES
        for module in (
            "backward", "collect", "dimensions", "factors", "forms", "kronecker", "lowering", "matrix_form",
            "monomial", "network", "partials", "products", "shapes", "slopes", "stable", "structure",
        )
    },
}  # fmt: skip


@dataclass(frozen=True)
class Tally:
    """What became of the mutants of a module that were tested, and how many it has."""

    killed: int
    lived: tuple[str, ...]
    untested: int
    mutants: int

    @property
    def total(self) -> int:
        """All that were tested, or would have been."""
        return self.killed + len(self.lived) + self.untested


def main() -> None:
    """Run mutmut on every module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="capabilities, or modules such as nn/crf")
    parser.add_argument("--sample", type=int, metavar="N", help="mutants of a module, at most, that are tested")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants that are tested at a time")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where what was found of each module stays")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "mutation", help="where the checkout is copied to"
    )
    arguments = parser.parse_args()
    if find_spec("mutmut") is None:
        sys.exit("mutation testing needs mutmut: pip install mutmut")
    make_empty(arguments.work)
    kept = Kept.begun(arguments.keep, 1, arguments.jobs)
    wanted = arguments.only or list(MATHS)
    tallies: dict[str, dict[str, Tally]] = {}
    for capability, modules in MATHS.items():
        for module, tests in modules.items():
            if capability in wanted or module in wanted:
                found = remembered(kept, module, tests.split(), arguments.work, arguments.jobs, arguments.sample)
                tallies.setdefault(capability, {})[module] = found
                print(f"{module}: {found.killed} of {found.total} killed, {found.untested} untested", flush=True)
                for line in found.lived:
                    print(f"  {line}", flush=True)
    if arguments.only is None and records.record(result(tallies, arguments.jobs, arguments.sample)):
        LIVED.write_text("".join(f"{line}\n" for line in lines_of(tallies)), encoding="utf-8")


def make_empty(work: Path) -> None:
    """Make a folder to work in, or empty one that was made so before; whatever else is there ends the program."""
    if work.is_symlink() or (work.exists() and not work.is_dir()):
        sys.exit(f"--work {work}: not a folder of its own")
    work.mkdir(parents=True, exist_ok=True)
    there = [path for path in work.iterdir() if path.name != MARK]
    if there and not (work / MARK).is_file():
        sys.exit(f"--work {work}: a folder that holds something, and was not made by this: name another, or empty it")
    (work / MARK).touch()  # before anything else is in it, and left there: a run may be interrupted anywhere
    for path in there:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def remembered(kept: Kept, module: str, tests: Sequence[str], work: Path, jobs: int, most: int | None) -> Tally:
    """As `mutate`, of modules that were not tested so before."""
    of = {"tests": list(tests), "sample": most}
    found = kept.found(module, of, lambda: asdict(mutate(module, tests, work, jobs, most)))
    return Tally(**found | {"lived": tuple(found["lived"])})


def mutate(module: str, tests: Sequence[str], work: Path, jobs: int, most: int | None = None) -> Tally:
    """Test the mutants of a module, or as many as `most`, in a copy of the checkout."""
    make_empty(work)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, work / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        else:
            shutil.copy(source, work / name)
    selected = [f"tests/{test}.py" for test in tests]
    (work / "setup.cfg").write_text(settings(module, selected), encoding="utf-8")
    # Shapes are not checked: that would notice some mutants that no equation does. Numba compiles nothing: it knows no
    # call by which mutmut chooses among the mutants of a function.
    environment = {**os.environ, **dict.fromkeys(measuring.THREADS, "1"), "PYTHONPATH": ""}
    environment |= {"JAXTYPING_DISABLE": "1", "NUMBA_DISABLE_JIT": "1"}
    run = ["run", "--max-children", str(jobs)]
    if most is None:
        _output(run, work, environment)
        states = _states(work, environment)
        mutants = len(states)
    else:
        _output(
            [*run, *_some(ROOT / "src" / "latticework" / f"{module}.py")], work, environment
        )  # makes them all first
        names = sorted(_states(work, environment))
        mutants = len(names)
        drawn = set(random.Random(module).sample(names, min(most, len(names))))
        _output([*run, *drawn], work, environment)
        states = {name: state for name, state in _states(work, environment).items() if name in drawn}
    unknown = set(states.values()) - {*KILLED, LIVED_ON, UNTESTED}
    if unknown:
        sys.exit(f"mutmut says of mutants of {module}: {', '.join(sorted(unknown))}")
    lived = [name for name, state in states.items() if state == LIVED_ON]
    shown = (f"{name}: {_change(_output(['show', name], work, environment))}" for name in lived)
    untested = sum(state == UNTESTED for state in states.values())
    return Tally(len(states) - len(lived) - untested, tuple(shown), untested, mutants)


def settings(module: str, tests: Iterable[str]) -> str:
    """What mutmut is told."""
    lines = ["[mutmut]", "source_paths=src", f"only_mutate=src/latticework/{module}.py"]
    lines += ["pytest_add_cli_args_test_selection=", *(f"    {test}" for test in tests)]
    lines += ["pytest_add_cli_args=", "    -p", "    no:cacheprovider"]
    lines += ["also_copy=", *(f"    {name}" for name in COPIED if name != "src")]
    return "\n".join(lines) + "\n"


def lines_of(tallies: dict[str, dict[str, Tally]]) -> Iterable[str]:
    """The mutants that lived, module by module."""
    for modules in tallies.values():
        for module, found in modules.items():
            for line in found.lived:
                yield f"{module}: {line}"


def result(tallies: dict[str, dict[str, Tally]], jobs: int, sample: int | None = None) -> records.Result:
    """Shares that are killed, of all, by capability and by module."""
    title = "Mutants of the equations that the tests notice"
    if sample is not None:
        title += f"; of each module at most {sample} were drawn, and the shares of several modules are estimates that"
        title += " weigh each by the mutants it has"
    rows = [_row("all", [found for modules in tallies.values() for found in modules.values()])]
    for capability, modules in tallies.items():
        rows.append(_row(capability, list(modules.values())))
        rows += [_row(module, [found]) for module, found in modules.items()]
    command = records.command_line(COMMAND, sample=sample, jobs=jobs)
    return records.make_result(NAME, title, command, rows, threads=1, jobs=jobs)


def _row(name: str, found: Sequence[Tally]) -> records.Row:
    """The share of some modules, each with the weight of the mutants that it has."""
    mutants, tested = sum(one.mutants for one in found), sum(one.total for one in found)
    killed = sum(one.mutants * one.killed / one.total for one in found if one.total)
    modules = f"{len(found)} modules, " if len(found) > 1 else ""
    return records.Row(f"{name}: {modules}{tested:,} of {mutants:,} mutants", 100 * killed / mutants, "% killed")


def _some(module: Path) -> list[str]:
    """What the first mutant of the longest functions of a module is called: mutmut makes none without testing some."""
    found = {}
    for each in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(each, ast.FunctionDef):
            found[f"*x_{each.name}__mutmut_1"] = each
        elif isinstance(each, ast.ClassDef):
            methods = [one for one in each.body if isinstance(one, ast.FunctionDef)]
            found |= {f"*xǁ{each.name}ǁ{one.name}__mutmut_1": one for one in methods}
    return sorted(found, key=lambda name: len(ast.unparse(found[name])), reverse=True)[:3]


def _output(arguments: Sequence[str], work: Path, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "mutmut", *arguments]
    ended = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} failed in {work}:\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}")
    return ended.stdout


def _states(work: Path, environment: dict[str, str]) -> dict[str, str]:
    listed = _output(["results", "--all", "true"], work, environment)
    return dict(re.findall(r"^\s*(\S+__mutmut_\d+): (.+)$", listed, re.MULTILINE))


def _change(shown: str) -> str:
    """The lines before and after a mutation."""
    changed = [line for line in shown.splitlines() if re.match(r"[-+](?![-+])", line)]
    return "  ".join(re.sub(r"\s+", " ", line) for line in changed)


if __name__ == "__main__":
    main()
