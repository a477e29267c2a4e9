"""The matrix of all routes and callers, and what a token that only reads can do: nothing."""

from __future__ import annotations

import json

import pytest

from spawnpenny.api import Settings
from spawnpenny.testing.plugins import load_plugins, resource_of
from spawnpenny.testing.web_server import routes

CLUSTERS = "/gateway/api/v1/clusters/"
LAB = "/v1/users/ada/labs/~default"
PUBLIC = {
    "gateway.health",
    "gateway.version",
    "service.docs",
    "service.docs_too",
    "service.healthz",
    "service.metrics",
    "service.openapi",
    "service.readyz",
    "service.root",
    "service.script",
    "service.style",
    "service.viewer",
    "service.viewer_style",
}
ANYBODY = PUBLIC | {"kind.list", "service.whoami"}
READ = {
    *(f"dask.{action}" for action in ("events", "form", "get", "list", "workers")),
    *(f"lab.{action}" for action in ("events", "form", "get", "hostnames", "list")),
    *(f"spawn.{action}" for action in ("events", "get", "list")),
}
READ_USER = {"user.events", "user.get"}
CHANGE = {"dask.adapt", "dask.scale", "dask.start", "dask.stop"}
STOP = {"lab.stop", "spawn.stop"}
RUN = {
    "gateway.adapt",
    "gateway.get",
    "gateway.list",
    "gateway.options",
    "gateway.scale",
    "gateway.start",
    "gateway.stop",
}
"""A report has the key of a running cluster, with which code runs in it."""
ROUTES = routes(load_plugins(Settings()))
ALLOWED = {
    None: PUBLIC,
    "nobody": PUBLIC,
    "ada-reader": ANYBODY | READ | READ_USER,
    "ada-lab": ANYBODY | READ | READ_USER | RUN | CHANGE,
    "ada": ANYBODY | READ | READ_USER | RUN | CHANGE | STOP | {"lab.start"},
    "bob": ANYBODY | RUN,
    "hub": ANYBODY
    | READ
    | READ_USER
    | CHANGE
    | STOP
    | {"dask.list_all", "lab.list_all", "lab.start"}
    | {"spawn.list_all"},
    "proxy": ANYBODY | {"dask.ticket", "gateway.routes"},
    "admin": {route.name for route in ROUTES} - RUN,
}
BODIES = {
    "lab.start": {"start": "other"},
    "dask.start": {"start": "other"},
    "gateway.start": {"cluster_options": {}},
    "gateway.scale": {"count": 1},
    "gateway.adapt": {"minimum": 1, "maximum": 2},
    "dask.scale": {"count": 1},
    "dask.adapt": {"minimum": 1, "maximum": 2},
    "dask.ticket": {"ticket": "x"},
    "user.commission": {"uid": 4321},
}
REFUSALS = ("This needs", "The token belongs to no user")
"""What dask-gateway's client is answered, which knows no 403."""
KINDS = ("Namespace", "Pod", "Secret", "ConfigMap", "Service", "RoleBinding", "ResourceQuota", "NetworkPolicy")


def requests(cluster="c1"):
    """Yield name, method and path of every operation."""
    for route in ROUTES:
        path = route.path.format(user="ada", lab="~default", cluster=cluster, kind="lab", name="docs.css")
        for method in route.methods:
            yield route.name, method, path


@pytest.mark.parametrize("who", ALLOWED)
async def test_every_route_opens_to_those_whom_the_table_names(caller, who):
    client, opened = await caller(who), set()
    for name, method, path in requests():
        # Some are streams, which nobody reads here.
        async with client.request(method, path, json=BODIES.get(name), allow_redirects=False) as answer:
            if answer.status == 401 or method == "HEAD":  # it has no words; who may, is as of GET
                continue
            text = await answer.text() if answer.status >= 400 else ""
            if answer.status != 403 and not any(refusal in text for refusal in REFUSALS):
                opened.add(name)
    assert opened == ALLOWED[who]


async def objects(site):
    """Return all that is in the cluster, with its version."""
    found = {}
    for kind in KINDS:
        for item in (await site.cluster.list(resource_of(kind))).items:
            metadata = item["metadata"]
            found[kind, metadata.get("namespace"), metadata["name"]] = metadata["resourceVersion"]
    return found


async def test_who_may_only_read_changes_nothing_and_gets_no_key(site, caller):
    ada, reader = await caller("ada"), await caller("ada-reader")
    assert (await ada.put(LAB, json={"start": "s"})).status == 202
    await (await ada.get(f"{LAB}/events")).read()
    name = (await (await ada.post(CLUSTERS, json={})).json())["name"]
    own = await (await ada.get(f"{CLUSTERS}{name}?wait")).json()
    assert own["tls_key"]
    key = own["tls_key"].splitlines()[1]
    before, answers = await objects(site), {}
    for operation, method, path in requests(name):
        for query in ("", "?wait=1", "?replace=true&wait=1", "?purge=storage"):
            async with reader.request(
                method, f"{path}{query}", json=BODIES.get(operation), allow_redirects=False
            ) as answer:
                answers[operation, method, query] = answer.status, await answer.text()
    assert await objects(site) == before
    assert json.loads(answers["dask.get", "GET", ""][1])["phase"] == "running"
    for status, text in answers.values():
        assert status < 500
        assert key not in text
        assert "PRIVATE KEY" not in text
