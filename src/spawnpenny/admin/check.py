"""Review settings without a cluster: problems, refusals of a rehearsal, and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from spawnpenny.admin.permissions.comparison import differences
from spawnpenny.admin.permissions.fence import make_fence
from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import make_manifests
from spawnpenny.admin.permissions.rendered import Rendered
from spawnpenny.admin.permissions.rules import make_rules, rights_of
from spawnpenny.admin.rehearsal.rehearse import rehearse
from spawnpenny.admin.rehearsal.result import Problem
from spawnpenny.broker.orders import Orders, OrdersFile
from spawnpenny.domain.spawns import Kind
from spawnpenny.errors import PluginError, SettingsError
from spawnpenny.kubernetes.pods.security_standards import LEVELS, strictest
from spawnpenny.pipeline.pod_openings import check_openings, is_opening, opening_level
from spawnpenny.plugin.manager import Plugins, load_plugins, plugin_problems
from spawnpenny.settings.load import load_what_is_valid, make_settings
from spawnpenny.settings.model import STANDARD_PLUGINS, Settings
from spawnpenny.spawns.container_limits import verify_steps

T = TypeVar("T")
_MEND = "Have the overlay give exactly what is needed: spawnpenny permissions --overlay OVERLAY --output kustomize"


@dataclass(frozen=True, slots=True)
class Review:
    """The result of a check.

    ``problems`` keep the service from starting, ``refused`` keeps users from starting something (all that a rehearsal
    found), ``unusual`` is what an administrator should know of, ``used`` what the settings come to.
    """

    problems: list[str] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    unusual: list[str] = field(default_factory=list)
    used: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and plugins as far as they could be loaded, and what keeps a service from starting with them."""

    settings: Settings | None
    plugins: Plugins | None
    problems: list[str]
    partly: bool = False
    """Whether sections of the settings were wrong, and have their defaults here."""
    deployed: bool = False
    """Whether the environment of the service is known, and part of the settings."""


def load(file: str | None) -> Loaded:
    """Load settings and plugins, and find all that is wrong with them at once."""
    problems: list[str] = []
    loaded = _tried(problems, lambda: load_what_is_valid(file))
    if loaded is None:
        return Loaded(None, None, problems)
    settings, wrong = loaded
    problems += wrong
    plugins = _plugins(problems, settings)
    orders = settings.broker.orders
    here = orders is not None and Path(orders).is_file()  # a separate broker may read it where it runs alone
    if here or settings.cluster == "embedded" or not settings.broker.separate:
        _tried(problems, OrdersFile(orders).read)
    problems.extend(_certificates(settings))
    return Loaded(settings, plugins, problems, partly=bool(wrong))


def load_deployment(deployment: Rendered) -> Loaded:
    """Load the settings in a rendered deployment, and their plugins, and find all that is wrong with them at once."""
    problems: list[str] = []
    settings = _tried(problems, deployment.settings)
    if settings is None:
        return Loaded(None, None, problems)
    plugins = _plugins(problems, settings)
    _tried(problems, deployment.orders)
    problems.extend(deployment.disagreements())
    return Loaded(settings, plugins, problems, deployed=True)


def _plugins(problems: list[str], settings: Settings) -> Plugins | None:
    _tried(problems, lambda: check_openings(settings.pods.allow))
    of_plugins = plugin_problems(settings)
    problems += of_plugins
    plugins = None if of_plugins else _tried(problems, lambda: load_plugins(settings))
    if plugins is not None:
        _tried(problems, lambda: verify_steps(settings, plugins))
    return plugins


def review(file: str | None) -> Review:
    """Read and judge settings; where they cannot be read, that is the one problem."""
    loaded = load(file)
    told = _judged(loaded)
    if loaded.settings is not None and not loaded.partly:
        told.unusual.extend(_unusual_orders(loaded.settings))
        if loaded.plugins is not None and loaded.settings.cluster == "kubernetes":
            told.unusual.extend(_unusual_rights(loaded.settings, loaded.plugins))
    return told


