"""What the dearest refusals cost: for each route a search over generated bodies of 128 KiB, and a normal request."""

from __future__ import annotations

import json
import random
import time

import aiohttp
import pytest

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.testing.site import SMALL_LAB, make_site
from spawnpenny.testing.web_server import serve_site

MOST = 128 * 1024
ROUNDS = 40
REPEATS = 3
TOKEN = {"Authorization": "Bearer token"}
LAB = "/v1/users/ada/labs/~default"
CLUSTERS = "/gateway/api/v1/clusters/"
ROUTES = {
    ("PUT", LAB): {"start": "s", "options": {"size": "none"}},
    ("PUT", "/v1/users/ada"): {"uid": 5},
    ("POST", CLUSTERS): {"cluster_options": {"none": 1}},
    ("POST", f"{CLUSTERS}none/scale"): {"count": 1},
    ("POST", f"{CLUSTERS}none/adapt"): {"minimum": 1},
    ("GET", f"{LAB}?{{}}"): None,
    ("GET", "/v1/labs?{}"): None,
    ("GET", "/metrics"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/docs"): None,
    ("GET", "/nothing/{}"): None,
}
FIELDS = ("start", "options", "env", "tls", "client", "timeout_s", "uid", "groups", "username", "cluster_options")


@pytest.fixture
async def service(tmp_path):
    """Serve a site in this process, and yield a client of it."""
    async with EmbeddedCluster(tmp_path / "cluster", {"spawnpenny/lab": SMALL_LAB}) as cluster:
        site = await make_site(cluster)
        site.data["limits"] = {"starts": 1_000_000}
        site.data["plugins"]["dask"] = {}
        site.data["tokens"] = {
            "ada": {"sha256": hash_token("token"), "scopes": ["spawn:self", "commission", "read:any"], "user": "ada"}
        }
        async with serve_site(site) as server, aiohttp.ClientSession(server.url, headers=TOKEN) as client:
            yield client


async def bench_refusals(service):
    normal, _ = await cost(service, "GET", LAB, None, repeats=50)
    print(f"\nA normal request takes {normal * 1e3:.2f} ms of CPU, client and service together.")
    print("The dearest refusals, as ratios to it:")
    for (method, path), usual in ROUTES.items():
        dear = await dearest(service, method, path, usual)
        print(f"  {method:4} {path:40} {dear[0] / normal:6.1f} x CPU, {dear[1]:6} bytes: {dear[2]}")


async def dearest(client, method, path, usual):
    """Search for the request of a route that costs most: shapes at random, then others like the dearest one."""
    source, found = random.Random(1), (0.0, 0, "")
    shape = None
    for number in range(ROUNDS):
        tried = changed(source, shape) if shape is not None and number > ROUNDS // 2 else new_shape(source)
        body = None if usual is None else written(tried, usual)
        place = path.replace("{}", query(tried)) if usual is None else path
        seconds, size = await cost(client, method, place, body)
        if seconds > found[0]:
            found, shape = (seconds, size, describe(tried)), tried
    return found


async def cost(client, method, path, body, repeats=REPEATS):
    """Return the CPU seconds of a request, the least of several, and the bytes of its answer."""
    least, size = float("inf"), 0
    for _ in range(repeats):
        started = time.process_time()
        async with client.request(method, path, data=body) as answer:
            size = len(await answer.read())
        least = min(least, time.process_time() - started)
    return least, size


def new_shape(source):
    return {
        "under": source.choice(("", *FIELDS)),
        "kind": source.choice(("keys", "items", "objects", "deep", "text", "number", "repeated", "escapes")),
        "stem": source.choice(("k", "star", "option", *FIELDS, "é", "\U0001f600")),
        "length": source.choice((1, 8, 60, 1000, 60_000)),
        "count": source.choice((9, 11, 300, 2400, 4900, 50_000)),
    }


def changed(source, shape):
    other = new_shape(source)
    key = source.choice(list(shape))
    return {**shape, key: other[key]}


def written(shape, usual):
    """Return a body of at most 128 KiB in a shape."""
    count = shape["count"]
    while True:
        value = content({**shape, "count": count})
        whole = {**usual, shape["under"]: value} if shape["under"] else value
        text = whole if isinstance(whole, str) else json.dumps(whole, ensure_ascii=shape["kind"] == "escapes")
        if len(text.encode()) <= MOST or count <= 1:
            return text.encode()[:MOST]
        count = count * 3 // 4


def content(shape):
    name = shape["stem"] * (shape["length"] // len(shape["stem"]) or 1)
    count = min(shape["count"], MOST // (len(name) + 4) or 1)
    match shape["kind"]:
        case "items":
            return [name[:20]] * count
        case "objects":
            return [{f"{shape['stem']}{inner}": 1 for inner in range(9)} for _ in range(count // 9)]
        case "deep":
            return json.loads("[" * min(count, 900) + "]" * min(count, 900))
        case "text":
            return name * (count // 10 or 1)
        case "number":
            return 10 ** min(count, 4000)
        case _:
            return {f"{name}{number}": number for number in range(count)}


def query(shape):
    return "&".join(f"{shape['stem'] if shape['stem'].isascii() else 'k'}{number}=1" for number in range(900))[:7000]


def describe(shape):
    return ", ".join(f"{key} {value}" for key, value in shape.items())
