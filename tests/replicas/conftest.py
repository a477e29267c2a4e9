"""Fixtures for replicas: short leases, and the wait until a user has moved."""

from __future__ import annotations

import pytest
import structlog

from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.replicas.ownership import record_name
from spawnpenny.testing.site import lab


@pytest.fixture
def log_entries():
    """Capture the entries of the log."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture
def short_leases(site):
    """Set a lease of four seconds; a shorter one is lost on a busy machine."""
    site.data["replicas"] = {"lease": 4}


@pytest.fixture
def taken_over():
    """Return a function that waits until a service owns a user, and returns the user's lab."""

    async def wait(service, user="ada", name="~default"):
        ownership = service.membership.ownership
        await ownership.records.wait_for(ownership.namespace, record_name(user), lambda record: record is not None)
        while True:
            moved = service.moved.next()
            try:
                return service.spawns.find(user, lab(name))
            except ElsewhereError:
                await moved.wait()

    return wait
