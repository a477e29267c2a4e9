"""Cluster options that a site offers, and the settings that each choice overrides."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import ClusterOption, InvalidOptionError, OptionType, SettingsError, StrictSchema
from spawnpenny_dask.roles import GIB, MIB, GibField, ObjectField, PodSpecField, PositiveField


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The settings that a choice overrides; None leaves one as it is. Maps are merged over existing ones."""

    image: str | None = None
    worker_cores: Decimal | None = None
    worker_memory: Decimal | None = None
    worker_threads: int | None = None
    scheduler_cores: Decimal | None = None
    scheduler_memory: Decimal | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    idle_timeout: float | None = None
    worker_extra_container_config: Mapping[str, Any] = field(default_factory=dict)
    worker_extra_pod_config: Mapping[str, Any] = field(default_factory=dict)


class OverridesSchema(StrictSchema[Overrides]):
    model = Overrides
    image = fields.String()
    worker_cores = PositiveField(of="cpu")
    worker_memory = GibField()
    worker_threads = fields.Integer(strict=True, validate=validate.Range(min=1))
    scheduler_cores = PositiveField(of="cpu")
    scheduler_memory = GibField()
    environment = fields.Dict(keys=fields.String(), values=fields.String())
    idle_timeout = fields.Float(validate=validate.Range(min=0))
    worker_extra_container_config = ObjectField("V1Container")
    worker_extra_pod_config = PodSpecField()


def load_overrides(plugin: str, given: Mapping[str, Any]) -> Overrides:
    """Return what the hook of a plugin sets.

    Raises:
        SettingsError: It cannot be set.

    """
    try:
        found: Overrides = OverridesSchema().load(dict(given))
    except ValidationError as error:
        raise SettingsError(
            f"The hook spawnpenny_cluster_overrides of the plugin {plugin!r} sets what cannot be set: {error.messages}."
        ) from None
    return found


_NUMBERS: Final = frozenset({OptionType.INT, OptionType.FLOAT})
_TYPES: Final[Mapping[str, frozenset[OptionType]]] = {
    "image": frozenset({OptionType.STRING}),
    "worker_cores": _NUMBERS,
    "worker_memory": _NUMBERS,
    "worker_threads": frozenset({OptionType.INT}),
    "scheduler_cores": _NUMBERS,
    "scheduler_memory": _NUMBERS,
    "environment": frozenset({OptionType.MAPPING}),
    "idle_timeout": _NUMBERS,
}
"""What an option can set by its value alone, and of which types it is then."""
_BYTES: Final = {
    "B": Decimal(1),
    "MB": Decimal(10**6),
    "MiB": Decimal(2**20),
    "GB": Decimal(10**9),
    "GiB": Decimal(GIB),
    "TiB": Decimal(2**40),
}
_TIMES: Final = {"seconds": Decimal(1), "minutes": Decimal(60), "hours": Decimal(3600), "days": Decimal(86_400)}
_CORES: Final = {"cores": Decimal(1), "millicores": Decimal("0.001")}
UNITS: Final[Mapping[str, Mapping[str, Decimal]]] = {
    "worker_cores": _CORES,
    "worker_memory": _BYTES,
    "scheduler_cores": _CORES,
    "scheduler_memory": _BYTES,
    "idle_timeout": _TIMES,
}
"""In what a number may be given: bytes, seconds and cores, and how many of them a unit is."""
_USUAL: Final = {"worker_memory": "GiB", "scheduler_memory": "GiB", "idle_timeout": "seconds"}
_LEAST: Final = {
    "worker_cores": 0.1,
    "worker_memory": 0.1,
    "worker_threads": 1,
    "scheduler_cores": 0.1,
    "scheduler_memory": 0.1,
    "idle_timeout": 0,
}
_MEANT: Final = {
    "worker_cores": Decimal("0.001"),
    "worker_memory": Decimal(MIB) / GIB,
    "scheduler_cores": Decimal("0.001"),
    "scheduler_memory": Decimal(MIB) / GIB,
}
"""The least that somebody can mean, in the usual unit: a site may let its users choose no less."""
MOST: Final = {
    "worker_cores": 10_000,
    "worker_memory": 1_000_000,
    "worker_threads": 10_000,
    "scheduler_cores": 10_000,
    "scheduler_memory": 1_000_000,
    "idle_timeout": 10 * 366 * 86_400,
}
"""More than any machine has (memory in GiB, time in seconds), where a site says no other maximum."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
MAX_ENVIRONMENT: Final = 32 * 1024
MAX_VARIABLES: Final = 256
"""Each of them stands in each worker's pod, with where its value is."""
_EMPTY: Final[Mapping[OptionType, Any]] = {OptionType.STRING: "", OptionType.BOOL: False, OptionType.MAPPING: {}}


