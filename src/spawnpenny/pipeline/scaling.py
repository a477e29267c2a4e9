"""How many workers fit: a scale that is cut to what the user's budget has room for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from spawnpenny.domain.spawns import Scale
from spawnpenny.errors import QuotaExceededError


@dataclass(frozen=True, slots=True)
class Fitted:
    """What of a scale fits; ``refusal`` says why not all of it, with the numbers."""

    scale: Scale
    refusal: QuotaExceededError | None = None


def fit(wanted: Scale, *, now: int, refusal: Callable[[int], QuotaExceededError | None]) -> Fitted:
    """Return as much of a scale as fits, where ``refusal`` says of a count why it does not; no more than ``now`` fits.

    What has fewer workers than now is never refused: a budget that became smaller must not keep what there is.
    """
    if wanted.count <= now or (told := refusal(wanted.count)) is None:
        return Fitted(wanted)
    fits, over = now, wanted.count
    while over - fits > 1:
        middle = (fits + over) // 2
        if refusal(middle) is None:
            fits = middle
        else:
            over = middle
    return Fitted(replace(wanted, count=fits, minimum=min(wanted.minimum, fits)), told)
