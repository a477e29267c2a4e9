"""Missing objects: those that pods need, no step makes, and no setting expects."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

import yaml

from spawnpenny.admin.rehearsal.references import CLAIM, Reference
from spawnpenny.admin.rehearsal.result import Problem, Severity
from spawnpenny.pipeline.step import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from spawnpenny.settings.model import Settings

_KUBERNETES: Final = frozenset({"ConfigMap/kube-root-ca.crt", "ServiceAccount/default"})
"""What Kubernetes itself puts into every namespace."""
_MAKE: Final = "Have a plugin make it."
_MAKE_CLAIM: Final = (
    "A volume claim is in one namespace alone. For storage that users share, name what is behind it as an nfs volume "
    "in plugins.lab.volumes (pods.allow: [nfs]), or have a plugin make a claim and a volume for each user."
)
_IGNORE: Final = (
    "Only where another program puts it into every user namespace, such as an operator: name it in broker.ignore, "
    "for the broker and for the service."
)


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
        f"{_MAKE_CLAIM if reference.resource == CLAIM else _MAKE} {_IGNORE}",
        severity=Severity.WARNING if unsure else Severity.REFUSAL,
    )


def ignore_to_paste(names: Sequence[str], settings: Settings) -> str:
    """Return the section of the settings that names all missing objects, besides those that it has."""
    section = {"ignore": list(dict.fromkeys((*settings.broker.ignore, *names)))}
    return str(yaml.safe_dump({"broker": section}, sort_keys=False))


def _may_make(step: Step, reference: Reference) -> bool:
    """Return whether a step may create such an object in an ``apply`` of its own, without having said so."""
    hidden = type(step).manifests is Step.manifests and type(step).apply is not Step.apply
    return hidden and any(
        permission.resource is not None
        and permission.resource.kind == reference.resource.kind
        and "create" in permission.verbs
        and (not permission.names or reference.name in permission.names)
        for permission in step.permissions
    )
