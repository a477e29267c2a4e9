"""The schema of records: its version, and the upgrade from the version before.

A newer schema is refused, so that an older replica never adopts the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.spawns.errors import RecordTooNewError, RecordUnreadableError

SCHEMA: Final = 6
"""The schema that this version writes. It also reads the one before."""
USER_FIELDS: Final[Mapping[str, str]] = {"vouched": "uid_verified", "written": "write_id"}
"""The fields of a user that schema 6 renamed: old name to new name."""
SPAWN_FIELDS: Final[Mapping[str, str]] = {
    "asks": "resources",
    "by": "started_by",
    "own": "started_as_user",
    "pod": "pod_uid",
}
"""The fields of a spawn that schema 6 renamed."""
ORIGIN_FIELDS: Final[Mapping[str, str]] = {"by": "started_by", "own": "started_as_user", "vouched": "uid_verified"}
"""The fields of a pod's origin annotation that were renamed with schema 6."""


def upgraded(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the JSON of a record in the present schema.

    Raises:
        RecordTooNewError: A newer version wrote it.
        RecordUnreadableError: The schema is older than the one before this one.

    """
    schema = data["schema"]
    if schema < SCHEMA - 1:
        raise RecordUnreadableError(f"The record has schema {schema}; this spawnpenny reads from {SCHEMA - 1}.")
    if schema > SCHEMA:
        raise RecordTooNewError(f"The record has schema {schema}; this spawnpenny reads up to {SCHEMA}.")
    if schema == SCHEMA:
        return data
    return {
        **renamed(data, USER_FIELDS),
        "schema": SCHEMA,
        "spawns": [renamed(spawn, SPAWN_FIELDS) for spawn in data["spawns"]],
    }


def renamed(data: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """Return JSON with old names of fields replaced by their new ones."""
    return {fields.get(name, name): value for name, value in data.items()}
