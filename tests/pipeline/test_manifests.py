"""What a spawn puts into the cluster, object by object, as golden files.

``SPAWNPENNY_GOLDEN=write`` writes them anew.
"""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml

from spawnpenny.auth.identity import Identity
from spawnpenny.domain.spawns import SpawnRequest, Tls
from spawnpenny.domain.users import Group
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import lab, settled

GOLDEN = Path(__file__).parent / "golden"
NAMES = ["Namespace", "RoleBinding", "ResourceQuota", "LimitRange", "NetworkPolicy", "ConfigMap", "Secret", "Pod"]
ADA = Identity("ada", frozenset({"spawn:self"}), "Ada@example.org", 2001, 2001, (Group("physics", 3001),))


@dataclass
class Recording(FaultyCluster):
    """Keeps what was created."""

    created: list = field(default_factory=list)

    async def create(self, manifest, resource=None):
        stored = await super().create(manifest, resource)
        self.created.append((manifest, stored))
        return stored


async def record(kube_site, **more):
    """Spawn one lab on the real API server; return what was sent and what was stored, by kind and name."""
    recording = Recording(kube_site.cluster)
    site = replace(kube_site, cluster=recording)
    request = SpawnRequest("start-1", {"size": "small"}, {"JUPYTER_TOKEN": "s3cr3t", "GREETING": "Grüße"}, **more)
    async with site.service() as service:
        started = await service.spawns.start(ADA.username, lab(), request, identity=ADA)
        run = await settled(started.run)
        assert run.record.reason is None
        spawn_id, installation = run.record.id, site.settings.installation
    found = {}
    for sent, stored in recording.created:
        if sent["metadata"].get("namespace", "").endswith("-state"):
            continue
        text = json.dumps(sent).replace(installation, "golden").replace(spawn_id, "SPAWN")
        text = re.sub(r"sp-lab\.[\w-]+\.[\w-]+", "TOKEN", text)
        text = re.sub(r'(token-sha256": )"[0-9a-f]{64}"', r'\1"HASH"', text)
        found[sent["kind"], sent["metadata"]["name"]] = (json.loads(text), sent, stored)
    return found


@pytest.fixture
async def created(kube_site):
    found = await record(kube_site)
    return {kind: manifest for (kind, _), manifest in found.items()}


@pytest.fixture
async def secured(kube_site):
    """Have what a lab with a certificate brings, by the names of the golden files."""
    kube_site.data["plugins"]["lab"] = {"internal_ssl": True}
    found = await record(kube_site, tls=Tls("a key", "a certificate", "an authority"))
    names = {"pod-tls": ("Pod", "lab"), "secret-tls": ("Secret", "lab.tls"), "service-tls": ("Service", "lab")}
    return {name: found[key] for name, key in names.items()}


async def test_the_objects_of_a_spawn_are_as_the_golden_files_say(created):
    assert sorted(created) == sorted(NAMES)
    for kind, (sent, _, _) in created.items():
        check_golden(kind.lower(), sent)


async def test_the_objects_of_a_spawn_with_a_certificate_are_as_the_golden_files_say(secured):
    for name, (sent, _, _) in secured.items():
        sent["metadata"]["annotations"].pop("spawnpenny.io/hash", None)  # of what has the names of this run in it
        check_golden(name, sent)


def check_golden(name, sent):
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("SPAWNPENNY_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(sent, sort_keys=True, allow_unicode=True))
    again = f"{name}: if this is right, SPAWNPENNY_GOLDEN=write writes the file anew"
    assert sent == yaml.safe_load(path.read_text()), again


async def test_the_api_server_stores_all_that_was_sent(created):
    for _, sent, stored in created.values():
        assert missing(with_data(sent), stored) == []


async def test_the_api_server_stores_all_that_was_sent_for_a_certificate(secured):
    for _, sent, stored in secured.values():
        assert missing(with_data(sent), stored) == []


def with_data(sent):
    """Return what the API server makes of stringData: data, in base64."""
    if "stringData" not in sent:
        return sent
    data = {key: base64.b64encode(value.encode()).decode() for key, value in sent["stringData"].items()}
    return {key: value for key, value in sent.items() if key != "stringData"} | {"data": data}


def missing(sent, stored, path=""):
    """Name what was sent and is not stored so: a misspelt key vanishes in the API server without a word."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        return [gap for key, value in sent.items() for gap in missing(value, stored.get(key), f"{path}.{key}")]
    if isinstance(sent, list) and isinstance(stored, list):
        pairs = zip(sent, stored, strict=False)
        gaps = [] if len(sent) <= len(stored) else [f"{path}[]"]
        return gaps + [gap for one, other in pairs for gap in missing(one, other, f"{path}[]")]
    empty = sent in ([], {}, "", None) and stored in ([], {}, "", None)
    return [] if sent == stored or empty else [path]
