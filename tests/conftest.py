"""For all tests."""

from __future__ import annotations

import difflib
import gc
import logging
from contextlib import AsyncExitStack
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
    *("tests/hostile", "tests/replicas", "tests/faults", "tests/e2e", "plugins/dask", "plugins/ray"),
    *("tests/cli", "tests/spawns", "tests/pipeline", "tests/clients", "tests/dask", "tests/hub"),
    "tests/admin/permissions",
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
