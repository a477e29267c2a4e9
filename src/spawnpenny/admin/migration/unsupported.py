"""Notes on the parts of a site's values that are not carried over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.admin.migration import gateway, network
from spawnpenny.admin.migration.chart import DEFAULTS, Values, at
from spawnpenny.admin.migration.snippets import assigned, subclasses

NOT_CARRIED: Final = {
    "singleuser.extraFiles": (
        "the chart's Secret with the files is in the Hub's namespace",
        "Make a Secret or ConfigMap with them by a plugin's step, and mount it.",
    ),
    "custom": (
        "it is for code of the site's own, in hub.extraConfig or a class",
        "What that code makes of it is for you to carry.",
    ),
}
"""By the path of a value: why it is not carried, and what to do."""
NOT_NEEDED: Final = {
    "singleuser.podNameTemplate": "the names of pods follow from the lab's",
    "singleuser.events": "what happens is always shown",
    "singleuser.networkTools": "no privileged container runs before labs",
    "singleuser.cloudMetadata.ip": "the NetworkPolicy closes all link-local addresses",
    "singleuser.storage.dynamic.volumeNameTemplate": "the volume is the storage plugin's, and mounts of it are renamed",
}
"""By the path of a value: why there is nothing left for it to say."""
_SCHEDULING: Final = {
    "scheduling.userScheduler.enabled": (
        "scheduling.userScheduler: labs are placed by the cluster's own scheduler; to have them placed by the chart's, "
        "keep that, and set scheduler_name, as {release}-user-scheduler."
    ),
    "scheduling.podPriority.enabled": (
        "scheduling.podPriority: set priority_class_name to the chart's class, as <release>-default-priority."
    ),
    "scheduling.userPlaceholder.replicas": (
        "scheduling.userPlaceholder: the placeholders stay the chart's; they make room for labs only where these have "
        "the chart's priority class (docs/how-to/zero-to-jupyterhub.md, 6)."
    ),
}


def unread(values: Values) -> Iterator[str]:
    """Yield what is not carried, each with why and what to do."""
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
                f"{place}: it is Python, and is not run; {found}. Put that into a jupyterhub_config.py, and name it "
                "after the values to carry it over as well."
            )
    for place, why, do in (*network.not_carried(hub), *gateway.not_carried(values.gateway)):
        yield f"{place}: {why}. {do}"


def notes(values: Values) -> Iterator[str]:
    """Yield what else there is to know."""
    hub = values.hub
    if at(hub, "singleuser.image.name") is None:
        yield (
            "singleuser.image: the chart's own, a sample whose tag is the chart's version, is not known here: set "
            "plugins.lab.image."
        )
    if at(hub, "singleuser.cloudMetadata.blockWithIptables"):
        yield (
            "singleuser.cloudMetadata: the privileged container that keeps labs from the cloud's metadata is not "
            "carried: the NetworkPolicy in each user's namespace does that, where the cluster's network enforces it."
        )
    for path, why in NOT_NEEDED.items():
        if at(hub, path) not in (None, at(DEFAULTS, path)):
            yield f"{path}: not needed here: {why}."
    yield from _stays(hub)
    yield from _placement(hub)
    yield from network.notes(hub)
    yield from gateway.notes(values.gateway)


def _started_by_files(hub: Mapping[str, Any]) -> Iterator[str]:
    """Yield that a lab's command is one of the files that are not carried: no lab would start."""
    files, command = at(hub, "singleuser.extraFiles"), at(hub, "singleuser.cmd")
    words = command.split() if isinstance(command, str) else command if isinstance(command, list) else []
    for name, file in files.items() if isinstance(files, Mapping) else ():
        path = file.get("mountPath") if isinstance(file, Mapping) else None
        if path is not None and path in words:
            yield (
                f"singleuser.cmd: it runs {path}, which is singleuser.extraFiles.{name} and not carried: no lab starts "
                "without it. Put the file into the image, or mount it, as that of extraFiles says."
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
                f"{place}: it is Python, is not run and stays on the Hub. It sets no trait of KubeSpawner by name; "
                "where it works on the spawner or the pod in another way, that has no effect any more."
            )


def _unknown(hub: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys under ``singleuser`` that the chart does not have: they have no effect there either."""
    for key in at(hub, "singleuser") or {}:
        if key not in KNOWN:
            yield f"singleuser.{key}: the chart has no such value. Is it misspelt, or an older chart's?"


KNOWN: Final = frozenset(DEFAULTS["singleuser"]) | {
    *("podNameTemplate", "extraTolerations", "nodeSelector", "extraNodeAffinity", "extraPodAffinity"),
    *("extraPodAntiAffinity", "networkTools", "events", "extraAnnotations", "extraFiles", "extraEnv"),
    *("lifecycleHooks", "initContainers", "extraContainers", "serviceAccountName", "image", "cpu"),
    *("extraResource", "defaultUrl", "extraPodConfig", "profileList"),
}
"""The keys under ``singleuser``."""


def _snippets(hub: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    snippets = at(hub, "hub.extraConfig") or {}
    for name, source in snippets.items() if isinstance(snippets, Mapping) else [("", snippets)]:
        yield f"hub.extraConfig{f'.{name}' if name else ''}", source


def _set_by(source: Any) -> str:
    """Return what a snippet sets of the spawner, empty where it sets nothing."""
    try:
        traits, classes = assigned(source), subclasses(source)
    except SyntaxError:
        return "it is none that this version of Python reads: see what it sets of KubeSpawner's traits"
    says = [f"it sets {', '.join(traits)} of KubeSpawner"] if traits else []
    says += [f"it has a spawner class of its own, {', '.join(classes)}"] if classes else []
    return " and ".join(says)
