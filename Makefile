# Two targets for a newcomer: `make demo` shows the main job, `make check` runs every test.
# Both make their own environment, so they work on a machine that has only Python and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# Equality with the official program is tested on programs as users run them. Everything else compiles without
# the optimiser's slow passes, which is most of what those tests would wait for.
OFFICIAL = tests/octo/test_official.py tests/capture/test_lean_official.py tests/capture/test_official_episodes.py

.PHONY: demo check install install-dev

demo: install
	$(BIN)/octoscope demo

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses auto --dist worksteal $(OFFICIAL)
	XLA_FLAGS=--xla_backend_optimization_level=0 $(BIN)/pytest --numprocesses auto --dist worksteal $(OFFICIAL:%=--ignore=%)

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/installed
