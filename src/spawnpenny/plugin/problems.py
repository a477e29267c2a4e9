"""Problems of single plugins, found one by one, so that one does not hide the next."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

import pluggy

from spawnpenny.domain.users import User
from spawnpenny.errors import PluginError, SpawnpennyError
from spawnpenny.plugin.hook_results import call_hook
from spawnpenny.plugin.kind_registry import HOOK
from spawnpenny.plugin.plugin_files import PluginFiles
from spawnpenny.plugin.registration import import_plugin, new_manager, refuse_unknown_hooks, register
from spawnpenny.settings.model import PLUGIN_GROUP, Settings


def plugin_problems(settings: Settings) -> list[str]:
    """Return the problems that each plugin has by itself, such as a wrong section of the settings."""
    installed = {entry.name: entry for entry in sorted(entry_points(group=PLUGIN_GROUP), key=lambda entry: entry.name)}
    problems: dict[str, None] = {}
    try:
        files = PluginFiles(settings.plugins_dir)
    except PluginError as error:
        return [error.message]
    for name in settings.plugins:
        manager = new_manager()
        try:
            register(manager, name, import_plugin(installed, files, name))
            refuse_unknown_hooks(manager)
        except SpawnpennyError as error:
            problems[error.message] = None
            continue
        problems |= dict.fromkeys(_hook_problems(manager, settings))
    return list(problems)


def _hook_problems(manager: pluggy.PluginManager, settings: Settings) -> Iterator[str]:
    user = User("somebody", settings.users.uid, settings.users.gid)
    kinds = [""]  # of no kind, for a plugin that declares none itself
    for hook in (
        HOOK,
        "spawnpenny_steps",
        "spawnpenny_authenticators",
        "spawnpenny_form",
        "spawnpenny_cluster_options",
        "spawnpenny_worker_groups",
    ):
        for impl in getattr(manager.hook, hook).get_hookimpls():
            try:
                arguments = {"settings": settings, "user": user, "profiles": lambda own, _: own}
                results = [call_hook(impl, hook, {**arguments, "kind": kind}) for kind in kinds]
            except SpawnpennyError as error:
                yield error.message
                continue
            if hook == HOOK and isinstance(results[0], list | tuple):
                kinds = [str(getattr(kind, "name", "")) for kind in results[0]] or kinds
