"""For all tests."""

from __future__ import annotations

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def logs_as_they_were():
    """Undo what a test did to the logs of the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
