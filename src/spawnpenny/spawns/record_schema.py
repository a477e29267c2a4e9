"""The schema of records: its version, and the upgrade from the version before.

A newer schema is refused, so that an older replica never adopts the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.spawns.errors import RecordTooNewError, RecordUnreadableError

SCHEMA: Final = 7
"""The schema that this version writes. It also reads the one before, which lacks the phase ``succeeded`` alone."""
ORIGIN_FIELDS: Final[Mapping[str, str]] = {"by": "started_by", "own": "started_as_user", "vouched": "uid_verified"}
"""The fields of a pod's origin annotation that were renamed: old name to new name."""


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
    return {**data, "schema": SCHEMA}


def renamed(data: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """Return JSON with old names of fields replaced by their new ones."""
    return {fields.get(name, name): value for name, value in data.items()}
