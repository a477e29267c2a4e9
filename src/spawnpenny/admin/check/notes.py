"""Notes for the administrator on settings that are allowed, and are rarely meant."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.rules import make_rules, rights_of
from spawnpenny.kubernetes.pods.security_standards import LEVELS, strictest
from spawnpenny.pipeline.pod_openings import is_opening, opening_level
from spawnpenny.plugin.manager import Plugins, load_plugins
from spawnpenny.plugin.plugin_files import PLUGINS_DIR
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.model import PLUGIN_GROUP, Settings
from spawnpenny.settings.standard_plugins import standard_plugins


def notes_on_settings(settings: Settings) -> Iterator[str]:
    """Yield the notes that need the settings alone."""
    yield from _tokens(settings)
    yield from _pods(settings)
    yield from _broker(settings)


def notes_on_plugins(plugins: Plugins) -> Iterator[str]:
    """Yield the notes of the plugins, and one for each standard plugin and file of ``plugins_dir`` not loaded."""
    yield from plugins.notes()
    standard = standard_plugins(entry_points(group=PLUGIN_GROUP))
    for path in plugins.misnamed_files:
        yield (
            f"The file {path.name} in plugins_dir cannot be loaded: the name of a plugin has lower case letters, "
            "digits and dashes."
        )
    for info in plugins.infos():
        if info.distribution == PLUGINS_DIR and not info.loaded:
            yield (
                f"The plugin {info.name} is in plugins_dir but not loaded: "
                "to load it, name it in the section `plugins`."
            )
        if info.name in standard and not info.loaded:
            yield (
                f"The standard plugin {info.name} is installed but not loaded: a section `plugins` replaces the "
                f"standard list. To load it, add {info.name} to that section."
            )


def notes_on_rights(settings: Settings, plugins: Plugins) -> Iterator[str]:
    """Yield the rights in user namespaces that the plugins need beyond the role of the base, for standard plugins."""
    standard = make_settings({})
    more = _tenant_rights(settings, plugins) - _tenant_rights(standard, load_plugins(standard))
    if more:
        yield (
            f"The plugins need more rights than the base's role gives: {', '.join(sorted(more))}. "
            "Write them into the overlay: spawnpenny permissions --overlay OVERLAY --output kustomize"
        )


def notes_on_orders(settings: Settings) -> Iterator[str]:
    """Yield a note if the orders file of a separate broker is not here."""
    orders = settings.broker.orders
    if orders is not None and settings.broker.separate and not Path(orders).is_file():
        yield f"The orders file {orders} does not exist here, so it was not checked. The broker needs it where it runs."


def _tenant_rights(settings: Settings, plugins: Plugins) -> set[str]:
    grants = gather(settings, plugins)
    return rights_of(rule.manifest() for rule in make_rules(g.permission for g in grants if g.zone == "tenant"))


def _tokens(settings: Settings) -> Iterator[str]:
    if not settings.tokens:
        yield "The settings have no tokens: only callers that a plugin's authenticator knows are let in."
    for name, token in sorted(settings.tokens.items()):
        if "spawn:any" in token.scopes or "admin" in token.scopes:
            yield f"The token {name} may start labs for every user ({', '.join(token.scopes)})."
        if "purge" in token.scopes:
            yield f"The token {name} may delete users' storage (purge)."


def _pods(settings: Settings) -> Iterator[str]:
    if "*" in settings.pods.images:
        yield "pods.images allows every image."
    if settings.pods.allow:
        yield f"pods.allow opens the hardening rules for {', '.join(settings.pods.allow)}."
    level = settings.broker.pod_security
    levels = {word: opening_level(word) for word in settings.pods.allow if is_opening(word)}
    beyond = [word for word, least in levels.items() if LEVELS.index(least) > LEVELS.index(level)]
    if beyond:
        least = strictest(*levels.values())
        yield (
            f"pods.allow opens {', '.join(beyond)}, but broker.pod_security is {level}: Kubernetes refuses pods that "
            f"use them. Set broker.pod_security: {least} for the service and for the broker."
        )
    if level == "privileged":
        yield "broker.pod_security is privileged: Kubernetes refuses no pod in user namespaces."


def _broker(settings: Settings) -> Iterator[str]:
    if settings.broker.purge:
        yield "broker.purge is on: a namespace may be deleted together with its volume claims."
    if settings.cluster == "kubernetes" and not settings.broker.separate:
        yield "broker.separate is false: the service also has the broker's rights, which amount to the whole cluster."
