"""Canaries: secrets that programs print in every form, and none of which is in what the service shows or writes."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.testing.site import make_site

CANARY = 'c4n4ry-"Grüße"/7q9Zk2Lm4Xw8=='
PRINTS = """
import base64, html, json, os, sys, urllib.parse
secret = next(os.environ[name] for name in ("JUPYTERHUB_API_TOKEN", "SPAWNPENNY_TOKEN") if name in os.environ)
data = secret.encode()
print({form})
print("-" * {padding})
sys.stdout.flush()
sys.exit(3)
"""
FORMS = {
    "plain": "secret",
    "JSON": "json.dumps({'token': secret})",
    "repr": "repr([secret, data])",
    "URL": "urllib.parse.quote(secret, safe='')",
    "HTML": "html.escape(secret)",
    "base64": "base64.b64encode(b'ada:' + data).decode()",
    "base32": "base64.b32encode(data).decode()",
    "hex": "data.hex(':')",
    "bytes": "list(data)",
    "every byte escaped": "''.join('\\\\x%02x' % byte for byte in data)",
    "every character escaped": "''.join('\\\\u%04x' % ord(character) for character in secret)",
    "every letter of a URL": "''.join('%%%02X' % byte for byte in data)",
}
PIECE = 8
VIEWS = ("", "/events", "?wait=1")


def leaking_images():
    """Return command lines that print their token in a form, also followed by so much that the kubelet cuts it."""
    images = {}
    for form, expression in FORMS.items():
        for padding in (1, 2030):
            program = PRINTS.replace("{form}", expression).replace("{padding}", str(padding))
            images[f"{form.replace(' ', '-').lower()}-{padding}"] = ("{python}", "-c", program)
    return images


@pytest.fixture
async def site(tmp_path):
    images = leaking_images()
    async with EmbeddedCluster(tmp_path / "cluster", images) as cluster:
        site = await make_site(cluster)
        site.data["plugins"]["lab"] = {
            "images": {name: name for name in images},
            "extra_container_config": {"terminationMessagePolicy": "FallbackToLogsOnError"},
        }
        site.data["tokens"] = {"hub": {"sha256": hash_token("hub-token"), "scopes": ["admin"]}}
        site.data["web"] = {"metrics": True}
        yield site


def shown_forms(secret):
    """Yield a secret as it may stand in a text, to look for pieces of it."""
    data = secret.encode()
    yield from (secret, json.dumps(secret)[1:-1], repr(data)[2:-1], quote(secret, safe=""), data.hex(), data.hex(":"))
    yield from (base64.b64encode(b"\0" * shift + data).decode()[4:] for shift in range(3))
    yield base64.b32encode(data).decode()
    yield "".join(f"\\x{byte:02x}" for byte in data)
    yield "".join(f"\\u{ord(character):04x}" for character in secret)
    yield "".join(f"%{byte:02X}" for byte in data)
    yield str(list(data))


def pieces(secret):
    for form in shown_forms(secret):
        size = PIECE * max(1, round(len(form) / len(secret)))
        yield from (form[place : place + size] for place in range(len(form) - size + 1))


async def everything_shown(site, hub, logged):
    """Return all that is read from the service, its log, and what it wrote into the cluster outside of Secrets."""
    labs = (await (await hub.get("/v1/users/ada/labs")).json())["labs"]
    paths = [f"/v1/users/ada/labs/{lab['lab']}{view}" for lab in labs for view in VIEWS]
    paths += ["/v1/users/ada", "/v1/users/ada/events", "/v1/labs", "/metrics", "/v1/whoami", "/v1/pipelines"]
    parts = [await (await hub.get(path)).text() for path in paths] + [json.dumps(logged(), ensure_ascii=False)]
    for kind in ("ConfigMap", "Pod", "Event", "Namespace", "Service"):
        listing = await site.cluster.list(site.ref(kind, "x").resource)
        parts += [json.dumps({**item, "status": {}}, ensure_ascii=False) for item in listing.items]
    return parts


async def test_no_form_of_a_secret_shows_in_answers_events_log_metrics_or_the_cluster(site, hub, logged):
    canaries = {}
    for number, image in enumerate(leaking_images()):
        name, canary = f"lab{number}", f"{number:02}{CANARY}"
        canaries[canary] = image
        body = {"start": "s", "options": {"image": image}, "env": {"JUPYTERHUB_API_TOKEN": canary}}
        assert (await hub.put(f"/v1/users/ada/labs/{name}", json=body)).status == 202
        async with hub.get(f"/v1/users/ada/labs/{name}/events") as stream:
            await stream.read()
        lab = await (await hub.get(f"/v1/users/ada/labs/{name}")).json()
        assert (lab["phase"], lab["reason"]["code"]) == ("failed", "pod_crashed"), lab
        assert image.endswith("-2030") or "[secret]" in lab["reason"]["message"], (image, lab["reason"])
    bare = ["".join(part.split()) for part in await everything_shown(site, hub, logged)]
    assert not any("hub-token" in part for part in bare)
    for canary, image in canaries.items():
        for piece in pieces(canary):
            found = "".join(piece.split())
            assert not any(found in part or json.dumps(found)[1:-1] in part for part in bare), (image, piece)
