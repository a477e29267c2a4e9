"""A spawn as a step sees it, for the pure functions."""

from __future__ import annotations

import pytest

from spawnpenny.testing.spawns import make_spawn


@pytest.fixture
def spawn():
    """Have a spawn of ada's default lab, started by a Hub."""
    return make_spawn(env={"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "JUPYTERHUB_API_TOKEN": "s3cr3t"})
