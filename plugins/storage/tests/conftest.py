"""A spawn as a step sees it, and sites that have storage."""

from __future__ import annotations

import pytest

from spawnpenny.api import DEFAULT_LAB, User
from spawnpenny.testing.spawns import make_spawn


@pytest.fixture
def spawn():
    """Return a function that makes a spawn of one of Ada's labs."""

    def make(lab=DEFAULT_LAB, user="Ada@x.org"):
        return make_spawn(name=lab, user=User(user, 2001, 2002))

    return make


@pytest.fixture
def stored(site):
    """Have a site on each cluster whose labs have storage; call it with other settings of the plugin."""

    def having(**settings):
        site.data["plugins"]["storage"] = {"capacity": "1Gi", **settings}
        return site

    having()
    return having
