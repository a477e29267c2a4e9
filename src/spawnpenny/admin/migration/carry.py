"""Carry a site's configuration of KubeSpawner over: our settings, and the new jupyterhub_config.py."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from spawnpenny.admin.migration.carried import Carried, dotted
from spawnpenny.admin.migration.optional_parts import TRAIT_SHAPES
from spawnpenny.admin.migration.plain import Losses, plain
from spawnpenny.admin.migration.profiles import carry_profiles, variables
from spawnpenny.admin.migration.pruning import ATOM
from spawnpenny.admin.migration.site import Configured
from spawnpenny.admin.migration.storage import carry_storage
from spawnpenny.admin.migration.traits import TRAITS, Outcome
from spawnpenny.settings.sections import DeadlineSettings

_IMAGE: Final = "quay.io/jupyterhub/singleuser:latest"
"""KubeSpawner's default."""
_USER_NAMESPACES: Final = "{hubnamespace}-{username}"
"""KubeSpawner's default."""
_PREFIX: Final = re.compile(r"([a-z0-9][-a-z0-9]{0,14})\{(?:safe_)?(?:username|user_server)\}")
_SECRET: Final = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|(API|ACCESS)_?KEY", re.IGNORECASE)
_NULLABLE: Final = frozenset({"allow_privilege_escalation"})
"""Settings for which None has a meaning: the pod does not have the field."""
_OF_USERS: Final = frozenset({"uid", "gid", "fs_gid", "supplemental_gids"})
_PLUGIN: Final = "docs/how-to/plugins.md shows how to write a plugin."


def carry(configured: Configured, hub_namespace: str) -> Carried:
    """Carry over a site's configuration; ``hub_namespace`` is the namespace of the Hub."""
    carried = Carried(lost=list(configured.unread), notes=list(configured.notes), origins=dict(configured.origins))
    if configured.own_class:
        carried.lose(
            f"The class {configured.own_class}",
            "its code is not carried over",
            "If it changes the pod, use the hook spawnpenny_pod_patch. If it changes the Hub, derive a class from "
            f"spawnpenny.clients.jupyterhub.SpawnpennySpawner. {_PLUGIN}",
        )
    data = {
        name: _data(name, value, carried, hub_namespace)
        for name, value in configured.traits.items()
        if _is_carried(name, value, carried)
    }
    _carry_namespaces(configured.traits, data, carried, hub_namespace)
    _carry_start_timeout(configured.traits, carried)
    for key, value in configured.settings.items():
        carried.put(key, _named(value, hub_namespace))
    _carry_hub_connect_url(configured.hub_connect_url, carried, hub_namespace)
    carry_storage(data, carried)
    _carry_lab(data, carried)
    return carried


def _carry_hub_connect_url(url: str | None, carried: Carried, hub_namespace: str) -> None:
    """Keep the URL of the Hub; a host without dots gets the Hub's namespace, as labs run in other namespaces now."""
    trait = "c.SpawnpennySpawner.hub_connect_url"
    parts = urlsplit(url or "")
    if not url or trait in carried.hub or not parts.hostname:
        return
    if "." in parts.hostname or ":" in parts.hostname:
        carried.hub[trait] = repr(url)
        return
    port = f":{parts.port}" if parts.port else ""
    whole = parts._replace(netloc=f"{parts.hostname}.{hub_namespace}{port}").geturl()
    carried.hub[trait] = repr(whole)
    carried.notes.append(f"hub_connect_url: {url} works only in the Hub's namespace, so it is {whole} now.")


def _is_carried(name: str, value: Any, carried: Carried) -> bool:
    """Return whether a trait becomes a setting; add any other outcome to ``carried``."""
    trait = TRAITS.get(name)
    if trait is None:
        carried.lose(name, "KubeSpawner has no such trait", "Is it misspelt, or does it belong to another class?")
        return False
    if trait.outcome is Outcome.HUB:
        _keep_on_the_hub(name, trait.to, value, carried)
    elif trait.outcome is Outcome.MANUAL and value not in (None, "", [], {}):
        instead = f"Use the hook {trait.to}. {_PLUGIN}" if trait.to.startswith("spawnpenny_") else f"Use {trait.to}."
        carried.lose(name, trait.note, instead if trait.to else "")
    return trait.outcome is Outcome.SETTING


def _keep_on_the_hub(name: str, to: str, value: Any, carried: Carried) -> None:
    losses: Losses = []
    data = plain(value, losses)
    if losses:
        carried.hub[to] = f"...  # copy it: it was c.KubeSpawner.{name}"
        note = f" But {TRAITS[name].note}." if TRAITS[name].note else ""
        carried.notes.append(f"{name}: it stays in jupyterhub_config.py; copy it.{note}")
        return
    if name == "group_overrides" and not isinstance(data, Mapping):
        kind = type(data).__name__
        carried.lose(
            name, f"this is a {kind}, but JupyterHub needs a dictionary or a callable", "Give each override a name."
        )
        return
    carried.hub[to] = repr(data)
    if name == "group_overrides":
        for group, traits in _about_pods(data):
            carried.lose(
                f"group_overrides.{group}",
                f"{', '.join(traits)} {'is' if len(traits) == 1 else 'are'} the service's to set, and the Hub ignores "
                "overrides of the pod, with a warning in its log",
                "Offer a profile with it, or set it for all users.",
            )


