"""A real JupyterHub, of version 6 and of version 5, set up as the README says, and the authenticator that asks it."""

from __future__ import annotations

import os
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from spawnpenny_jupyterhub import HubTokens
from spawnpenny_jupyterhub.settings import HubSettingsSchema

from spawnpenny.testing.jupyterhub import JupyterHub
from spawnpenny.testing.plugins import make_settings

README = Path(__file__).parents[1] / "README.md"
CONFIG = """
c.JupyterHub.services.append({"name": "culler", "api_token": "c" * 32})
c.JupyterHub.custom_scopes = {"custom:spawnpenny:look": {"description": "Look at all labs"}}
c.JupyterHub.load_roles += [
    {"name": "operators", "users": ["olga"], "scopes": ["custom:spawnpenny:look"]},
    {"name": "culling", "services": ["culler"], "scopes": ["access:services"]},
    {"name": "test-of-users", "services": ["test"], "scopes": ["inherit"]},
]
"""


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["6", "5"])
async def hub(request, tmp_path):
    """Have a Hub of each version in turn, with the users ada and olga."""
    python = sys.executable if request.param == "6" else os.environ.get("SPAWNPENNY_JUPYTERHUB5")
    if python is None:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 names no Python that has JupyterHub 5")
    needed = "".join(re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL))
    async with JupyterHub(tmp_path / "hub", needed + CONFIG, python=python) as hub:
        for user in ("ada", "olga"):
            await hub.add_user(user)
        yield hub


@pytest.fixture
def ask(clock):
    """Have a context in which the Hub at an address is asked; further keys are settings."""

    @asynccontextmanager
    async def requesting(api_url, **more):
        data = {"plugins": {"jupyterhub": {"api_url": api_url, **more}}}
        settings = make_settings(data).load("jupyterhub", HubSettingsSchema())
        async with HubTokens(settings, clock=clock) as known:
            yield known

    return requesting
