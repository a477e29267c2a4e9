"""The hooks that a plugin may implement. All are plain functions that return data; nothing async crosses pluggy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from spawnpenny.auth.identity import Authenticator
    from spawnpenny.domain.cluster_options import ClusterOption
    from spawnpenny.domain.events import Event
    from spawnpenny.domain.forms import FormField
    from spawnpenny.domain.spawns import Key
    from spawnpenny.domain.users import User
    from spawnpenny.domain.worker_groups import WorkerGroup
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.pipeline.spawn import PlannedSpawn
    from spawnpenny.pipeline.step import Step
    from spawnpenny.settings.model import Settings

PROJECT = "spawnpenny"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def spawnpenny_steps(settings: Settings) -> Sequence[Step]:
    """Contribute steps to the pipelines.

    Called once, when the service starts. It reads the plugin's own section with ``settings.load`` and may not
    do any I/O.

    Example::

        from spawnpenny.api import Manifest, PlannedSpawn, Settings, Step, allow, hookimpl

        class Welcome(Step):
            name = "welcome"
            kinds = frozenset({"lab"})
            scope = "user"
            needs = frozenset({"namespace"})
            before = frozenset({"lab"})
            permissions = (allow("create", "patch", on="configmaps"),)

            def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
                data = {"welcome.txt": f"Hello {spawn.user.username}"}
                return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "welcome"}, "data": data}]

        @hookimpl
        def spawnpenny_steps(settings: Settings) -> list[Step]:
            return [Welcome()]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_pod_patch(spawn: PlannedSpawn, pod: Manifest, settings: Settings) -> Manifest | None:
    """Add to a lab or Dask pod before it is created; return what to merge into it, or None.

    Called for each pod that a step passes to ``spawn.patched``. It must be pure and quick: no I/O, no change
    to ``pod``. Patches are merged in the order of the plugins' steps, as Kubernetes merges; two plugins that
    set one key to different values are refused. As with any hook, an argument that is not used may be left out.

    Example::

        from spawnpenny.api import Manifest, PlannedSpawn, hookimpl

        @hookimpl
        def spawnpenny_pod_patch(spawn: PlannedSpawn, pod: Manifest) -> Manifest | None:
            return {"metadata": {"labels": {"example.org/team": "blue"}}}
    """
    raise NotImplementedError


@hookspec
def spawnpenny_authenticators(settings: Settings) -> Sequence[Authenticator]:
    """Contribute objects that turn a request's credentials into an identity.

    Called once, when the service starts. For each request they are asked in turn until one knows the
    credentials; one that does not returns None.

    Example::

        from spawnpenny.api import Authenticator, Credentials, Identity, Settings, hookimpl

        class Everybody(Authenticator):
            async def authenticate(self, credentials: Credentials) -> Identity | None:
                return Identity(name="guest", scopes=frozenset({"read:any"}))

        @hookimpl
        def spawnpenny_authenticators(settings: Settings) -> list[Authenticator]:
            return [Everybody()]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_form(user: User, settings: Settings) -> Sequence[FormField]:
    """Contribute fields to the form of a lab: what a request may have in its ``options``.

    Called for each form and for each start of a lab, and once when the service starts, for a user called
    ``somebody`` with the site's default uid. ``user`` is who the lab would be for: a user whom nobody vouched
    for has the site's defaults. It must be pure and quick. The fields of all plugins make one form; a request
    with an option, a choice or a text that is not in it is refused before any step sees it.

    Example::

        from spawnpenny.api import FormChoice, FormField, Settings, User, hookimpl

        @hookimpl
        def spawnpenny_form(user: User, settings: Settings) -> list[FormField]:
            choices = [FormChoice("none", "None")]
            if any(group.name == "genome" for group in user.groups):
                choices.append(FormChoice("hg38", "Human genome", "Takes a minute longer to start."))
            return [FormField("dataset", "Data set", tuple(choices))]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_cluster_options(user: User, settings: Settings) -> Sequence[ClusterOption]:
    """Contribute what may be chosen for a Dask cluster: what a request may have in its cluster options.

    Called for each question and for each start of a cluster, and once when the service starts, for a user called
    ``somebody`` with the site's default uid. It must be pure and quick. A request with an option or a value that
    does not fit is refused before any step sees it; what is not chosen is the option's default in ``spawn.options``.

    Example::

        from spawnpenny.api import ClusterOption, OptionType, Settings, User, hookimpl

        @hookimpl
        def spawnpenny_cluster_options(user: User, settings: Settings) -> list[ClusterOption]:
            return [ClusterOption("team", OptionType.SELECT, "blue", "Who pays", choices=("blue", "red"))]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_cluster_overrides(
    user: User, options: Mapping[str, Any], settings: Settings
) -> Mapping[str, Any] | None:
    """Set parts of a Dask cluster for one user, as ``choices`` and ``overrides`` of the settings do; None for nothing.

    Called for each start of a cluster, and again whenever its pods are made. It must be pure and quick, and for the
    same user and options return the same. ``options`` are what was chosen, with the defaults of all else. What it
    returns is laid over the settings and the choices. The keys are those of the plugin that makes the clusters.

    Example::

        from collections.abc import Mapping
        from typing import Any

        from spawnpenny.api import User, hookimpl

        @hookimpl
        def spawnpenny_cluster_overrides(user: User, options: Mapping[str, Any]) -> Mapping[str, Any] | None:
            large = any(group.name == "large" for group in user.groups)
            return {"worker_cores": 8, "worker_memory": "64Gi"} if large else None
    """
    raise NotImplementedError


@hookspec
def spawnpenny_worker_groups(settings: Settings) -> Sequence[WorkerGroup]:
    """Contribute the groups of workers that a Dask cluster may have.

    Called for each question and for each scale of a cluster, and once when the service starts. It must be pure and
    quick. The group ``default`` is the one of every cluster. ``spawn.scale.of(name)`` is the desired number of workers
    of a group. The step that makes workers of other groups sets the label ``spawnpenny.io/worker-group`` on them.

    Example::

        from spawnpenny.api import Settings, WorkerGroup, hookimpl

        @hookimpl
        def spawnpenny_worker_groups(settings: Settings) -> list[WorkerGroup]:
            return [WorkerGroup("default", cores=1, memory=2**31, maximum=10)]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_observe(username: str, key: Key, event: Event) -> None:
    """Observe the events of every spawn.

    Called for each event, in the order of a spawn's events. It cannot veto; what it raises is logged and
    dropped. It must return at
    once: hand longer work to a task of your own.

    Example::

        from spawnpenny.api import Event, Key, hookimpl

        @hookimpl
        def spawnpenny_observe(username: str, key: Key, event: Event) -> None:
            if event.phase == "failed":
                print(f"{username}'s {key} failed: {event.message}")
    """
    raise NotImplementedError
