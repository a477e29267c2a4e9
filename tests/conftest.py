"""For all tests."""

from __future__ import annotations

import difflib
import gc
import logging
import os
import re
import tomllib
from contextlib import AsyncExitStack
from importlib.metadata import packages_distributions
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest
import structlog

from spawnpenny.api import Step, hookimpl
from spawnpenny.testing.web_server import serve_site
from tests.kit.fault_proxy import FaultProxy

ROOT = Path(__file__).parents[1]
EXTRAS = ("server", "jupyterhub", "dask", "oidc", "ray")

# By default structlog writes tracebacks with local variables where rich is installed. That takes seconds each, in which
# the event loop stands still: one task that fails again and again made tests fail that have nothing to do with it.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback

hypothesis.settings.register_profile("tests", derandomize=True, deadline=None, database=None, max_examples=100)
hypothesis.settings.load_profile("tests")

LONGEST = (
    *("tests/hostile", "tests/replicas", "tests/faults", "tests/e2e", "plugins/dask", "tests/cli", "tests/spawns"),
    *("tests/pipeline", "tests/clients", "tests/dask", "tests/hub", "tests/admin/permissions"),
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the folders with the longest files first: where several run at a time, one that comes last runs alone."""
    places = {folder: number for number, folder in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get("/".join(item.path.relative_to(ROOT).parts[:2]), len(places)))


@pytest.fixture(autouse=True)
def logs_as_they_were():
    """Undo what a test did to the logs of the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def no_collection():
    """Keep garbage from being collected while a test parses code.

    A finalizer can log a traceback, for which Python 3.11 parses a line of code: the parser is not re-entrant then, and
    ends with a SystemError.
    """
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def compared(monkeypatch):
    """Count how often two names are compared."""
    calls = []
    original = difflib.get_close_matches

    def counted(word, possibilities, *args, **kwargs):
        possibilities = list(possibilities)
        calls.extend((word, possibility) for possibility in possibilities)
        return original(word, possibilities, *args, **kwargs)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    return calls


class Loaded:
    """What a process has loaded of spawnpenny, and of the libraries that pyproject.toml names.

    The file beside the test pins it; ``SPAWNPENNY_GOLDEN=write`` writes that anew.
    """

    def __init__(self, folder):
        self._folder = folder

    def check(self, name, modules):
        roots = {module.partition(".")[0] for module in modules} & libraries()
        ours = {module for module in modules if module.partition(".")[0].startswith("spawnpenny")}
        found = [*sorted(ours), *sorted(f"library {root}" for root in roots)]
        file = self._folder / f"{name}.txt"
        if os.environ.get("SPAWNPENNY_GOLDEN") == "write":
            file.write_text("\n".join(found) + "\n")
        expected = file.read_text().splitlines()
        assert found == expected, "\n".join(["", *difflib.unified_diff(expected, found, "pinned", "loaded", n=0)])


def libraries():
    """Return the top-level modules of the distributions that pyproject.toml names for what spawnpenny runs as."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [
        *project["dependencies"],
        *(requirement for extra in EXTRAS for requirement in project["optional-dependencies"][extra]),
    ]
    names = {re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-") for requirement in named} - {"spawnpenny"}
    owners = packages_distributions()
    return {
        root
        for root, found in owners.items()
        if names & {distribution.lower().replace("_", "-") for distribution in found}
    }


@pytest.fixture
def loaded(request):
    """Compare what a process has loaded with what is pinned in the folder ``loaded`` beside the test."""
    return Loaded(request.path.parent / "loaded")


@pytest.fixture
async def fault_proxy(apiserver):
    """Run a proxy before the API server that injects faults, and passes the rest on with all rights."""
    async with FaultProxy(apiserver.url, apiserver.ssl_context()) as proxy:
        yield proxy


@pytest.fixture
def make_step():
    """Make a step of a class of its own, with these attributes; one of scope spawn has a revert."""

    def make(name, scope="user", kinds=("lab",), *, revert=None, **more):
        async def nothing(self, spawn):
            """Take nothing away."""

        own = {"name": name, "scope": scope, "kinds": frozenset(kinds)}
        own |= {key: frozenset(value) if key in {"needs", "after", "before"} else value for key, value in more.items()}
        if scope == "spawn" if revert is None else revert:
            own["revert"] = nothing
        return type("Made", (Step,), own)()

    return make


@pytest.fixture
def plugin_of():
    """Make a plugin that brings these steps."""

    def make(*steps):
        @hookimpl
        def spawnpenny_steps(settings):
            return list(steps)

        return SimpleNamespace(spawnpenny_steps=spawnpenny_steps)

    return make


@pytest.fixture
def serving():
    """Return the function that serves a site."""
    return serve_site


@pytest.fixture
async def server(site, serving):
    """Serve the site, ready."""
    async with serving(site) as server:
        yield server


@pytest.fixture
async def caller(server):
    """Make clients, which are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(name=None):
            return await stack.enter_async_context(server.client(name))

        yield make
