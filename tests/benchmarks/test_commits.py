"""What is measured is that of one commit, or it is told."""

import re
import subprocess
from types import SimpleNamespace

from benchmarks import commits


def test_a_commit_that_changes_while_a_benchmark_runs_is_told(monkeypatch):
    assert commits.commit_measured() == "0123456789ab"
    monkeypatch.setattr(commits, "_BEGUN", "ba9876543210")
    assert commits.commit_measured() == "ba9876543210 to 0123456789ab"


def test_a_tree_with_changes_is_told_before_anything_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(commits, "commit_measured", lambda: "0123456789ab")
    assert commits.uncommitted() == []
    monkeypatch.setattr(commits, "commit_measured", lambda: "0123456789ab-dirty")
    assert commits.uncommitted() == ["a commit that has what was measured"]
    assert "Nothing will be recorded, for the tree has changes" in capsys.readouterr().err
    monkeypatch.setattr(commits, "commit_measured", lambda: "unknown")
    assert commits.uncommitted() == ["a commit that has what was measured"]


def test_the_commit_of_another_checkout_than_that_of_the_package_is_not_known(monkeypatch, tmp_path):
    monkeypatch.undo()
    assert commits._commit() != "0123456789ab"
    monkeypatch.setattr(commits, "HERE", tmp_path / "benchmarks")
    assert commits._commit() == "unknown"


def test_what_benchmarks_write_makes_no_other_commit(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    monkeypatch.undo()
    folder = tmp_path / "benchmarks"
    monkeypatch.setattr(commits, "HERE", folder)
    package = SimpleNamespace(origin=str(tmp_path / "src" / "latticework" / "__init__.py"))
    monkeypatch.setattr(commits, "find_spec", lambda name: package)
    (folder / "results").mkdir(parents=True)
    for name in ("README.md", "results/one.json", "one.py", "../other.py"):
        (folder / name).write_text("first")
    git("init", "--quiet")
    git("add", ".")
    git("-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "--message=first")
    commit = commits._commit()
    assert re.fullmatch("[0-9a-f]{12}", commit)
    for name in ("README.md", "results/one.json", "results/two.json"):
        (folder / name).write_text("second")
    assert commits._commit() == commit
    for name in ("one.py", "../other.py"):
        (folder / name).write_text("second")
        assert commits._commit() == f"{commit}-dirty"
        (folder / name).write_text("first")
