"""The JupyterLab pod, and the Secret with its environment."""

from __future__ import annotations

import math
from collections.abc import Collection

from spawnpenny.api import (
    FormField,
    InvalidOptionError,
    Manifest,
    Resources,
    Settings,
    Spawn,
    Step,
    UnknownOptionError,
    allow,
    hookimpl,
)
from spawnpenny_lab.budget import counted
from spawnpenny_lab.choice import choose
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.objects import NOTEBOOK, base_url, lab_pod, lab_secret, lab_url
from spawnpenny_lab.settings import LabSettings, LabSettingsSchema
from spawnpenny_lab.tls import TlsStep, serving_tls

_TOKENS = frozenset({"JUPYTER_TOKEN", "JUPYTERHUB_API_TOKEN"})


class SecretStep(Step):
    """Keep the caller's environment where only this lab's pod reads it."""

    name = "lab.secret"
    kinds = frozenset({"lab"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="secrets"),)

    def __init__(self, settings: LabSettings) -> None:
        self._settings = settings

    def makes(self, spawn: Spawn) -> list[Manifest]:
        return [lab_secret(spawn, choose(spawn.options, self._settings).port)]

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard("Secret", spawn.names.base)


class PodStep(Step):
    """Run the lab, and wait until it answers."""

    name = "lab.pod"
    kinds = frozenset({"lab"})
    scope = "spawn"
    needs = frozenset({"namespace", "lab.secret"})
    container = NOTEBOOK
    permissions = (allow("create", "get", "delete", on="pods"),)
    deadline = math.inf

    def __init__(self, settings: LabSettings, allowed: Collection[str]) -> None:
        self._settings = settings
        self._allowed = allowed

    def asks(self, spawn: Spawn) -> Resources:
        return counted(lab_pod(spawn, choose(spawn.options, self._settings), self._allowed))

    def check(self, spawn: Spawn) -> None:
        base_url(spawn.env)

    def makes(self, spawn: Spawn) -> list[Manifest]:
        pod = lab_pod(spawn, choose(spawn.options, self._settings), self._allowed)
        return [spawn.patched(serving_tls(pod, spawn))]

    async def apply(self, spawn: Spawn) -> None:
        (wanted,) = self.makes(spawn)
        if not _TOKENS & spawn.env.keys():
            spawn.tell("No JUPYTER_TOKEN was sent: only the lab's own log has the token that it makes.")
        pod = await spawn.cluster.ensure(wanted)
        spawn.tell("Waiting for the lab to answer.")
        ready = await spawn.cluster.wait(pod)
        spawn.announce(url=lab_url(ready), pod=ready["metadata"]["uid"])

    def url(self, spawn: Spawn, pod: Manifest) -> str | None:
        return lab_url(pod) if pod["metadata"]["name"] == spawn.names.base else None

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard("Pod", spawn.names.base, grace=self._grace(spawn))

    def _grace(self, spawn: Spawn) -> int:
        try:
            return choose(spawn.options, self._settings).delete_grace_period
        except (InvalidOptionError, UnknownOptionError):  # it was chosen when the settings had it
            return self._settings.template.delete_grace_period


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    ours = settings.load("lab", LabSettingsSchema())
    secure = [TlsStep(lambda spawn: choose(spawn.options, ours).port)] if ours.internal_ssl else []
    return [SecretStep(ours), *secure, PodStep(ours, settings.pods.allow)]


@hookimpl
def spawnpenny_form(settings: Settings) -> tuple[FormField, ...]:
    return lab_form(settings.load("lab", LabSettingsSchema()))
