"""For all tests."""

from __future__ import annotations

import difflib
import logging

import pytest
import structlog

# By default structlog writes tracebacks with local variables where rich is installed. That takes seconds each, in which
# the event loop stands still: one task that fails again and again made tests fail that have nothing to do with it.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


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
def compared(monkeypatch):
    """Count how often two names are compared."""
    calls = []
    original = difflib.get_close_matches

    def counted(word, possibilities, *args, **kwargs):
        possibilities = list(possibilities)
        calls.extend((word, each) for each in possibilities)
        return original(word, possibilities, *args, **kwargs)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    return calls
