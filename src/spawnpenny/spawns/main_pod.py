"""The main pod of one spawn: the pod whose end is the end of the spawn."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.domain import labels
from spawnpenny.domain.events import EventType
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.pods import status as pod_status
from spawnpenny.spawns.reporter import Reporter
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.step_view import StepView

_FIRST_PAUSE: Final = 0.5
"""Seconds before the second read: the likely cause is a short outage of the cluster."""
_CACHE_PAUSE: Final = 1.0
"""Seconds before the second look at a pod that the cluster has and the cache has not."""


@dataclass(frozen=True)
class MainPod:
    """Finds the main pod of a spawn in the cache, and follows its address."""

    context: SpawnContext

    def cached(self) -> Manifest | None:
        """Return the pod from the cache, or None."""
        ref = self.ref()
        pod = self.context.service_context.pods.get(ref.namespace, ref.name) if ref else None
        return pod if pod is not None and pod["metadata"]["uid"] == self.context.run.record.pod_uid else None

    def ref(self) -> Ref | None:
        """Refer to the pod, or return None before it exists."""
        for kind_and_name, uid in self.context.run.record.uids.items():
            kind, _, name = kind_and_name.partition("/")
            if kind == "Pod" and uid == self.context.run.record.pod_uid:
                return Ref(resource_of("Pod"), name, self.context.names.namespace)
        return None

    def url(self, pod: Manifest) -> str | None:
        """Return the URL of what runs in a Ready pod, from the first step that has one."""
        spawn = StepView(self.context).spawn()
        return next((url for step in self.context.pipeline.steps if (url := step.url(spawn, pod)) is not None), None)

    def new_url(self) -> str | None:
        """Return the URL of the running spawn if its Ready pod has another address than before, or None."""
        pod, url = self.cached(), self.context.run.record.url
        if pod is None or url is None or not pod_status.is_ready(pod) or _is_host(pod["status"].get("podIP"), url):
            return None
        try:
            found = self.url(pod)
        except Exception:
            log = structlog.get_logger("spawnpenny.spawn").bind(spawn=self.context.run.record.id)
            log.warning("the new address of a pod cannot be found", exc_info=True)
            return None
        return found if found != url else None

    def follow(self) -> bool:
        """Use a new address of the running spawn's pod, and inform the user; return whether it has one."""
        url = self.new_url()
        if url is None:
            return False
        self.context.run.record.url = url
        Reporter(self.context).emit(EventType.INFO, f"Its pod has another address now. It is reached at {url}.")
        return True

    async def confirmed(self) -> Manifest | None:
        """Return the pod once the cache has it again, or None when the cluster itself says that it is gone."""
        ref, waits = self.ref(), pauses(_CACHE_PAUSE)
        while (pod := self.cached()) is None and ref is not None and await self._exists():
            with suppress(TimeoutError):
                async with asyncio.timeout(next(waits)):
                    await self.context.service_context.pods.wait_for(
                        ref.namespace, ref.name, lambda found: found is not None
                    )
        return pod

    async def _exists(self) -> bool:
        """Read the pod from the cluster: an empty list at the wrong moment must not end a lab."""
        ref, waits = self.ref(), pauses(_FIRST_PAUSE)
        while ref is not None:
            try:
                existing = await self.context.service_context.cluster.read(ref)
            except ClusterError as error:
                if self.context.lost_its_namespace(error):
                    return False
                log = structlog.get_logger("spawnpenny.spawn")
                log.warning("it is unknown whether a pod is gone", error=error.message)
                await asyncio.sleep(next(waits))
            else:
                return (
                    existing is not None
                    and existing["metadata"]["uid"] == self.context.run.record.pod_uid
                    and not pod_status.is_lost(existing)
                )
        return False


def pods_of(context: SpawnContext, spawn_id: str) -> list[Manifest]:
    """Return the pods labelled with a spawn's id from the cache."""
    found = context.service_context.pods.within(context.names.namespace)
    return [pod for pod in found if pod["metadata"].get("labels", {}).get(labels.SPAWN) == spawn_id]


def _is_host(address: str | None, url: str) -> bool:
    """Return whether a URL leads to an address, or there is no address to compare."""
    if not address:
        return True
    try:
        return urlsplit(url).hostname == address.lower()
    except ValueError:
        return False
