# What a newcomer runs: `make demo` and `make test`. What a change must pass: `make check`.
# Needs Python 3.11 or later, gcc and make; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Both names: from pip 25.3 on, what builds a package is constrained by the second.
PINNED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt

.PHONY: demo test check lint types docs constraints clean

demo: .venv/installed
	$(BIN)/latticework tour -o tour.html

# Tests that share what takes long to set up stay together as far as can be; the processes that they start find the
# package compiled, even where Python is told to keep nothing.
test: export PYTHONDONTWRITEBYTECODE :=
test: .venv/installed
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal

# The tests come last: pytest's closing line says how it went.
check: lint types docs test

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: .venv/installed
	$(BIN)/mypy

docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# A stamp: pip runs again only when what is wanted, or in which version, has changed.
.venv/installed: pyproject.toml constraints.txt
	@echo 'installing into .venv: minutes the first time, most of them for torch'
	$(PYTHON) -m venv .venv
	$(PINNED) $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

# Pin anew, to the newest versions that pyproject.toml allows: everything is installed into a fresh environment and written down.
# torch stays where it is until a person moves it. Local version labels (2.13.0+cpu) name a build, not a version, and are cut off.
TORCH := torch==2.13.0
constraints:
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet --disable-pip-version-check '$(TORCH)' hatchling --editable '.[all,dev]'
	build/constraints/bin/python -m pip freeze --exclude-editable --all --exclude pip > build/constraints/versions.txt
	{ echo '# Every version that is tested together. Written by `make constraints`; do not edit.'; \
	  sed -E 's/\+[a-z0-9.]+$$//' build/constraints/versions.txt; } > constraints.txt
	rm -rf build/constraints

clean:
	rm -rf .venv build dist site tour.html .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
