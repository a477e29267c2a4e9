"""A site for a test: settings of its own on either cluster, and services that come and go on it.

Two sites on one cluster do not see each other: each has its own installation, namespaces and prefix.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from spawnpenny.auth.identity import Identity
from spawnpenny.broker.client import run_broker_client
from spawnpenny.broker.local import run_local_broker
from spawnpenny.broker.server import BrokerServer, run_broker
from spawnpenny.domain import labels
from spawnpenny.domain.names import DEFAULT_LAB
from spawnpenny.domain.spawns import USER, Key, SpawnRequest
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.service import Service, run_service
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.model import Settings
from spawnpenny.spawns.active import ActiveSpawn

HUB: Final = Identity("hub", frozenset({"admin"}))
SMALL_LAB: Final = (
    "{python}",
    "-c",
    (
        "from http.server import *; HTTPServer(('{pod_ip}', 8888), type('H', (BaseHTTPRequestHandler,), "
        "{'do_GET': lambda self: (self.send_response(200), self.end_headers())})).serve_forever()"
    ),
)
"""A command line for the embedded cluster that answers as a lab does, in a tenth of the time."""
_UNSUPERVISED: Final = frozenset({"lab", USER})
"""Kinds whose task ends once they run. That of another kind may supervise it as long as it runs."""


def lab(name: str = DEFAULT_LAB) -> Key:
    """Return the key of a lab."""
    return Key("lab", name)


@dataclass
class Site:
    """A site: its settings, its cluster, and what it looks like from outside.

    With ``separate``, its services ask by claims, and a ``broker`` has to run.
    """

    data: dict[str, Any]
    cluster: Cluster
    plugins: Mapping[str, object] = field(default_factory=dict)
    separate: bool = False

    @property
    def settings(self) -> Settings:
        return make_settings(self.data)

    @asynccontextmanager
    async def service(self, replica: str | None = None, cluster: Cluster | None = None) -> AsyncIterator[Service]:
        """Run a service, ready, until the context ends; then another one may follow.

        Several run at once under different names of replicas; ``cluster`` is for one that sees it otherwise.
        """
        settings, cluster = self.settings, cluster or self.cluster
        settings = replace(settings, replicas=replace(settings.replicas, name=replica or settings.replicas.name))
        plugins = load_plugins(settings, extra=self.plugins)
        run = run_broker_client if self.separate else run_local_broker
        async with (
            run(cluster, settings) as broker,
            run_service(settings, plugins, cluster, broker) as service,
        ):
            await service.until_ready()
            yield service

    def broker(self) -> AbstractAsyncContextManager[BrokerServer]:
        """Run a broker that answers claims, in this process, until the context ends; there may be several."""
        return run_broker(self.cluster, self.settings)

    def namespace(self, user: str = "ada") -> str:
        """Return the name of a user's namespace."""
        return f"{self.settings.namespaces.prefix}{user}"

    async def objects(self, *kinds: str, user: str = "ada", spawn: str | None = None) -> dict[str, Manifest]:
        """Return what is in a user's namespace, by ``Kind/name``; with ``spawn`` only what has that spawn id."""
        desired = {**labels.ours(self.settings.installation), **({labels.SPAWN: spawn} if spawn else {})}
        found: dict[str, Manifest] = {}
        for kind in kinds or ("Pod", "Secret", "Service", "ConfigMap", "ResourceQuota", "LimitRange", "NetworkPolicy"):
            listing = await self.cluster.list(resource_of(kind), namespace=self.namespace(user), labels=desired)
            found |= {f"{kind}/{item['metadata']['name']}": item for item in listing.items}
        return found

    async def read(self, kind: str, name: str, namespace: str | None = None) -> Manifest | None:
        """Return an object, of the namespace of the user ada where none is named."""
        return await self.cluster.read(self.ref(kind, name, namespace))

    def ref(self, kind: str, name: str, namespace: str | None = None) -> Ref:
        """Refer to an object, of the namespace of the user ada where none is named."""
        resource = resource_of(kind)
        return Ref(resource, name, (namespace or self.namespace()) if resource.namespaced else None)


async def start_cluster(service: Service, name: str = "c1", *, user: str = "ada", **more: Any) -> ActiveSpawn:
    """Start a Dask cluster; ``more`` are further fields of the request."""
    request, key = SpawnRequest(f"start-{name}", **more), Key("dask", name)
    return (await service.spawns.start(user, key, request, identity=HUB)).run


async def start(
    service: Service,
    start_id: str = "s1",
    *,
    user: str = "ada",
    name: str = DEFAULT_LAB,
    replace: bool = False,
    timeout: float | None = None,  # noqa: ASYNC109 - the caller's patience, a field of the request
    **more: Any,
) -> ActiveSpawn:
    """Start a lab, as the Hub would; ``more`` are further fields of the request."""
    request = SpawnRequest(start_id, timeout=timeout, **more)
    return (await service.spawns.start(user, lab(name), request, identity=HUB, replace=replace)).run


async def settled(run: ActiveSpawn) -> ActiveSpawn:
    """Wait until nothing further happens to a spawn by itself."""
    async for _ in run.events():
        pass
    if run.task is not None and (run.over or run.record.key.kind in _UNSUPERVISED):
        await run.task
    return run


async def stop(service: Service, *, user: str = "ada", name: str = DEFAULT_LAB) -> None:
    """Stop a lab, and wait until it is gone."""
    run = await service.spawns.stop(user, lab(name))
    if run is not None:
        await run.until_gone()


def site_data(installation: str, **more: Any) -> dict[str, Any]:
    """Return what the settings file of a site of its own holds."""
    return {
        "installation": installation,
        "namespaces": {
            "prefix": f"{installation}-",
            "state": f"{installation}-state",
            "broker": f"{installation}-broker",
            "provision": f"{installation}-provision",
        },
        "plugins": {"namespace": {}, "quota": {}, "user": {}, "lab": {}},
        **more,
    }


async def make_site(cluster: Cluster, *, broker: Literal["local", "separate"] = "local") -> Site:
    """Make a site on a cluster, with the namespaces that a deployment would have made.

    ``separate`` has its services ask by claims: run ``site.broker()`` beside them.
    """
    site = Site(site_data(f"t{secrets.token_hex(3)}"), cluster, separate=broker == "separate")
    spaces = site.settings.namespaces
    for name in (spaces.state, spaces.broker, spaces.provision):
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return site
