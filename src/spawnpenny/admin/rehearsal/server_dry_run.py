"""Send a rehearsal's manifests to the API server as a dry run: its admission, webhooks and quotas check them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from spawnpenny.admin.rehearsal.references import (
    PRIORITY_CLASS,
    RUNTIME_CLASS,
    SECRET,
    SERVICE_ACCOUNT,
    Reference,
    pull_secrets,
    references_of,
)
from spawnpenny.admin.rehearsal.result import Problem, Rehearsal, RehearsedSpawn, Severity
from spawnpenny.admin.rehearsal.scratch_namespace import kind_of
from spawnpenny.domain import labels
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import AlreadyExistsError, ClusterForbiddenError
from spawnpenny.kubernetes.interface import Listing, Manifest, Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.kubernetes.models import ObjectTypes

if TYPE_CHECKING:
    from spawnpenny.settings.model import Settings

_SETTING: Final = "cluster"
_ADMITTED: Final = (SERVICE_ACCOUNT, PRIORITY_CLASS, RUNTIME_CLASS)
"""Objects that the API server itself looks up when a pod is created."""
_MOST: Final = 50
"""The most spawns that are sent to the API server."""


class DryCluster(Protocol):
    """The part of the cluster interface that a dry run uses: reads, and creates that make nothing."""

    async def read(self, ref: Ref) -> Manifest | None: ...

    async def list(self, resource: Resource, *, labels: dict[str, str]) -> Listing: ...

    async def dry_create(self, manifest: Manifest, resource: Resource) -> Manifest: ...


@dataclass(frozen=True, slots=True)
class Tenant:
    """A user who has a namespace."""

    username: str
    namespace: str


async def find_tenant(cluster: DryCluster, settings: Settings, username: str | None) -> Tenant | None:
    """Return the named user, or any user, who has a namespace of this installation; None if there is none."""
    listing = await cluster.list(resource_of("Namespace"), labels=labels.ours(settings.installation))
    for item in listing.items:
        metadata = item["metadata"]
        name = (metadata.get("annotations") or {}).get(labels.USERNAME)
        if name is None or labels.USER not in (metadata.get("labels") or {}) or "deletionTimestamp" in metadata:
            continue
        if username in {None, name}:
            return Tenant(name, metadata["name"])
    return None


def no_namespace_problem(username: str | None) -> Problem:
    """Return a warning that the API server was not used, as the user has no namespace."""
    who = f"{username!r} has no namespace" if username else "no user has a namespace"
    return Problem(
        _SETTING,
        "not_asked",
        f"The API server did not check anything: {who} yet, and the service has no rights in other namespaces.",
        "Name a user who has started something with --user, or have a namespace made for the rehearsal with --claim.",
        severity=Severity.WARNING,
    )


async def dry_run(found: Rehearsal, cluster: DryCluster) -> Rehearsal:
    """Return a rehearsal with the API server's answer to each of its objects.

    The user of its spawns has to have a namespace.
    """
    problems: list[Problem] = []
    refused: set[str] = set()
    seen: set[str] = set()
    for spawn in found.spawns[:_MOST]:
        async for problem in _of_spawn(spawn, cluster, seen):
            problems.append(problem)
            if problem.severity is Severity.REFUSAL:
                refused.add(spawn.label)
    spawns = tuple(replace(spawn, starts=spawn.starts and spawn.label not in refused) for spawn in found.spawns)
    return replace(found, spawns=spawns, problems=_ordered([*found.problems, *_merged(problems)]))


async def _of_spawn(spawn: RehearsedSpawn, cluster: DryCluster, seen: set[str]) -> AsyncIterator[Problem]:
    types = ObjectTypes()
    for manifest in spawn.manifests:
        what = f"{manifest['kind']} {manifest['metadata']['name']}"
        if manifest["kind"] != "Pod" and what in seen:
            continue
        seen.add(what)
        try:
            await cluster.dry_create(manifest, kind_of(manifest))
        except AlreadyExistsError:
            continue  # a real start patches or keeps the existing object
        except SpawnpennyError as error:
            yield Problem(_SETTING, error.code, error.message, spawns=(spawn.label,))
        if types.fits(manifest):
            async for problem in _references(manifest, spawn, cluster):
                yield problem


async def _references(manifest: Manifest, spawn: RehearsedSpawn, cluster: DryCluster) -> AsyncIterator[Problem]:
    made = {(other["kind"], other["metadata"]["name"]) for other in spawn.manifests}
    for reference in references_of(manifest):
        known = (reference.resource.kind, reference.name) in made
        if not known and reference.resource not in _ADMITTED:
            async for problem in _missing(reference, cluster, spawn.label):
                yield problem
    for name in pull_secrets(manifest):
        secret = Reference(SECRET, name, manifest["metadata"]["namespace"], manifest["kind"])
        async for problem in _missing(secret, cluster, spawn.label):
            yield replace(problem, severity=Severity.WARNING)  # images without a login are pulled all the same


async def _missing(reference: Reference, cluster: DryCluster, label: str) -> AsyncIterator[Problem]:
    try:
        existing = await cluster.read(Ref(reference.resource, reference.name, reference.namespace or None))
    except ClusterForbiddenError:
        message = f"Pods need the {reference}, but the service may not read it: it may be missing."
        yield Problem(_SETTING, "not_asked", message, severity=Severity.WARNING, spawns=(label,))
        return
    if existing is None:
        yield Problem(
            _SETTING, "reference_missing", f"Pods need the {reference}, which does not exist.", spawns=(label,)
        )


def _merged(problems: Sequence[Problem]) -> list[Problem]:
    """Return each problem once, with the labels of all spawns that have it."""
    merged: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        key = problem.code, problem.message
        known = merged.get(key, problem)
        merged[key] = replace(known, spawns=tuple(dict.fromkeys((*known.spawns, *problem.spawns))))
    return list(merged.values())


def _ordered(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.severity is Severity.WARNING))
