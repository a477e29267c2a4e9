"""Base classes of the steps of a Dask cluster: count its pods, and check the settings and options."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal

from spawnpenny.api import (
    DEFAULT_GROUP,
    InvalidOptionError,
    Manifest,
    PlannedSpawn,
    Resources,
    SettingsError,
    Step,
    format_quantity,
    parse_quantity,
    pod_limits,
    resources_fault,
)
from spawnpenny_dask.design import Design, choose
from spawnpenny_dask.roles import Role
from spawnpenny_dask.settings import DaskSettings


class DaskStep(Step):
    """A step of a Dask cluster; ``allowed`` is the setting ``pods.allow``."""

    kinds = frozenset({"dask"})
    scope = "spawn"

    def __init__(self, settings: DaskSettings, allowed: Collection[str] = ()) -> None:
        self._settings = settings
        self._allowed = allowed

    def _design(self, spawn: PlannedSpawn) -> Design:
        return choose(spawn.options, self._settings, spawn.caller, spawn.overrides())


class PodStep(DaskStep):
    """A step that creates pods of one role. The role is the name of their main container."""

    @abstractmethod
    def _role(self, design: Design) -> Role:
        """Return the settings of this role."""

    @abstractmethod
    def _pod(self, spawn: PlannedSpawn, design: Design, group: str) -> Manifest:
        """Return a pod of this role, without the patches of plugins."""

    def _groups(self, design: Design) -> Sequence[str]:
        """Return the worker groups of the pods; the scheduler has only the default one."""
        del design
        return (DEFAULT_GROUP,)

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        """Return one pod of each group with desired workers, or one of the default group."""
        design = self._design(spawn)
        groups = [group for group in self._groups(design) if spawn.scale.of(group)] or [DEFAULT_GROUP]
        return [spawn.patched(self._pod(spawn, design, group)) for group in groups]

    def _counted(self, spawn: PlannedSpawn, group: str = DEFAULT_GROUP) -> Resources:
        """Return what one pod counts against a quota, with all its containers."""
        pod = self._pod(spawn, self._design(spawn), group)
        try:
            return pod_limits(spawn.patched(pod))
        except Exception:  # noqa: BLE001 - it is refused when it is made, with its reason; a patch may lack an earlier step
            return pod_limits(pod)

    def verify(self, spawn: PlannedSpawn, limits: Mapping[str, Decimal]) -> None:
        for place, design in _designs(self._settings):
            for group in self._groups(design):
                pod = self._pod(spawn, design, group)
                with suppress(Exception):  # a patch may not know this user: check the settings alone
                    pod = spawn.patched(pod)
                if fault := self._fault(pod, design.of(group)):
                    own = self.container if group == DEFAULT_GROUP else f"worker_groups.{group}"
                    raise SettingsError(f"By plugins.dask.{place or own} {fault}")

    def check(self, spawn: PlannedSpawn) -> None:
        design = self._design(spawn)
        for group in self._groups(design):
            if fault := self._fault(self._pod(spawn, design, group), design.of(group)):
                raise InvalidOptionError(f"With these options {fault}", field="options")

    def _fault(self, pod: Manifest, design: Design) -> str | None:
        """Return a fault of the resources: Kubernetes refuses them, or they differ from those that Dask is given."""
        for kind in ("initContainers", "containers"):
            for container in pod["spec"].get(kind) or ():
                if fault := resources_fault(container):
                    return f"the container {container['name']} has {fault}"
        (own,) = (container for container in pod["spec"]["containers"] if container["name"] == self.container)
        limits, role = (own.get("resources") or {}).get("limits") or {}, self._role(design)
        for resource, key, amount in (("cpu", "cores", role.cores), ("memory", "memory", role.memory)):
            if parse_quantity(limits.get(resource, 0)) != parse_quantity(format_quantity(amount)):
                return (
                    f"the container {self.container} has another resources.limits.{resource} than "
                    f"{format_quantity(amount)}, which Dask uses. Set {key} instead."
                )
        return None


def _designs(settings: DaskSettings) -> Iterator[tuple[str, Design]]:
    """Yield the design of a cluster by the settings, and by each choice of an option, with their places."""
    yield "", _designed(settings, {}, "image")
    for name, option in settings.options.items():
        for choice in option.choices:
            place = f"options.{name}.choices.{choice}"
            yield place, _designed(settings, {name: choice}, place)
        if option.overrides is not None:
            place = f"options.{name}.overrides"
            yield place, _designed(settings, {name: True}, place)


def _designed(settings: DaskSettings, options: Mapping[str, object], place: str) -> Design:
    try:
        return choose(options, settings, None)
    except InvalidOptionError as error:
        raise SettingsError(f"plugins.dask.{place}: {error.message}") from None
