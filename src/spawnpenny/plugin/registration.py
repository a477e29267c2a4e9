"""Registration of plugins at pluggy, and the checks of their hooks."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint

import pluggy

from spawnpenny.errors import PluginError
from spawnpenny.plugin import spec as plugin_spec
from spawnpenny.plugin.plugin_files import PluginFiles


def new_manager() -> pluggy.PluginManager:
    """Return a plugin manager that knows our hooks and has no plugin."""
    manager = pluggy.PluginManager(plugin_spec.PROJECT)
    manager.add_hookspecs(plugin_spec)
    return manager


def import_plugin(installed: Mapping[str, EntryPoint], files: PluginFiles, name: str) -> object:
    """Import a plugin: an installed one, or one of the folder ``plugins_dir``.

    Raises:
        PluginError: It does not exist, exists twice, or cannot be imported.

    """
    if name in files:
        if name in installed:
            raise PluginError(
                f"The plugin {name!r} is installed ({_source(installed[name])}), and in plugins_dir as "
                f"{files.paths[name]}. Rename the file."
            )
        return files.load(name)
    if name not in installed:
        raise PluginError(_missing(installed, files, name))
    try:
        return installed[name].load()
    except Exception as error:
        raise PluginError(f"The plugin {name!r} cannot be imported: {error}") from error


def _source(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _missing(installed: Mapping[str, EntryPoint], files: PluginFiles, name: str) -> str:
    nearest = difflib.get_close_matches(name, [*installed, *files.paths], n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    folder = f"; in plugins_dir: {', '.join(files.paths) or 'none'}" if files.folder else ""
    text = (
        f"The settings name a plugin {name!r}, but no installed distribution provides it "
        f"(installed: {', '.join(installed) or 'none'}{folder}).{hint}"
    )
    misnamed = [path.name for path in files.misnamed if path.stem.replace("_", "-").lower() == name]
    return f"{text} Rename {misnamed[0]} to {name}.py." if misnamed else text


def register(manager: pluggy.PluginManager, name: str, plugin: object) -> None:
    """Register a plugin: a module or an object.

    Raises:
        PluginError: It has no hook, or one with wrong arguments.

    """
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"The plugin {name!r} has a hook that does not fit: {error}") from None
    if not manager.get_hookcallers(plugin):
        raise PluginError(f"The plugin {name!r} has no hook: each needs the decorator @hookimpl.")


def refuse_duplicates(installed: Iterable[EntryPoint]) -> None:
    """Refuse two distributions with a plugin of the same name.

    Raises:
        PluginError: The name, and the distributions.

    """
    seen: dict[str, EntryPoint] = {}
    for entry in installed:
        other = seen.setdefault(entry.name, entry)
        if other is not entry and other.value != entry.value:
            names = sorted(provider.dist.name if provider.dist else "unknown" for provider in (other, entry))
            raise PluginError(f"Two distributions provide a plugin {entry.name!r}: {' and '.join(names)}.")


def refuse_unknown_hooks(manager: pluggy.PluginManager) -> None:
    """Refuse hooks that do not exist, such as misspelt ones.

    Raises:
        PluginError: The plugin, the hook, and the nearest one that exists.

    """
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        plugin = manager.get_name(error.plugin) or "unknown"
        known = sorted(name for name in vars(plugin_spec) if name.startswith("spawnpenny_"))
        wrong = [caller.name for caller in manager.get_hookcallers(error.plugin) or () if caller.name not in known]
        nearest = difflib.get_close_matches(wrong[0], known, n=1) if wrong else []
        hint = f"Did you mean {nearest[0]}?" if nearest else f"The hooks are {', '.join(known)}."
        raise PluginError(f"The plugin {plugin!r} has an unknown hook {', '.join(wrong)}. {hint}") from None


def refuse_async_hooks(manager: pluggy.PluginManager) -> None:
    """Refuse hooks that return coroutines: nobody would await them.

    Raises:
        PluginError: The plugin and its hook.

    """
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
