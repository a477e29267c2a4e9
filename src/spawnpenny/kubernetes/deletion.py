"""Wait in the cache until an object is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref

if TYPE_CHECKING:
    from spawnpenny.kubernetes.object_cache import Watched

_LAG: Final = 1.0
"""Seconds that an informer may take to see an object before the cluster is called."""


async def until_gone(cluster: Cluster, watched: Watched, ref: Ref, uid: str) -> None:
    """Return once the object of that uid is gone; the caller sets a time limit.

    The cluster is called only if the informer does not have the object: it may be gone, or too new.
    """

    def is_here(manifest: Manifest | None) -> bool:
        return manifest is not None and manifest["metadata"]["uid"] == uid

    while not is_here(watched.get(ref.namespace, ref.name)):
        if not is_here(await cluster.read(ref)):
            return
        try:
            async with asyncio.timeout(_LAG):
                await watched.wait_for(ref.namespace, ref.name, is_here)
        except TimeoutError:
            watched.doubt(ref.namespace)
    await watched.wait_for(ref.namespace, ref.name, lambda manifest: not is_here(manifest))
