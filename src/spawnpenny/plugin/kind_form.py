"""The form that a kind has of its own: call its function, and check the fields."""

from __future__ import annotations

from collections.abc import Sequence

from spawnpenny.domain.forms import FormField
from spawnpenny.domain.kinds import Kind
from spawnpenny.domain.users import User
from spawnpenny.errors import PluginError, SpawnpennyError
from spawnpenny.plugin.hook_results import check_fields


def own_fields(kind: Kind, plugin: str, user: User, shared: Sequence[FormField]) -> tuple[FormField, ...]:
    """Return the fields of a kind's own form for a user; ``shared`` are the fields before them.

    Raises:
        PluginError: The plugin's function fails, returns something else, or its fields are wrong.

    """
    if kind.form is None:
        return ()
    where = f"The form of the kind {kind.name} of the plugin {plugin!r}"
    try:
        result = kind.form(user)
    except SpawnpennyError:
        raise
    except Exception as error:
        raise PluginError(f"{where} failed: {type(error).__name__}: {error}") from error
    if not isinstance(result, Sequence) or not all(isinstance(field, FormField) for field in result):
        raise PluginError(f"{where} has to be a function that returns a list of FormField objects.")
    check_fields({"spawnpenny_form": shared, plugin: result}, plugin)
    return tuple(result)
