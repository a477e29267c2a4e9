"""The web application on a real embedded cluster, and a client for each kind of caller."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from spawnpenny.cli.logging import configure_logs
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.testing.web_server import token_settings

SCOPES = {
    "hub": (["read:any", "spawn:any", "delete:any", "commission"], None),
    "admin": (["admin"], None),
    "reader": (["read:any"], None),
    "spawner": (["spawn:any"], None),
    "deleter": (["delete:any"], None),
    "commissioner": (["commission"], None),
    "ada": (["spawn:self"], "ada"),
    "ada-lab": (["lab:self"], "ada"),
    "ada-reader": (["read:self"], "ada"),
    "bob": (["spawn:self"], "bob"),
    "nobody": ([], None),
}
SLOW_LAB = ("{python}", "-c", "import signal; signal.pause()")
STUBBORN_LAB = (*SMALL_LAB[:2], f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SMALL_LAB[2]}")


@pytest.fixture
async def site(tmp_path):
    images = {"spawnpenny/lab": SMALL_LAB, "slow": SLOW_LAB, "stubborn": STUBBORN_LAB}
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.data["plugins"]["lab"] = {
            "images": {"default": "spawnpenny/lab", "slow": "slow", "stubborn": "stubborn", "none": "no/such"},
            "grace": 1,
        }
        site.data["tokens"] = token_settings(SCOPES)
        yield site


@pytest.fixture
async def hub(caller):
    return await caller("hub")


@pytest.fixture
def logged():
    """Write the log as ``serve`` does, and return a function that gives its lines."""
    stream = io.StringIO()
    handlers, level = logging.root.handlers[:], logging.root.level
    configure_logs("json", level="DEBUG", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()
