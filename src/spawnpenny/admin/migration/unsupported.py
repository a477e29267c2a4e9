"""Notes on the parts of a site's values that are not carried over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.admin.migration import network
from spawnpenny.admin.migration.chart import DEFAULTS, Values, at
from spawnpenny.admin.migration.snippets import assigned, subclasses

NOT_CARRIED: Final = {
    "singleuser.extraFiles": (
        "the chart's Secret with the files is in the Hub's namespace",
        "Make a Secret or ConfigMap with them in a plugin's step, and mount it.",
    ),
    "custom": (
        "only the site's own code uses it, in hub.extraConfig or a class",
        "Carry over by hand what that code does with it.",
    ),
}
"""Values that are not carried over, by path: the reason, and what to do."""
NOT_NEEDED: Final = {
    "singleuser.podNameTemplate": "the name of a pod follows from the lab's name",
    "singleuser.events": "events are always shown",
    "singleuser.networkTools": "no privileged container runs before labs",
    "singleuser.cloudMetadata.ip": "the NetworkPolicy blocks all link-local addresses",
    "singleuser.storage.dynamic.volumeNameTemplate": "the storage plugin names the volume, and mounts are renamed",
}
"""Values that have no effect any more, by path: the reason."""
_SCHEDULING: Final = {
    "scheduling.userScheduler.enabled": (
        "scheduling.userScheduler: the cluster's own scheduler places labs. To use the chart's, keep it, and set "
        "scheduler_name, as {release}-user-scheduler."
    ),
    "scheduling.podPriority.enabled": (
        "scheduling.podPriority: set priority_class_name to the chart's class, as <release>-default-priority."
    ),
    "scheduling.userPlaceholder.replicas": (
        "scheduling.userPlaceholder: the chart still makes the placeholders. They make room only for labs with the "
        "chart's priority class (docs/how-to/zero-to-jupyterhub.md, 6)."
    ),
}


def unread(values: Values) -> Iterator[str]:
    """Yield sentences on what is not carried over, with the reason and what to do."""
    hub = values.hub
    yield from values.misshapen
    for path, (why, do) in NOT_CARRIED.items():
        found = at(hub, path)
        if found:
            names = f" ({', '.join(map(str, found))})" if isinstance(found, Mapping) else ""
            yield f"{path}{names}: {why}. {do}"
    yield from _started_by_files(hub)
    yield from _unknown(hub)
    for place, source in _snippets(hub):
        if found := _set_by(source):
            yield (
                f"{place}: it is Python, and is not run; {found}. To carry that over too, put it into a "
                "jupyterhub_config.py, and name that file after the values."
            )
    of_others = (lost for migration, others in values.others for lost in migration.not_carried(others))
    for place, why, do in (*network.not_carried(hub), *of_others):
        yield f"{place}: {why}. {do}"


def notes(values: Values) -> Iterator[str]:
    """Yield further notes."""
    hub = values.hub
    if at(hub, "singleuser.image.name") is None:
        yield (
            "singleuser.image: it is not set, and the chart's own image, whose tag is the chart's version, is unknown "
            "here. Set plugins.lab.image."
        )
    if at(hub, "singleuser.cloudMetadata.blockWithIptables"):
        yield (
            "singleuser.cloudMetadata: the privileged container that blocks the cloud's metadata server is not carried "
            "over. The NetworkPolicy in each user's namespace blocks it, if the cluster's network enforces policies."
        )
    for path, why in NOT_NEEDED.items():
        if at(hub, path) not in (None, at(DEFAULTS, path)):
            yield f"{path}: it is not needed any more: {why}."
    yield from _stays(hub)
    yield from _placement(hub)
    yield from network.notes(hub)
    for migration, others in values.others:
        yield from migration.notes(others)


def _started_by_files(hub: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence if the lab's command is a file that is not carried over: no lab would start."""
    files, command = at(hub, "singleuser.extraFiles"), at(hub, "singleuser.cmd")
    words = command.split() if isinstance(command, str) else command if isinstance(command, list) else []
    for name, file in files.items() if isinstance(files, Mapping) else ():
        path = file.get("mountPath") if isinstance(file, Mapping) else None
        if path is not None and path in words:
            yield (
                f"singleuser.cmd: it runs {path}, which is singleuser.extraFiles.{name} and not carried over. No lab "
                "starts without it. Put the file into the image, or mount it as described for extraFiles."
            )


def _placement(hub: Mapping[str, Any]) -> Iterator[str]:
    release = hub.get("fullnameOverride") or "<release>"
    for path, text in _SCHEDULING.items():
        if at(hub, path):
            yield text.format(release=release)


def _stays(hub: Mapping[str, Any]) -> Iterator[str]:
    for place, source in _snippets(hub):
        if not _set_by(source):
            yield (
                f"{place}: it is Python, is not run, and stays on the Hub. It sets no trait of KubeSpawner by name. "
                "If it changes the spawner or the pod in another way, that has no effect any more."
            )


def _unknown(hub: Mapping[str, Any]) -> Iterator[str]:
    """Yield sentences on keys under ``singleuser`` that the chart does not have: they have no effect there either."""
    for key in at(hub, "singleuser") or {}:
        if key not in KNOWN:
            yield f"singleuser.{key}: the chart has no such value. Is it misspelt, or from an older chart?"


KNOWN: Final = frozenset(DEFAULTS["singleuser"]) | {
    *("podNameTemplate", "extraTolerations", "nodeSelector", "extraNodeAffinity", "extraPodAffinity"),
    *("extraPodAntiAffinity", "networkTools", "events", "extraAnnotations", "extraFiles", "extraEnv"),
    *("lifecycleHooks", "initContainers", "extraContainers", "serviceAccountName", "image", "cpu"),
    *("extraResource", "defaultUrl", "extraPodConfig", "profileList"),
}
"""The chart's keys under ``singleuser``."""


def _snippets(hub: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    snippets = at(hub, "hub.extraConfig") or {}
    for name, source in snippets.items() if isinstance(snippets, Mapping) else [("", snippets)]:
        yield f"hub.extraConfig{f'.{name}' if name else ''}", source


def _set_by(source: Any) -> str:
    """Return a description of what a snippet sets on the spawner; empty if it sets nothing."""
    try:
        traits, classes = assigned(source), subclasses(source)
    except SyntaxError:
        return "this version of Python cannot read it: check which traits of KubeSpawner it sets"
    says = [f"it sets {', '.join(traits)} of KubeSpawner"] if traits else []
    says += [f"it defines its own spawner class, {', '.join(classes)}"] if classes else []
    return " and ".join(says)
