"""The choice of ``make fast``: tests that start no process and build no site."""

from __future__ import annotations

import sys

import pytest

SITES = ("apiserver", "browser", "cluster", "hub", "server", "service", "site")
"""How the names of fixtures end that start a process or build a site."""
PROCESSES = {"os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}
"""Events of an audit hook."""


def pytest_addoption(parser):
    parser.addoption("--fast", action="store_true", help="only tests that start no process and build no site")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: starts processes or builds sites; `make fast` leaves it out")
    if config.getoption("fast"):
        config.pluginmanager.register(Fast())


class Fast:
    """Leave out what is slow, and refuse processes, so that a new test that starts one has to be marked."""

    def __init__(self):
        self.test = None
        sys.addaudithook(self.refuse_processes)

    def pytest_collection_modifyitems(self, config, items):
        slow = [
            item
            for item in items
            if item.get_closest_marker("slow") or any(name.endswith(SITES) for name in item.fixturenames)
        ]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        self.test = item.nodeid
        try:
            return (yield)
        finally:
            self.test = None

    def refuse_processes(self, event, _):
        if event in PROCESSES and self.test:
            message = f"{self.test} starts a process: mark it slow, so that `make fast` leaves it out."
            raise RuntimeError(message)
