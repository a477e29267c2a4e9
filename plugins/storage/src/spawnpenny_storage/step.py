"""The step ``storage``: create a volume claim before the lab. Only a purge deletes it, never an undo."""

from __future__ import annotations

import asyncio
import math
from typing import Final

from spawnpenny.api import (
    LAB_LABEL,
    ClusterError,
    InvalidNameError,
    Manifest,
    PlannedSpawn,
    QuotaExceededError,
    Severity,
    Spawn,
    Step,
    StorageKeptError,
    allow,
    format_quantity,
    parse_quantity,
    pauses,
)
from spawnpenny_storage.errors import StorageInUseError, StorageNotOursError
from spawnpenny_storage.objects import LAB_NAME, claim, claim_name, mounts, owner
from spawnpenny_storage.settings import ONE_POD, StorageSettings, is_claim_name

KINDS: Final = frozenset({"lab", "batch"})
"""The kinds with storage: labs, and what belongs to a lab."""
_CLAIM: Final = "PersistentVolumeClaim"
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0


class StorageStep(Step):
    """Create the volume claim of a lab, or of its user."""

    name = "storage"
    kinds = KINDS
    scope = "user"
    needs = frozenset({"namespace"})
    before = KINDS
    deadline = math.inf  # it waits for the deletion of an earlier claim as long as the spawn does

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        deletes = settings.per == "lab" and not settings.retain  # one for all labs goes with the user's namespace
        verbs = ("create", "get", *(("patch",) if settings.expand else ()), *(("delete",) if deletes else ()))
        claims = allow(*verbs, on="persistentvolumeclaims")
        self.permissions = (claims, allow("list", on="pods")) if deletes else (claims,)

    def check(self, spawn: PlannedSpawn) -> None:
        name, modes = claim_name(spawn.as_lab(), self._settings), self._settings.access_modes
        if not is_claim_name(name):
            raise InvalidNameError(
                f"The names of user and lab give the volume claim the name {name!r}, which Kubernetes does not allow."
            )
        if ONE_POD in modes and self._is_in_use(spawn):
            raise StorageInUseError("Only one lab at a time can have the storage, and another one runs. Stop it first.")

    def _is_in_use(self, spawn: PlannedSpawn) -> bool:
        """Return whether a pod is known to have the claim that this spawn needs."""
        if self._settings.per == "user":
            return any(spawn.resources_in_use.count(kind) for kind in KINDS)
        return spawn.kind != "lab" and spawn.caller is not None  # the lab that requested it has the claim

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [claim(spawn.as_lab(), self._settings)]

    def fingerprint(self, spawn: Spawn) -> str:
        # Another lab has another claim, and a deleted claim has to be created again: every spawn looks.
        return spawn.id

    async def apply(self, spawn: Spawn) -> None:
        existing = await self._had(spawn)
        if self._settings.expand:
            await self._expand(spawn, existing)

    async def purge(self, spawn: Spawn) -> None:
        if spawn.kind != "lab":
            return  # its storage is its lab's
        name = claim_name(spawn, self._settings)
        existing = await spawn.cluster.read(_CLAIM, name)
        if existing is None:
            return
        if kept := self._kept(spawn, existing):
            raise StorageKeptError(f"The volume claim {name} is kept: {kept}")
        holders = sorted(pod["metadata"]["name"] for pod in await spawn.cluster.list("Pod") if mounts(pod, name))
        if holders:
            raise StorageKeptError(f"The volume claim {name} is kept: it is mounted by {', '.join(holders)}.")
        await spawn.cluster.discard(_CLAIM, name, labels=owner(spawn, self._settings))
        await self._gone(spawn, existing)
        spawn.notify(f"The volume claim {name} is deleted.")

    async def _had(self, spawn: Spawn) -> Manifest:
        """Return the claim, and create it if it does not exist."""
        (desired,) = self.manifests(spawn)
        name = desired["metadata"]["name"]
        while (existing := await spawn.cluster.read(_CLAIM, name)) is not None:
            self._refuse_foreign(spawn, existing)
            if "deletionTimestamp" not in existing["metadata"]:
                return existing
            spawn.notify(f"The volume claim {name} is being deleted. The lab waits until it is gone.")
            await self._gone(spawn, existing)
        return await spawn.cluster.ensure(desired, patch=False)

    def _refuse_foreign(self, spawn: Spawn, existing: Manifest) -> None:
        name = existing["metadata"]["name"]
        if not spawn.cluster.is_ours(existing):
            labels = ", ".join(f"{key}={value}" for key, value in spawn.cluster.ownership_labels.items())
            raise StorageNotOursError(
                f"The volume claim {name} was not created for this user, so it is not mounted. "
                f"To have it mounted, an administrator gives it the labels {labels}."
            )
        if (lab := _lab(existing)) is not None and not self._is_of(spawn, existing):
            raise StorageNotOursError(
                f"The volume claim {name} belongs to the lab {lab or 'without a name'!r} alone. "
                f"To share it with all labs, an administrator removes its label {LAB_LABEL}."
            )

    def _is_of(self, spawn: Spawn, existing: Manifest) -> bool:
        """Return whether a claim belongs to this lab alone, or to the lab that this spawn belongs to."""
        lab = spawn.as_lab()
        named = (existing["metadata"].get("annotations") or {}).get(LAB_NAME, lab.name)
        return self._settings.per == "lab" and _lab(existing) == lab.names.lab and named == lab.name

    def _kept(self, spawn: Spawn, existing: Manifest) -> str:
        """Return why a claim is kept when this lab is purged, or an empty text."""
        if not spawn.cluster.is_ours(existing):
            return "it was not made for this user."
        if self._settings.per == "user" or _lab(existing) is None:
            return "it is for all labs of the user, and goes when the user is retired with purge=storage."
        if not self._is_of(spawn, existing):
            return "it is another lab's."
        return "the setting plugins.storage.retain keeps all." if self._settings.retain else ""

    async def _expand(self, spawn: Spawn, existing: Manifest) -> None:
        """Expand a claim to the size in the settings; never shrink it, and never fail a lab for that."""
        requests, desired = existing["spec"]["resources"].get("requests") or {}, self._settings.capacity
        if parse_quantity(requests.get("storage", "0")) >= desired:
            return
        size = format_quantity(desired)
        try:
            await spawn.cluster.change(existing, {"spec": {"resources": {"requests": {"storage": size}}}})
        except (ClusterError, QuotaExceededError) as error:
            message = f"The storage stays at {requests.get('storage')}, as it cannot grow to {size}: {error.title}."
            spawn.notify(message, Severity.WARNING)

    async def _gone(self, spawn: Spawn, existing: Manifest) -> None:
        """Wait until a claim that is being deleted is gone: it stays while a pod mounts it."""
        name, waits = existing["metadata"]["name"], pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while (now := await spawn.cluster.read(_CLAIM, name)) is not None:
            if now["metadata"]["uid"] != existing["metadata"]["uid"]:
                return
            await asyncio.sleep(next(waits))


def _lab(existing: Manifest) -> str | None:
    """Return the slug of the lab that a claim belongs to, or None if all of the user's labs share it."""
    lab: str | None = (existing["metadata"].get("labels") or {}).get(LAB_LABEL)
    return lab
