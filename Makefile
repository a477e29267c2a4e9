# `make demo` and `make test` need Python 3.11 or newer with venv, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*/pyproject.toml)
EDITABLES := -e . $(patsubst %/pyproject.toml,-e %,$(PLUGINS))
READY := $(VENV)/.ready
ARGS ?=

# The image: its name, the program that builds it, the Python of its base, and that base where it is not the Dockerfile's own.
IMAGE ?= spawnpenny:latest
BUILDER ?= docker
IMAGE_PYTHON ?= 3.11
BASE ?=

.PHONY: demo test test-all lint docs bench lock wheels image clean

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
	$(BIN)/pytest tests/bench -q -s -o python_files="bench_*.py" -o python_functions="bench_*" -o timeout=600 $(ARGS)

lock: $(READY)
	$(BIN)/uv pip compile --no-header --generate-hashes --universal --python-version 3.11 \
	    --extra server --extra demo --extra testing --group dev -o requirements.txt pyproject.toml
	$(BIN)/uv pip compile --no-header --no-annotate --generate-hashes --universal --python-version 3.11 \
	    --extra server -c requirements.txt -o requirements-server.txt pyproject.toml

wheels: $(READY)
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist \
	    . $(patsubst %/pyproject.toml,./%,$(PLUGINS))
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
	    --python-version $(IMAGE_PYTHON) --dest dist -r requirements-server.txt

image: wheels
	$(BUILDER) build $(if $(BASE),--build-arg BASE=$(BASE)) --build-arg VERSION=$$($(BIN)/spawnpenny --version) \
	    --build-arg REVISION=$$(git rev-parse HEAD) -t $(IMAGE) .

$(READY): requirements.txt pyproject.toml $(PLUGINS)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "spawnpenny needs Python 3.11 or newer")'
	@echo "Setting up $(VENV): this takes about a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(EDITABLES)
	touch $@

clean:
	rm -rf $(VENV) docs/_build dist
