"""The openings that pods need, and the settings to paste that open them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods.security_standards import LEVELS, required_level, strictest
from spawnpenny.pipeline.pod_openings import CAPABILITY, Opening, is_open, opening_level, pod_openings
from spawnpenny.pipeline.root_capabilities import likely_capabilities
from spawnpenny.settings.sections import BrokerSettings, PodSettings


@dataclass(frozen=True, slots=True)
class PodNeeds:
    """The needs of pods beyond the hardening rules.

    Attributes:
        openings: The words for ``pods.allow``, with the container or pod that needs each, open or not.
        level: The strictest Pod Security level (``restricted``, ``baseline``, ``privileged``) that takes the pods.
        likely: Capabilities that root containers without any are likely to need, as words for ``pods.allow``. A pod
            starts without them, but its command may fail as root.

    """

    openings: tuple[Opening, ...] = ()
    level: str = LEVELS[0]
    likely: tuple[Opening, ...] = ()

    def closed(self, allowed: Collection[str]) -> list[Opening]:
        """Return the openings that ``pods.allow`` lacks: the pods are refused for these."""
        return [opening for opening in self.openings if not is_open(opening.word, allowed)]

    def closed_paths(self, host_paths: Collection[str]) -> list[Opening]:
        """Return the folders of machines that ``pods.host_paths`` lacks; where that is empty, it lacks none."""
        mounts = [opening for opening in self.openings if opening.path is not None]
        return [mount for mount in mounts if host_paths and not _lies_in(str(mount.path), host_paths)]

    def likely_closed(self, allowed: Collection[str]) -> list[Opening]:
        """Return the likely capabilities that ``pods.allow`` lacks: the pods start, and may fail without these."""
        return [opening for opening in self.likely if not is_open(opening.word, allowed)]

    def level_lacks(self, level: str) -> bool:
        """Return whether Kubernetes refuses the pods at a namespace's level (the setting ``broker.pod_security``)."""
        return LEVELS.index(self.level) > LEVELS.index(level)

    def required_openings(self, allowed: Sequence[str]) -> list[str]:
        """Return the required ``pods.allow``: its words, and those that the pods need or are likely to need."""
        missing = [opening.word for opening in (*self.closed(allowed), *self.likely_closed(allowed))]
        found = dict.fromkeys((*allowed, *missing))
        return [word for word in found if not ("capabilities" in found and word.startswith(CAPABILITY))]

    def required_namespace_level(self, level: str) -> str:
        """Return the required ``broker.pod_security``: this level, or a laxer one that takes the pods."""
        return strictest(level, self.level, *(opening_level(opening.word) for opening in self.likely))

    def host_paths(self) -> list[str]:
        """Return the folders of machines that the pods mount, which the fence lists."""
        return sorted({opening.path for opening in self.openings if opening.path is not None})


def pod_needs(pods: Iterable[Manifest]) -> PodNeeds:
    """Return what pods need, all together: give one pod, or the pods of all profiles.

    The pods are those that a plugin makes, with all patches merged: ``spawn.patched`` refuses by the same rules.
    """
    openings: dict[Opening, None] = {}
    likely: dict[Opening, None] = {}
    levels = [LEVELS[0]]
    for pod in pods:
        openings |= dict.fromkeys(pod_openings(pod))
        likely |= {Opening(f"{CAPABILITY}{name}", reason): None for name, reason in likely_capabilities(pod)}
        levels.append(required_level(pod))
    return PodNeeds(tuple(openings), strictest(*levels), tuple(likely))


def settings_to_paste(needs: PodNeeds, pods: PodSettings, broker: BrokerSettings) -> str:
    """Return the sections ``pods`` and ``broker`` of the settings that open what pods need, as YAML.

    They are complete, and replace the sections of these names in the settings of the service and of the broker.
    Empty if nothing has to change.
    """
    allowed, level = needs.required_openings(pods.allow), needs.required_namespace_level(broker.pod_security)
    sections: dict[str, Any] = {}
    paths = _required_paths(needs, pods)
    if allowed != list(pods.allow) or paths != list(pods.host_paths):
        more = {"images": list(pods.images)} if pods.images != ("*",) else {}
        sections["pods"] = {"allow": allowed, **more, **({"host_paths": paths} if paths else {})}
    if level != broker.pod_security:
        sections["broker"] = {**_changed(broker), "pod_security": level}
    return _yaml(sections) if sections else ""


def _required_paths(needs: PodNeeds, pods: PodSettings) -> list[str]:
    """Return the required ``pods.host_paths``. It stays empty if ``hostPath`` is open for all folders."""
    if "hostPath" in pods.allow and not pods.host_paths:
        return []
    missing = [path for path in needs.host_paths() if not _lies_in(path, pods.host_paths)]
    return [*pods.host_paths, *missing]


def _lies_in(path: str, folders: Collection[str]) -> bool:
    """Return whether a path is one of the folders, or below it, as the fence compares."""
    inside = any(folder in {path, "/"} or path.startswith(f"{folder}/") for folder in folders)
    return inside and ".." not in path


def sentences(openings: Iterable[Opening]) -> str:
    """Return what needs openings as one clause: ``the pod …; the container …``."""
    return "; ".join(dict.fromkeys(opening.reason for opening in openings))


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _yaml(data: dict[str, Any]) -> str:
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1000, default_flow_style=None)
    return text


def _changed(section: Any) -> dict[str, Any]:
    """Return the keys of a section of the settings that do not have their default."""
    default = type(section)()
    names = section.__dataclass_fields__
    return {name: getattr(section, name) for name in names if getattr(section, name) != getattr(default, name)}
