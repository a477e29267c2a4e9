"""Resources that a spawn takes from a user's budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from spawnpenny.domain.quantities import format_quantity, parse_quantity


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU in cores, memory in bytes, and the number of spawns by kind: what counts against a quota.

    Steps return CPU and memory. The service counts the spawns itself, whatever their kind.
    """

    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    spawns: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __add__(self, other: Resources) -> Resources:
        spawns = Counter(self.spawns) + Counter(other.spawns)
        return Resources(self.cpu + other.cpu, self.memory + other.memory, dict(spawns))

    def count(self, kind: str) -> int:
        """Return the number of spawns of a kind."""
        return self.spawns.get(kind, 0)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data, with quantities as Kubernetes writes them."""
        return {
            "cpu": format_quantity(self.cpu),
            "memory": format_quantity(self.memory),
            "spawns": {kind: count for kind, count in self.spawns.items() if count},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Resources:
        """Return the resources that ``to_json`` wrote."""
        spawns = {str(kind): int(count) for kind, count in data["spawns"].items()}
        return cls(parse_quantity(data["cpu"]), parse_quantity(data["memory"]), spawns)


def total(amounts: Iterable[Resources]) -> Resources:
    return sum(amounts, start=Resources())
