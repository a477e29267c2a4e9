"""Groups of workers of a spawn, each with its own size and place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spawnpenny.domain.spawns import DEFAULT_GROUP
from spawnpenny.domain.suggestions import listed, shortened
from spawnpenny.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """A worker group: cores and bytes of one worker, and the largest number of workers."""

    name: str
    cores: float
    memory: int
    maximum: int
    label: str = ""
    description: str = ""


def group_names(groups: Iterable[WorkerGroup]) -> list[str]:
    """Return the names of the groups, first the default one, which every spawn with workers has."""
    return [DEFAULT_GROUP, *(group.name for group in groups if group.name != DEFAULT_GROUP)]


def check_group(name: str | None, groups: Sequence[WorkerGroup]) -> str:
    """Return the name of an existing group; None stands for the default one.

    Raises:
        InvalidRequestError: There is no such group.

    """
    names = group_names(groups)
    if name is not None and name not in names:
        raise InvalidRequestError(
            f"There is no worker group {shortened(name)!r}. There are: {listed(names)}.", field="group"
        )
    return name or DEFAULT_GROUP
