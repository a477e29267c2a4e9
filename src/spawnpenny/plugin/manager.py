"""The loaded plugins, with one typed method for each hook. There is no module-level manager."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
import structlog

from spawnpenny.auth.identity import Authenticator
from spawnpenny.domain.answers import answers
from spawnpenny.domain.chart_migration import ChartMigration
from spawnpenny.domain.cluster_options import ClusterOption
from spawnpenny.domain.forms import FormField
from spawnpenny.domain.kinds import Kinds, OptionSource
from spawnpenny.domain.users import User
from spawnpenny.domain.worker_groups import WorkerGroup
from spawnpenny.errors import PluginError
from spawnpenny.pipeline.order import Ordered, order
from spawnpenny.pipeline.step import Step
from spawnpenny.pipeline.validation import check_kinds, check_name
from spawnpenny.plugin import built_in
from spawnpenny.plugin.cluster_hooks import groups_of, options_of, overrides_of
from spawnpenny.plugin.design_hooks import (
    OVERRIDES,
    PROFILES,
    CheckProfiles,
    ProfileList,
    design_overrides,
    designed_profiles,
)
from spawnpenny.plugin.hook_results import call_hook, check_fields, check_items
from spawnpenny.plugin.info import PluginInfo, plugin_infos
from spawnpenny.plugin.kind_form import own_fields
from spawnpenny.plugin.kind_registry import HOOK, kinds_of
from spawnpenny.plugin.plugin_files import PluginFiles
from spawnpenny.plugin.registration import (
    import_plugin,
    new_manager,
    refuse_async_hooks,
    refuse_duplicates,
    refuse_unknown_hooks,
    register,
)
from spawnpenny.settings.model import PLUGIN_GROUP

if TYPE_CHECKING:
    from spawnpenny.domain.events import Event
    from spawnpenny.domain.spawns import Key
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.pipeline.spawn import PlannedSpawn
    from spawnpenny.settings.model import Settings

T = TypeVar("T")
_BUILT_IN: Mapping[str, object] = {"spawnpenny.tokens": built_in}
"""Plugins that are always loaded. No plugin that the settings name can have a dot in its name."""


class Plugins:
    """The loaded plugins. Each hook is one typed method, and no other module calls pluggy."""

    def __init__(
        self,
        manager: pluggy.PluginManager,
        settings: Settings,
        installed: Sequence[EntryPoint],
        files: PluginFiles,
    ) -> None:
        self._manager = manager
        self._settings = settings
        self._installed = installed
        self._files = files
        declared = list(self._results(HOOK, settings=settings))
        self._kinds = kinds_of(declared)
        self.declared_kinds: Mapping[str, frozenset[str]] = {
            plugin: frozenset(kind.name for kind in kinds) for plugin, kinds in declared
        }
        self._steps: dict[str, tuple[Step, ...]] = {}
        for name, result in self._results("spawnpenny_steps", settings=settings):
            self._steps[name] = tuple(check_items(name, "spawnpenny_steps", result, Step))
            for step in self._steps[name]:
                check_name(step, name)
        self._authenticators = [
            authenticator
            for name, result in self._results("spawnpenny_authenticators", settings=settings)
            for authenticator in check_items(name, "spawnpenny_authenticators", result, Authenticator)
        ]
        self._settings = settings
        somebody = User("somebody", settings.users.uid, settings.users.gid)
        self.form(somebody)
        for kind in self._kinds.of_plugins:
            self.form_of(kind.name, somebody)
        self.cluster_options(somebody)
        self.worker_groups()
        self._refuse_unread(settings)
        absent = {name for name in (*(entry.name for entry in installed), *files.paths) if not manager.has_plugin(name)}
        check_kinds(self.steps, self.origin, self._kinds, absent)
        ordered = {
            kind: order(self.steps, kind, origin=self.origin, absent=absent)
            for kind in (*self._kinds, *sorted(_named_kinds(self.steps) - set(self._kinds)))
        }
        self._pipelines = {kind: ordered[kind] for kind in self._kinds}
        self._rank = self._ranks(ordered)
        self._log = structlog.get_logger("spawnpenny.plugins")

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for steps in self._steps.values() for step in steps)

    @property
    def origin(self) -> Mapping[str, str]:
        """The plugin of each step, by the step's name."""
        return {step.name: plugin for plugin, steps in self._steps.items() for step in steps}

    @property
    def kinds(self) -> Kinds:
        """The kinds of spawns that the loaded plugins declare, and ``user``."""
        return self._kinds

    @property
    def pipelines(self) -> Mapping[str, Ordered]:
        """The pipeline of each kind, by the kind's name."""
        return self._pipelines

    def provides(self, kind: str) -> bool:
        """Return whether users can start spawns of a kind: it is loaded, and a step of the scope ``spawn`` names it."""
        ordered = self._pipelines.get(kind)
        return ordered is not None and any(step.scope == "spawn" and step.kinds for step in ordered.steps)

    @property
    def authenticators(self) -> Sequence[Authenticator]:
        return self._authenticators

    def renewed(self, settings: Settings) -> Plugins:
        """Return the same plugins as another process has them, with new steps: their hooks are called again."""
        return Plugins(self._manager, settings, self._installed, self._files)

    def pod_patches(self, spawn: PlannedSpawn, pod: Manifest) -> list[tuple[str, Manifest]]:
        """Return pairs of a plugin's name and its patch of a pod, in the order of the plugins' steps."""
        results = self._results("spawnpenny_pod_patch", spawn=spawn, pod=pod, settings=self._settings)
        patches = [(name, patch) for name, patch in results if patch]
        return sorted(patches, key=lambda item: (self._rank.get(item[0], len(self._rank)), item[0]))

    def form(self, user: User) -> tuple[FormField, ...]:
        """Return the fields of the form for a user, of all plugins by their names.

        Raises:
            PluginError: A plugin returns something else, wrong fields, or a field of another plugin.

        """
        form: dict[str, tuple[FormField, ...]] = {}

        def profiles(own: ProfileList, check: CheckProfiles) -> ProfileList:
            return self.profiles(user, own, check)

        for name, result in self._results("spawnpenny_form", user=user, settings=self._settings, profiles=profiles):
            form[name] = tuple(check_items(name, "spawnpenny_form", result, FormField))
            check_fields(form, name)
        return tuple(field for fields in form.values() for field in fields)

    def profiles(self, user: User, own: ProfileList, check: CheckProfiles) -> ProfileList:
        """Return a plugin's own profiles for a user, as the plugins filter or replace them.

        Raises:
            PluginError: A plugin's hook fails, or returns profiles that do not pass the check.

        """
        return designed_profiles(self._impls(PROFILES), user, own, check, self._settings)

    def overrides(self, user: User, kind: str, options: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        """Return pairs of a plugin's name and its overrides of a spawn.

        Raises:
            PluginError: A plugin's hook fails, or returns something else than a mapping.

        """
        declared = self._kinds.get(kind)
        if declared is None or not declared.has_form:
            return self.cluster_overrides(user, options, kind)
        impls = self._impls(OVERRIDES)
        if not impls:
            return []
        answered = {name: answer.value for name, answer in answers(self.form_of(kind, user), options).items()}
        return design_overrides(impls, user, kind, answered, self._settings)

    def form_of(self, kind: str, user: User) -> tuple[FormField, ...]:
        """Return the fields of the form for spawns of a kind: those of ``form``, if the kind uses it, and its own.

        Raises:
            PluginError: A plugin returns something else or wrong fields.

        """
        declared = self._kinds.get(kind)
        if declared is None:  # the form of labs can be read without their plugin
            return self.form(user)
        shared = self.form(user) if declared.options is OptionSource.FORM else ()
        plugin = next(plugin for plugin, kinds in self.declared_kinds.items() if kind in kinds)
        return (*shared, *own_fields(declared, plugin, user, shared))

    def cluster_options(self, user: User, kind: str | None = None) -> tuple[ClusterOption, ...]:
        """Return the cluster options that a user has for spawns of a kind; None for all kinds that have some."""
        hook = "spawnpenny_cluster_options"
        found = (
            options_of(self._results(hook, user=user, kind=name, settings=self._settings))
            for name in self._with_cluster_options(kind)
        )
        return tuple({option.name: option for options in found for option in options}.values())

    def cluster_overrides(
        self, user: User, options: Mapping[str, Any], kind: str
    ) -> list[tuple[str, Mapping[str, Any]]]:
        """Return pairs of a plugin's name and its overrides of a spawn for a user."""
        hook = "spawnpenny_cluster_overrides"
        return overrides_of(self._results(hook, user=user, options=options, kind=kind, settings=self._settings))

    def worker_groups(self, kind: str | None = None) -> tuple[WorkerGroup, ...]:
        """Return the worker groups of a kind; None for all kinds that have cluster options."""
        found = (
            groups_of(self._results("spawnpenny_worker_groups", kind=name, settings=self._settings))
            for name in self._with_cluster_options(kind)
        )
        return tuple({group.name: group for groups in found for group in groups}.values())

    def _with_cluster_options(self, kind: str | None) -> tuple[str, ...]:
        if kind is not None:
            return (kind,)
        return tuple(kind.name for kind in self._kinds.of_plugins if kind.options is OptionSource.CLUSTER)

    def notes(self) -> list[str]:
        """Return the notes of all plugins on their settings."""
        return self._listed("spawnpenny_notes", str)

    def chart_migrations(self) -> list[ChartMigration]:
        """Return the migrations from the values of charts, of all plugins by their names."""
        return self._listed("spawnpenny_chart_migrations", ChartMigration)

    def routes(self, spawns: Callable[[str, frozenset[str]], object]) -> Iterator[tuple[str, Any]]:
        """Yield pairs of a plugin's name and what it contributes as routes; ``web.plugin_routes`` checks them.

        Args:
            spawns: Makes what the routes of a plugin reach spawns by, from its name and the kinds that it declares.

        Raises:
            PluginError: The hook of a plugin fails.

        """
        for impl in self._impls("spawnpenny_routes"):
            name = str(impl.plugin_name)
            given = spawns(name, self.declared_kinds.get(name, frozenset()))
            yield name, call_hook(impl, "spawnpenny_routes", {"settings": self._settings, "spawns": given})

    def gauges(self, spawns: Callable[[frozenset[str]], object]) -> Iterator[tuple[str, Any]]:
        """Yield pairs of a plugin's name and what it contributes as gauges now.

        A hook that fails is logged, and contributes nothing. ``spawns`` makes what a plugin sees, from its kinds.
        """
        for impl in self._impls("spawnpenny_gauges"):
            name = str(impl.plugin_name)
            given = spawns(self.declared_kinds.get(name, frozenset()))
            try:
                result = list(call_hook(impl, "spawnpenny_gauges", {"settings": self._settings, "spawns": given}))
            except Exception:  # noqa: BLE001 - the other gauges are exported
                self._log.warning("the gauges of a plugin failed", plugin=name, exc_info=True)
                continue
            yield name, result

    def observe(self, username: str, key: Key, event: Event) -> None:
        """Notify every observer; an error that one raises is logged and dropped."""
        for impl in self._manager.hook.spawnpenny_observe.get_hookimpls():
            try:
                impl.function(*[{"username": username, "key": key, "event": event}[name] for name in impl.argnames])
            except Exception:  # noqa: BLE001 - an observer cannot harm a spawn
                self._log.warning("an observer failed", plugin=impl.plugin_name, exc_info=True)

    @contextmanager
    def observed_by(self, name: str, observer: object) -> Iterator[None]:
        """Notify a further object with the hook ``spawnpenny_observe`` until the context ends."""
        register(self._manager, name, observer)
        try:
            yield
        finally:
            self._manager.unregister(observer)

    def infos(self) -> list[PluginInfo]:
        """Return all installed plugins and those in ``plugins_dir``, loaded or not, by name."""
        steps = {name: tuple(step.name for step in steps) for name, steps in self._steps.items()}
        return plugin_infos(self._installed, self._files, self._manager.has_plugin, steps)

    @property
    def misnamed_files(self) -> Sequence[Path]:
        """Files in ``plugins_dir`` whose names cannot be a plugin's."""
        return self._files.misnamed

    def _results(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        for impl in self._impls(hook):
            yield impl.plugin_name, call_hook(impl, hook, arguments)

    def _listed(self, hook: str, expected: type[T]) -> list[T]:
        results = self._results(hook, settings=self._settings)
        return [item for name, result in results for item in check_items(name, hook, result, expected)]

    def _impls(self, hook: str) -> list[pluggy.HookImpl]:
        return sorted(getattr(self._manager.hook, hook).get_hookimpls(), key=_place)

    def _ranks(self, ordered: Mapping[str, Ordered]) -> dict[str, int]:
        ranks: dict[str, int] = {}
        for pipeline in ordered.values():
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
    """Load the plugins that the settings name, and resolve the order of their steps.

    Args:
        settings: The settings. The keys of ``plugins`` are the names.
        extra: Further plugins by name, as modules or objects, for tests and for the demo.

    Raises:
        PluginError: A plugin is not installed, is installed twice, cannot be imported or has an unknown hook, or the
            steps contradict each other.
        SettingsError: A plugin's section is wrong.

    """
    manager = new_manager()
    extra = extra or {}
    installed = sorted(entry_points(group=PLUGIN_GROUP), key=lambda entry: entry.name)
    refuse_duplicates(installed)
    by_name, files = {entry.name: entry for entry in installed}, PluginFiles(settings.plugins_dir)
    for name in settings.plugins:
        if name not in extra:
            register(manager, name, import_plugin(by_name, files, name))
    for name, plugin in {**_BUILT_IN, **extra}.items():
        register(manager, name, plugin)
    refuse_unknown_hooks(manager)
    refuse_async_hooks(manager)
    return Plugins(manager, settings, installed, files)


def _named_kinds(steps: Sequence[Step]) -> set[str]:
    """Return the kinds that steps name; one that no plugin can have, if a step is for all kinds."""
    shared = {"every"} if any(step.kinds is None for step in steps) else set()
    return shared.union(*(step.kinds or () for step in steps))


def _place(impl: pluggy.HookImpl) -> tuple[bool, str]:
    # The built-in plugin comes first, so that no static token is looked up elsewhere.
    return impl.plugin_name not in _BUILT_IN, str(impl.plugin_name)
