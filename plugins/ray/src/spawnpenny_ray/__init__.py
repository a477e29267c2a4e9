"""Ray clusters: a head pod, worker pods, and the way to them from the labs of their user."""

from __future__ import annotations

from spawnpenny.api import FormField, Kind, Manifest, PlannedSpawn, Settings, Step, User, hookimpl
from spawnpenny_ray.access import AccessStep
from spawnpenny_ray.dashboard import DASHBOARD
from spawnpenny_ray.lab_environment import lab_patch
from spawnpenny_ray.settings import RaySettings, RaySettingsSchema
from spawnpenny_ray.steps import HeadStep, WorkersStep


@hookimpl
def spawnpenny_kinds() -> list[Kind]:
    return [
        Kind(
            "ray",
            "rays",
            "Ray cluster",
            scales=True,
            ends_with_lab=True,
            follows_pods=True,
            minimum=1,
            form=_no_options,
            dashboard=DASHBOARD,
        )
    ]


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    ours, allowed = _section(settings), settings.pods.allow
    return [AccessStep(), HeadStep(ours, allowed), WorkersStep(ours, allowed)]


@hookimpl
def spawnpenny_pod_patch(spawn: PlannedSpawn, pod: Manifest) -> Manifest | None:
    return lab_patch(spawn, pod)


def _section(settings: Settings) -> RaySettings:
    return settings.load("ray", RaySettingsSchema())


def _no_options(user: User) -> list[FormField]:
    """Return the options of a cluster: none, so that requests with any are refused."""
    del user
    return []
