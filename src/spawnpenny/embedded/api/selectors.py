"""Match objects by label selector."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def matches(labels: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> bool:
    """Say whether an object with these labels carries all of the wanted ones, if any are wanted."""
    if not wanted:
        return True
    return labels is not None and all(labels.get(name) == value for name, value in wanted.items())
