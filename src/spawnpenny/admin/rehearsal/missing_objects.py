"""Find missing objects: pods need them, no step makes them, and ``broker.ignore`` does not name them."""

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
"""Objects that Kubernetes itself makes in every namespace."""
_MAKE: Final = "Have a plugin make it."
_MAKE_CLAIM: Final = (
    "A volume claim exists in one namespace only. For storage that users share, name the file server as an nfs volume "
    "in plugins.lab.volumes (pods.allow: [nfs]), or have a plugin make a claim and a volume for each user."
)
_IGNORE: Final = (
    "If another program, such as an operator, puts it into every user namespace, name it in broker.ignore instead, for "
    "the broker and for the service."
)


def missing_problem(reference: Reference, settings: Settings, steps: Iterable[Step]) -> Problem | None:
    """Return the problem of an object that no manifest makes; None if Kubernetes or the site provides it.

    ``broker.ignore`` names the objects that a site has in every user namespace. If a step may make the object in its
    ``apply``, the problem is only a warning.
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
        f"Pods need the {reference.resource.kind} {reference.name}, but no step makes it: without it in the user's "
        "namespace, no pod starts.",
        f"{_MAKE_CLAIM if reference.resource == CLAIM else _MAKE} {_IGNORE}",
        severity=Severity.WARNING if unsure else Severity.REFUSAL,
    )


def ignore_to_paste(names: Sequence[str], settings: Settings) -> str:
    """Return the section ``broker.ignore`` of the settings with all missing objects added."""
    section = {"ignore": list(dict.fromkeys((*settings.broker.ignore, *names)))}
    return str(yaml.safe_dump({"broker": section}, sort_keys=False))


def _may_make(step: Step, reference: Reference) -> bool:
    """Return whether a step may create such an object in its own ``apply``."""
    hidden = type(step).manifests is Step.manifests and type(step).apply is not Step.apply
    return hidden and any(
        permission.resource is not None
        and permission.resource.kind == reference.resource.kind
        and "create" in permission.verbs
        and (not permission.names or reference.name in permission.names)
        for permission in step.permissions
    )
