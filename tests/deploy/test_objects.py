"""Every object of the deployment is stored as it is written, or keeps the schema of its kind."""

from __future__ import annotations

import copy
import json
import secrets
from pathlib import Path

import aiohttp
import jsonschema
import pytest
from pytest_asyncio import fixture as async_fixture

SCHEMAS = Path(__file__).parent / "schemas"
SINCE = {
    "PodDisruptionBudget": (1, 21),
    "ValidatingAdmissionPolicy": (1, 30),
    "ValidatingAdmissionPolicyBinding": (1, 30),
}
"""The Kubernetes that first serves the version of a kind that the deployment has."""


class Api:
    """The API server, for any kind that it serves."""

    def __init__(self, session):
        self._session = session
        self._paths = {}

    async def path(self, manifest):
        """Return where objects of this kind are made, or None where it is not served."""
        group = manifest["apiVersion"]
        root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        if root not in self._paths:
            response = await self._session.get(root)
            listing = await response.json() if response.status == 200 else {"resources": []}
            self._paths[root] = {kind["kind"]: kind for kind in listing["resources"] if "/" not in kind["name"]}
        served = self._paths[root].get(manifest["kind"])
        if served is None:
            return None
        assert served["namespaced"] == ("namespace" in manifest["metadata"])
        inside = f"/namespaces/{manifest['metadata']['namespace']}" if served["namespaced"] else ""
        return f"{root}{inside}/{served['name']}"

    async def stored(self, path, manifest):
        """Create an object, and return what one who reads it gets."""
        response = await self._session.post(path, json=manifest)
        assert response.status == 201, (manifest["kind"], manifest["metadata"]["name"], await response.text())
        response = await self._session.get(f"{path}/{manifest['metadata']['name']}")
        assert response.status == 200
        return await response.json()

    async def delete(self, path, manifest):
        response = await self._session.delete(f"{path}/{manifest['metadata']['name']}")
        assert response.status in {200, 202}, await response.text()


@async_fixture
async def api(apiserver):
    connector = aiohttp.TCPConnector(ssl=apiserver.ssl_context())
    async with aiohttp.ClientSession(apiserver.url, connector=connector) as session:
        yield Api(session)


def apart(manifest, suffix):
    """Return an object in namespaces of this test alone, under a name that nobody else has where it is cluster-wide."""
    manifest = copy.deepcopy(manifest)
    metadata = manifest["metadata"]
    metadata["namespace" if "namespace" in metadata else "name"] += suffix
    if manifest.get("roleRef", {}).get("kind") == "ClusterRole":
        manifest["roleRef"]["name"] += suffix
    for subject in manifest.get("subjects", ()):
        subject["namespace"] += suffix
    pod = manifest.get("spec", {}).get("template", {}).get("spec", {})
    if "priorityClassName" in pod:
        pod["priorityClassName"] += suffix
    return manifest


def namespaces_elsewhere(objects):
    """Return the namespaces that a deployment counts on, and that others have made."""
    made = {manifest["metadata"]["name"] for manifest in objects if manifest["kind"] == "Namespace"}
    used = {manifest["metadata"]["namespace"] for manifest in objects if "namespace" in manifest["metadata"]}
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(used - made)]


def unlike(sent, stored, path=""):
    """Name what was written and is not stored so: the API server drops a misspelt key without a word."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        return [gap for key, value in sent.items() for gap in unlike(value, stored.get(key), f"{path}.{key}")]
    if isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        return [gap for one, other in zip(sent, stored, strict=True) for gap in unlike(one, other, f"{path}[]")]
    empty = not sent and not stored and not isinstance(sent, bool | int)
    return [] if sent == stored or empty else [path]


async def test_what_the_api_server_serves_is_stored_as_it_is_written(api, objects, judged):
    suffix, made = f"-{secrets.token_hex(3)}", []
    try:
        everything = (apart(manifest, suffix) for manifest in [*objects, *namespaces_elsewhere(objects)])
        for manifest in sorted(everything, key=lambda manifest: manifest["kind"] != "Namespace"):
            path = await api.path(manifest)
            if path is not None:
                made.append((path, manifest))
                assert unlike(manifest, await api.stored(path, manifest)) == [], (
                    manifest["kind"],
                    manifest["metadata"]["name"],
                )
                judged["stored by the API server as written", manifest["kind"]] += 1
    finally:
        for path, manifest in reversed(made):
            await api.delete(path, manifest)
    assert {"Deployment", "NetworkPolicy", "ClusterRole", "Service"} <= {manifest["kind"] for _, manifest in made}


async def test_what_it_does_not_serve_keeps_the_schema_of_its_kind(api, apiserver, objects, judged):
    others = [manifest for manifest in objects if await api.path(manifest) is None]
    for other in others:
        jsonschema.validate(other, schema(other["kind"]))
        judged["held to the checked-in schema of its kind", other["kind"]] += 1
    kinds = {manifest["kind"] for manifest in objects}
    newer = {kind for kind, since in SINCE.items() if apiserver.discovery.version < since}
    assert {other["kind"] for other in others} & set(SINCE) == newer & kinds


def schema(kind):
    return json.loads((SCHEMAS / f"{kind}.json").read_text())


@pytest.mark.parametrize("kind", [path.stem for path in sorted(SCHEMAS.glob("*.json"))])
def test_a_schema_refuses_a_misspelt_key(kind):
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    version = schema(kind)["properties"]["apiVersion"]["const"]
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": {"misspelt": 1}}
    with pytest.raises(jsonschema.ValidationError, match="misspelt"):
        jsonschema.validate(manifest, schema(kind))
