"""Each contract of imports breaks on a line that should break it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
FLOORS = "Each floor imports only those below it; a new folder has to be placed"
LINES = {
    "Only kubernetes.library may import kubernetes_asyncio": [
        ("spawnpenny.kubernetes", "import kubernetes_asyncio"),
        ("spawnpenny.kubernetes.pods", "from kubernetes_asyncio.client import V1Pod"),
        ("spawnpenny.broker", "from kubernetes_asyncio import client"),
        ("spawnpenny_dask", "from kubernetes_asyncio.client import CoreV1Api"),
    ],
    "Only plugin/ may import pluggy": [
        ("spawnpenny.settings", "import pluggy"),
        ("spawnpenny_lab", "from pluggy import HookimplMarker"),
    ],
    "The domain needs the standard library alone": [
        ("spawnpenny.domain", "import yaml"),
        ("spawnpenny.domain", "from marshmallow import Schema"),
        ("spawnpenny.domain", "from spawnpenny.clients.http import Client"),
    ],
    "The pipeline knows no web framework and no particular cluster": [
        ("spawnpenny.pipeline", "from aiohttp import web"),
        ("spawnpenny.pipeline", "from spawnpenny.embedded.cluster import EmbeddedCluster"),
        ("spawnpenny.pipeline", "from spawnpenny.kubernetes.client import KubernetesCluster"),
    ],
    "The broker speaks no HTTP": [("spawnpenny.broker", "from aiohttp import web")],
    "The process with the rights loads no pipeline, no plugin and no HTTP API": [
        ("spawnpenny.broker", "from spawnpenny.embedded.cluster import EmbeddedCluster"),
        ("spawnpenny.broker", "from spawnpenny.pipeline.step import Step"),
        ("spawnpenny.cli.broker", "from spawnpenny.plugin.manager import load_plugins"),
        ("spawnpenny.cli.broker", "from spawnpenny.web.labs import ROUTES"),
    ],
    "The proxy of Dask clusters knows nothing of Kubernetes and of spawns": [
        ("spawnpenny_dask_proxy", "from spawnpenny.kubernetes.interface import Cluster"),
        ("spawnpenny_dask_proxy", "from spawnpenny.spawns.record import Record"),
        ("spawnpenny_dask_proxy", "from spawnpenny.api.http import Route"),
        ("spawnpenny_dask_proxy", "import spawnpenny_dask"),
        ("spawnpenny.cli.options", "from spawnpenny.service import Service"),
    ],
    "The web knows no cluster, the embedded one no Kubernetes": [
        ("spawnpenny.web", "from spawnpenny.kubernetes.client import KubernetesCluster"),
        ("spawnpenny.web", "from spawnpenny.kubernetes.transport import ClientTransport"),
        ("spawnpenny.embedded", "import kubernetes_asyncio"),
    ],
    "The clients need aiohttp alone": [
        ("spawnpenny.clients", "import structlog"),
        ("spawnpenny.clients.dask", "import yaml"),
        ("spawnpenny.clients.jupyterhub", "import marshmallow"),
    ],
    "The clients do not know each other": [
        ("spawnpenny.clients.dask", "from spawnpenny.clients.jupyterhub import SpawnpennySpawner"),
        ("spawnpenny.clients.jupyterhub", "from spawnpenny.clients.dask import SpawnpennyCluster"),
    ],
    "Only clients.dask may import distributed and dask": [
        ("spawnpenny.web", "import dask"),
        ("spawnpenny.clients.jupyterhub", "from distributed import Client"),
    ],
    "Nothing that the service loads imports Ray": [
        ("spawnpenny.web", "import ray"),
        ("spawnpenny_ray", "from ray.job_submission import JobSubmissionClient"),
    ],
    "Plugins import only spawnpenny.api": [
        ("spawnpenny_quota", "from spawnpenny.service import Service"),
        ("spawnpenny_user", "from spawnpenny.replicas.fence import Fence"),
        ("spawnpenny_storage", "import spawnpenny.auth.identity"),
        ("spawnpenny_lab", "from spawnpenny.testing.site import make_site"),
    ],
    "The service knows no plugin": [
        ("spawnpenny.web", "from spawnpenny_dask import spawnpenny_kinds"),
        ("spawnpenny.testing", "import spawnpenny_lab"),
    ],
    "Plugins do not know each other": [
        ("spawnpenny_quota", "import spawnpenny_lab"),
        ("spawnpenny_lab", "import spawnpenny_dask"),
    ],
    FLOORS: [
        ("spawnpenny.domain", "from spawnpenny.kubernetes.interface import Cluster"),
        ("spawnpenny.aio", "from spawnpenny.domain.users import User"),
        ("spawnpenny.kubernetes", "from spawnpenny.serving.server import listening"),
        ("spawnpenny.web", "from spawnpenny.api.http import Route"),
        ("spawnpenny.auth", "from spawnpenny.embedded.cluster import EmbeddedCluster"),
        ("spawnpenny.clients", "from spawnpenny.errors import SpawnpennyError"),
        ("spawnpenny.web", "from spawnpenny.testing.site import make_site"),
        ("spawnpenny.pipeline", "from spawnpenny.broker.server import run_broker"),
    ],
}
PLANTED = [(contract, place, line) for contract, lines in LINES.items() for place, line in lines]


def planted_module(number):
    """Return the module that gets a line: a new one in a package, or the module itself."""
    place = PLANTED[number][1]
    file = ROOT / "src" / f"{place.replace('.', '/')}.py"
    return place if file.exists() else f"{place}.planted_{number}"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Lint a copy of all sources that has every line planted; return the part of each broken contract."""
    root = tmp_path_factory.mktemp("planted")
    sources = [ROOT / "src", *sorted(ROOT.glob("plugins/*/src"))]
    for source in sources:
        shutil.copytree(source, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for number, (_, _, line) in enumerate(PLANTED):
        with (root / f"{planted_module(number).replace('.', '/')}.py").open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    (root / "spawnpenny" / "attic").mkdir()
    (root / "spawnpenny" / "attic" / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", root)
    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "500"},  # the copy hides what is installed
        capture_output=True,
        text=True,
        check=False,
    )
    names = "|".join(re.escape(contract["name"]) for contract in CONTRACTS)
    _, *parts = re.split(rf"^({names})\n-+\n", linted.stdout, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.slow
def test_a_folder_without_a_floor_breaks_the_floors(report):
    assert "attic" in report[FLOORS]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(PLANTED)), ids=[f"{place}: {line}" for _, place, line in PLANTED])
def test_a_line_breaks_its_contract(report, number):
    contract, _, _ = PLANTED[number]
    assert planted_module(number) in report[contract]


def test_every_contract_is_tried():
    assert list(LINES) == [contract["name"] for contract in CONTRACTS]
