"""Match objects by label selector."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def matches(labels: Mapping[str, str] | None, required: Mapping[str, str] | None) -> bool:
    """Return whether an object has all required labels."""
    if not required:
        return True
    return labels is not None and all(labels.get(name) == value for name, value in required.items())
