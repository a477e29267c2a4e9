"""A spawn for the examples of the hooks."""

from __future__ import annotations

import pytest

from spawnpenny.api import User
from spawnpenny.testing.spawns import make_spawn


@pytest.fixture
def spawn():
    """Have a spawn of the user ada's default lab, as a step sees it before the request is accepted."""
    return make_spawn(user=User("ada", 2001, 2001))
