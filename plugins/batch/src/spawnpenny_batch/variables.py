"""Variables of a job's caller, as secrets of the spawn: they are removed from all that its program wrote."""

from __future__ import annotations

from typing import Final

from spawnpenny.api import InvalidOptionError, PlannedSpawn

MOST_BYTES: Final = 16 * 1024
"""How large the caller's variables may be: until the job runs, the record has them twice."""
_PREFIX: Final = "batch.env."


def check_variables(spawn: PlannedSpawn) -> None:
    """Refuse variables that the record has no room for.

    Raises:
        InvalidOptionError: They are too large.

    """
    if sum(len(f"{name}{value}".encode("utf-8", "surrogatepass")) for name, value in spawn.env.items()) > MOST_BYTES:
        raise InvalidOptionError(f"The variables of a job have at most {MOST_BYTES} bytes together.", field="env")


def secret_variables(spawn: PlannedSpawn) -> dict[str, str]:
    """Return the secrets to keep of a new spawn."""
    return {f"{_PREFIX}{name}": value for name, value in spawn.env.items()}


def variable_names(spawn: PlannedSpawn) -> list[str]:
    """Return the names of the variables of its caller."""
    return sorted(name.removeprefix(_PREFIX) for name in spawn.secrets if name.startswith(_PREFIX))
