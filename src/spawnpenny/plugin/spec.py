"""The hooks that a plugin may implement: plain functions that return data. No hook is async."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from spawnpenny.auth.identity import Authenticator
    from spawnpenny.domain.chart_migration import ChartMigration
    from spawnpenny.domain.cluster_options import ClusterOption
    from spawnpenny.domain.events import Event
    from spawnpenny.domain.forms import FormField
    from spawnpenny.domain.kinds import Kind
    from spawnpenny.domain.spawns import Key
    from spawnpenny.domain.users import User
    from spawnpenny.domain.worker_groups import WorkerGroup
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.pipeline.spawn import PlannedSpawn
    from spawnpenny.pipeline.step import Step
    from spawnpenny.settings.model import Settings
    from spawnpenny.web.kind_spawns import KindSpawns
    from spawnpenny.web.metrics.plugin_gauges import PluginGauge, SpawnsHere
    from spawnpenny.web.route import Route

PassProfiles = Callable[
    [Sequence[Mapping[str, Any]], Callable[[Sequence[Mapping[str, Any]]], object]], Sequence[Mapping[str, Any]]
]
"""Passes profiles through the hook ``spawnpenny_profiles`` of all plugins, with a function that checks them."""
PROJECT = "spawnpenny"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def spawnpenny_steps(settings: Settings) -> Sequence[Step]:
    """Contribute steps to the pipelines.

    Called once, when the service starts. It reads the plugin's own section with ``settings.load``, and does no I/O.

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
def spawnpenny_kinds(settings: Settings) -> Sequence[Kind]:
    """Contribute kinds of spawns, such as labs.

    Called once, when the service starts. Names and plurals are unique among all plugins. The plugin, or another one,
    has a step of the scope ``spawn`` with the kind's name in ``kinds``.

    Example::

        from spawnpenny.api import Kind, Settings, hookimpl

        @hookimpl
        def spawnpenny_kinds(settings: Settings) -> list[Kind]:
            return [Kind("render", "renders", "rendering", completes=True)]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_routes(settings: Settings, spawns: KindSpawns) -> Sequence[Route]:
    """Contribute routes to the HTTP API.

    Called when the service starts, and when the OpenAPI document or the settings are checked without a service: it
    does no I/O. ``spawns`` has the spawns of the kinds that the plugin declares; the handlers use it. A route has all
    that ours have: authorization, limits, the audit log, problem documents, a place in the OpenAPI document, and it is
    forwarded to the replica of its user. A path belongs to one owner: a route that fits a path of spawnpenny or of
    another plugin is refused. The plugin may replace a generic route of its own kind by the same method and path.

    Example::

        from aiohttp import web

        from spawnpenny.api import Settings, hookimpl
        from spawnpenny.api.http import PUBLIC, Answer, KindSpawns, Route

        @hookimpl
        def spawnpenny_routes(settings: Settings, spawns: KindSpawns) -> list[Route]:
            async def get_motto(request: web.Request) -> web.Response:
                return web.json_response({"motto": "Spawn, and let spawn."})

            answers = {200: Answer("The motto.", "application/json")}
            return [Route("GET", "/v1/motto", get_motto, PUBLIC, "example.motto", "Read the motto.", answers)]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_gauges(settings: Settings, spawns: SpawnsHere) -> Iterable[PluginGauge]:
    """Contribute gauges to the metrics.

    Called for each scrape. It has to be fast: ``spawns`` has the spawns of the plugin's kinds that this replica looks
    after, and their cached pods. If it fails, the error is logged, and its gauges are missing.

    Example::

        from collections.abc import Iterator

        from spawnpenny.api import hookimpl
        from spawnpenny.api.http import PluginGauge, SpawnsHere

        @hookimpl
        def spawnpenny_gauges(spawns: SpawnsHere) -> Iterator[PluginGauge]:
            idle = sum(spawn.idle_since is not None for _, found in spawns.of_users() for spawn in found)
            yield PluginGauge("spawnpenny_example_idle", "Spawns without work.", idle)
    """
    raise NotImplementedError


