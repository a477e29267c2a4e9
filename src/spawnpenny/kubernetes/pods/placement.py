"""Classify why the scheduler finds no machine for a pod.

The scheduler counts its nodes by the first filter that each fails, as in ``0/5 nodes are available: 1 Insufficient cpu,
4 node(s) had untolerated taint {…}.`` (``k8s.io/kubernetes/pkg/scheduler``, 1.20 to 1.36). A node that fails a later
filter has passed those before it, so the latest one is what is missing where the pod may run at all.
"""

from __future__ import annotations

import re
from typing import Final

from spawnpenny.errors import SpawnError
from spawnpenny.kubernetes.pods.errors import (
    NodeLimitError,
    NoMatchingNodeError,
    UnschedulableError,
    UntoleratedTaintError,
    VolumeUnavailableError,
)

_PREEMPTION: Final = re.compile(r"\s*preemption:.*", re.DOTALL)
_TAINT: Final = re.compile(r"(?:untolerated )?taint\(?s?\)? \{[^}]*\}(?:, that the pod didn't tolerate)?")
_CAUSES: Final[tuple[tuple[re.Pattern[str], type[SpawnError], str], ...]] = (
    (
        re.compile(r"\bInsufficient\b|not have enough resource|cannot allocate all claims", re.IGNORECASE),
        UnschedulableError,
        "No machine has room for it",
    ),
    (
        re.compile(r"Too many pods|exceed max volume count|max volume count exceeded", re.IGNORECASE),
        NodeLimitError,
        "Every machine that it may run on has as many pods or volumes as it may have",
    ),
    (
        re.compile(
            r"persistent ?volume|\bPVCs?\b|\bpvc\(s\)|volume node affinity|volume zone|bind(?:ing)? volumes?"
            r"|storageclass|enough free storage|\bCSI|volume\(s\)|ReadWriteOncePod",
            re.IGNORECASE,
        ),
        VolumeUnavailableError,
        "Storage that it needs cannot be had on any machine",
    ),
    (
        re.compile(
            r"(?:didn't|did not|doesn't) (?:match|satisfy)|node affinity|node selector|free (?:host )?ports"
            r"|topology spread|requested node name|nominated node|resource ?claim|device class",
            re.IGNORECASE,
        ),
        NoMatchingNodeError,
        "No machine is of the kind that is asked for",
    ),
    (
        re.compile(r"taint|unschedulable|not ready|unreachable", re.IGNORECASE),
        UntoleratedTaintError,
        "Every machine is kept for something else, or takes nothing at the moment",
    ),
)


def placement_error(message: str, *, shown: str) -> SpawnError:
    """Return why a pod has no machine, by the scheduler's message; ``shown`` is the part that its user sees."""
    kind, sentence = _cause(reasons_of(message))
    return kind(f"{sentence}: {shown}.")


def reasons_of(message: str) -> str:
    """Return the scheduler's message about the nodes, without its part on preemption."""
    return _PREEMPTION.sub("", message)


def _cause(message: str) -> tuple[type[SpawnError], str]:
    plain = _TAINT.sub("taint", message)  # the name of a taint says nothing of what is missing
    for pattern, kind, sentence in _CAUSES:
        if pattern.search(plain):
            return kind, sentence
    return UnschedulableError, "No machine takes it" if message.strip() else "No machine has room for it"
