"""Cluster options of the settings: the values that users may choose, and what each overrides."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Annotated, Any, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import ClusterOption, InvalidOptionError, OptionType, schema_of
from spawnpenny_dask.overrides import Overrides, OverridesSchema, single_override
from spawnpenny_dask.roles import GIB, MIB

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
"""The settings that the value of an option can set, with the types of such options."""
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
"""The units of numbers, in bytes, seconds and cores."""
_USUAL: Final = {"worker_memory": "GiB", "scheduler_memory": "GiB", "idle_timeout": "seconds"}
_LEAST: Final = {
    "worker_cores": 0.1,
    "worker_memory": 0.1,
    "worker_threads": 1,
    "scheduler_cores": 0.1,
    "scheduler_memory": 0.1,
    "idle_timeout": 0,
}
_SMALLEST: Final = {
    "worker_cores": Decimal("0.001"),
    "worker_memory": Decimal(MIB) / GIB,
    "scheduler_cores": Decimal("0.001"),
    "scheduler_memory": Decimal(MIB) / GIB,
}
"""The smallest sensible values, in the usual unit. A site cannot offer less."""
MOST: Final = {
    "worker_cores": 10_000,
    "worker_memory": 1_000_000,
    "worker_threads": 10_000,
    "scheduler_cores": 10_000,
    "scheduler_memory": 1_000_000,
    "idle_timeout": 10 * 366 * 86_400,
}
"""The default maximums, above any real machine; memory in GiB, time in seconds."""
_EMPTY: Final[Mapping[OptionType, Any]] = {OptionType.STRING: "", OptionType.BOOL: False, OptionType.MAPPING: {}}


@dataclass(frozen=True, slots=True)
class SiteOption:
    """An option of the settings.

    ``sets`` is the setting that its value overrides; ``choices`` (of a select) and ``overrides`` (of a bool) have the
    settings that a value overrides. ``unit`` is the unit of a number; None: GiB, seconds or cores.
    """

    type: Annotated[OptionType, fields.Enum(OptionType, by_value=True)]
    default: Annotated[Any, fields.Raw()] = None
    label: str = ""
    description: str = ""
    minimum: Annotated[float | None, fields.Float(data_key="min")] = None
    maximum: Annotated[float | None, fields.Float(data_key="max")] = None
    sets: Annotated[str | None, fields.String(validate=validate.OneOf(sorted(_TYPES)))] = None
    unit: Annotated[str | None, fields.String()] = None
    choices: Annotated[
        Mapping[str, Overrides],
        fields.Dict(keys=fields.String(), values=fields.Nested(OverridesSchema), validate=validate.Length(min=1)),
    ] = field(default_factory=dict)
    overrides: Annotated[Overrides | None, fields.Nested(OverridesSchema)] = None

    @property
    def scale(self) -> Decimal:
        """The option's own unit, in the usual unit."""
        units = UNITS.get(self.sets or "", {})
        if self.unit is None or self.unit not in units:
            return Decimal(1)
        return units[self.unit] / units[_USUAL.get(self.sets or "", "cores")]

    def in_unit(self, value: float | None) -> float | None:
        """Convert a number from the usual unit to the option's own."""
        return value if value is None or self.scale == 1 else float(Decimal(str(value)) / self.scale)

    def offered(self, name: str, default: Any) -> ClusterOption:
        """Return the option as clients see it. ``default`` is for an option without a default of its own."""
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

    def overrides_of(self, value: Any) -> Overrides:
        """Return the settings that a value of the option overrides."""
        if self.sets is not None:
            return single_override(self.sets, value if self.scale == 1 else Decimal(str(value)) * self.scale)
        if self.type is OptionType.SELECT:
            return self.choices.get(value) or Overrides()  # the settings may have changed since the choice
        return self.overrides if value and self.overrides is not None else Overrides()


SiteOptionSchema: Final = schema_of(SiteOption)


class OptionsField(fields.Dict):
    """Options by name, in the order in which clients show them and clusters apply them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), values=fields.Nested(SiteOptionSchema), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        options: dict[str, SiteOption] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        named = {name: _named(name, option) for name, option in options.items()}
        errors = {name: faults for name, option in named.items() if (faults := _faults(name, option))}
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


def _faults(name: str, option: SiteOption) -> dict[str, list[str]]:
    """Return the faults of an option by key."""
    kind, faults = option.type, dict[str, str]()
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        faults[""] = f"{name!r} is no Python name, and clients set options as attributes."
    if option.choices and kind is not OptionType.SELECT:
        faults["choices"] = "Only a select has choices."
    if not option.choices and kind is OptionType.SELECT:
        faults["choices"] = "A select needs choices."
    if option.overrides is not None and kind is not OptionType.BOOL:
        faults["overrides"] = "Only a bool has overrides; a select has them in its choices."
    if option.overrides is None and kind is OptionType.BOOL:
        faults["overrides"] = "A bool needs overrides: the settings for true."
    return {key: [text] for key, text in {**faults, **_value_faults(name, option)}.items()}


def _value_faults(name: str, option: SiteOption) -> dict[str, str]:
    return _target_faults(option) or _bounds_faults(name, option)


def _target_faults(option: SiteOption) -> dict[str, str]:
    kind = option.type
    if kind in {OptionType.SELECT, OptionType.BOOL}:
        return {} if option.sets is None else {"sets": f"Remove it: a {kind} sets what its choices or overrides say."}
    if option.sets is None:
        return {"sets": f"Write what the option sets: one of {', '.join(sorted(_TYPES))}."}
    units = UNITS.get(option.sets, {})
    if option.unit is not None and option.unit not in units:
        known = f"Its units are {', '.join(units)}." if units else "It has none."
        return {"unit": f"{option.sets} has no unit {option.unit!r}. {known}"}
    if kind not in _TYPES[option.sets]:
        return {"type": f"{option.sets} is set by an option of the type {' or '.join(sorted(_TYPES[option.sets]))}."}
    return {}


def _bounds_faults(name: str, option: SiteOption) -> dict[str, str]:
    if option.type not in _NUMBERS and not (option.minimum is None and option.maximum is None):
        return {"min": "Only a number has min and max."}
    offered = option.offered(name, _EMPTY.get(option.type))
    if offered.minimum is not None and offered.maximum is not None and offered.minimum > offered.maximum:
        return {"min": f"The minimum, {offered.minimum:g}, is more than the maximum, {offered.maximum:g}."}
    if _LEAST.get(option.sets or "") and offered.minimum is not None and offered.minimum <= 0:
        return {"min": "The minimum has to be more than 0."}
    least = _SMALLEST.get(option.sets or "")
    if least is not None and offered.minimum is not None and Decimal(str(offered.minimum)) * option.scale < least:
        own, unit = option.in_unit(float(least)), option.unit or _USUAL.get(option.sets or "", "cores")
        return {"min": f"{offered.minimum:.15g} {unit} is too little to be meant: write {own:.15g} or more."}
    return _default_faults(option, offered)


def _default_faults(option: SiteOption, offered: ClusterOption) -> dict[str, str]:
    try:
        if option.default is not None:
            option.overrides_of(offered.check(option.default))
    except InvalidOptionError as error:
        return {"default": error.message}
    return {}
