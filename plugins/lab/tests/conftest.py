"""A spawn as a step sees it, for the pure functions."""

from __future__ import annotations

import pytest

from spawnpenny.api import DEFAULT_LAB, Group, Kind, Names, Resources, Spawn, Stash, User


@pytest.fixture
def spawn():
    """Have a spawn of ada's default lab, started by a Hub."""
    return Spawn(
        id="mark",
        kind=Kind.LAB,
        name=DEFAULT_LAB,
        user=User("ada", 2001, 2002, (Group("physics", 3001),)),
        names=Names.of("ada", Kind.LAB, DEFAULT_LAB, prefix="lab-"),
        options={},
        env={"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "JUPYTERHUB_API_TOKEN": "s3cr3t"},
        asks=Resources(),
        in_use=Resources(),
        stash=Stash(),
        cluster=None,
        _patch=lambda spawn, pod: pod,
        _tell=print,
        _announce=print,
    )
