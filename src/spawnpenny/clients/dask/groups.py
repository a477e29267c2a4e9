"""A cluster with worker groups. The site offers them, each with a size of its own, and users scale them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.scaled import ScaledCluster
from spawnpenny.clients.dask.sizes import DEFAULT_GROUP, Amount, WorkerSize, whole_number

_FIRST: Final = 3
"""The default number of workers in a new group, as in dask-kubernetes."""


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """A worker group of one cluster: the size and numbers of its workers.

    Attributes:
        name: Its name, and that of a resource of its workers: ``client.submit(f, resources={name: 1})``.
        label: Its title.
        description: Its purpose.
        cores: The cores of a worker.
        memory: The memory of a worker, in bytes.
        maximum: The most workers.
        desired: The desired workers.
        running: The running workers.
        pending: The workers that are starting.

    """

    name: str
    label: str
    description: str
    cores: float
    memory: int
    maximum: int
    desired: int = 0
    running: int = 0
    pending: int = 0

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> WorkerGroup:
        """Return a group from the service's answer. A newer service may send more."""
        return cls(**{field.name: answer[field.name] for field in fields(cls) if field.name in answer})


class GroupedCluster(ScaledCluster):
    """A cluster whose worker groups can be scaled one by one."""

    def scale(
        self,
        n: int | None = None,
        memory: float | str | None = None,
        cores: float | None = None,
        worker_group: str | None = None,
    ) -> Any:
        """Scale to ``n`` workers, or to as many as have this memory and these cores together.

        If fewer fit the quota, the cluster gets as many as fit, and a warning gives the numbers.

        Args:
            n: The number of workers; with ``memory`` or ``cores``, the least number.
            memory: The memory of all workers: bytes, or a text with a unit, such as ``"100 GiB"``.
            cores: The cores of all workers.
            worker_group: The worker group; None: the default one.

        """
        if n is not None and isinstance(memory, str) and memory[:1].isalpha():  # KubeCluster's second argument
            memory, worker_group = None, memory
        if worker_group is not None and not isinstance(worker_group, str):
            raise TypeError(f"worker_group is {worker_group!r}; it has to be the name of a group.")
        if worker_group is None or worker_group == DEFAULT_GROUP:
            return super().scale(n, memory, cores)
        count = 0 if n is None else whole_number(n, "n")
        if n is None and memory is None and cores is None:
            raise TypeError("scale() needs a number of workers, memory= or cores=.")
        return self._do(self._scale_group, worker_group, count, Amount(cores, memory))

    def worker_groups(self) -> Any:
        """Return the worker groups of the site by name, the default one first."""
        return self._do(self._worker_groups)

    def add_worker_group(self, name: str, n_workers: int | None = None, *, n: int | None = None, **other: Any) -> Any:
        """Add workers of a worker group that the site offers.

        Args:
            name: The name of the group.
            n_workers: The number of workers; None: 3.
            n: The same.
            other: Further arguments of KubeCluster. They are not used, as the site decides them; a warning says so.

        Raises:
            ClusterError: The site does not offer the group.

        """
        unknown = other.keys() - {"image", "resources", "worker_command", "env", "custom_spec"}
        if unknown:
            raise TypeError(f"add_worker_group() got an unexpected keyword argument {min(unknown)!r}")
        unused = sorted(key for key, value in other.items() if value is not None)
        if unused:
            self._notices.add(f"add_worker_group() does not use {', '.join(unused)}: the site decides it.")
        count = n if n_workers is None else n_workers
        return self.scale(_FIRST if count is None else count, worker_group=name)

    def delete_worker_group(self, name: str) -> Any:
        """Remove all workers of a worker group."""
        return self.scale(0, worker_group=name)

    async def _scale_group(self, group: str, count: int, amount: Amount) -> None:
        self._check_alive()
        if amount != Amount():
            offered = await self._worker_groups()
            if group not in offered:
                raise ClusterError(f"There is no worker group {group!r}. There are: {', '.join(offered)}.")
            size = WorkerSize(offered[group].cores, offered[group].memory)
            count = max([count, *amount.workers(size)])
        self._notices.add(await self._gateway.scale(self.name, count, group=group))
        await self._learn_scale()

    async def _worker_groups(self) -> Mapping[str, WorkerGroup]:
        self._check_alive()
        offered = await self._gateway.worker_groups()
        if not offered:
            raise ClusterError("The service offers no worker groups.")
        numbers = (await self._gateway.view(self.name)).get("groups") or {}
        return {group["name"]: WorkerGroup.of({**group, **numbers.get(group["name"], {})}) for group in offered}
