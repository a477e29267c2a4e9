"""Check that replicas run, and that their versions and the schemas of the records fit together."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from spawnpenny.admin.doctor.finding import Finding, failure, few, ok, warning
from spawnpenny.domain import labels
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.spawns.errors import RecordTooNewError
from spawnpenny.spawns.record_schema import SCHEMA
from spawnpenny.spawns.store import read_record

if TYPE_CHECKING:
    from spawnpenny.admin.doctor.deployment import Deployment
    from spawnpenny.kubernetes.interface import Manifest

_CLOCKS: Final = timedelta(seconds=5)


async def check_replicas(deployment: Deployment) -> list[Finding]:
    state = deployment.settings.namespaces.state
    leases = await deployment.cluster.list(
        resource_of("Lease"), namespace=state, labels=deployment.ownership_labels("replica")
    )
    alive = [lease for lease in leases.items if _is_fresh(deployment, lease)]
    if not alive:
        message = f"No replica of the service runs: no Lease of a replica in {state} is valid."
        return [failure(message, "Check that the pods of the service run, and read their logs.")]
    versions = {(lease["metadata"].get("annotations") or {}).get(labels.VERSION, "unknown") for lease in alive}
    message = f"{len(alive)} running, spawnpenny {', '.join(sorted(versions))}"
    if len(versions) > 1:
        return [
            warning(
                f"Replicas have different versions: {message}.",
                "Wait for the rolling restart to end. If it does not end, find out why.",
            )
        ]
    if versions != {version("spawnpenny")}:
        message = f"Replicas: {message}. This doctor is {version('spawnpenny')}: its checks may be wrong for them."
        return [warning(message, "Run the doctor of the deployed version.")]
    return [ok(f"Replicas: {message}.")]


async def check_records(deployment: Deployment) -> list[Finding]:
    state = deployment.settings.namespaces.state
    records = await deployment.cluster.list(
        resource_of("Secret"), namespace=state, labels=deployment.ownership_labels("record")
    )
    schemas = {item["metadata"]["name"]: _schema(item) for item in records.items}
    unreadable = sorted(item["metadata"]["name"] for item in records.items if not _is_readable(item))
    newer = sorted(name for name, schema in schemas.items() if schema is not None and schema > SCHEMA)
    found = []
    if unreadable:
        do = f"Look at them (kubectl -n {state} get secret NAME -o yaml). Restore them from a backup, or delete them."
        found.append(failure(f"Records cannot be read: {few(unreadable)}.", do))
    if newer:
        message = f"Records were written by a newer spawnpenny. This one reads up to schema {SCHEMA}: {few(newer)}."
        found.append(failure(message, "Deploy the newer version again; docs/how-to/upgrade.md says how to go back."))
    return found or [ok(f"All records ({len(schemas)}) can be read.")]


def _is_fresh(deployment: Deployment, lease: Manifest) -> bool:
    age = deployment.age(lease)
    lasts = timedelta(seconds=(lease.get("spec") or {}).get("leaseDurationSeconds") or 0)
    return age is not None and age <= lasts + _CLOCKS


def _is_readable(secret: Manifest) -> bool:
    """Return whether a service can read a record; the reason may quote secrets, and is left out."""
    try:
        read_record(secret)
    except RecordTooNewError:
        return True
    except SpawnpennyError:
        return False
    return True


def _schema(secret: Manifest) -> int | None:
    """Return the schema of a record, and nothing else: records hold secrets."""
    try:
        schema = json.loads(base64.b64decode(secret["data"]["record"]))["schema"]
    except (KeyError, TypeError, ValueError):
        return None
    return schema if isinstance(schema, int) else None
