"""Cut a scale to the number of workers that the user's budget has room for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from spawnpenny.domain.spawns import DEFAULT_GROUP, Scale
from spawnpenny.errors import QuotaExceededError

Refusal = Callable[[Scale], QuotaExceededError | None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The part of a scale that fits; ``refusal`` says why the rest does not."""

    scale: Scale
    refusal: QuotaExceededError | None = None


def fit(desired: Scale, *, now: Scale, refusal: Refusal) -> Fitted:
    """Return as much of a scale as fits. ``refusal`` returns why a scale does not fit, or None.

    Fewer workers than ``now`` are never refused: a smaller budget must not keep workers from ending.
    """
    more = [name for name in (DEFAULT_GROUP, *desired.groups) if desired.of(name) > now.of(name)]
    if not more or (refused := refusal(desired)) is None:
        return Fitted(desired)
    fitted = desired
    for name in more:
        fitted = fitted.resized(name, now.of(name))
    for name in more:
        fitted = fitted.resized(name, _most(fitted, name, desired.of(name), refusal))
    return Fitted(replace(fitted, minimum=min(desired.minimum, fitted.count)), refused)


def fit_maximum(desired: Scale, *, now: Scale, refusal: Refusal) -> Fitted:
    """Return an adaptive scale whose maximum is cut to what could ever fit."""
    if desired.maximum is None or not desired.adaptive or (now.adaptive and desired.maximum == now.maximum):
        return Fitted(desired)
    refused = refusal(replace(desired, count=desired.maximum))
    if refused is None:
        return Fitted(desired)
    most = max(now.count, _most(replace(desired, count=0), DEFAULT_GROUP, desired.maximum, refusal))
    return Fitted(replace(desired, maximum=most, minimum=min(desired.minimum, most)), refused)


def _most(scale: Scale, group: str, over: int, refusal: Refusal) -> int:
    """Return the largest count of a group that fits: at least its present one, at most ``over``."""
    fits, over = scale.of(group), over + 1
    while over - fits > 1:
        middle = (fits + over) // 2
        if refusal(scale.resized(group, middle)) is None:
            fits = middle
        else:
            over = middle
    return fits
