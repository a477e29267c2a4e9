"""The fence of a site: the admission policies of both accounts, with the names and openings of its settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Final

import yaml

from spawnpenny.admin.permissions.manifests import account_of
from spawnpenny.admin.permissions.parts import Account
from spawnpenny.broker.orders import Orders
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.settings.model import Settings

POLICY: Final = "ValidatingAdmissionPolicy"
BINDING: Final = f"{POLICY}Binding"
ACCOUNTS: Final[tuple[Account, ...]] = ("service", "broker")
EVERYWHERE: Final = "/"


def fence_name(account: Account, settings: Settings) -> str:
    """Return the name of the policy of an account, and of its binding."""
    return f"{settings.broker.account}-{account}"


def make_fence(settings: Settings, orders: Orders | None = None) -> list[Manifest]:
    """Return both policies, each with its binding.

    The rules are the same for all sites; accounts and variables come from the settings. The policy of the broker
    allows what the containers of the site's ``orders`` need.
    """
    template = {
        (manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in yaml.safe_load_all(_template())
    }
    made: list[Manifest] = []
    for account in ACCOUNTS:
        name = fence_name(account, settings)
        policy, binding = (template[kind, f"spawnpenny-{account}"] for kind in (POLICY, BINDING))
        variables = _names(settings) | (
            _of_service(settings) if account == "service" else _of_broker(settings, orders or Orders())
        )
        user = "system:serviceaccount:{}:{}".format(*account_of(account, settings))
        spec = policy["spec"]
        spec["matchConditions"][0]["expression"] = f"request.userInfo.username == {_cel(user)}"
        for variable in spec["variables"]:
            variable["expression"] = variables.get(variable["name"], variable["expression"])
        binding["spec"]["policyName"] = name
        made += [{**manifest, "metadata": {"name": name}} for manifest in (policy, binding)]
    return made


def _template() -> str:
    return files("spawnpenny.admin.permissions").joinpath("fence.yaml").read_text(encoding="utf-8")


def _names(settings: Settings) -> dict[str, str]:
    return {
        "installation": _cel(settings.installation),
        "prefix": _cel(settings.namespaces.prefix),
        "state": _cel(settings.namespaces.state),
    }


def _of_service(settings: Settings) -> dict[str, str]:
    allowed = settings.pods.allow
    paths = settings.pods.host_paths or (EVERYWHERE,)
    return {
        "opened": _cels(opening for opening in allowed if opening != "hostPath"),
        "hostPaths": _cels(paths if "hostPath" in allowed else ()),
    }


def _of_broker(settings: Settings, orders: Orders) -> dict[str, str]:
    broker, spaces = settings.broker, settings.namespaces
    return {
        "provision": _cel(spaces.provision),
        "broker": _cel(spaces.broker),
        "role": _cel(broker.role),
        "account": _cel(broker.account),
        "accountNamespace": _cel(broker.account_namespace),
        "levels": _cels([broker.pod_security]),
        "labels": cel_map(broker.labels),
        "annotations": cel_map(broker.annotations),
        "opened": _cels(_opened_by(orders)),
        "hostPaths": _cels(volume["hostPath"]["path"] for volume in orders.volumes if "hostPath" in volume),
    }


def _opened_by(orders: Orders) -> list[str]:
    """Return the openings that the containers of the orders need, and the broker's other pods do not."""
    found = set()
    for container in (*orders.commission, *orders.retire):
        context = container.get("securityContext") or {}
        if context.get("privileged"):
            found.add("privileged")
        if (context.get("capabilities") or {}).get("add"):
            found.add("capabilities")
        if any(port.get("hostPort") for port in container.get("ports") or ()):
            found.add("hostPort")
    return sorted(found)


def _cel(text: str) -> str:
    """Return a text as CEL writes it; JSON's escapes are among CEL's."""
    inner = json.dumps(text)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{inner}'"


def _cels(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_cel, sorted(set(texts))))}]"


def cel_map(texts: Mapping[str, str]) -> str:
    """Return a map of texts as CEL writes it."""
    return "{" + ", ".join(f"{_cel(key)}: {_cel(texts[key])}" for key in sorted(texts)) + "}"
