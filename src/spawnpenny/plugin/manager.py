"""Find, check and load the plugins that the settings name, and give each hook its type. No module-level manager."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy
import structlog

from spawnpenny.auth.identity import Authenticator
from spawnpenny.domain.cluster_options import ClusterOption
from spawnpenny.domain.forms import FormField, check_form
from spawnpenny.domain.spawns import Kind
from spawnpenny.domain.users import User
from spawnpenny.domain.worker_groups import WorkerGroup
from spawnpenny.errors import PluginError, SpawnpennyError
from spawnpenny.pipeline.order import Ordered, order
from spawnpenny.pipeline.step import Step
from spawnpenny.pipeline.validation import check_name
from spawnpenny.plugin import built_in
from spawnpenny.plugin import spec as plugin_spec
from spawnpenny.settings.model import PLUGIN_GROUP

if TYPE_CHECKING:
    from spawnpenny.domain.events import Event
    from spawnpenny.domain.spawns import Key
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.pipeline.spawn import PlannedSpawn
    from spawnpenny.settings.model import Settings

_BUILT_IN: Mapping[str, object] = {"spawnpenny.tokens": built_in}
"""Plugins that are always there. No plugin that the settings name can have a dot in its name."""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """An installed plugin: its name, the distribution that brings it, whether it is loaded, and its steps."""

    name: str
    distribution: str
    version: str
    module: str
    loaded: bool
    steps: tuple[str, ...] = ()


class Plugins:
    """The loaded plugins. Each hook is one typed method; nobody else calls pluggy."""

    def __init__(self, manager: pluggy.PluginManager, settings: Settings, installed: Sequence[EntryPoint]) -> None:
        self._manager = manager
        self._settings = settings
        self._installed = installed
        self._steps: dict[str, tuple[Step, ...]] = {}
        for name, result in self._each("spawnpenny_steps", settings=settings):
            self._steps[name] = tuple(_checked(name, "spawnpenny_steps", result, Step))
            for step in self._steps[name]:
                check_name(step, name)
        self._authenticators = [
            each
            for name, result in self._each("spawnpenny_authenticators", settings=settings)
            for each in _checked(name, "spawnpenny_authenticators", result, Authenticator)
        ]
        self._settings = settings
        somebody = User("somebody", settings.users.uid, settings.users.gid)
        self.form(somebody)
        self.cluster_options(somebody)
        self.worker_groups()
        self._refuse_unread(settings)
        absent = {entry.name for entry in installed if not manager.has_plugin(entry.name)}
        self._pipelines = {kind: order(self.steps, kind, origin=self.origin, absent=absent) for kind in Kind}
        self._rank = self._ranks()
        self._log = structlog.get_logger("spawnpenny.plugins")

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for steps in self._steps.values() for step in steps)

    @property
    def origin(self) -> Mapping[str, str]:
        """The plugin of each step, by the step's name."""
        return {step.name: plugin for plugin, steps in self._steps.items() for step in steps}

    @property
    def pipelines(self) -> Mapping[Kind, Ordered]:
        return self._pipelines

    def provides(self, kind: Kind) -> bool:
        """Return whether a plugin makes spawns of a kind: it has a step for them alone."""
        return any(step.scope == "spawn" for step in self._pipelines[kind].steps)

    @property
    def authenticators(self) -> Sequence[Authenticator]:
        return self._authenticators

    def pod_patches(self, spawn: PlannedSpawn, pod: Manifest) -> list[tuple[str, Manifest]]:
        """Return what each plugin adds to a pod, in the order of their steps."""
        asked = self._each("spawnpenny_pod_patch", spawn=spawn, pod=pod, settings=self._settings)
        found = [(name, patch) for name, patch in asked if patch]
        return sorted(found, key=lambda each: (self._rank.get(each[0], len(self._rank)), each[0]))

    def form(self, user: User) -> tuple[FormField, ...]:
        """Return the fields of the form for a user, of all plugins by their names.

        Raises:
            PluginError: A plugin's fields are none, or do not fit together with another's.

        """
        form: dict[str, tuple[FormField, ...]] = {}
        for name, result in self._each("spawnpenny_form", user=user, settings=self._settings):
            form[name] = tuple(_checked(name, "spawnpenny_form", result, FormField))
            _refuse_same_field(form, name)
            try:
                check_form(form[name])
                check_form(field for fields in form.values() for field in fields)
            except ValueError as error:
                raise PluginError(f"The form of the plugin {name!r} cannot be shown: {error}.") from None
        return tuple(field for fields in form.values() for field in fields)

    def cluster_options(self, user: User) -> tuple[ClusterOption, ...]:
        """Return what a user may choose for a Dask cluster, of all plugins by their names.

        Raises:
            PluginError: A plugin's options are none, two have one name, or a default is not one of its option.

        """
        found: dict[str, ClusterOption] = {}
        for name, result in self._each("spawnpenny_cluster_options", user=user, settings=self._settings):
            for option in _checked(name, "spawnpenny_cluster_options", result, ClusterOption):
                if option.name in found:
                    raise PluginError(
                        f"The plugin {name!r} has a cluster option {option.name!r} that there is already."
                    )
                _check_default(name, option)
                found[option.name] = option
        return tuple(found.values())

    def cluster_overrides(self, user: User, options: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        """Return what each plugin sets of a Dask cluster for a user, by the plugins' names.

        Raises:
            PluginError: A plugin's hook fails, or returns something else than a mapping.

        """
        found = []
        for name, result in self._each(
            "spawnpenny_cluster_overrides", user=user, options=options, settings=self._settings
        ):
            if result is not None and not isinstance(result, Mapping):
                raise PluginError(
                    f"The hook spawnpenny_cluster_overrides of the plugin {name!r} has to return a mapping or None."
                )
            found += [(name, result)] if result else []
        return found

    def worker_groups(self) -> tuple[WorkerGroup, ...]:
        """Return the groups of workers that a Dask cluster may have, of all plugins by their names.

        Raises:
            PluginError: A plugin's groups are none, or two have one name.

        """
        found: dict[str, WorkerGroup] = {}
        for name, result in self._each("spawnpenny_worker_groups", settings=self._settings):
            for group in _checked(name, "spawnpenny_worker_groups", result, WorkerGroup):
                if group.name in found:
                    raise PluginError(f"The plugin {name!r} has a worker group {group.name!r} that there is already.")
                found[group.name] = group
        return tuple(found.values())

    def observe(self, username: str, key: Key, event: Event) -> None:
        """Notify every observer; an error that one raises is logged and dropped."""
        for impl in self._manager.hook.spawnpenny_observe.get_hookimpls():
            try:
                impl.function(*[{"username": username, "key": key, "event": event}[name] for name in impl.argnames])
            except Exception:  # noqa: BLE001 - an observer cannot harm a spawn
                self._log.warning("an observer failed", plugin=impl.plugin_name, exc_info=True)

    @contextmanager
    def observed_by(self, name: str, observer: object) -> Iterator[None]:
        """Notify an object with the hook ``spawnpenny_observe`` too, as long as the context lasts."""
        _register(self._manager, name, observer)
        try:
            yield
        finally:
            self._manager.unregister(observer)

    def infos(self) -> list[PluginInfo]:
        """Return all installed plugins, loaded or not, by name."""
        return [
            PluginInfo(
                name=entry.name,
                distribution=entry.dist.name if entry.dist else "unknown",
                version=entry.dist.version if entry.dist else "unknown",
                module=entry.value,
                loaded=self._manager.has_plugin(entry.name),
                steps=tuple(step.name for step in self._steps.get(entry.name, ())),
            )
            for entry in self._installed
        ]

    def _each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        for impl in sorted(getattr(self._manager.hook, hook).get_hookimpls(), key=_place):
            yield impl.plugin_name, _called(impl, hook, arguments)

    def _ranks(self) -> dict[str, int]:
        ranks: dict[str, int] = {}
        for pipeline in self._pipelines.values():
            for step in pipeline.steps:
                ranks.setdefault(self.origin[step.name], len(ranks))
        return ranks

    @staticmethod
    def _refuse_unread(settings: Settings) -> None:
        unread = settings.unread()
        if unread:
            raise PluginError(
                f"The settings have a section for {', '.join(unread)}, but that plugin reads no settings."
            )


def load_plugins(settings: Settings, *, extra: Mapping[str, object] | None = None) -> Plugins:
    """Load the plugins that the settings name, and resolve their order.

    Args:
        settings: Their ``plugins`` names which ones.
        extra: Further plugins, modules or objects, by name: for tests and for embedding.

    Raises:
        PluginError: A plugin is not installed, is installed twice, cannot be imported, has a hook that there
            is not, or the steps do not fit together.
        SettingsError: A plugin's section is wrong.

    """
    manager = pluggy.PluginManager(plugin_spec.PROJECT)
    manager.add_hookspecs(plugin_spec)
    extra = extra or {}
    installed = sorted(entry_points(group=PLUGIN_GROUP), key=lambda entry: entry.name)
    _refuse_twice(installed)
    by_name = {entry.name: entry for entry in installed}
    for name in settings.plugins:
        if name not in extra:
            _register(manager, name, _import(by_name, name))
    for name, plugin in {**_BUILT_IN, **extra}.items():
        _register(manager, name, plugin)
    _refuse_misspelt(manager)
    _refuse_async(manager)
    return Plugins(manager, settings, installed)


def plugin_problems(settings: Settings) -> list[str]:
    """Return what is wrong with each plugin by itself, its section of the settings first, of all plugins at once."""
    installed = {entry.name: entry for entry in entry_points(group=PLUGIN_GROUP)}
    problems: dict[str, None] = {}
    for name in settings.plugins:
        manager = pluggy.PluginManager(plugin_spec.PROJECT)
        manager.add_hookspecs(plugin_spec)
        try:
            _register(manager, name, _import(installed, name))
            _refuse_misspelt(manager)
        except SpawnpennyError as error:
            problems[error.message] = None
            continue
        problems |= dict.fromkeys(_hook_problems(manager, settings))
    return list(problems)


def _hook_problems(manager: pluggy.PluginManager, settings: Settings) -> Iterator[str]:
    user = User("somebody", settings.users.uid, settings.users.gid)
    for hook in (
        "spawnpenny_steps",
        "spawnpenny_authenticators",
        "spawnpenny_form",
        "spawnpenny_cluster_options",
        "spawnpenny_worker_groups",
    ):
        for impl in getattr(manager.hook, hook).get_hookimpls():
            try:
                _called(impl, hook, {"settings": settings, "user": user})
            except SpawnpennyError as error:
                yield error.message


def _import(by_name: Mapping[str, EntryPoint], name: str) -> object:
    if name not in by_name:
        nearest = difflib.get_close_matches(name, by_name, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise PluginError(
            f"The settings name a plugin {name!r}, but no installed distribution provides it "
            f"(installed: {', '.join(by_name) or 'none'}).{hint}"
        )
    try:
        return by_name[name].load()
    except Exception as error:
        raise PluginError(f"The plugin {name!r} cannot be imported: {error}") from error


def _register(manager: pluggy.PluginManager, name: str, plugin: object) -> None:
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"The plugin {name!r} has a hook that does not fit: {error}") from None
    if not manager.get_hookcallers(plugin):
        raise PluginError(f"The plugin {name!r} has no hook: each needs the decorator @hookimpl.")


def _refuse_twice(installed: Iterable[EntryPoint]) -> None:
    seen: dict[str, EntryPoint] = {}
    for entry in installed:
        other = seen.setdefault(entry.name, entry)
        if other is not entry and other.value != entry.value:
            names = sorted(each.dist.name if each.dist else "unknown" for each in (other, entry))
            raise PluginError(f"Two distributions provide a plugin {entry.name!r}: {' and '.join(names)}.")


def _refuse_misspelt(manager: pluggy.PluginManager) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        plugin = manager.get_name(error.plugin) or "unknown"
        known = sorted(name for name in vars(plugin_spec) if name.startswith("spawnpenny_"))
        wrong = [caller.name for caller in manager.get_hookcallers(error.plugin) or () if caller.name not in known]
        nearest = difflib.get_close_matches(wrong[0], known, n=1) if wrong else []
        hint = f"Did you mean {nearest[0]}?" if nearest else f"There are {', '.join(known)}."
        raise PluginError(f"The plugin {plugin!r} has a hook {', '.join(wrong)}, which there is not. {hint}") from None


def _refuse_async(manager: pluggy.PluginManager) -> None:
    """Refuse hooks that return coroutines: nobody would await them."""
    for _, plugin in manager.list_name_plugin():
        for caller in manager.get_hookcallers(plugin) or ():
            for impl in caller.get_hookimpls():
                if impl.plugin is plugin and (
                    inspect.iscoroutinefunction(impl.function) or inspect.isasyncgenfunction(impl.function)
                ):
                    raise PluginError(
                        f"The hook {caller.name} of the plugin {impl.plugin_name!r} is async. Hooks return plain data: "
                        "write def, and put what has to be awaited into a step."
                    )


def _refuse_same_field(form: Mapping[str, Sequence[FormField]], plugin: str) -> None:
    names = {field.name for field in form[plugin]}
    for other, fields in form.items():
        if other != plugin and (shared := sorted(names & {field.name for field in fields})):
            raise PluginError(
                f"The plugins {other!r} and {plugin!r} both have a form field {shared[0]!r}: each name is there once."
            )


def _place(impl: pluggy.HookImpl) -> tuple[bool, str]:
    # What is built in comes first: no static token is looked up elsewhere. The rest is by name.
    return impl.plugin_name not in _BUILT_IN, str(impl.plugin_name)


def _called(impl: pluggy.HookImpl, hook: str, arguments: Mapping[str, Any]) -> Any:
    try:
        return impl.function(*[arguments[name] for name in impl.argnames])
    except SpawnpennyError:
        raise
    except Exception as error:
        message = f"The hook {hook} of the plugin {impl.plugin_name!r} failed: {type(error).__name__}: {error}"
        raise PluginError(message) from error


def _check_default(plugin: str, option: ClusterOption) -> None:
    try:
        option.check(option.default)
    except SpawnpennyError as error:
        raise PluginError(f"A cluster option of the plugin {plugin!r} has a wrong default: {error.message}") from None


def _checked(plugin: str, hook: str, found: Any, wanted: type[Any]) -> Sequence[Any]:
    if not isinstance(found, Sequence) or not all(isinstance(each, wanted) for each in found):
        raise PluginError(
            f"The hook {hook} of the plugin {plugin!r} has to return a list of {wanted.__name__} objects."
        )
    return found
