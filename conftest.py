"""The choice of ``make fast``: tests that start no process and build no site."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from tests.kit.loaded_modules import Loaded

ROOT = Path(__file__).parent
FAST = (
    *(ROOT / "tests" / name for name in ("aio", "architecture", "auth", "domain", "kubernetes/pods", "pipeline")),
    *(ROOT / "tests" / name for name in ("plugin", "settings", "spawns", "docs/test_docs.py")),
    ROOT / "tests/admin/permissions/test_fence.py",
    *ROOT.glob("tests/test_*.py"),
    ROOT / "plugins",
)
"""Tests of single modules, plugins and pages."""
SITES = ("apiserver", "browser", "cluster", "hub", "server", "service", "site")
"""How the names of fixtures end that start a process or build a site."""
PROCESSES = {"os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}
"""Events of an audit hook."""


def pytest_addoption(parser):
    parser.addoption("--fast", action="store_true", help="only tests that start no process and build no site")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: starts processes or builds sites; `make fast` leaves it out")
    config.pluginmanager.register(NoProcesses())


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Let garbage be, and keep what was imported out of later collections: all of it stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path, config):
    """With ``--fast``, pass over the other folders, unless the command names them."""
    if not config.getoption("fast"):
        return None
    near = any(collection_path.is_relative_to(path) or path.is_relative_to(collection_path) for path in FAST)
    return None if near else True


def pytest_collection_modifyitems(config, items):
    if config.getoption("fast"):
        config.hook.pytest_deselected(items=[item for item in items if is_slow(item)])
        items[:] = [item for item in items if not is_slow(item)]


def is_slow(item):
    return bool(item.get_closest_marker("slow")) or any(name.endswith(SITES) for name in item.fixturenames)


def is_fast(item):
    return not is_slow(item) and any(item.path.is_relative_to(path) for path in FAST)


class NoProcesses:
    """Refuse processes in fast tests, in every run, so that a new test that starts one has to be marked."""

    def __init__(self):
        self.test = None
        self.hooked = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        self.test = item.nodeid if is_fast(item) else None
        if self.test and not self.hooked:
            sys.addaudithook(self.refuse_processes)
            self.hooked = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self):
        self.test = None  # fixtures of slow tests may end after a fast one

    def refuse_processes(self, event, _):
        if event in PROCESSES and self.test:
            message = f"{self.test} starts a process: mark it slow, so that `make fast` leaves it out."
            raise RuntimeError(message)


@pytest.fixture
def loaded(request):
    """Compare what a process has loaded with what is pinned in the folder ``loaded`` beside the test."""
    return Loaded(request.path.parent / "loaded")
