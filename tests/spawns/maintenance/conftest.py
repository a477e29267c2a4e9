"""The log, for the tests of maintenance."""

from __future__ import annotations

import io
import json

import pytest

from spawnpenny.cli.logging import configure_logs


@pytest.fixture
def logged():
    """Write the log as ``serve`` does, and return a function that gives its lines."""
    stream = io.StringIO()
    configure_logs("json", level="INFO", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
