"""Cut a scale to the number of workers that the user's budget has room for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from spawnpenny.domain.spawns import DEFAULT_GROUP, Scale
from spawnpenny.errors import QuotaExceededError

Refusal = Callable[[Scale], QuotaExceededError | None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The part of a scale that fits; ``refusal`` says why not all of it, with the numbers."""

    scale: Scale
    refusal: QuotaExceededError | None = None


def fit(wanted: Scale, *, now: Scale, refusal: Refusal) -> Fitted:
    """Return as much of a scale as fits, where ``refusal`` says of one why it does not; no more than ``now`` fits.

    A scale with fewer workers than now is never refused: a smaller budget must not keep workers from going.
    """
    more = [name for name in (DEFAULT_GROUP, *wanted.groups) if wanted.of(name) > now.of(name)]
    if not more or (told := refusal(wanted)) is None:
        return Fitted(wanted)
    fitted = wanted
    for name in more:
        fitted = fitted.resized(name, now.of(name))
    for name in more:
        fitted = fitted.resized(name, _most(fitted, name, wanted.of(name), refusal))
    return Fitted(replace(fitted, minimum=min(wanted.minimum, fitted.count)), told)


def fit_maximum(wanted: Scale, *, now: Scale, refusal: Refusal) -> Fitted:
    """Return an adaptive scale with no larger new maximum than could ever fit; ``refusal`` says of one why not."""
    if wanted.maximum is None or not wanted.adaptive or (now.adaptive and wanted.maximum == now.maximum):
        return Fitted(wanted)
    told = refusal(replace(wanted, count=wanted.maximum))
    if told is None:
        return Fitted(wanted)
    most = max(now.count, _most(replace(wanted, count=0), DEFAULT_GROUP, wanted.maximum, refusal))
    return Fitted(replace(wanted, maximum=most, minimum=min(wanted.minimum, most)), told)


def _most(scale: Scale, group: str, over: int, refusal: Refusal) -> int:
    """Return the largest count of a group, below one that may not fit, that does; no less than the scale has."""
    fits, over = scale.of(group), over + 1
    while over - fits > 1:
        middle = (fits + over) // 2
        if refusal(scale.resized(group, middle)) is None:
            fits = middle
        else:
            over = middle
    return fits
