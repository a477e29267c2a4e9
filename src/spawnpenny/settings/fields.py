"""Marshmallow fields of settings and requests: quantities, templates, and lists that stay frozen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Literal

from marshmallow import ValidationError, fields

from spawnpenny.domain.quantities import parse_quantity
from spawnpenny.domain.suggestions import MOST_NAMED
from spawnpenny.domain.templates import fields_of

_LEAST: Final = {"cpu": Decimal("0.001"), "memory": Decimal(2**20)}


class QuantityField(fields.Field[Decimal]):
    """A Kubernetes quantity that is not negative, as a Decimal in cores or bytes.

    With ``of``, which is ``cpu`` or ``memory``, it refuses amounts that are too small to be meant, such as one byte.
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
    """Return the fault of an amount that is above zero and less than any program can use, or None.

    Args:
        amount: Cores or bytes.
        of: ``cpu`` or ``memory``; None for any resource.
        written: The amount as it was written, for the message.

    """
    if of is None or not 0 < amount < _LEAST[of]:
        return None
    if of == "cpu":
        return f"{written} is less than 0.001 cores, the least that Kubernetes takes. Write cores, such as 0.5 or 500m."
    number = format(amount.normalize(), "f")
    of_bytes = f"{number} byte{'' if amount == 1 else 's'}"
    return f"{written} is {of_bytes}, less than any program needs. Write it with a unit, such as 512Mi or 2Gi."


class TemplateField(fields.String):
    """A template: a text with fields in braces, such as ``claim-{username}``. ``expand`` fills it in for a lab."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            fields_of(text)
        except ValueError as error:
            raise ValidationError(f"{text!r} is not a template: {error}.") from None
        return text


class TupleField(fields.List[Any]):
    """A list that is loaded as a tuple, so that a frozen dataclass with it stays immutable."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return tuple(super()._deserialize(value, attr, data, **kwargs))


class ShortTupleField(TupleField):
    """A list with at most ``most`` items, loaded as a tuple. Loading stops at the tenth wrong item."""

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
