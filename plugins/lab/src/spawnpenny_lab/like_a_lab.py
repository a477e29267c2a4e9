"""Patch pods of other kinds that run like a lab: with its image, resources, volumes, user and nodes.

Such a pod has a container ``notebook`` with a command of its own. It gets all but what serves a lab: the program, its
port, probes and lifecycle, and the Secret with the environment of the lab's caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from spawnpenny.api import NOTEBOOK, FormField, Manifest, PlannedSpawn, UnknownOptionError
from spawnpenny_lab.choice import choose
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.objects import lab_pod
from spawnpenny_lab.offer import offered
from spawnpenny_lab.settings import LabSettings
from spawnpenny_lab.template import GRACE, Template

OPTION: Final = "lab."
"""The prefix of the options of a lab in the request for a spawn of another kind, such as ``lab.size``."""
_OF_THE_PROGRAM: Final = frozenset(
    {"ports", "envFrom", "command", "args", "workingDir", "lifecycle", "terminationMessagePath"}
    | {"terminationMessagePolicy", "readinessProbe", "livenessProbe", "startupProbe"}
)
"""Keys of the lab's container that belong to its program."""
_OF_THE_KIND: Final = frozenset({"restartPolicy", "activeDeadlineSeconds", GRACE})
"""Keys of a pod's spec that the kind decides."""


def is_like_a_lab(spawn: PlannedSpawn, pod: Manifest) -> bool:
    """Return whether a pod of another kind is to run like a lab."""
    return spawn.kind != "lab" and any(container["name"] == NOTEBOOK for container in pod["spec"]["containers"])


def patch_like_a_lab(spawn: PlannedSpawn, pod: Manifest, settings: LabSettings, allowed: Collection[str]) -> Manifest:
    """Return the patch for a pod that runs like the lab that its spawn belongs to. Variables of the pod stay.

    Raises:
        UnknownOptionError, InvalidOptionError: The lab has no such option, or no such choice.

    """
    lab = lab_pod(*_chosen(spawn, settings), allowed)
    spec = {key: value for key, value in lab["spec"].items() if key not in _OF_THE_KIND}
    own = next(container for container in pod["spec"]["containers"] if container["name"] == NOTEBOOK)
    existing = {variable["name"] for variable in own.get("env") or ()}
    containers = [_without_program(container, existing) for container in spec["containers"]]
    metadata = {"labels": _labels(lab), "annotations": _annotations(lab)}
    return {"metadata": metadata, "spec": {**spec, "containers": containers}}


def _chosen(spawn: PlannedSpawn, settings: LabSettings) -> tuple[PlannedSpawn, Template]:
    """Return the lab that a spawn belongs to, and its template: the one that the options choose.

    Without such options, it is that of the lab that requested the spawn.
    """
    prefixed = {key: value for key, value in spawn.options.items() if key.startswith(OPTION)}
    options = {key.removeprefix(OPTION): value for key, value in prefixed.items()}
    lab = replace(spawn.as_lab(), env={}, options=options)
    if options:
        _refuse_unknown(options, lab_form(offered(settings, lab.profiles)))
    elif spawn.caller is not None:
        lab = replace(lab, options=spawn.caller.options)
        return lab, replace(choose(lab, settings), image=spawn.caller.image)
    return lab, choose(lab, settings)


def _refuse_unknown(chosen: Mapping[str, Any], form: Sequence[FormField]) -> None:
    known = sorted(set(_names(form)))
    for name in chosen:
        if name not in known:
            offered = ", ".join(f"{OPTION}{key}" for key in known) or "none"
            raise UnknownOptionError(
                f"There is no option {f'{OPTION}{name}'[:100]!r}. The options of a lab are: {offered}.",
                field=f"options.{OPTION}{name}"[:100],
            )


def _names(form: Sequence[FormField]) -> Iterator[str]:
    for field in form:
        yield field.name
        if field.free_text is not None:
            yield field.text_name
        for choice in field.choices:
            yield from _names(choice.fields)


def _without_program(container: Mapping[str, Any], existing: Collection[str]) -> Manifest:
    """Return a container of the lab; the lab's own one without its program, and without existing variables."""
    if container["name"] != NOTEBOOK:
        return dict(container)
    kept = {key: value for key, value in container.items() if key not in _OF_THE_PROGRAM}
    return {**kept, "env": [variable for variable in kept.get("env") or () if variable["name"] not in existing]}


def _labels(pod: Manifest) -> dict[str, str]:
    """Return the labels of the lab's pod, except those by which others find labs."""
    labels: dict[str, str] = pod["metadata"]["labels"]
    of_labs = {"component", "app.kubernetes.io/component", "hub.jupyter.org/servername"}
    return {key: value for key, value in labels.items() if key not in of_labs}


def _annotations(pod: Manifest) -> dict[str, str]:
    """Return the annotations of the lab's pod, except those that describe a lab."""
    annotations: dict[str, str] = pod["metadata"]["annotations"]
    ours = ("hub.jupyter.org/", "spawnpenny.io/")
    return {key: value for key, value in annotations.items() if not key.startswith(ours)}
