# `make demo` and `make test` need Python 3.11 or newer with venv, and for JupyterHub's proxy Node.js with npm.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*/pyproject.toml)
EDITABLES := -e . $(patsubst %/pyproject.toml,-e %,$(PLUGINS))
READY := $(VENV)/.ready
OTHER := .venv-jupyterhub5
OTHER_READY := $(OTHER)/.ready
NODE := tools/node/node_modules
NODE_READY := $(if $(shell command -v npm),$(NODE)/.ready)
export PATH := $(CURDIR)/$(NODE)/.bin:$(PATH)
ARGS ?=

# The image: a site's own wheels lie in wheels/. Its name, the program that builds it, the Python of its base, and that base where it is not the Dockerfile's own.
IMAGE ?= spawnpenny:latest
BUILDER ?= docker
IMAGE_PYTHON ?= 3.11
BASE ?=

.PHONY: demo test test-all fast fix lint docs bench lock wheels image clean

demo: $(READY)
	@$(if $(NODE_READY),$(MAKE) --no-print-directory $(NODE_READY) || echo "npm could not bring the Hub's proxy: the demo runs without the Hub.")
	$(BIN)/spawnpenny demo $(ARGS)

test: export SPAWNPENNY_JUPYTERHUB5 := $(CURDIR)/$(OTHER)/bin/python
test: $(READY) $(OTHER_READY) $(NODE_READY)
	$(BIN)/pytest $(ARGS)

test-all: export SPAWNPENNY_JUPYTERHUB5 := $(CURDIR)/$(OTHER)/bin/python
test-all: $(READY) $(OTHER_READY) $(NODE_READY)
	SPAWNPENNY_TEST_ALL=1 $(BIN)/pytest $(ARGS)

# Tests of single modules, plugins and pages, less those that start a process or build a site: see conftest.py.
fast: $(READY)
	$(BIN)/pytest -q --fast -n 2 $(ARGS)

fix: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

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
	    --extra server --extra dask --extra demo --extra jupyterhub --extra oidc --extra ray --extra testing --group dev -o requirements.txt pyproject.toml
	$(BIN)/uv pip compile --no-header --no-annotate --generate-hashes --universal --python-version 3.11 \
	    --extra server --extra oidc -c requirements.txt -o requirements-server.txt pyproject.toml
	$(BIN)/uv pip compile --no-header --no-annotate --generate-hashes --universal --python-version 3.11 \
	    --extra jupyterhub --group jupyterhub5 -o requirements-jupyterhub5.txt pyproject.toml

wheels: $(READY)
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist \
	    . $(patsubst %/pyproject.toml,./%,$(PLUGINS))
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
	    --python-version $(IMAGE_PYTHON) --dest dist -r requirements-server.txt
	$(if $(wildcard wheels/*.whl),cp wheels/*.whl dist/)

image: wheels
	$(BUILDER) build $(if $(BASE),--build-arg BASE=$(BASE)) --build-arg VERSION=$$($(BIN)/spawnpenny --version) \
	    --build-arg REVISION=$$(git rev-parse HEAD) -t $(IMAGE) .

# jsonschema imports rfc3987-syntax wherever it is installed, for a format that nobody here checks. That takes longer than
# all else that a Hub and a lab import, each time.
$(READY): requirements.txt pyproject.toml $(PLUGINS)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "spawnpenny needs Python 3.11 or newer")'
	@echo "Setting up $(VENV): this takes about a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(EDITABLES)
	$(BIN)/python -m pip uninstall --quiet --disable-pip-version-check --yes rfc3987-syntax
	touch $@

# The other environment: JupyterHub 5 and the spawner, without the server.
$(OTHER_READY): requirements-jupyterhub5.txt pyproject.toml
	$(PYTHON) -m venv $(OTHER)
	$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-jupyterhub5.txt
	$(OTHER)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(OTHER)/bin/python -m pip uninstall --quiet --disable-pip-version-check --yes rfc3987-syntax
	touch $@

$(NODE_READY): tools/node/package.json tools/node/package-lock.json tools/node/.npmrc
	npm ci --prefix tools/node --no-audit --no-fund --loglevel=error
	touch $@

clean:
	rm -rf $(VENV) $(OTHER) $(NODE) docs/_build dist
