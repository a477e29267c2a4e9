"""Missing objects: those that pods need, no step makes, and no setting expects."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

import yaml

from spawnpenny.admin.rehearsal.references import Reference
from spawnpenny.admin.rehearsal.result import Problem, Severity
from spawnpenny.pipeline.step import Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spawnpenny.settings import Settings

_KUBERNETES: Final = frozenset({"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"})
"""What Kubernetes itself puts into every namespace."""


def missing_problem(reference: Reference, settings: Settings, steps: Iterable[Step]) -> Problem | None:
    """Return what is wrong with an object that no manifest makes; None where something else has it there.

    ``broker.ignore`` names what a site has in every user namespace, and a step may make in its ``apply`` what it does
    not say beforehand.
    """
    name = f"{reference.resource.kind}/{reference.name}"
    if name in _KUBERNETES or any(fnmatchcase(name, pattern) for pattern in settings.broker.ignore):
        return None
    unsure = any(_may_make(step, reference) for step in steps) or (
        settings.cluster == "embedded" and reference.resource.kind == "ServiceAccount"
    )
    return Problem(
        "cluster",
        "reference_missing",
        f"The pods need the {reference.resource.kind} {reference.name}, which nothing here makes: without it in the "
        "user's namespace none of them starts.",
        "Have a plugin make it. Where something else puts it into every user namespace, say so in broker.ignore, "
        "for the broker and for the service.",
        str(yaml.safe_dump({"broker": {"ignore": [*settings.broker.ignore, name]}}, sort_keys=False)),
        Severity.WARNING if unsure else Severity.REFUSAL,
    )


def _may_make(step: Step, reference: Reference) -> bool:
    """Whether a step may create such an object in an ``apply`` of its own, without having said so."""
    hidden = type(step).makes is Step.makes and type(step).apply is not Step.apply
    return hidden and any(
        permission.resource is not None
        and permission.resource.kind == reference.resource.kind
        and "create" in permission.verbs
        and (not permission.names or reference.name in permission.names)
        for permission in step.permissions
    )
