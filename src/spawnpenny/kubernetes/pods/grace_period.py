"""The grace period of pods: the seconds that their programs get to end by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spawnpenny.domain import labels
from spawnpenny.kubernetes.interface import Manifest

_DEFAULT: Final = 30
"""Kubernetes' own."""


def grace_of(pod: Manifest) -> int | None:
    """Return the grace period in a pod's spec, or None where it has none."""
    seconds: int | None = pod.get("spec", {}).get("terminationGracePeriodSeconds")
    return seconds


def longest_grace(pods: Iterable[Manifest], spawn: str) -> float:
    """Return the longest grace period of a spawn's pods in the cache; 0 if it has none."""
    mine = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get(labels.SPAWN) == spawn]
    return max((_DEFAULT if (grace := grace_of(pod)) is None else grace for pod in mine), default=0)
