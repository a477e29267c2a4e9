"""Numbers of workers, from the cores or the memory that they have together."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dask.utils import parse_bytes

from spawnpenny.clients.dask.errors import ClusterError

_GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class WorkerSize:
    """What one worker has; None where that is not known."""

    cores: float | None = None
    memory: float | None = None

    @classmethod
    def of(cls, workers: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any]) -> WorkerSize:
        """Return the size of the workers that run, or else the one that the cluster's options say.

        Args:
            workers: The workers, as the scheduler knows them.
            options: The values of the cluster's options. Memory is in GiB where it is a number.

        """
        worker = next(iter(workers.values()), None)
        if worker is not None:
            return cls(worker.get("nthreads") or None, worker.get("memory_limit") or None)
        memory = options.get("worker_memory")
        return cls(
            options.get("worker_threads") or options.get("worker_cores") or None,
            (parse_bytes(memory) if isinstance(memory, str) else memory * _GIB) if memory else None,
        )


@dataclass(frozen=True, slots=True)
class Amount:
    """Cores and memory of all workers together; None where it does not matter."""

    cores: float | None = None
    memory: float | str | None = None

    def workers(self, size: WorkerSize, *, at_most: bool = False) -> list[int]:
        """Return how many workers have that: at least so much, or at most, for cores and memory.

        Raises:
            ClusterError: The size of a worker is not known.

        """
        whole = math.floor if at_most else math.ceil
        found = []
        for what, amount, of_one in (
            ("cores", self.cores, size.cores),
            ("memory", None if self.memory is None else _bytes(self.memory), size.memory),
        ):
            if amount is None:
                continue
            if not of_one:
                raise ClusterError(f"It is not known how much {what} a worker has: say how many workers, scale(n).")
            found.append(whole(amount / of_one))
        return found


def whole_number(value: Any, name: str) -> int:
    """Return a number of workers as an int; NumPy's integers and floats without a fraction are such numbers, too.

    Raises:
        TypeError: It is no number.
        ValueError: It is none of workers.

    """
    try:
        number = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; it has to be a whole number of workers.") from None
    if number < 0:
        raise ValueError(f"{name} is {number}; it cannot be less than 0.")
    return number


def bound(value: Any, name: str) -> int | None:
    """Return a bound of workers as an int; None where there is none, as infinity says as well."""
    return None if value is None or value == math.inf else whole_number(value, name)


def _bytes(memory: float | str) -> float:
    try:
        return float(parse_bytes(memory))
    except ValueError:
        raise ValueError(
            f"{memory!r} is no amount of memory, such as '4 GiB'. A worker group is named by worker_group=."
        ) from None
