"""Leave out the smallest parts of a value that keep it from being accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Check = Callable[[Any], str | None]
"""A function that returns why a value is refused; None if it is accepted."""
Key = str | int


@dataclass(frozen=True, slots=True)
class Shape:
    """The parts of a value that can be left out.

    ``rest`` is the shape of the entries of a map or a list that can each be left out alone. Without it, entries belong
    together: only those in ``parts`` can shrink, and only those in ``optional`` can be left out.
    """

    parts: Mapping[str, Shape] = field(default_factory=dict)
    rest: Shape | None = None
    optional: frozenset[str] = frozenset()
    late: tuple[str, ...] = ()
    """Entries that depend on the others: they are checked after them, in this order."""

    def of(self, key: Key) -> Shape:
        """Return the shape of an entry."""
        return self.parts.get(str(key)) or self.rest or ATOM

    def can_drop(self, key: Key) -> bool:
        """Return whether an entry can be left out alone."""
        return self.rest is not None or key in self.optional


ATOM: Final = Shape()
"""A value that is kept or left out as a whole."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A part that was left out: path, value and reason; ``check`` checks another value at that path."""

    path: tuple[Key, ...]
    value: Any
    reason: str
    check: Check


@dataclass(frozen=True, slots=True)
class Pruned:
    """The accepted part of a value, and the parts that were removed."""

    value: Any
    losses: tuple[Loss, ...] = ()


def prune(value: Any, shape: Shape, check: Check) -> Pruned | None:
    """Return a value without the parts that are refused; None if nothing of it is accepted."""
    if check(value) is None:
        return Pruned(value)
    if shape is ATOM or not isinstance(value, Mapping | list):
        return None
    return _Pruning(value, shape, check).run()


class _Pruning:
    """A value that grows from its required entries, entry by entry, in the order in which they are accepted."""

    def __init__(self, value: Mapping[str, Any] | list[Any], shape: Shape, check: Check) -> None:
        self._value = value
        self._entries: dict[Any, Any] = dict(value) if isinstance(value, Mapping) else dict(enumerate(value))
        self._shape = shape
        self._check = check
        self._kept: dict[Any, Any] = {}
        self._losses: dict[Any, tuple[Loss, ...]] = {}
        # Of two list entries that exclude each other, such as profiles with one name, the first one wins.
        self._in_order = isinstance(value, list)

    def run(self) -> Pruned | None:
        if self._shape.rest is None:
            self._kept = {key: entry for key, entry in self._entries.items() if key not in self._shape.parts}
        refused = self._grow([key for key in self._entries if key not in self._kept])
        late = self._shape.late
        for key in sorted(refused, key=lambda key: late.index(key) + 1 if key in late else 0):
            if not self._shrink(key):
                return None
        for key in self._grow(refused):  # an entry may be accepted now that another part is left out
            if key not in self._kept and not self._drop(key):
                return None
        value = self._built(self._kept)
        losses = tuple(loss for key in self._entries for loss in self._losses.get(key, ()))
        return Pruned(value, losses) if self._check(value) is None else None

    def _grow(self, keys: list[Any]) -> list[Any]:
        """Keep the entries that are accepted as they are, and return the others."""
        while True:
            refused = self._add(keys)
            if len(refused) == len(keys):
                return refused
            keys = refused

    def _add(self, keys: list[Any]) -> list[Any]:
        """Keep entries all at once, or else half of them at a time, and return those that are refused."""
        if not keys or self._keep(keys):
            return []
        if len(keys) == 1:
            return [] if self._in_order and self._shrink(keys[0]) and keys[0] in self._kept else keys
        half = len(keys) // 2
        return [*self._add(keys[:half]), *self._add(keys[half:])]

    def _shrink(self, key: Any) -> bool:
        pruned = prune(self._entries[key], self._shape.of(key), self._judge(key))
        if pruned is None:
            return self._shape.can_drop(key)
        self._kept[key] = pruned.value
        self._losses[key] = tuple(_below(key, pruned.losses))
        return True

    def _drop(self, key: Any) -> bool:
        reason = self._judge(key)(self._entries[key])
        if not self._shape.can_drop(key) or reason is None:
            return False
        self._losses[key] = (Loss((key,), self._entries[key], reason, self._judge(key)),)
        return True

    def _keep(self, keys: list[Any]) -> bool:
        more = {key: self._entries[key] for key in keys}
        if self._check(self._built({**self._kept, **more})) is not None:
            return False
        self._kept |= more
        for key in keys:
            self._losses.pop(key, None)
        return True

    def _judge(self, key: Any) -> Check:
        return lambda value: self._check(self._built({**self._kept, key: value}))

    def _built(self, kept: Mapping[Any, Any]) -> Any:
        """Return the entries in their original order."""
        ordered = {key: kept[key] for key in self._entries if key in kept}
        return ordered if isinstance(self._value, Mapping) else list(ordered.values())


def _below(key: Key, losses: Iterable[Loss]) -> Iterator[Loss]:
    for loss in losses:
        yield Loss((key, *loss.path), loss.value, loss.reason, loss.check)
