"""What the unit tests share: one profile for hypothesis, and steps made on the spot."""

from __future__ import annotations

from types import SimpleNamespace

import hypothesis
import pytest

from spawnpenny.api import Step, User, hookimpl
from spawnpenny.testing.spawns import make_spawn

hypothesis.settings.register_profile("unit", derandomize=True, deadline=None, database=None, max_examples=100)
hypothesis.settings.load_profile("unit")


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
def spawn():
    """Have a spawn of the user ada's default lab, as a step sees it before the request is accepted."""
    return make_spawn(user=User("ada", 2001, 2001))
