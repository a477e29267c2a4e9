"""Admission policies in force on an API server that evaluates them, and its answers."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import aiohttp

from spawnpenny.admin.permissions.fence import BINDING, POLICY
from spawnpenny.kubernetes.interface import Cluster, Ref
from spawnpenny.kubernetes.kinds import Resource
from spawnpenny.testing.patience import PATIENCE
from tests.kit.fence import Policy

_API: Final = "admissionregistration.k8s.io/v1"
_RESOURCES: Final = {
    POLICY: Resource(_API, POLICY, "validatingadmissionpolicies", namespaced=False),
    BINDING: Resource(_API, BINDING, "validatingadmissionpolicybindings", namespaced=False),
}
_PROBES: Final = "/api/v1/namespaces/kube-system/configmaps"
_PROBE: Final = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}
_REFUSED: Final = re.compile(rf"{POLICY} '([^']+)' with binding '[^']+' denied request: (.*)", re.DOTALL)


class Refusal(NamedTuple):
    """The policy that refused a request, and its words."""

    policy: str
    message: str


async def refusal(answer: aiohttp.ClientResponse) -> Refusal | None:
    """Return which policy refused a request; None where it was answered otherwise."""
    text = await answer.text()
    try:
        text = json.loads(text)["message"]
    except (ValueError, KeyError):
        return None
    found = _REFUSED.search(text)
    return Refusal(found[1], found[2]) if found else None


class PolicyServer:
    """Puts policies into force on a server, and waits until its answers show it."""

    def __init__(self, admin: Cluster, clients: Mapping[str, aiohttp.ClientSession]) -> None:
        """Take a client for each policy, by the same key, whose account the policy is for.

        RBAC has to let these accounts create ConfigMaps in kube-system, and their policies refuse that.
        """
        self._admin = admin
        self._clients = clients

    @asynccontextmanager
    async def in_force(self, policies: Mapping[str, Policy]) -> AsyncIterator[None]:
        """Put policies in force as long as the context lasts."""
        names = {by: f"compared-{secrets.token_hex(4)}-{by}" for by in policies}
        made = [manifest for by, policy in policies.items() for manifest in policy.manifests(names[by])]
        try:
            for manifest in made:
                await self._admin.create(manifest, _RESOURCES[manifest["kind"]])
            for by, name in names.items():
                await self._until_refused(by, name)
            yield
        finally:
            for manifest in reversed(made):
                await self._admin.delete(Ref(_RESOURCES[manifest["kind"]], manifest["metadata"]["name"]))
            for by in names:
                await self._until_refused(by, None)

    async def judge(
        self,
        attempts: Mapping[Any, Mapping[str, Any]],
        policies_for: Callable[[Mapping[str, Any]], Mapping[str, Policy]],
        send: Callable[[Mapping[str, Any]], Awaitable[Refusal | None]],
    ) -> dict[Any, str | None]:
        """Return with what words each attempt is refused, by its key; None where no policy refuses it."""
        answers: dict[Any, str | None] = {}
        waiting = {key: policies_for(attempt) for key, attempt in attempts.items()}
        while waiting:
            policies = next(iter(waiting.values()))
            same = [key for key, needed in waiting.items() if needed == policies]
            async with self.in_force(policies):
                for key in same:
                    refused = await send(attempts[key])
                    answers[key] = refused and refused.message
                    del waiting[key]
        return answers

    async def _until_refused(self, by: str, policy: str | None) -> None:
        # The API server hears of its own policies by a watch: what it answers is the only sign.
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self._clients[by].post(_PROBES, params={"dryRun": "All"}, json=_PROBE) as answer:
                    refused = await refusal(answer)
                if (refused and refused.policy) == policy:
                    return