def review_deployment(deployment: Rendered) -> Review:
    """Judge the settings in a rendered deployment, and compare its roles with what they need."""
    loaded = load_deployment(deployment)
    told = _judged(loaded, fence=False)
    if loaded.settings is not None and loaded.plugins is not None:
        settings = loaded.settings
        found = list(differences(deployment, make_manifests(gather(settings, loaded.plugins), settings)))
        fence = fence_differences(deployment, settings)
        found.extend(fence or ())
        if fence is None and settings.broker.separate:
            told.unusual.append(
                "The deployment has no fence: RBAC alone holds both accounts (docs/explanation/privileges.md)."
            )
        told.problems.extend(found)
        if found:
            told.problems.append(_MEND)
    return told


def fence_differences(deployment: Rendered, settings: Settings) -> list[str] | None:
    """Return in what the fence of a deployment is other than its settings want it; None where it has none."""
    fence = list(make_fence(settings, _tried([], deployment.orders) or Orders()))
    return list(differences(deployment, fence)) if deployment.has_any(fence) else None


def _judged(loaded: Loaded, *, fence: bool = True) -> Review:
    """Judge settings; without ``fence`` the fence is not mentioned, as it is there to be compared."""
    told = Review(loaded.problems)
    if loaded.settings is None or loaded.partly:
        return told
    told.used.update(_used(loaded.settings, loaded.plugins))
    told.unusual.extend(_unusual(loaded.settings))
    if loaded.plugins is not None:
        told.unusual.extend(_unusual_plugins(loaded.plugins))
        _rehearse(told, loaded.settings, loaded.plugins, fence=fence, deployed=loaded.deployed)
    return told


def _rehearse(told: Review, settings: Settings, plugins: Plugins, *, fence: bool, deployed: bool) -> None:
    """Say what keeps users from starting something; of long and unusual names, it is but a note."""
    found = rehearse(settings, plugins, deployed=deployed)
    told.refused.extend(refusal for refusal in found.refusals if not refusal.odd_names)
    names = [refusal for refusal in found.refusals if refusal.odd_names]
    warnings = [warning for warning in found.warnings if fence or warning.code != "fence"]
    told.unusual.extend(f"{each.setting}: {each.message}" for each in (*names, *warnings))


def _tried(problems: list[str], work: Callable[[], T]) -> T | None:
    try:
        return work()
    except (SettingsError, PluginError) as error:
        problems.append(error.message)
        return None


def _certificates(settings: Settings) -> Iterator[str]:
    web = settings.web
    if (web.certificate is None) != (web.key is None):
        yield "web.certificate and web.key go together: give both, or neither."
    for name in ("certificate", "key", "authority"):
        path = getattr(web, name)
        if path is not None and not Path(path).is_file():
            yield f"web.{name}: there is no file {path}."


def _used(settings: Settings, plugins: Plugins | None) -> dict[str, Any]:
    spaces = settings.namespaces
    return {
        "installation": settings.installation,
        "cluster": settings.cluster,
        "listens": f"{settings.web.host}:{settings.web.port}{' (TLS)' if settings.web.certificate else ''}",
        "namespaces": {
            "users": f"{spaces.prefix}*",
            "service": settings.broker.account_namespace,
            "state": spaces.state,
            "broker": spaces.broker,
            "provision": spaces.provision,
        },
        "broker": {
            "separate": settings.broker.separate,
            "pod_security": settings.broker.pod_security,
            "orders": settings.broker.orders,
        },
        **_loaded(settings, plugins),
        "openings": list(settings.pods.allow),
        "images": list(settings.pods.images),
        "tokens": {
            name: {"scopes": list(token.scopes), "user": token.user} for name, token in sorted(settings.tokens.items())
        },
    }


def _loaded(settings: Settings, plugins: Plugins | None) -> dict[str, Any]:
    """Return the plugins with their versions; where one is wrong, none is loaded, and all are still the settings'."""
    if plugins is None:
        return {"plugins": dict.fromkeys(settings.plugins, "not loaded")}
    pipelines = plugins.pipelines
    return {
        "plugins": {info.name: info.version for info in plugins.infos() if info.loaded},
        "steps": {kind.value: len(pipelines[kind].steps) for kind in Kind if plugins.provides(kind)},
    }


