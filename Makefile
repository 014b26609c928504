# make run | test | test-services | test-faults | check | docs | bench | install: each creates .venv when it is not there or out of date.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-services test-faults check docs bench bench-scale install constraints

run: .venv/installed
	@$(BIN)/rarenode run

# tests/conftest.py says which tests go together, and what comes first.
SIDE_BY_SIDE := --numprocesses 2 --dist loadgroup --no-loadscope-reorder
test: .venv/installed
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

# Needs a server: PostgreSQL, Prefect's, a Dask scheduler, Chromium. What is missing is installed.
# SERVICES="FILE …" runs some of them.
SERVICES ?= tests/services tests/faults
test-services: .venv/installed
	tests/services/install
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(SERVICES)

# Kills runs at random moments, over all stages; the short form is part of test-services.
test-faults: .venv/installed
	RARENODE_KILLS=$${RARENODE_KILLS:-40} $(BIN)/python -m pytest tests/faults

check: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/pip check

# The pages of docs/ as a site in site/, which opens from disk. A link or anchor that leads nowhere is an error
# (and would be none with --quiet, which loses the warnings that --strict counts).
docs: .venv/installed
	@NO_MKDOCS_2_WARNING=1 PYTHONDONTWRITEBYTECODE=1 $(BIN)/mkdocs build --strict

# Time and memory of the core, and whether each bound of docs/performance.md holds. SCALE=1 adds
# the scale test, which takes some ten minutes more.
bench: .venv/installed
	@$(BIN)/python -m benchmarks.speed bounds start images report rows profile $(if $(SCALE),scale)

bench-scale: .venv/installed
	@$(BIN)/python -m benchmarks.speed scale

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@echo "Installing into .venv (about 3.1 GB, some minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[hpo,scale,go,images,onnx,teams,docs,dev]"
	@touch $@
	@echo "Installed. Next: make run, or $(BIN)/rarenode --help"

# The set that is installed now becomes the set that everybody installs.
constraints: .venv/installed
	@{ echo "# The exact set that is tested together. Regenerate: make constraints"; \
	  $(BIN)/pip freeze --exclude-editable | sed 's/+cpu//'; } > constraints.txt
