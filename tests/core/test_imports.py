import json
import os
import subprocess
import sys

import pytest

import latticework as lw
from latticework import core
from latticework.core.lazy import attach

HEAVY = ["torch", "sklearn", "scipy", "numpy", "rich", "typer", "lightning_fabric"]
JOBS = [capability.command for capability in lw.capabilities() if capability.command]


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def seconds(code):
    """Return the processor time of an interpreter, as other work on the machine is not what is tested."""
    before = os.times()
    run(code)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_import_is_quick():
    assert min(seconds("import latticework") for _ in range(5)) < 0.5


@pytest.mark.parametrize("job", JOBS)  # the help that lists them: tests/cli/test_app.py
def test_help_of_a_job_is_quick_and_leaves_the_libraries_that_compute_alone(job):
    code = f"from latticework.cli import main; main([{job!r}, '--help'])"
    assert min(seconds(code) for _ in range(5)) < 0.5
    computing = {"torch", "sklearn", "scipy", "lightning_fabric"}
    printed = run(f"{code}; import sys; print({computing} & set(sys.modules) or 'none')")
    assert f"Usage: latticework {job}" in printed
    assert printed.endswith("\nnone\n")


@pytest.mark.parametrize(
    "code",
    [
        "import latticework",
        "import latticework as lw; lw.InputError; lw.__version__; lw.MissingExtraError; dir(lw)",
        "import latticework.core as core; core.read_lines; core.State; core.spawn; core.progress; dir(core)",
        "import latticework as lw; lw.datasets.cache_folder()",
    ],
)
def test_import_leaves_heavy_libraries_alone(code):
    loaded = json.loads(run(f"{code}; import json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"))
    assert loaded == []


def test_loading_a_model_without_tensors_of_torch_leaves_torch_alone(tmp_path):
    code = """
import sys, numpy as np
from latticework.core import State, read_folder, write_folder
write_folder({folder!r}, header={{}}, state=State(tensors={{"bank": {{"x": np.ones(2)}}}}))
read_folder({folder!r})[1].tensors["bank"]["x"]
print("torch" in sys.modules)
"""
    assert run(code.format(folder=str(tmp_path))) == "False\n"


@pytest.mark.parametrize("package", [lw, core])
def test_every_public_name_resolves_and_is_listed(package):
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)


def test_submodules_resolve_on_first_use():
    assert run("import latticework as lw; print(lw.core.files.__name__)") == "latticework.core.files\n"


def test_absent_names_are_attribute_errors():
    for name in ("no_such_name", "__wrapped__", "_private"):
        with pytest.raises(AttributeError, match=f"module 'latticework' has no attribute '{name}'"):
            getattr(lw, name)
    assert not hasattr(lw, "no_such_name")


def test_a_submodule_that_fails_to_import_says_why(tmp_path, monkeypatch):
    package = tmp_path / "lazy_example"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "broken.py").write_text("import no_such_library")
    monkeypatch.syspath_prepend(tmp_path)
    get, _ = attach("lazy_example", {})
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        get("broken")


def test_import_leaves_the_environment_as_it_is():
    code = "import os; os.environ.clear(); import latticework; print(dict(os.environ))"
    assert run(code) == "{}\n"
