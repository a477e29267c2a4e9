"""The design of a cluster: the settings, combined with a user's options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from spawnpenny.api import DEFAULT_GROUP, SCHEDULER, WORKER, Caller, InvalidOptionError, overlaid
from spawnpenny_dask.groups import GroupSettings
from spawnpenny_dask.overrides import Overrides, checked_environment, load_overrides
from spawnpenny_dask.roles import Role, WorkerRole
from spawnpenny_dask.settings import DaskSettings

_ROLES: Final = (SCHEDULER, WORKER)
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,999}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Design:
    """The design of one cluster: image, pods, the user's own variables (which may be secret), and idle timeout."""

    image: str
    scheduler: Role
    worker: WorkerRole
    idle_timeout: float
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    groups: Mapping[str, GroupSettings] = field(default_factory=dict)
    group_threads: int | None = None
    """The threads of a group that sets none, without the default of an option, which is for the default cores."""

    @property
    def group_names(self) -> tuple[str, ...]:
        return (DEFAULT_GROUP, *self.groups)

    def of(self, group: str) -> Design:
        """Return the design for the workers of a group."""
        if group == DEFAULT_GROUP:
            own = {DEFAULT_GROUP: float(self.worker.nthreads)} if self.groups else {}
            return replace(self, worker=replace(self.worker, resources={**own, **self.worker.resources}))
        settings = self.groups[group]
        usual = replace(self.worker, threads=self.group_threads)
        return replace(self, image=settings.image or self.image, worker=settings.role(group, usual))


def choose(
    options: Mapping[str, Any],
    settings: DaskSettings,
    caller: Caller | None,
    overrides: Sequence[tuple[str, Mapping[str, Any]]] = (),
) -> Design:
    """Return the design of a cluster with these options. Options of other plugins have no effect.

    ``overrides`` are the names of plugins, with the settings that their hooks override for the user.

    Raises:
        SettingsError: The hook of a plugin overrides a setting that it cannot.
        InvalidOptionError: The image or the environment is invalid.

    """
    image = settings.image or (caller.image if caller else settings.fallback_image)
    design = Design(
        image,
        settings.scheduler,
        settings.worker,
        settings.idle_timeout,
        groups=settings.worker_groups,
        group_threads=settings.worker.threads,
    )
    defaults = {offered.name: offered.default for offered in settings.offered()}
    for name, option in settings.options.items():
        if name in options:
            is_default = option.sets is not None and options[name] == defaults[name]
            design = _overridden(design, option.overrides_of(options[name]), is_default=is_default)
    for plugin, override in overrides:
        design = _overridden(design, load_overrides(plugin, override))
    if not _IMAGE.fullmatch(design.image):
        raise InvalidOptionError("The image has to be the name of an image.", field="options.image")
    return replace(design, environment=checked_environment(design.environment))


def _overridden(design: Design, over: Overrides, *, is_default: bool = False) -> Design:
    given = {setting.name: getattr(over, setting.name) for setting in fields(Overrides)}
    roles: dict[str, Any] = {}
    for role in _ROLES:
        existing = getattr(design, role)
        keys = {key.removeprefix(f"{role}_"): value for key, value in given.items() if key.startswith(f"{role}_")}
        overlaid_fields = {
            key: overlaid(getattr(existing, key), value) if isinstance(value, Mapping) else value
            for key, value in keys.items()
            if value is not None
        }
        roles[role] = replace(existing, **overlaid_fields)
    threads = None if is_default else over.worker_threads
    return Design(
        groups=design.groups,
        group_threads=design.group_threads if threads is None else threads,
        image=over.image or design.image,
        idle_timeout=design.idle_timeout if over.idle_timeout is None else over.idle_timeout,
        environment={**design.environment, **over.environment},
        **roles,
    )
