"""Sample manifests of settings: pods for each choice, and the claims of a lab."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from spawnpenny.admin.migration.slugs import LAB
from spawnpenny.domain import labels
from spawnpenny.domain.form_answers import single_changes
from spawnpenny.domain.names import DEFAULT_LAB, Names
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.users import User
from spawnpenny.errors import InvalidOptionError
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.pipeline.pod_patches import merge_patches
from spawnpenny.pipeline.spawn import PlannedSpawn
from spawnpenny.plugin.manager import Plugins, load_plugins
from spawnpenny.settings.model import Settings

_SOMEBODY: Final = "somebody"
_CLAIM: Final = "PersistentVolumeClaim"


@dataclass
class Samples:
    """Sample manifests, made by the plugins of the settings."""

    settings: Settings
    plugins: Plugins = field(init=False)

    def __post_init__(self) -> None:
        self.plugins = load_plugins(self.settings)

    def pod(
        self,
        options: Mapping[str, Any] | None = None,
        *,
        user: User | None = None,
        lab: str = DEFAULT_LAB,
        env: Mapping[str, str] | None = None,
    ) -> Manifest:
        """Return a lab's pod with the patches of all plugins, without a check of the hardening rules."""
        made = self.manifests(options, user=user, lab=lab, env=env)
        return next(manifest for manifest in made if manifest["kind"] == "Pod")

    def manifests(
        self,
        options: Mapping[str, Any] | None = None,
        *,
        user: User | None = None,
        lab: str = DEFAULT_LAB,
        env: Mapping[str, str] | None = None,
    ) -> list[Manifest]:
        """Return all objects that are made for a lab in its user's namespace."""
        spawn = self._spawn(user or self._user(_SOMEBODY), lab, options or {}, env or {})
        return [make for step in self.plugins.pipelines[LAB].steps for make in step.manifests(spawn)]

    def made_for_all(self, *, user: User | None = None, lab: str = DEFAULT_LAB) -> list[Manifest]:
        """Return the objects that do not depend on choices without a default."""
        spawn = self._spawn(user or self._user(_SOMEBODY), lab, {}, {})
        made: list[Manifest] = []
        for step in self.plugins.pipelines[LAB].steps:
            with suppress(InvalidOptionError):
                made += step.manifests(spawn)
        return made

    def claims(self, username: str, server: str) -> list[Manifest]:
        """Return the volume claims of a user's server, with our ownership labels and annotations."""
        user, lab = self._user(username), server or DEFAULT_LAB
        names = self._names(user, lab)
        made = self.made_for_all(user=user, lab=lab)
        ours = {**labels.ours(self.settings.installation), labels.USER: names.user}
        claims = [copy.deepcopy(manifest) for manifest in made if manifest["kind"] == _CLAIM]
        for claim in claims:
            metadata = claim["metadata"]
            metadata["namespace"] = names.namespace
            metadata["labels"] = {**metadata.get("labels", {}), **ours}
            metadata["annotations"] = {**metadata.get("annotations", {}), labels.USERNAME: username}
        return claims

    def pods(self) -> Iterator[Manifest]:
        """Yield a pod for each choice that a user has."""
        for options in self._choices():
            with suppress(InvalidOptionError):  # a field without choices needs a text, which only the user knows
                yield self.pod(options)

    def largest(self) -> Resources:
        """Return the most of each resource that one lab may count against a quota."""
        most = Resources()
        for options in self._choices():
            with suppress(InvalidOptionError):
                spawn = self._spawn(self._user(_SOMEBODY), DEFAULT_LAB, options, {})
                for step in self.plugins.pipelines[LAB].steps:
                    needed = step.resources(spawn)
                    most = Resources(max(most.cpu, needed.cpu), max(most.memory, needed.memory))
        return most

    def _choices(self) -> Iterator[dict[str, Any]]:
        """Yield the options of requests: the defaults, and each that differs from them in one choice."""
        yield {}
        yield from single_changes(self.plugins.form(self._user(_SOMEBODY)))

    def _user(self, username: str) -> User:
        return User(username, self.settings.users.uid, self.settings.users.gid)

    def _names(self, user: User, lab: str) -> Names:
        return Names.of(user.username, LAB, lab, prefix=self.settings.namespaces.prefix)

    def _spawn(self, user: User, lab: str, options: Mapping[str, Any], env: Mapping[str, str]) -> PlannedSpawn:
        return PlannedSpawn(
            id="sample",
            kind=LAB,
            name=lab,
            user=user,
            names=self._names(user, lab),
            options=options,
            env=env,
            resources=Resources(),
            resources_in_use=Resources(),
            kinds=self.plugins.kinds,
            _patch=self._patched,
            _notify=lambda *_: None,
            _publish_url=lambda *_: None,
        )

    def _patched(self, spawn: PlannedSpawn, pod: Manifest) -> Manifest:
        patches = self.plugins.pod_patches(spawn, copy.deepcopy(pod))
        return merge_patches(pod, patches, base="the lab plugin")
