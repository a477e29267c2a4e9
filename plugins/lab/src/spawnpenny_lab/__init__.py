"""The JupyterLab pod, and the Secret with its environment."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from decimal import Decimal

from spawnpenny.api import (
    NOTEBOOK,
    FormField,
    Kind,
    Manifest,
    OptionSource,
    PlannedSpawn,
    Resources,
    Settings,
    Spawn,
    Step,
    allow,
    hookimpl,
    pod_limits,
)
from spawnpenny_lab.amounts import with_amounts
from spawnpenny_lab.budget import unlimited, without_limits
from spawnpenny_lab.choice import choose
from spawnpenny_lab.container_resources import demand_sound_resources
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.like_a_lab import is_like_a_lab, patch_like_a_lab
from spawnpenny_lab.objects import base_url, lab_pod, lab_secret, lab_url
from spawnpenny_lab.offer import PassProfiles, offered
from spawnpenny_lab.settings import LabSettings, LabSettingsSchema
from spawnpenny_lab.tls import TlsStep, serving_tls
from spawnpenny_lab.trial import templates

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

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [lab_secret(spawn, choose(spawn, self._settings).port)]

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

    def resources(self, spawn: PlannedSpawn) -> Resources:
        template = choose(spawn, self._settings)
        pod = lab_pod(spawn, template, self._allowed)
        try:
            return pod_limits(spawn.patched(pod))
        except Exception:  # noqa: BLE001 - it is refused when it is made, with its reason; a patch may lack an earlier step
            return pod_limits(pod)

    def verify(self, spawn: PlannedSpawn, limits: Mapping[str, Decimal]) -> None:
        missing: dict[str, str] = {}
        for place, template in templates(self._settings):
            try:
                pod = spawn.patched(lab_pod(spawn, template, self._allowed))
            except Exception:  # noqa: BLE001, S112 - a patch may not know this user: what it makes of others is not known
                continue
            missing |= without_limits(pod, limits, place)
            demand_sound_resources(pod, place)
        if missing:
            raise unlimited(missing)

    def check(self, spawn: PlannedSpawn) -> None:
        base_url(spawn.env)

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        template = choose(spawn, self._settings)
        pod = spawn.patched(serving_tls(lab_pod(spawn, template, self._allowed), spawn))
        return [with_amounts(pod, NOTEBOOK, template.environment)]  # patches may have changed them

    async def apply(self, spawn: Spawn) -> None:
        (desired,) = self.manifests(spawn)
        if not _TOKENS & spawn.env.keys():
            spawn.notify("No JUPYTER_TOKEN was sent: only the lab's own log has the token that it makes.")
        pod = await spawn.cluster.ensure(desired)
        spawn.notify("Waiting for the lab to answer.")
        ready = await spawn.cluster.wait(pod)
        spawn.publish_url(url=lab_url(ready), pod=ready["metadata"]["uid"])

    def url(self, spawn: PlannedSpawn, pod: Manifest) -> str | None:
        return lab_url(pod) if pod["metadata"]["name"] == spawn.names.base else None

    async def revert(self, spawn: Spawn) -> None:
        await spawn.cluster.discard("Pod", spawn.names.base)


@hookimpl
def spawnpenny_kinds() -> list[Kind]:
    return [Kind("lab", "labs", "lab", options=OptionSource.FORM, lab_token=True, name_field="lab", from_labs=False)]


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    ours = settings.load("lab", LabSettingsSchema())
    secure = [TlsStep(lambda spawn: choose(spawn, ours).port)] if ours.internal_ssl else []
    return [SecretStep(ours), *secure, PodStep(ours, settings.pods.allow)]


@hookimpl
def spawnpenny_pod_patch(spawn: PlannedSpawn, pod: Manifest, settings: Settings) -> Manifest | None:
    if not is_like_a_lab(spawn, pod):
        return None
    return patch_like_a_lab(spawn, pod, settings.load("lab", LabSettingsSchema()), settings.pods.allow)


@hookimpl
def spawnpenny_form(settings: Settings, profiles: PassProfiles) -> tuple[FormField, ...]:
    return lab_form(offered(settings.load("lab", LabSettingsSchema()), profiles))
