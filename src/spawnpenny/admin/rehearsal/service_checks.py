"""Settings under which nobody may start anything, or nothing has the time to start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from spawnpenny.admin.rehearsal.result import Problem, Severity
from spawnpenny.auth import static_tokens
from spawnpenny.domain.spawns import Kind

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings

_SPAWN: Final = frozenset({"spawn:any", "admin"})
_LEAST: Final = {
    "deadlines.spawn": 5.0,
    "deadlines.step": 1.0,
    "replicas.lease": 1.0,
    "broker.lease": 1.0,
    "broker.timeout": 1.0,
    "broker.expiry": 2.0,
}
"""Seconds below which a setting lets no spawn come to its end."""


def problems_of_service(settings: Settings, plugins: Plugins, *, deployed: bool) -> Iterator[Problem]:
    """Yield what keeps every spawn of every user from starting, whatever it is made of."""
    yield from _nobody(settings, plugins, known=deployed)
    kinds = (Kind.LAB, Kind.DASK)
    if not any(map(plugins.provides, kinds)):
        yield Problem(
            "plugins",
            "nothing_to_start",
            "No loaded plugin makes labs or Dask clusters.",
            "Add the plugin lab, or one of your own.",
            "plugins:\n  lab: {}\n",
        )
    for setting, least in _LEAST.items():
        section, key = setting.split(".")
        value = getattr(getattr(settings, section), key)
        if value < least and not (section == "broker" and settings.cluster == "embedded"):
            yield Problem(
                setting,
                "too_short",
                f"{value:g} seconds are too short for anything to start.",
                f"Set at least {least:g}; the default is {_default(settings, section, key):g}.",
            )


def _nobody(settings: Settings, plugins: Plugins, *, known: bool) -> Iterator[Problem]:
    if _somebody_may_spawn(settings, plugins):
        return
    known |= bool(settings.tokens) or any(
        not isinstance(authenticator, static_tokens.StaticTokens) for authenticator in plugins.authenticators
    )
    message = (
        "Nobody may start anything: no token has the scope spawn:any, or spawn:self with a user, and no plugin knows "
        "users who may."
        if known
        else "There are no tokens in these settings: nobody may start anything, unless the service's environment has "
        "some. With --overlay or --rendered, that environment is looked at too."
    )
    yield Problem(
        "tokens",
        "nobody_may_spawn",
        message,
        "Give the Hub's token spawn:any, or load a plugin that knows the users' own credentials (oidc, or jupyterhub "
        "with the scope spawn:self).",
        _token_to_paste(settings),
        # A file alone may have none: the deployment's environment may bring them.
        Severity.REFUSAL if known else Severity.WARNING,
    )


def _somebody_may_spawn(settings: Settings, plugins: Plugins) -> bool:
    others = [
        authenticator
        for authenticator in plugins.authenticators
        if not isinstance(authenticator, static_tokens.StaticTokens)
    ]
    if any(other.scopes is None or {"spawn:self", *_SPAWN} & other.scopes for other in others):
        return True
    return any(
        _SPAWN & set(token.scopes) or (token.user is not None and "spawn:self" in token.scopes)
        for token in settings.tokens.values()
    )


def _token_to_paste(settings: Settings) -> str:
    name = next(iter(settings.tokens), "hub")
    scopes = [*(settings.tokens[name].scopes if name in settings.tokens else ("read:any", "delete:any")), "spawn:any"]
    sha256 = "" if name in settings.tokens else "    sha256: FILL IN  # what printf %s TOKEN | sha256sum prints\n"
    return f"tokens:\n  {name}:\n{sha256}    scopes: [{', '.join(repr(scope) for scope in scopes)}]\n"


def _default(settings: Settings, section: str, key: str) -> float:
    return float(getattr(type(getattr(settings, section))(), key))
