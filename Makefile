# make run | test | check | bench | install: each creates .venv when it is not there or out of date.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check bench bench-scale install constraints

run: .venv/installed
	@$(BIN)/rarenode run

test: .venv/installed
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/pip check

# Time and memory of the core, and whether each bound of docs/performance.md holds. SCALE=1 adds
# the scale test, which takes some ten minutes more.
bench: .venv/installed
	@$(BIN)/python -m benchmarks.speed bounds start rows profile $(if $(SCALE),scale)

bench-scale: .venv/installed
	@$(BIN)/python -m benchmarks.speed scale

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@echo "Installing into .venv (about 2.5 GB, some minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[hpo,scale,go,onnx,dev]"
	@touch $@

# The set that is installed now becomes the set that everybody installs.
constraints: .venv/installed
	@{ echo "# The exact set that is tested together. Regenerate: make constraints"; \
	  $(BIN)/pip freeze --exclude-editable | sed 's/+cpu//'; } > constraints.txt
