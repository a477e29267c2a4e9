"""The kinds of values that the settings of a lab's pod have, checked as KubeSpawner's traits check theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validate

from spawnpenny.api import MAX_ID, QuantityField, expand, fields_of, labels_fault, unknown_key
from spawnpenny_lab.models import ENV_VAR, LOCAL_OBJECT_REFERENCE, Model

_UNITS: Final = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_BYTES: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([KMGT])", re.ASCII)
_OURS: Final = "spawnpenny.io/"
_ELSEWHERE: Final = {
    "{pvc_name}": "the plugin storage names the claim, and adds its volume and mount by itself",
    "{hubnamespace}": "the Hub's namespace is not known here, write its name",
    "{userid}": "the Hub's number of a user is not known here",
}


class CoresField(QuantityField):
    """CPU: 0.5, or 500m. None and 0 are none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        return value if isinstance(value, Decimal) else super()._deserialize(value, attr, data, **kwargs)


class BytesField(CoresField):
    """Memory in JupyterHub's units, where K, M, G and T are powers of 1024; Ki, Mi, Gi and Ti are the same."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        match = _BYTES.fullmatch(value) if isinstance(value, str) else None
        if match:
            number, unit = match.groups()
            value = format(Decimal(number) * _UNITS[unit], "f")
        return Decimal(int(super()._deserialize(value, attr, data, **kwargs)))


class TextField(fields.String):
    """A string; with ``template``, one that may name the spawn's names, and with ``fields`` these."""

    def __init__(self, *, template: bool = False, fields: tuple[str, ...] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.template = template
        self._fields = fields

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, *args, **kwargs)
        if self.template or self._fields:
            _check_templates(text, self._fields)
        return text


class CommandField(fields.Field[tuple[str, ...]]):
    """A command: a string for one without arguments, or a list; with ``program``, its first word is what is run."""

    def __init__(self, *, program: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._program = program

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        if self._program and isinstance(value, str) and len(value.split()) > 1:
            listed = ", ".join(value.split())
            raise ValidationError(f"A string is the name of a program. Write arguments as a list: [{listed}].")
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise ValidationError("This is no command: write a string, or a list of strings.")
        return tuple(words)


class ObjectField(fields.Field[Mapping[str, Any]]):
    """A map: part of a Kubernetes object; with a ``model``, keys in either spelling become camelCase."""

    def __init__(self, model: Model | None = None, *, template: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._model = model
        self.template = template

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Mapping[str, Any]:
        return _object(value, self._model, template=self.template)


class EntriesField(fields.Field[Any]):
    """Several objects of one kind: a list, or a map by any key, whose values come in the order of the keys."""

    def __init__(self, model: Model, *, template: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._model = model
        self.template = template

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list | tuple | Mapping):
            raise ValidationError(f"Write a list of {self._model.name} objects, or a map with such values.")
        entries = list(value.items() if isinstance(value, Mapping) else enumerate(value))
        loaded, errors = {}, {}
        for key, entry in entries:
            try:
                loaded[key] = _object(entry, self._model, template=self.template)
            except ValidationError as error:
                errors[str(key)] = error.messages
        if errors:
            raise ValidationError(errors)
        return loaded if isinstance(value, Mapping) else tuple(loaded.values())


class StringsField(fields.Dict):
    """Labels, annotations and their like: strings by name, none of them spawnpenny's own."""

    def __init__(self, *, template: bool = False, labels: bool = False, **kwargs: Any) -> None:
        super().__init__(keys=fields.String(), values=TextField(template=template), **kwargs)
        self.template = template
        self._labels = labels

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        strings: dict[str, str] = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        for key in strings:
            if key.startswith(_OURS):
                raise ValidationError(f"{key!r} is spawnpenny's own.")
        # The value of a template is not known yet.
        fixed = {key: "" if "{" in text else text for key, text in strings.items()}
        if self._labels and (fault := labels_fault(fixed)):
            raise ValidationError(fault)
        return strings


class PullSecretsField(fields.Field[tuple[Mapping[str, str], ...]]):
    """Names of Secrets: strings, or objects with ``name``; one string alone is a list of one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[Mapping[str, str], ...]:
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, list | tuple):
            raise ValidationError("Write a list of names of Secrets.")
        return tuple(
            {"name": secret} if isinstance(secret, str) else _object(secret, LOCAL_OBJECT_REFERENCE, template=False)
            for secret in given
        )


class GroupsField(fields.List[int]):
    """POSIX ids of groups."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(posix_id(), **kwargs)

    def _deserialize(self, *args: Any, **kwargs: Any) -> Any:
        return tuple(super()._deserialize(*args, **kwargs))


class ContextField(ObjectField):
    """A security context: its keys in camelCase only, as KubeSpawner takes them."""

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kind = kind

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Mapping[str, Any]:
        context = super()._deserialize(value, attr, data, **kwargs)
        for key in context:
            if "_" in key:
                raise ValidationError(f"{key!r}: write the keys of a security context in camelCase.")
        if fault := unknown_key({"securityContext": context}, self._kind, own=False):
            raise ValidationError(fault)
        return context


def posix_id(**kwargs: Any) -> fields.Integer:
    """Return a field for a uid or gid."""
    return fields.Integer(strict=True, validate=validate.Range(min=0, max=MAX_ID), **kwargs)


class AmountsField(fields.Field[Mapping[str, str]]):
    """Amounts of further resources by name: ``nvidia.com/gpu: 1``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Mapping[str, str]:
        amounts = fields.Dict(keys=fields.String(), values=QuantityField()).deserialize(value, attr, data, **kwargs)
        return {name: str(value[name]) for name in amounts}


class EnvironmentField(fields.Field[Mapping[str, Any]]):
    """Environment variables: a string each, or an object with ``value`` or ``valueFrom``."""

    template: ClassVar[bool] = True

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise ValidationError("Write variables by name.")
        loaded, errors = {}, {}
        for name, given in value.items():
            try:
                loaded[str(name)] = self._variable(given)
            except ValidationError as error:
                errors[str(name)] = error.messages
        if errors:
            raise ValidationError(errors)
        return loaded

    def _variable(self, given: Any) -> Any:
        if isinstance(given, str):
            _check_templates(given)
            return given
        if not isinstance(given, Mapping):
            raise ValidationError("Write a string (numbers in quotes), or an object with value or valueFrom.")
        variable = _object(given, ENV_VAR, template=True)
        if len(variable.keys() & {"value", "valueFrom"}) != 1:
            raise ValidationError("A variable has either value or valueFrom.")
        return variable


def _object(value: Any, model: Model | None, *, template: bool) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValidationError(f"This is no {model.name if model else 'map'}: write keys and values.")
    if template:
        _check_templates(value)
    if model is None:
        return dict(value)
    try:
        spelt = model.spelt(value)
    except ValueError as error:
        raise ValidationError(str(error)) from None
    if fault := unknown_key(spelt, f"V1{model.name}", own=False):
        raise ValidationError(fault)
    return spelt


def _check_templates(value: Any, known: tuple[str, ...] | None = None) -> None:
    """Refuse a template, or one in data, that names an unknown field; ``known`` are other fields than the usual."""
    for text in _texts(value):
        try:
            if known is None:
                fields_of(text)
            else:
                expand(text, dict.fromkeys(known, ""))
        except ValueError as error:
            hints = [f"; {hint}" for field, hint in _ELSEWHERE.items() if field in text]
            raise ValidationError(f"{text!r} is no template: {error}{''.join(hints)}.") from None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
