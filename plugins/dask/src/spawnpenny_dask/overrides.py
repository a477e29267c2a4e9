"""Overrides: settings of a cluster that a choice, or the hook of a plugin, replaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import InvalidOptionError, SettingsError, schema_of
from spawnpenny_dask.roles import GIB, GibField, ObjectField, PodSpecField, PositiveField

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
MAX_ENVIRONMENT: Final = 32 * 1024
MAX_VARIABLES: Final = 256
"""Each worker's pod has a reference for each variable, so their number is limited, too."""


Cores = Annotated[Decimal | None, PositiveField(of="cpu")]
Memory = Annotated[Decimal | None, GibField()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The overridden settings; None leaves one as it is. Mappings are merged into the existing ones."""

    image: Annotated[str | None, fields.String()] = None
    worker_cores: Cores = None
    worker_memory: Memory = None
    worker_threads: Annotated[int | None, fields.Integer(strict=True, validate=validate.Range(min=1))] = None
    scheduler_cores: Cores = None
    scheduler_memory: Memory = None
    environment: Mapping[str, str] = field(default_factory=dict)
    idle_timeout: Annotated[float | None, fields.Float(validate=validate.Range(min=0))] = None
    worker_extra_container_config: Annotated[Mapping[str, Any], ObjectField("V1Container")] = field(
        default_factory=dict
    )
    worker_extra_pod_config: Annotated[Mapping[str, Any], PodSpecField()] = field(default_factory=dict)


OverridesSchema: Final = schema_of(Overrides)


def load_overrides(plugin: str, given: Mapping[str, Any]) -> Overrides:
    """Return the overrides of a plugin's hook.

    Raises:
        SettingsError: The hook overrides a setting that it cannot, or with an invalid value.

    """
    try:
        found: Overrides = OverridesSchema().load(dict(given))
    except ValidationError as error:
        raise SettingsError(
            f"The hook spawnpenny_cluster_overrides of the plugin {plugin!r} has invalid overrides: {error.messages}."
        ) from None
    return found


def checked_environment(given: Mapping[str, Any], option: str = "environment") -> dict[str, str]:
    """Return environment variables after a check. Errors never quote their values.

    Raises:
        InvalidOptionError: A name or a value is invalid, or there are too many or too large ones.

    """
    for name, value in given.items():
        if not _VARIABLE.fullmatch(name):
            raise InvalidOptionError(f"{name!r} is no name of a variable.", field=f"options.{option}")
        if not isinstance(value, str) or "\0" in value:
            raise InvalidOptionError(f"The variable {name!r} has to be a text.", field=f"options.{option}")
    if len(given) > MAX_VARIABLES:
        raise InvalidOptionError(
            f"The environment has {len(given)} variables, but at most {MAX_VARIABLES} are allowed.",
            field=f"options.{option}",
        )
    if sum(len(name.encode()) + len(value.encode()) for name, value in given.items()) > MAX_ENVIRONMENT:
        raise InvalidOptionError(
            f"The environment has more than {MAX_ENVIRONMENT} bytes, which is the most allowed.",
            field=f"options.{option}",
        )
    return dict(given)


def single_override(key: str, value: Any) -> Overrides:
    if key in {"worker_cores", "scheduler_cores"}:
        value = Decimal(str(value))
    elif key in {"worker_memory", "scheduler_memory"}:
        value = Decimal(int(Decimal(str(value)) * GIB))  # a float would overflow
    elif key == "idle_timeout":
        value = float(value)
    elif key == "environment":
        value = checked_environment(value)
    elif key == "image":
        value = value or None
    return replace(Overrides(), **{key: value})
