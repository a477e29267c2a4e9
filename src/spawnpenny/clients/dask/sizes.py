"""Numbers of workers, computed from cores or memory of all of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dask.utils import parse_bytes

from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.units import LEAST_CORES, LEAST_MEMORY, out_of_unit
from spawnpenny.clients.dask.units import number as number_of

DEFAULT_GROUP: Final = "default"
_DECIDES: Final = frozenset({"select", "bool"})
"""Types of options that may set anything: the size of a worker is then unknown before it runs."""


@dataclass(frozen=True, slots=True)
class WorkerSize:
    """The size of one worker; None: unknown."""

    cores: float | None = None
    memory: float | None = None

    @classmethod
    def running(cls, workers: Iterable[Mapping[str, Any]], *, grouped: bool) -> WorkerSize | None:
        """Return the size of a running worker of the default group; None if none runs.

        Args:
            workers: The scheduler's information about the workers.
            grouped: Whether the site has several groups. Each worker then has its group among its resources.

        """
        for worker in workers:
            if not grouped or DEFAULT_GROUP in (worker.get("resources") or {}):
                return cls(worker.get("nthreads") or None, worker.get("memory_limit") or None)
        return None

    def with_memory_of(self, nominal: WorkerSize) -> WorkerSize:
        """Return this size with the nominal memory, which includes the nanny's part."""
        least, most = self.memory or 0, nominal.memory or 0
        return WorkerSize(self.cores, nominal.memory if most / 2 <= least <= most else self.memory)

    @classmethod
    def chosen(
        cls, fields: Sequence[Mapping[str, Any]], options: Mapping[str, Any], usual: WorkerSize | None = None
    ) -> WorkerSize:
        """Return the size of a worker by the options of a cluster.

        Args:
            fields: The site's options.
            options: The chosen values.
            usual: The size of a worker without options.

        """
        found = {}
        for field in fields:
            name = field["field"]
            value = number_of(name, options.get(name, field["default"]), field)
            if name.startswith("worker_") and value and isinstance(value, int | float):
                found[name] = out_of_unit(value, name, field)
        if usual is None or any((field.get("spec") or {}).get("type") in _DECIDES for field in fields):
            usual = cls()
        return cls(
            found.get("worker_threads") or found.get("worker_cores") or usual.cores,
            found.get("worker_memory") or usual.memory,
        )


@dataclass(frozen=True, slots=True)
class Amount:
    """Cores and memory of all workers together; None: any."""

    cores: float | None = None
    memory: float | str | None = None

    def workers(self, size: WorkerSize, *, at_most: bool = False) -> list[int]:
        """Return the numbers of workers for cores and memory: with at least, or at most, this amount.

        Raises:
            ClusterError: The size of a worker is unknown.
            TypeError: An amount is no number.
            ValueError: An amount is invalid, or too little to be meant.

        """
        whole = math.floor if at_most else math.ceil
        found = []
        for what, amount, of_one in (
            ("cores", None if self.cores is None else _cores(self.cores), size.cores),
            ("memory", None if self.memory is None else _bytes(self.memory), size.memory),
        ):
            if amount is None:
                continue
            if not of_one:
                raise ClusterError(f"The size of a worker ({what}) is unknown. Pass a number of workers: scale(n).")
            found.append(whole(amount / of_one))
        return found


def whole_number(value: Any, name: str) -> int:
    """Return a number of workers as an int, also from NumPy's integers and floats without a fraction.

    Raises:
        TypeError: The value is no whole number.
        ValueError: The number is negative.

    """
    try:
        number = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; it has to be a whole number of workers.") from None
    if number < 0:
        raise ValueError(f"{name} is {number}; it cannot be less than 0.")
    return number


def bound(value: Any, name: str) -> int | None:
    """Return a bound of workers as an int; None for None or infinity."""
    return None if value is None or value == math.inf else whole_number(value, name)


def bounded(amount: Any) -> Any:
    """Return an upper bound of cores or memory; None for None or infinity."""
    return None if amount == math.inf else amount


def _cores(cores: float) -> float:
    found = _number(cores, "cores")
    if 0 < found < LEAST_CORES:
        raise ValueError(f"cores is {cores!r}; it has to be 0, or {LEAST_CORES:g} or more.")
    return found


def _bytes(memory: float | str) -> float:
    found = _parsed(memory)
    if 0 < found < LEAST_MEMORY:
        raise ValueError(f"memory is {memory!r}, which is less than 1 MiB. Write it with a unit, such as '4 GiB'.")
    return found


def _parsed(memory: float | str) -> float:
    if not isinstance(memory, str):
        return _number(memory, "memory")
    try:
        return _number(float(parse_bytes(memory)), "memory")
    except (ValueError, OverflowError):
        raise ValueError(
            f"memory is {memory!r}; it has to be an amount of memory, such as '4 GiB'. "
            "Pass a worker group as worker_group=."
        ) from None


def _number(value: Any, name: str) -> float:
    """Return a finite number that is not negative.

    Raises:
        TypeError: The value is no number.
        ValueError: The number is negative or infinite.

    """
    if isinstance(value, str) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} is {value!r}; it has to be a number.")
    found = float(value)
    if not math.isfinite(found) or found < 0:
        raise ValueError(f"{name} is {value!r}; it has to be a number that is not less than 0.")
    return found