def _about_pods(overrides: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the groups whose overrides set traits of the pod, with these traits."""
    for group, override in overrides.items():
        given = override.get("spawner_override") if isinstance(override, Mapping) else None
        named = (str(trait) for trait in given or () if isinstance(given, Mapping))
        if found := [trait for trait in named if trait in TRAITS and TRAITS[trait].outcome is not Outcome.HUB]:
            yield str(group), found


def _data(name: str, value: Any, carried: Carried, hub_namespace: str) -> Any:
    losses: Losses = []
    data = plain(value, losses, TRAIT_SHAPES.get(name, ATOM))
    for path, what in losses:
        place = f"{carried.origins.get(name, name)}{dotted(path)}"
        if name == "environment" and path:
            variables = ", ".join(f'"{keys[0]}": ...' for keys, _ in losses)
            carried.hub["c.SpawnpennySpawner.environment"] = (
                f"{{{variables}}}  # copy them from c.KubeSpawner.environment"
            )
            carried.notes.append(
                f"{place}: {what} stays in jupyterhub_config.py, in c.SpawnpennySpawner.environment; copy it."
            )
        else:
            carried.lose(place, f"{what} cannot be carried over", _instead(name))
    return _named(data, "user" if hub_namespace == "default" else hub_namespace)


def _instead(name: str) -> str:
    if name in _OF_USERS:
        return "Values for a user come from the authenticator, or from PUT /v1/users/{user}."
    if name == "profile_list":
        return "List the profiles; to filter or compute them by user, write a plugin with the hook spawnpenny_profiles."
    return f"If the value is the same for all, write it out; else use the hook spawnpenny_pod_patch. {_PLUGIN}"


def _named(value: Any, hub_namespace: str) -> Any:
    """Return data with the name of the Hub's namespace instead of its field, which the service does not know."""
    if isinstance(value, str):
        return value.replace("{hubnamespace}", hub_namespace)
    if isinstance(value, Mapping):
        return {key: _named(inner, hub_namespace) for key, inner in value.items()}
    return [_named(inner, hub_namespace) for inner in value] if isinstance(value, list) else value


def _carry_namespaces(traits: Mapping[str, Any], data: dict[str, Any], carried: Carried, hub_namespace: str) -> None:
    where = {"namespace": hub_namespace}
    carried.put("plugins.namespace", {"network": {"hub": where, "proxy": dict(where)}})
    carried.notes.append(
        f"plugins.namespace.network: the Hub and the proxy in {hub_namespace} may connect to labs. The plugin's README "
        "shows how to let labs connect to other hosts, such as a file server."
    )
    template = data.pop("user_namespace_template", None)
    if not traits.get("enable_user_namespaces"):
        return
    template = template or _named(_USER_NAMESPACES, "user" if hub_namespace == "default" else hub_namespace)
    found = _PREFIX.fullmatch(template)
    if found:
        carried.put("namespaces.prefix", found[1])
    else:
        carried.lose(
            "user_namespace_template",
            f"{template!r} is not a prefix of at most 15 characters before the user's slug",
            "Users get new namespaces, and the script moves the volumes there.",
        )


def _carry_start_timeout(traits: Mapping[str, Any], carried: Carried) -> None:
    timeout = traits.get("start_timeout")
    if isinstance(timeout, int | float) and timeout > DeadlineSettings().spawn:
        carried.put("deadlines.spawn", timeout)


def _carry_lab(data: dict[str, Any], carried: Carried) -> None:
    # KubeSpawner's defaults: its image, and no limits.
    carried.defaults["lab"] = {"image": _IMAGE, "cpu_limit": None, "mem_limit": None}
    section = {name: value for name, value in data.items() if value is not None or name in _NULLABLE}
    if "environment" in section:
        section["environment"] = variables(section["environment"])
        for name in sorted(filter(_SECRET.search, _plain_variables(section["environment"]))):
            carried.notes.append(
                f"environment.{name}: if it is secret, remove it from the settings, and keep it in "
                "c.SpawnpennySpawner.environment: from there it reaches the lab in a Secret."
            )
    if section.get("profile_list"):
        section["profile_list"] = carry_profiles(section["profile_list"], carried)
    carried.put("plugins.lab", section)


def _plain_variables(environment: Any) -> list[str]:
    """Return the variables that have their values in the settings; references to Secrets are safe."""
    if not isinstance(environment, Mapping):
        return []
    return [name for name, value in environment.items() if not (isinstance(value, Mapping) and "valueFrom" in value)]
