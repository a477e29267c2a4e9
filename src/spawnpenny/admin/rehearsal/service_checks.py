"""Check that some caller has the right to start something, and that spawns have the time to start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from spawnpenny.admin.rehearsal.result import Problem, Severity
from spawnpenny.auth import static_tokens

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
"""Seconds below which no spawn can start in time, by setting."""


def problems_of_service(settings: Settings, plugins: Plugins, *, deployed: bool) -> Iterator[Problem]:
    """Yield the problems that keep every spawn of every user from starting."""
    yield from _nobody(settings, plugins, known=deployed)
    if not any(map(plugins.provides, plugins.kinds)):
        yield Problem(
            "plugins",
            "nothing_to_start",
            "None of the loaded plugins has a kind of spawns that users can start, such as labs.",
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
                f"{value:g} seconds are too short: nothing can start in this time.",
                f"Set at least {least:g}; the default is {_default(settings, section, key):g}.",
            )


def _nobody(settings: Settings, plugins: Plugins, *, known: bool) -> Iterator[Problem]:
    if _somebody_may_spawn(settings, plugins):
        return
    known |= bool(settings.tokens) or any(
        not isinstance(authenticator, static_tokens.StaticTokens) for authenticator in plugins.authenticators
    )
    message = (
        "No caller may start anything: no token has the scope spawn:any, or spawn:self with a user, and no plugin "
        "authenticates users who may."
        if known
        else "These settings have no tokens. No caller may start anything, unless the service's environment has "
        "tokens. Use --overlay or --rendered to check that environment too."
    )
    yield Problem(
        "tokens",
        "nobody_may_spawn",
        message,
        "Give the Hub's token the scope spawn:any, or load a plugin that accepts the users' own credentials (oidc, or "
        "jupyterhub with the scope spawn:self).",
        _token_to_paste(settings),
        # The file alone need not have tokens: the deployment's environment may have them.
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
