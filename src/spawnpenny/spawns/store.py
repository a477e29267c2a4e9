"""Keep the records of users in the cluster: one Secret a user, written by compare-and-set."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from spawnpenny.aio.settle import uninterrupted
from spawnpenny.domain import labels
from spawnpenny.domain.conformity import demand_conforming
from spawnpenny.domain.names import safe_slug
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import AlreadyExistsError, ConflictError, NotFoundError
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.replicas.ownership import record_name, slug_of
from spawnpenny.spawns.errors import RecordLostError, RecordUnreadableError
from spawnpenny.spawns.record import UserRecord

PERMISSIONS: Final[Declared] = {"state": (allow("create", "get", "update", "delete", on="secrets"),)}
_KEY: Final = "record"


@dataclass(frozen=True, slots=True)
class RecordStore:
    """Writes records. ``owner`` is the identity of this replica, new at each start."""

    cluster: Cluster
    namespace: str
    installation: str
    owner: str

    async def save(self, record: UserRecord) -> None:
        """Write a record. It is stored when this returns. A cancellation does not interrupt the write.

        Raises:
            RecordLostError: Another writer wrote it meanwhile.
            UnavailableError: The cluster does not answer.

        """
        await uninterrupted(self._save(record))

    async def delete(self, record: UserRecord) -> None:
        """Delete the record of a user who has nothing. The caller holds the user's lock.

        Raises:
            RecordLostError: Another writer wrote it meanwhile.
            ClusterError: The cluster does not answer.

        """
        ref = Ref.of(self._secret(record))
        existing = await self.cluster.read(ref)
        if existing is None:
            return
        if existing["metadata"]["resourceVersion"] != record.version:
            raise RecordLostError(f"The record of {record.user.username} was written by another replica.")
        await uninterrupted(self.cluster.delete(ref, uid=existing["metadata"]["uid"]))

    async def _save(self, record: UserRecord) -> None:
        record.update_idle(time.time())
        record.sign()
        record.owner = self.owner
        try:
            stored = await self._write(record)
        except (AlreadyExistsError, ConflictError) as error:
            stored = await self._write_again(record, error)
        except NotFoundError:
            # Deleted from outside: the record in memory is the right one.
            record.version = None
            stored = await self._write(record)
        record.version = stored["metadata"]["resourceVersion"]
        record.recorded = True

    async def _write(self, record: UserRecord) -> Manifest:
        secret = self._secret(record)
        return await (self.cluster.create(secret) if record.version is None else self.cluster.replace(secret))

    async def _write_again(self, record: UserRecord, error: SpawnpennyError) -> Manifest:
        """Go on if an earlier write of the same writer arrived, although its answer was lost.

        Give up if anything else wrote the record, even another user state of this replica.
        """
        existing = await self.cluster.read(Ref.of(self._secret(record)))
        stored = read_record(existing) if existing is not None else None
        if existing is None or stored is None or not stored.is_by(record.writer_id):
            raise RecordLostError(f"The record of {record.user.username} was written by another replica.") from error
        if stored.write_id == record.write_id:
            return existing
        record.version = stored.version
        return await self._write(record)

    def _secret(self, record: UserRecord) -> Manifest:
        slug = safe_slug(record.user.username)
        text = json.dumps(record.to_json(), ensure_ascii=False, separators=(",", ":"))
        metadata = {
            "name": record_name(slug),
            "namespace": self.namespace,
            "labels": {**labels.ours(self.installation), labels.KIND: "record", labels.USER: slug},
            "annotations": {labels.USERNAME: record.user.username, labels.OWNER: self.owner},
        }
        if record.version is not None:
            metadata["resourceVersion"] = record.version
        data = {_KEY: base64.b64encode(text.encode()).decode()}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "spawnpenny.io/record",
            "metadata": metadata,
            "data": data,
        }


def username_of(secret: Manifest) -> str:
    """Return the user of a record, even of an unreadable one. The Secret's name decides, not its content."""
    slug = slug_of(secret)
    username: str = secret["metadata"].get("annotations", {}).get(labels.USERNAME, slug)
    try:
        return username if safe_slug(username) == slug else slug
    except UnicodeEncodeError:
        return slug


def may_have(secret: Manifest, kind: str) -> bool:
    """Return whether a user may have a spawn of a kind. It is much cheaper than to parse the record."""
    try:
        return f'"{kind}/'.encode() in base64.b64decode(secret["data"][_KEY])
    except (KeyError, TypeError, ValueError):
        return False  # the record cannot be read


def read_record(secret: Manifest, *, kinds: Container[str] | None = None) -> UserRecord:
    """Return the record that a Secret holds; for ``kinds`` see ``UserRecord.from_json``.

    Raises:
        RecordTooNewError: A newer spawnpenny wrote it.
        RecordUnreadableError: It is not what spawnpenny writes.

    """
    try:
        record = UserRecord.from_json(json.loads(base64.b64decode(secret["data"][_KEY])), kinds=kinds)
        _demand_sound(record, secret)
    except SpawnpennyError:
        raise
    except Exception as error:  # noqa: BLE001 - an error in one record must not affect the others
        name = secret["metadata"]["name"]
        raise RecordUnreadableError(
            f"The record {name} is not what spawnpenny writes ({type(error).__name__})."
        ) from None
    record.version = secret["metadata"]["resourceVersion"]
    record.recorded = True
    return record


def _demand_sound(record: UserRecord, secret: Manifest) -> None:
    """Refuse a record with a value of a wrong type, or of another user: it could harm other users later."""
    demand_conforming(record)
    for spawn in record.spawns.values():
        for event in spawn.log.since(None):
            demand_conforming(event)
    if safe_slug(record.user.username) != slug_of(secret):
        raise RecordUnreadableError(f"The record {secret['metadata']['name']} is of another user.")
