"""What the files of the project promise one another: versions, pins, and nothing that only one machine has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import latticework

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINTS = [
    line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
]
PINS = {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in CONSTRAINTS}


def requirements() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    lines = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"], *chain(*extras)]
    return [Requirement(line) for line in lines if not line.startswith("latticework[")]


def project_files() -> list[Path]:
    """Return the files that are in the repository or would be added to it."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_every_line_of_the_constraints_pins_one_version() -> None:
    assert [line for line in CONSTRAINTS if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []
    assert len(PINS) == len(CONSTRAINTS)
    assert PINS["torch"] == "2.13.0"


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_dependency_is_pinned_to_a_version_it_allows(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_every_dependency_of_a_dependency_is_pinned() -> None:
    from importlib.metadata import PackageNotFoundError, requires

    missing = set()
    for name in PINS:
        try:
            needs = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:  # an extra that is not installed here
            continue
        wanted = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
        missing |= {f"{name} needs {need.name}" for need in wanted if canonicalize_name(need.name) not in PINS}
    assert missing == set()


def test_the_extra_all_holds_every_extra_for_users() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = [Requirement(line) for line in extras["all"]]
    assert everything.extras == set(extras) - {"all", "dev"}


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert latticework.__version__ == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d.*?)\]", changelog, re.MULTILINE)
    assert "## [Unreleased]" in changelog
    # Until its release the version has no heading of its own; the newest heading never runs ahead of it.
    assert not released or tuple(map(int, released[0].split("."))) <= tuple(map(int, version.split(".")))


def test_the_licence_is_the_one_declared() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_no_file_names_a_machine_or_the_host_of_a_package_registry() -> None:
    private = re.compile(r"(?<![\w.])/(work|root|opt|home)/|\bpy(pi|thonhosted)\.\w|\bconda\.\w+/|find-links")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in project_files()
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), start=1)
        if private.search(line) and path != Path(__file__)
    ]
    assert found == []


def test_only_the_ci_knows_where_the_shared_data_lie() -> None:
    found = [path for path in project_files() if b"shared" + b"/data" in path.read_bytes()]
    assert found == [ROOT / ".ci" / "run"]


def test_what_needs_real_data_that_are_not_there_is_skipped_and_says_which(tmp_path: Path) -> None:
    (tmp_path / "translation").mkdir()
    test = "tests/anomaly/test_samples.py::test_a_real_scan_is_a_sample_with_colours"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test],
        cwd=ROOT, env={**os.environ, "LATTICEWORK_DATA": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "set LATTICEWORK_DATA to the folder that holds anomaly/mosd\n" in done.stdout
    assert "1 tests on real data did NOT run" in done.stdout


def test_the_ways_in_know_no_capability_by_name() -> None:
    names = "|".join(PROJECT["project"]["entry-points"]["latticework.capabilities"])
    ways_in = [*(ROOT / "src/latticework/cli").glob("*.py"), ROOT / "src/latticework/tour.py"]
    assert [path.name for path in ways_in if re.search(rf"\b({names})\b", path.read_text(encoding="utf-8"))] == []


def test_every_capability_has_a_page_and_a_floor() -> None:
    (contract,) = PROJECT["tool"]["importlinter"]["contracts"]
    capabilities = {layer.strip() for layer in contract["layers"][2].split("|")}
    assert capabilities == set(PROJECT["project"]["entry-points"]["latticework.capabilities"])
    for name in capabilities:
        page = (ROOT / "docs" / "capabilities" / f"{name}.md").read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [
            "Job",
            "Method",
            "Example on real data",
            "Benchmark",
            "Limits",
        ]
