"""Base of all marshmallow schemas: unknown keys are refused, and the loaded value is a frozen dataclass."""

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

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, pre_load

from spawnpenny.domain.quantities import parse_quantity
from spawnpenny.domain.suggestions import MOST_NAMED, listed, nearest, shortened
from spawnpenny.domain.templates import fields_of
from spawnpenny.errors import SettingsError
from spawnpenny.settings.sources import variable

T = TypeVar("T")


class StrictSchema(Schema, Generic[T]):
    """A schema whose ``load`` gives the dataclass that ``model`` names.

    The refusal of a misspelt key names the nearest right one.
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
        # marshmallow itself takes a time that grows with the square of their number.
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


_LEAST: Final = {"cpu": Decimal("0.001"), "memory": Decimal(2**20)}


class QuantityField(fields.Field[Decimal]):
    """A Kubernetes quantity that is not negative, as a Decimal: cores, or bytes.

    ``of`` is ``cpu`` or ``memory``, where an amount that nobody can mean is refused: a memory of 1 is one byte.
    """

    def __init__(self, *, of: Literal["cpu", "memory"] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._of = of

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValidationError("This is not a quantity: write for example 500m, 1.5 or 2Gi.")
        try:
            quantity = parse_quantity(value)
        except ValueError as error:
            raise ValidationError(f"{error}.") from None
        if quantity < 0:
            raise ValidationError(f"{value} is negative.")
        if fault := too_little(quantity, self._of, str(value)):
            raise ValidationError(fault)
        return quantity


def too_little(amount: Decimal, of: Literal["cpu", "memory"] | None, written: str) -> str | None:
    """Say what is wrong with an amount that is more than nothing and less than any program can use.

    Args:
        amount: Cores or bytes.
        of: Which of them it is; None where it may be anything.
        written: How it was written.

    """
    if of is None or not 0 < amount < _LEAST[of]:
        return None
    if of == "cpu":
        return f"{written} is less than 0.001 cores, the least that Kubernetes takes. Write cores, such as 0.5 or 500m."
    number = format(amount.normalize(), "f")
    of_bytes = f"{number} byte{'' if amount == 1 else 's'}"
    return f"{written} is {of_bytes}, less than any program needs. Write it with a unit, such as 512Mi or 2Gi."


class TemplateField(fields.String):
    """A text with fields in braces, such as ``claim-{username}``, kept as it is: ``expand`` fills it in for a lab."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            fields_of(text)
        except ValueError as error:
            raise ValidationError(f"{text!r} is not a template: {error}.") from None
        return text


class TupleField(fields.List[Any]):
    """A list that is loaded as a tuple, so that what it is in stays frozen."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return tuple(super()._deserialize(value, attr, data, **kwargs))


class ShortTupleField(TupleField):
    """A tuple of at most so many items, which stops at the tenth item that is wrong."""

    def __init__(self, inner: fields.Field[Any], *, most: int, **kwargs: Any) -> None:
        super().__init__(inner, **kwargs)
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list) or len(value) > self._most:
            raise self.make_error("invalid")
        items, wrong = [], dict[int | str, Any]()
        for position, item in enumerate(value):
            try:
                items.append(self.inner.deserialize(item, **kwargs))
            except ValidationError as error:
                wrong[position] = error.messages
                if len(wrong) == MOST_NAMED:
                    break
        if wrong:
            raise ValidationError(wrong)
        return tuple(items)


_PLAIN: Final[Mapping[type, type[fields.Field[Any]]]] = {
    str: fields.String,
    bool: fields.Boolean,
    float: fields.Float,
    Decimal: QuantityField,
}


@cache
def schema_of(model: type[T]) -> type[StrictSchema[T]]:
    """Derive the schema of a dataclass from the types of its fields.

    A type is ``Annotated`` with a marshmallow field, a plain ``str``, ``bool``, ``int``, ``float``, ``Decimal``
    (a quantity) or dataclass, a tuple or a map by text of these, or one of them ``| None``. A field without a default
    is required, and one whose name begins with ``_`` is no key.
    """
    declared = fields_of_model(model)  # type: ignore[arg-type] # mypy: is a class hashable?
    parts = {"__module__": model.__module__, "model": model, **declared}
    return type(f"{model.__name__}Schema", (StrictSchema,), parts)


@cache
def fields_of_model(model: type) -> Mapping[str, fields.Field[Any]]:
    """Return the fields that the schema of a dataclass has, as ``schema_of`` derives them."""
    hints = get_type_hints(model, include_extras=True)
    declared = dict[str, fields.Field[Any]]()
    for each in dataclasses.fields(model):
        if not each.name.startswith("_"):
            declared[each.name] = field = _field_of(hints[each.name])
            field.required = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    return declared


def _field_of(hint: Any) -> fields.Field[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return copy.deepcopy(arguments[1])
    if origin in {types.UnionType, Union}:
        field = _field_of(next(argument for argument in arguments if argument is not types.NoneType))
        field.allow_none = True
        return field
    if origin is tuple:
        return TupleField(_field_of(arguments[0]))
    if origin is Mapping:
        return fields.Dict(keys=_field_of(arguments[0]), values=_field_of(arguments[1]))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return fields.Nested(schema_of(hint))
    return fields.Integer(strict=True) if hint is int else _PLAIN[hint]()


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Word the refusal of a key that nobody knows."""
    choices = sorted(known)
    near = nearest(key, choices)
    hint = f"did you mean {near!r}?" if near is not None else f"known are {listed(choices)}."
    return f"{shortened(key)!r} is not known here; {hint}"


def flatten(messages: Any, path: str = "", *, dicts: bool = True) -> Iterator[tuple[str, str]]:
    """Yield (dotted field, message) for each message of a marshmallow ``ValidationError``.

    ``dicts`` says that the schema may have Dict fields, and so that no field of it is called ``key`` or ``value``.
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
    """Return what a schema makes of data that came from settings.

    Args:
        schema: What the data has to be.
        data: Keys and values.
        path: Where it stands among the settings, with dots.
        source: What it is called in the messages.
        environ: The variables that have overridden some of it.

    Raises:
        SettingsError: A key is not known, missing or wrong.

    """
    try:
        loaded: T = schema.load(data)
    except ValidationError as error:
        told: dict[str, list[str]] = {}
        for field, message in flatten(error.messages, path):
            place = variable(field, environ or {}) or source
            told.setdefault(place, []).append(f"{field or 'the whole'}: {message}")
        raise SettingsError(" ".join(f"In {place}: {' '.join(each)}" for place, each in told.items())) from None
    return loaded
