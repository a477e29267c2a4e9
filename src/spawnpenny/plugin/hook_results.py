"""Results of hooks: call a hook of one plugin, and check what it returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spawnpenny.domain.forms import check_form
from spawnpenny.errors import PluginError, SpawnpennyError

if TYPE_CHECKING:
    import pluggy

    from spawnpenny.domain.cluster_options import ClusterOption
    from spawnpenny.domain.forms import FormField


def call_hook(impl: pluggy.HookImpl, hook: str, arguments: Mapping[str, Any]) -> Any:
    """Call the hook of one plugin with the arguments that it declares.

    Raises:
        SpawnpennyError: The plugin raised it, or any other error, which is a ``PluginError`` then.

    """
    try:
        return impl.function(*[arguments[name] for name in impl.argnames])
    except SpawnpennyError:
        raise
    except Exception as error:
        message = f"The hook {hook} of the plugin {impl.plugin_name!r} failed: {type(error).__name__}: {error}"
        raise PluginError(message) from error


def check_items(plugin: str, hook: str, result: Any, expected: type[Any]) -> Sequence[Any]:
    """Return the result of a hook if it is a list of objects of the expected class.

    Raises:
        PluginError: It is something else.

    """
    if (
        isinstance(result, str)
        or not isinstance(result, Sequence)
        or not all(isinstance(item, expected) for item in result)
    ):
        raise PluginError(
            f"The hook {hook} of the plugin {plugin!r} has to return a list of {expected.__name__} objects."
        )
    return result


def check_default(plugin: str, option: ClusterOption) -> None:
    """Refuse a cluster option whose default breaks its own rules.

    Raises:
        PluginError: The plugin, and the fault of the default.

    """
    try:
        option.check(option.default)
    except SpawnpennyError as error:
        raise PluginError(f"A cluster option of the plugin {plugin!r} has a wrong default: {error.message}") from None


def check_fields(form: Mapping[str, Sequence[FormField]], plugin: str) -> None:
    """Refuse the form fields of a plugin that are wrong, or that clash with another plugin's.

    Args:
        form: The fields by plugin, those of this plugin and of the plugins before it.
        plugin: The plugin.

    Raises:
        PluginError: The plugin, and the fault.

    """
    names = {field.name for field in form[plugin]}
    for other, fields in form.items():
        if other != plugin and (shared := sorted(names & {field.name for field in fields})):
            raise PluginError(
                f"The plugins {other!r} and {plugin!r} both have a form field {shared[0]!r}: each name is there once."
            )
    try:
        check_form(form[plugin])
        check_form(field for fields in form.values() for field in fields)
    except ValueError as error:
        raise PluginError(f"The form of the plugin {plugin!r} cannot be shown: {error}.") from None
