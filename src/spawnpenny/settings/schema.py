"""Strict marshmallow schemas: they refuse unknown keys and load frozen dataclasses."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, pre_load, validate

from spawnpenny.domain.suggestions import MOST_NAMED, listed, nearest, shortened
from spawnpenny.errors import SettingsError
from spawnpenny.settings.fields import QuantityField, TupleField
from spawnpenny.settings.sources import variable

T = TypeVar("T")


class StrictSchema(Schema, Generic[T]):
    """A schema that loads an object of the dataclass ``model`` and refuses unknown keys.

    The refusal of a misspelt key names the nearest key.
    """

    model: ClassVar[type]

    class Meta:
        unknown = RAISE

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> T:
        made: T = self.model(**data)
        return made

    @pre_load
    def _refuse_many(self, data: Any, **_: Any) -> Any:
        # marshmallow's own time for them grows with the square of their number.
        unknown = self._unknown_keys(data)
        if len(unknown) > MOST_NAMED and self.unknown == RAISE:
            raise ValidationError({key: [] for key in unknown[:MOST_NAMED]})
        return data

    def handle_error(self, error: ValidationError, data: Any, **kwargs: Any) -> None:
        if not isinstance(error.messages, dict):
            return
        unknown = [key for key in self._unknown_keys(data) if key in error.messages]
        known = self._known_keys()
        for key in unknown:
            error.messages[key] = [self.word_unknown(str(key), known)]
        if len(unknown) == MOST_NAMED and (more := len(self._unknown_keys(data)) - MOST_NAMED) > 0:
            error.messages[unknown[-1]] = [f"{error.messages[unknown[-1]][0]} {more} more keys are not known."]

    def word_unknown(self, key: str, known: list[str]) -> str:
        """Return the refusal of a key that is not among the known ones."""
        return unknown_key(key, known)

    def _known_keys(self) -> list[str]:
        return [field.data_key or name for name, field in self.load_fields.items()]

    def _unknown_keys(self, data: Any) -> list[Any]:
        known = set(self._known_keys())
        return [key for key in data if key not in known] if isinstance(data, Mapping) else []


_PLAIN: Final[Mapping[Any, fields.Field[Any]]] = {
    str: fields.String(),
    bool: fields.Boolean(),
    int: fields.Integer(strict=True),
    float: fields.Float(),
    Decimal: QuantityField(),
    Any: fields.Raw(allow_none=True),
}


def schema_of(model: type[T]) -> type[StrictSchema[T]]:
    """Derive the schema of a dataclass from the types of its fields.

    A type is ``Annotated`` with a marshmallow field, a plain ``str``, ``bool``, ``int``, ``float``, ``Decimal``
    (a quantity), ``Literal`` of texts, ``Any`` or dataclass, a tuple or a map by text of these, or one of them
    ``| None``. A field without a default is required, and one whose name begins with ``_`` is no key. Fields that have
    to fit together are checked in ``__post_init__``, which raises a ``ValidationError``.
    """
    return _derived(model)  # type: ignore[arg-type] # mypy: is a class hashable?


@cache
def _derived(model: type) -> type[StrictSchema[Any]]:
    parts = {"__module__": model.__module__, "model": model, **fields_of_model(model)}
    return type(f"{model.__name__}Schema", (StrictSchema,), parts)


@cache
def fields_of_model(model: type) -> Mapping[str, fields.Field[Any]]:
    """Return the marshmallow fields that ``schema_of`` derives for a dataclass."""
    hints = get_type_hints(model, include_extras=True)
    declared = dict[str, fields.Field[Any]]()
    for key in dataclasses.fields(model):
        if not key.name.startswith("_"):
            declared[key.name] = field = _field_of(hints[key.name])
            field.required = key.default is dataclasses.MISSING and key.default_factory is dataclasses.MISSING
    return declared


def _field_of(hint: Any) -> fields.Field[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated or hint in _PLAIN:
        return copy.deepcopy(arguments[1] if arguments else _PLAIN[hint])
    if origin in {types.UnionType, Union}:
        field = _field_of(next(argument for argument in arguments if argument is not types.NoneType))
        field.allow_none = True
        return field
    if origin is Literal:
        return fields.String(validate=validate.OneOf(arguments))
    if origin is tuple:
        return TupleField(_field_of(arguments[0]))
    if origin is Mapping:
        return fields.Dict(keys=_field_of(arguments[0]), values=_field_of(arguments[1]))
    return fields.Nested(schema_of(hint))


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the refusal of an unknown key, with the nearest key or all keys."""
    choices = sorted(known)
    near = nearest(key, choices)
    hint = f"did you mean {near!r}?" if near is not None else f"known are {listed(choices)}."
    return f"{shortened(key)!r} is not known here; {hint}"


def flatten(messages: Any, path: str = "", *, dicts: bool = True) -> Iterator[tuple[str, str]]:
    """Yield (dotted field, message) for each message of a marshmallow ``ValidationError``.

    ``dicts`` tells whether the schema may have Dict fields. Then none of its fields is called ``key`` or ``value``.
    """
    if isinstance(messages, Mapping):
        # marshmallow puts "key" or "value" between a Dict field and its entries
        of_dict = dicts and messages.keys() <= {"key", "value"}
        for key, inner in messages.items():
            step = "" if key == "_schema" or of_dict else str(key)
            yield from flatten(inner, ".".join(part for part in (path, step) if part), dicts=dicts)
    elif isinstance(messages, list):
        for message in messages:
            yield from flatten(message, path, dicts=dicts)
    else:
        yield path, str(messages)


def without(schema: StrictSchema[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data without the keys that a schema refuses, and without the refused sections of a map."""
    try:
        schema.load(data)
    except ValidationError as error:
        messages = error.messages if isinstance(error.messages, Mapping) else {}
        known = {field.data_key or name for name, field in schema.load_fields.items()}
        kept = {key: value for key, value in data.items() if key in known and key not in messages}
        for key, inner in messages.items():
            section = data.get(key)
            if isinstance(schema.fields.get(key), fields.Dict) and isinstance(section, Mapping):
                kept[key] = {name: value for name, value in section.items() if name not in inner}
        return kept
    return dict(data)


def load_strict(
    schema: StrictSchema[T],
    data: Mapping[str, Any],
    path: str,
    source: str = "the settings",
    environ: Mapping[str, str] | None = None,
) -> T:
    """Load a section of the settings by a schema.

    Args:
        schema: The schema of the section.
        data: The section.
        path: The path of the section in the settings, with dots.
        source: The name of the settings file, for messages.
        environ: The environment variables that override settings.

    Raises:
        SettingsError: A key is unknown, missing or wrong.

    """
    try:
        loaded: T = schema.load(data)
    except ValidationError as error:
        faults: dict[str, list[str]] = {}
        for field, message in flatten(error.messages, path):
            place = variable(field, environ or {}) or source
            faults.setdefault(place, []).append(f"{field or 'the whole'}: {message}")
        raise SettingsError(" ".join(f"In {place}: {' '.join(texts)}" for place, texts in faults.items())) from None
    return loaded
