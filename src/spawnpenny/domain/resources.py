"""Resources that a spawn takes from a user's budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from spawnpenny.domain.quantities import format_quantity, parse_quantity


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU in cores, memory in bytes, and how many labs and Dask clusters: what counts against a quota."""

    cpu: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    labs: int = 0
    clusters: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.cpu + other.cpu, self.memory + other.memory, self.labs + other.labs, self.clusters + other.clusters
        )

    def to_json(self) -> dict[str, str | int]:
        """Return it as JSON data, with quantities as Kubernetes writes them."""
        return {
            "cpu": format_quantity(self.cpu),
            "memory": format_quantity(self.memory),
            "labs": self.labs,
            **({"clusters": self.clusters} if self.clusters else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, str | int]) -> Resources:
        """Return the resources that ``to_json`` wrote."""
        clusters = int(data.get("clusters", 0))  # written only where there are any
        return cls(parse_quantity(data["cpu"]), parse_quantity(data["memory"]), int(data["labs"]), clusters)


def total(amounts: Iterable[Resources]) -> Resources:
    return sum(amounts, start=Resources())
