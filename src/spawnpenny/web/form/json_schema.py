"""A form as JSON Schema: it accepts exactly the ``options`` that a start of a lab accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from spawnpenny.domain.availability import CHECKED, Path, Shortage
from spawnpenny.domain.cluster_options import ClusterOption, OptionType
from spawnpenny.domain.forms import MAX_TEXT, REFUSED_IN_TEXT, FormChoice, FormField, FreeText, Number

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_TYPES: Final[Mapping[OptionType, str]] = {
    OptionType.STRING: "string",
    OptionType.BOOL: "boolean",
    OptionType.INT: "integer",
    OptionType.FLOAT: "number",
    OptionType.MAPPING: "object",
}


def form_schema(form: Sequence[FormField], short: Mapping[Path, Shortage] | None = None) -> dict[str, Any]:
    """Return the schema of the ``options`` that fit a form.

    A choice in ``short`` gets the annotation ``unavailable`` with the shortage. The schema still accepts it, but a
    start with it is refused.
    """
    return {
        "$schema": _DIALECT,
        "title": "options",
        **_object(form, short or {}, ()),
        "type": "object",
        "unevaluatedProperties": False,
    }


def options_schema(offered: Sequence[ClusterOption] | None) -> dict[str, Any]:
    """Return the schema of ``options`` that no form describes; None: only the steps of the kind check them."""
    schema = {"$schema": _DIALECT, "title": "options", "type": "object"}
    if offered is None:
        return schema
    return {**schema, "properties": {option.name: _option(option) for option in offered}, "additionalProperties": False}


def _option(option: ClusterOption) -> dict[str, Any]:
    described = _described(option.label or option.name, option.description)
    default = {} if option.secret else {"default": option.default}
    if option.type is OptionType.SELECT:
        return {**described, "enum": list(option.choices), **default}
    bounds = {"minimum": option.minimum, "maximum": option.maximum}
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    return {**described, "type": _TYPES[option.type], **known, **default}


def _object(fields: Sequence[FormField], short: Mapping[Path, Shortage], path: Path) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    rules: list[dict[str, Any]] = []
    for field in fields:
        if field.choices:
            properties[field.name] = _choices(field, short, path)
        if field.number is not None:
            properties[field.name] = _number(field, field.number)
        if field.checkbox is not None:
            shortage = short.get((*path, field.name, CHECKED))
            properties[field.name] = {
                **_described(field.label, field.description),
                "type": "boolean",
                "default": field.checkbox.default,
                **({"unavailable": shortage.to_json()} if shortage else {}),
            }
        if field.free_text is not None:
            properties[field.text_name] = _text(field, field.free_text)
            if field.choices:
                rules.append({"not": {"required": [field.name, field.text_name]}})
        rules.extend(_further(field, choice, short, path) for choice in field.choices if choice.fields)
    required = [field.text_name for field in fields if field.free_text is not None and not field.choices]
    return {
        "properties": properties,
        **({"required": required} if required else {}),
        **({"allOf": rules} if rules else {}),
    }


def _choices(field: FormField, short: Mapping[Path, Shortage], path: Path) -> dict[str, Any]:
    default = field.default
    listed = []
    for choice in field.choices:
        entry: dict[str, Any] = {"const": choice.value, **_described(choice.label, choice.description)}
        if shortage := short.get((*path, field.name, choice.value)):
            entry["unavailable"] = shortage.to_json()
        listed.append(entry)
    return {
        **_described(field.label, field.description),
        "oneOf": listed,
        **({"default": default.value} if default is not None else {}),
    }


def _number(field: FormField, number: Number) -> dict[str, Any]:
    bounds = {"minimum": number.minimum, "maximum": number.maximum, "default": number.default}
    return {
        **_described(field.label, field.description),
        "type": "number" if number.step is None else "integer",
        **{key: number.typed(bound) for key, bound in bounds.items()},
        **({"multipleOf": number.step} if number.step is not None else {}),
        **({"unit": number.unit} if number.unit else {}),
    }


def _text(field: FormField, free: FreeText) -> dict[str, Any]:
    return {
        **_described(free.label, free.message or ("" if field.choices else field.description)),
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_TEXT,
        "not": {"pattern": REFUSED_IN_TEXT},
        **({"pattern": f"^(?:{free.pattern})$"} if free.pattern is not None else {}),
    }


def _further(field: FormField, choice: FormChoice, short: Mapping[Path, Shortage], path: Path) -> dict[str, Any]:
    """Return the rule that adds the fields of a choice if it is chosen, also by default."""
    chosen: dict[str, Any] = {"properties": {field.name: {"const": choice.value}}}
    if choice is not field.default:
        chosen["required"] = [field.name]
    elif field.free_text is not None:
        chosen["not"] = {"required": [field.text_name]}
    return {"if": chosen, "then": _object(choice.fields, short, (*path, field.name, choice.value))}


def _described(label: str, description: str) -> dict[str, str]:
    return {"title": label, **({"description": description} if description else {})}