@dataclass(frozen=True, slots=True)
class SiteOption:
    """An option as a site wrote it: ``sets`` names what its value is, ``choices`` and ``overrides`` what it brings.

    ``unit`` is that of a number (None: GiB, seconds or cores).
    """

    type: OptionType
    default: Any = None
    label: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    sets: str | None = None
    unit: str | None = None
    choices: Mapping[str, Overrides] = field(default_factory=dict)
    overrides: Overrides | None = None

    @property
    def scale(self) -> Decimal:
        """The size of the option's own unit in the usual unit."""
        units = UNITS.get(self.sets or "", {})
        if self.unit is None or self.unit not in units:
            return Decimal(1)
        return units[self.unit] / units[_USUAL.get(self.sets or "", "cores")]

    def in_unit(self, value: float | None) -> float | None:
        """Return a number that is in the usual unit in the option's own."""
        return value if value is None or self.scale == 1 else float(Decimal(str(value)) / self.scale)

    def offered(self, name: str, default: Any) -> ClusterOption:
        """Return it as clients see it; ``default`` is where the site says none."""
        return ClusterOption(
            name=name,
            type=self.type,
            default=default if self.default is None else self.default,
            label=self.label or name.replace("_", " ").capitalize() + (f" ({self.unit})" if self.unit else ""),
            description=self.description,
            minimum=self.minimum if self.minimum is not None else self.in_unit(_LEAST.get(self.sets or "")),
            maximum=self.maximum if self.maximum is not None else self.in_unit(MOST.get(self.sets or "")),
            choices=tuple(self.choices),
            secret=self.sets == "environment",
            unit=self.unit or _USUAL.get(self.sets or "", ""),
        )

    def brought(self, value: Any) -> Overrides:
        """Return what a value of it sets."""
        if self.sets is not None:
            return _single(self.sets, value if self.scale == 1 else Decimal(str(value)) * self.scale)
        if self.type is OptionType.SELECT:
            return self.choices.get(value) or Overrides()  # the settings may have changed since
        return self.overrides if value and self.overrides is not None else Overrides()


class SiteOptionSchema(StrictSchema[SiteOption]):
    model = SiteOption
    type = fields.Enum(OptionType, by_value=True, required=True)
    default = fields.Raw()
    label = fields.String()
    description = fields.String()
    minimum = fields.Float(data_key="min")
    maximum = fields.Float(data_key="max")
    sets = fields.String(validate=validate.OneOf(sorted(_TYPES)))
    unit = fields.String()
    choices = fields.Dict(keys=fields.String(), values=fields.Nested(OverridesSchema), validate=validate.Length(min=1))
    overrides = fields.Nested(OverridesSchema)