@hookspec
def spawnpenny_commands() -> Sequence[click.Command]:
    """Contribute subcommands of ``spawnpenny``.

    Called for ``spawnpenny --help``, and for a subcommand that spawnpenny does not have itself: neither settings nor
    other plugins are loaded then. A distribution names the module with this hook in the entry point group
    ``spawnpenny.commands``. To keep the command line fast, that module imports little: ``LazyCommand`` names a command
    that is imported when it runs.

    Example::

        import click

        from spawnpenny.api import hookimpl
        from spawnpenny.api.commands import LazyCommand

        @click.command()
        def motto() -> None:
            '''Print the motto.'''
            click.echo("Spawn, and let spawn.")

        @hookimpl
        def spawnpenny_commands() -> list[click.Command]:
            return [motto, LazyCommand("render", "Inspect renderings.", "example_render.command:render")]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_pod_patch(spawn: PlannedSpawn, pod: Manifest, settings: Settings) -> Manifest | None:
    """Return a patch to merge into the pod of a spawn before it is created, or None.

    Called for each pod that a step passes to ``spawn.patched``. It has to be pure and fast: no I/O, no change to
    ``pod``. Patches are merged in the order of the plugins' steps, as Kubernetes merges. If two plugins set one key to
    different values, the spawn fails. As in any hook, an unused argument may be left out.

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

    Called once, when the service starts. For each request, the service calls one after the other until one knows
    the credentials. An authenticator returns None for credentials that it does not know.

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
def spawnpenny_form(user: User, settings: Settings, profiles: PassProfiles) -> Sequence[FormField]:
    """Contribute fields to the form of a lab. They are the ``options`` that a request may have.

    Called for each form and for each start of a lab, and once when the service starts, for a user called
    ``somebody`` with the site's default uid. ``user`` is the user of the lab. A user whose uid is not verified has the
    site's default uid and gid. The hook has to be pure and fast. The fields of all plugins are one form. A request with
    an option, a choice or a text that the form does not have is refused before any step sees it.

    A plugin that offers profiles passes them through ``profiles``, and shows the result: so other plugins may filter or
    replace them. Its second argument checks profiles, and raises a ``ValueError`` for wrong ones.

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
def spawnpenny_profiles(
    user: User, profiles: Sequence[Mapping[str, Any]], settings: Settings
) -> Sequence[Mapping[str, Any]] | None:
    """Filter or replace the profiles that a user is offered; None leaves them as they are.

    Called for each form and for each start, and again whenever pods are created. It has to be pure and fast, and to
    return the same for the same user. ``profiles`` has the format of the setting ``profile_list``, of the plugin that
    offers them, as the plugins before this one left them. It is a copy, which may be changed. To a user without any
    profile, starts are refused.

    Example::

        from collections.abc import Mapping, Sequence
        from typing import Any

        from spawnpenny.api import User, hookimpl

        @hookimpl
        def spawnpenny_profiles(user: User, profiles: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
            groups = {group.name for group in user.groups}
            return [profile for profile in profiles if profile["slug"] != "gpu" or "gpu" in groups]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_overrides(
    user: User, kind: str, options: Mapping[str, Any], settings: Settings
) -> Mapping[str, Any] | None:
    """Set parts of a spawn of a kind with a form for one user: its size, its image, its labels. None for nothing.

    Called for each start, and again whenever pods are created. It has to be pure and fast, and to return the same for
    the same user and options. ``options`` has the answers to the form, with the defaults of all that was not answered.
    The result is laid over the settings and the choices, and counts against the quota. Its keys are those of the plugin
    that provides the kind: for labs, those of ``kubespawner_override``.

    Example::

        from collections.abc import Mapping
        from typing import Any

        from spawnpenny.api import User, hookimpl

        @hookimpl
        def spawnpenny_overrides(user: User, kind: str, options: Mapping[str, Any]) -> Mapping[str, Any] | None:
            if kind != "lab":
                return None
            team = user.groups[0].name if user.groups else "guests"
            return {"extra_labels": {"example.org/team": team}}
    """
    raise NotImplementedError


@hookspec
def spawnpenny_cluster_options(user: User, kind: str, settings: Settings) -> Sequence[ClusterOption]:
    """Contribute cluster options of a kind: those that a request for a spawn of this kind may have.

    Called for the kinds whose ``options`` are ``OptionSource.CLUSTER``: for each list of options and for each start,
    and once when the service starts, for a user called ``somebody`` with the site's default uid. It has to be pure and
    fast. A plugin that ignores ``kind`` adds its options to all of these kinds. A request with an unknown option or a
    wrong value is refused before any step sees it. ``spawn.options`` has the default of an option without a value.

    Example::

        from spawnpenny.api import ClusterOption, OptionType, User, hookimpl

        @hookimpl
        def spawnpenny_cluster_options(user: User) -> list[ClusterOption]:
            return [ClusterOption("team", OptionType.SELECT, "blue", "Who pays", choices=("blue", "red"))]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_cluster_overrides(
    user: User, options: Mapping[str, Any], kind: str, settings: Settings
) -> Mapping[str, Any] | None:
    """Set parts of a spawn for one user, as ``choices`` and ``overrides`` of the settings do; None for nothing.

    Called for each start, and again whenever a pod of the spawn is created. It has to be pure and fast, and to
    return the same for the same user and options. ``options`` has the user's values, and the defaults of the other
    options. The result is laid over the settings and the choices. Its keys are those of the plugin that provides the
    kind.

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
def spawnpenny_worker_groups(kind: str, settings: Settings) -> Sequence[WorkerGroup]:
    """Contribute groups of workers of spawns of a kind.

    Called for the kinds whose ``options`` are ``OptionSource.CLUSTER``: for each list of groups and each change of a
    scale, and once when the service starts. It has to be pure and fast. Every spawn has the group ``default``.
    ``spawn.scale.of(name)`` is the desired number of workers of a group. The step that creates workers of other groups
    sets the label ``spawnpenny.io/worker-group`` on them.

    Example::

        from spawnpenny.api import WorkerGroup, hookimpl

        @hookimpl
        def spawnpenny_worker_groups(kind: str) -> list[WorkerGroup]:
            return [WorkerGroup("default", cores=1, memory=2**31, maximum=10)] if kind == "mine" else []
    """
    raise NotImplementedError


@hookspec
def spawnpenny_notes(settings: Settings) -> Sequence[str]:
    """Contribute notes on the settings, for ``spawnpenny check``: what is allowed, and rarely meant.

    Called by that command alone. A note is one sentence or two for an administrator. A wrong setting is refused by its
    schema, or by ``Step.verify``.

    Example::

        from spawnpenny.api import Settings, hookimpl

        @hookimpl
        def spawnpenny_notes(settings: Settings) -> list[str]:
            return [] if settings.tokens else ["Without tokens, nobody can reach the licence server."]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_chart_migrations(settings: Settings) -> Sequence[ChartMigration]:
    """Contribute migrations from the values of charts that are installed beside JupyterHub's.

    Called by ``spawnpenny migrate`` alone, for the standard plugins, with default settings.

    Example::

        from spawnpenny.api import ChartMigration, Settings, hookimpl

        @hookimpl
        def spawnpenny_chart_migrations(settings: Settings) -> list[ChartMigration]:
            return [ChartMigration("motd", lambda values: {"plugins.motd.text": values.get("text", "")})]
    """
    raise NotImplementedError


@hookspec
def spawnpenny_observe(username: str, key: Key, event: Event) -> None:
    """Observe the events of every spawn.

    Called for each event, in the order of a spawn's events. It cannot stop a spawn: an error that it raises is logged
    and dropped. It has to return at once. Start a task of your own for longer work.

    Example::

        from spawnpenny.api import Event, Key, hookimpl

        @hookimpl
        def spawnpenny_observe(username: str, key: Key, event: Event) -> None:
            if event.phase == "failed":
                print(f"{username}'s {key} failed: {event.message}")
    """
    raise NotImplementedError