def _unusual(settings: Settings) -> Iterator[str]:
    yield from _unusual_tokens(settings)
    yield from _unusual_pods(settings)
    yield from _unusual_broker(settings)
    yield from _unusual_gateway(settings)


def _unusual_plugins(plugins: Plugins) -> Iterator[str]:
    for info in plugins.infos():
        if info.name in STANDARD_PLUGINS and not info.loaded:
            yield (
                f"The standard plugin {info.name} is installed and not loaded: a section plugins replaces the standard "
                "list. Name it there, too, to have it."
            )


def _unusual_rights(settings: Settings, plugins: Plugins) -> Iterator[str]:
    """Yield what the plugins need in user namespaces beyond the roles of the base, which are the standard plugins'."""
    standard = make_settings({})
    more = _tenant_rights(settings, plugins) - _tenant_rights(standard, load_plugins(standard))
    if more:
        yield (
            f"The plugins need more than the base's role gives: {', '.join(sorted(more))}. Have the overlay give it: "
            "spawnpenny permissions --overlay OVERLAY --output kustomize"
        )


def _tenant_rights(settings: Settings, plugins: Plugins) -> set[str]:
    grants = gather(settings, plugins)
    return rights_of(rule.manifest() for rule in make_rules(g.permission for g in grants if g.zone == "tenant"))


def _unusual_tokens(settings: Settings) -> Iterator[str]:
    if not settings.tokens:
        yield "There are no tokens: only what authenticators of plugins know is let in."
    for name, token in sorted(settings.tokens.items()):
        if "spawn:any" in token.scopes or "admin" in token.scopes:
            yield f"The token {name} may start labs for everybody ({', '.join(token.scopes)})."
        if "purge" in token.scopes:
            yield f"The token {name} may delete users' storage (purge)."


def _unusual_pods(settings: Settings) -> Iterator[str]:
    if "*" in settings.pods.images:
        yield "pods.images lets pods have any image."
    if settings.pods.allow:
        yield f"pods.allow opens the hardening rules for {', '.join(settings.pods.allow)}."
    level = settings.broker.pod_security
    levels = {word: opening_level(word) for word in settings.pods.allow if is_opening(word)}
    beyond = [word for word, least in levels.items() if LEVELS.index(least) > LEVELS.index(level)]
    if beyond:
        least = strictest(*levels.values())
        yield (
            f"pods.allow opens {', '.join(beyond)}, but broker.pod_security is {level}: Kubernetes refuses pods with "
            f"that. Set broker.pod_security: {least} for the service and the broker."
        )
    if level == "privileged":
        yield "broker.pod_security is privileged: Kubernetes refuses no pod in user namespaces."


def _unusual_broker(settings: Settings) -> Iterator[str]:
    if settings.broker.purge:
        yield "broker.purge lets namespaces be deleted with the volume claims in them."
    if settings.cluster == "kubernetes" and not settings.broker.separate:
        yield "broker.separate is false: the service has the broker's rights too, which amount to the cluster."


def _unusual_orders(settings: Settings) -> Iterator[str]:
    orders = settings.broker.orders
    if orders is not None and settings.broker.separate and not Path(orders).is_file():
        yield f"There is no orders file {orders} here; the broker needs it where it runs."


def _unusual_gateway(settings: Settings) -> Iterator[str]:
    gateway = settings.gateway
    if "dask" in settings.plugins and gateway.address is None:
        yield "gateway.address is not set: labs are not told where Dask clusters are asked for."
    if gateway.address is not None and gateway.proxy_address is None:
        yield "gateway.proxy_address is not set: Dask's clients look for schedulers at the port of gateway.address."
    offered = gateway.proxy_address is not None or gateway.public_address is not None
    scopes = {scope for token in settings.tokens.values() for scope in token.scopes}
    if offered and not scopes & {"routes", "admin"}:
        yield "No token has the scope routes: the proxy of Dask clusters is told of none."
