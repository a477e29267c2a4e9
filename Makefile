# `make demo` and `make test` need Python 3.11 or newer with venv, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*/pyproject.toml)
EDITABLES := -e . $(patsubst %/pyproject.toml,-e %,$(PLUGINS))
READY := $(VENV)/.ready
ARGS ?=

.PHONY: demo test test-all lint docs bench lock clean

demo: $(READY)
	$(BIN)/spawnpenny demo $(ARGS)

test: $(READY)
	$(BIN)/pytest $(ARGS)

test-all: $(READY)
	SPAWNPENNY_TEST_ALL=1 $(BIN)/pytest $(ARGS)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

bench: $(READY)
	$(BIN)/pytest tests/bench -q -s -o python_files="bench_*.py" -o python_functions="bench_spawn" -o timeout=600 $(ARGS)

lock: $(READY)
	$(BIN)/uv pip compile --no-header --generate-hashes --universal --python-version 3.11 \
	    --extra server --extra demo --extra testing --group dev -o requirements.txt pyproject.toml

$(READY): requirements.txt pyproject.toml $(PLUGINS)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "spawnpenny needs Python 3.11 or newer")'
	@echo "Setting up $(VENV): this takes about a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(EDITABLES)
	touch $@

clean:
	rm -rf $(VENV) docs/_build