class OptionsField(fields.Dict):
    """Options by name, in the order in which they are shown and applied."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), values=fields.Nested(SiteOptionSchema), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        options: dict[str, SiteOption] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        named = {name: _named(name, option) for name, option in options.items()}
        errors = {name: told for name, option in named.items() if (told := _wrong(name, option))}
        if errors:
            raise ValidationError(errors)
        return named


def _named(name: str, option: SiteOption) -> SiteOption:
    if option.type is OptionType.SELECT:
        first = next(iter(option.choices), None)
        return replace(option, default=first if option.default is None else option.default)
    if option.type is OptionType.BOOL or option.sets or name not in _TYPES:
        return option
    return replace(option, sets=name)


def _wrong(name: str, option: SiteOption) -> dict[str, list[str]]:
    """Return what is wrong with an option, by key."""
    kind, told = option.type, dict[str, str]()
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        told[""] = f"{name!r} is no name that Python code could have: clients set options as attributes."
    if option.choices and kind is not OptionType.SELECT:
        told["choices"] = "Only a select has choices."
    if not option.choices and kind is OptionType.SELECT:
        told["choices"] = "A select needs choices."
    if option.overrides is not None and kind is not OptionType.BOOL:
        told["overrides"] = "Only a bool has overrides; those of a select stand under its choices."
    if option.overrides is None and kind is OptionType.BOOL:
        told["overrides"] = "A bool needs overrides: what it sets where it is true."
    return {key: [text] for key, text in {**told, **_wrong_value(name, option)}.items()}


def _wrong_value(name: str, option: SiteOption) -> dict[str, str]:
    return _wrong_target(option) or _wrong_bounds(name, option)


def _wrong_target(option: SiteOption) -> dict[str, str]:
    kind = option.type
    if kind in {OptionType.SELECT, OptionType.BOOL}:
        return {} if option.sets is None else {"sets": f"A {kind} sets what its choices or overrides say."}
    if option.sets is None:
        return {"sets": f"What does it set? There are {', '.join(sorted(_TYPES))}."}
    units = UNITS.get(option.sets, {})
    if option.unit is not None and option.unit not in units:
        there = f"There are {', '.join(units)}." if units else "It is no number with a unit."
        return {"unit": f"{option.sets} has no unit {option.unit!r}. {there}"}
    if kind not in _TYPES[option.sets]:
        return {"type": f"{option.sets} is set by an option of the type {' or '.join(sorted(_TYPES[option.sets]))}."}
    return {}


def _wrong_bounds(name: str, option: SiteOption) -> dict[str, str]:
    if option.type not in _NUMBERS and not (option.minimum is None and option.maximum is None):
        return {"min": "Only a number has min and max."}
    offered = option.offered(name, _EMPTY.get(option.type))
    if offered.minimum is not None and offered.maximum is not None and offered.minimum > offered.maximum:
        return {"min": f"No number is from {offered.minimum:g} to {offered.maximum:g}."}
    if _LEAST.get(option.sets or "") and offered.minimum is not None and offered.minimum <= 0:
        return {"min": "This has to be more than nothing."}
    least = _MEANT.get(option.sets or "")
    if least is not None and offered.minimum is not None and Decimal(str(offered.minimum)) * option.scale < least:
        own, unit = option.in_unit(float(least)), option.unit or _USUAL.get(option.sets or "", "cores")
        return {"min": f"{offered.minimum:.15g} {unit} is less than anybody can mean: write {own:.15g} or more."}
    return _wrong_default(option, offered)


def _wrong_default(option: SiteOption, offered: ClusterOption) -> dict[str, str]:
    try:
        if option.default is not None:
            option.brought(offered.check(option.default))
    except InvalidOptionError as error:
        return {"default": error.message}
    return {}


def checked_environment(given: Mapping[str, Any], option: str = "environment") -> dict[str, str]:
    """Return variables, if they can be some; their values are not quoted.

    Raises:
        InvalidOptionError: A name or a value cannot be one, or they are too large together.

    """
    for name, value in given.items():
        if not _VARIABLE.fullmatch(name):
            raise InvalidOptionError(f"{name!r} is no name of a variable.", field=f"options.{option}")
        if not isinstance(value, str) or "\0" in value:
            raise InvalidOptionError(f"The variable {name!r} has to be a text.", field=f"options.{option}")
    if len(given) > MAX_VARIABLES:
        raise InvalidOptionError(
            f"The environment has {len(given)} variables; at most {MAX_VARIABLES} are taken.", field=f"options.{option}"
        )
    if sum(len(name.encode()) + len(value.encode()) for name, value in given.items()) > MAX_ENVIRONMENT:
        raise InvalidOptionError(
            f"The environment has more than the {MAX_ENVIRONMENT} bytes that are taken.", field=f"options.{option}"
        )
    return dict(given)


def _single(key: str, value: Any) -> Overrides:
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
