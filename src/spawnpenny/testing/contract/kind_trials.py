"""Trials of a kind: each is a whole life of its spawns, in one service or in several that follow each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from spawnpenny.domain import labels
from spawnpenny.domain.pod_resources import pod_limits
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.spawns import Key, Phase, Scale, SpawnRequest
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.testing.contract.snapshots import Snapshot, is_part, lost, take_snapshot
from spawnpenny.testing.site import HUB

if TYPE_CHECKING:
    from spawnpenny.domain.kinds import Kind
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.kubernetes.kinds import Resource
    from spawnpenny.service import Service
    from spawnpenny.spawns.active import ActiveSpawn
    from spawnpenny.testing.contract.findings import Findings
    from spawnpenny.testing.contract.kind_contract import KindContract
    from spawnpenny.testing.site import Site
    from spawnpenny.testing.store_cluster import StoreCluster

USER: Final = "ada"
_PAUSE: Final = 0.02


@dataclass
class KindTrial:
    """One trial: a site of its own, and what is done with spawns of the kind in it."""

    contract: KindContract
    site: Site
    kind: Kind
    cluster: StoreCluster
    findings: Findings

    def key(self, name: str = "one") -> Key:
        return Key(self.kind.name, name)

    async def start(self, service: Service, name: str = "one", start: str = "first") -> ActiveSpawn | None:
        """Start a spawn; return it once it runs, and None if it does not."""
        contract = self.contract
        request = SpawnRequest(
            f"{start}-{name}", dict(contract.options), dict(contract.env), scale=Scale(self.kind.minimum)
        )
        run = (await service.spawns.start(USER, self.key(name), request, identity=HUB)).run
        if await self.until(lambda: run.settled) and run.record.phase is Phase.RUNNING:
            return run
        reason = run.record.reason.message if run.record.reason else "It had not ended its start in time."
        self.findings.add("kind-starts", f"Its phase was {run.record.phase}. {reason}")
        return None

    async def stop(self, service: Service, run: ActiveSpawn, when: str) -> None:
        """Stop a spawn, and report what is left of it."""
        stopped = await service.spawns.stop(USER, run.record.key)
        gone = stopped is None or await self.until(lambda: stopped.gone)
        left = sorted(map(str, await self.objects(run.record.id)))
        if left or not gone:
            self.findings.add("kind-stops", f"{when}, this was left: {', '.join(left) or 'the record'}.")

    async def until(self, condition: Callable[[], bool]) -> bool:
        """Wait until a condition holds; return whether it did in time."""
        end = asyncio.get_running_loop().time() + self.contract.seconds
        while True:
            if (held := condition()) or asyncio.get_running_loop().time() >= end:
                return held
            await asyncio.sleep(_PAUSE)

    async def objects(self, spawn: str) -> Snapshot:
        """Return the objects with the label of a spawn, of all resources that steps declare."""
        snapshot = await take_snapshot(self.cluster, [self.site.namespace(USER)], self._resources())
        labelled = {ref: item for ref, item in snapshot.items() if ref.resource.kind != "Namespace"}
        return {ref: item for ref, item in labelled.items() if _labels(item).get(labels.SPAWN) == spawn}

    def pods(self, service: Service, run: ActiveSpawn) -> list[Manifest]:
        """Return the pods of a spawn that are not being deleted."""
        pods = service.service_context.pods.within(self.site.namespace(USER))
        own = (pod for pod in pods if _labels(pod).get(labels.SPAWN) == run.record.id)
        return [pod for pod in own if "deletionTimestamp" not in pod["metadata"]]

    async def scaled(self, service: Service, run: ActiveSpawn, count: int) -> bool:
        """Scale a spawn, and wait until it has so many further pods."""
        await service.spawns.scale(USER, run.record.key, Scale(count))
        return await self.until(lambda: len([pod for pod in self.pods(service, run) if is_part(pod)]) == count)

    def without_plugin(self) -> Site:
        """Return the site as it is without the kind's plugin."""
        name = self.contract.plugin
        sections = {key: value for key, value in self.site.data["plugins"].items() if key != name}
        others = {key: value for key, value in self.site.plugins.items() if key != name}
        return replace(self.site, data={**self.site.data, "plugins": sections}, plugins=others)

    def _resources(self) -> Collection[Resource]:
        plugins = load_plugins(self.site.settings, extra=self.site.plugins)
        declared = [permission.resource for step in plugins.steps for permission in step.permissions]
        return list(dict.fromkeys(resource for resource in declared if resource is not None and resource.stored))


async def live_and_restart(trial: KindTrial) -> None:
    """Start beside another spawn, count, scale, restart, scale again, stop."""
    findings = trial.findings
    async with trial.site.service() as service:
        other = None if trial.contract.alone else await trial.start(service, "other")
        run = await trial.start(service)
        if run is None:
            return
        if run.record.pod_uid is None:
            findings.add("kind-main-pod", "It had none.")
        if trial.kind.scales and not await trial.scaled(service, run, trial.contract.scale):
            findings.add("kind-scales", f"It did not get {trial.contract.scale} further pods.", "up")
        _check_counted(trial, trial.pods(service, run), run.record.resources)
        before, beside = await trial.objects(run.record.id), await trial.objects(other.record.id if other else "")
    async with trial.site.service() as service:
        adopted = service.spawns.find(USER, trial.key())
        if adopted is None or adopted.record.phase is not Phase.RUNNING:
            findings.add("kind-restarts", f"It was {adopted.record.phase if adopted else 'unknown'}.")
            return
        if trial.kind.scales and not await trial.scaled(service, adopted, trial.kind.minimum):
            findings.add(
                "kind-scales", f"After a restart, it did not get back to {trial.kind.minimum} further pods.", "down"
            )
        if changes := lost(
            {ref: item for ref, item in before.items() if not is_part(item)}, await trial.objects(run.record.id)
        ):
            findings.add("kind-restarts", f"{', '.join(changes)}.")
        await trial.stop(service, adopted, "After a restart and a stop")
        if changes := lost(beside, await trial.objects(other.record.id if other else "")):
            findings.add("kind-others", f"After the stop of one: {', '.join(changes)}.")


async def end_well(trial: KindTrial) -> None:
    """Have the main pod end with exit code 0, and start again under the same name."""
    async with trial.site.service() as service:
        run = await trial.start(service)
        if run is None or run.record.pod_uid is None:
            return
        right = {Phase.SUCCEEDED} if trial.kind.completes else {Phase.EXITED, Phase.FAILED}
        await _end(trial, run, 0, right)
        again = await trial.start(service, start="second")
        if again is None:
            trial.findings.add("kind-again", "It did not run again.")
            return
        await trial.stop(service, again, "After a stop")
        await _retire(trial, service)


async def end_badly(trial: KindTrial) -> None:
    """Have the main pod fail while it runs."""
    async with trial.site.service() as service:
        run = await trial.start(service)
        if run is not None and run.record.pod_uid is not None:
            await _end(trial, run, 3, {Phase.EXITED, Phase.FAILED})


async def lose_plugin(trial: KindTrial) -> None:
    """Run a service without the plugin, and stop the spawn there."""
    async with trial.site.service() as service:
        run = await trial.start(service)
        if run is None:
            return
    async with trial.without_plugin().service() as service:
        kept = service.spawns.find(USER, trial.key())
        if kept is None or kept.record.phase is not Phase.RUNNING:
            trial.findings.add("kind-unloaded", f"Its phase was {kept.record.phase if kept else 'unknown'}.")
            return
        stopped = await service.spawns.stop(USER, trial.key())
        gone = stopped is None or await trial.until(lambda: stopped.gone)
        if not gone or trial.pods(service, run):
            trial.findings.add("kind-unloaded", "After a stop, its pods or its record were left.")


async def _end(trial: KindTrial, run: ActiveSpawn, exit_code: int, right: Collection[Phase]) -> None:
    trial.cluster.exit(run.record.pod_uid or "", exit_code)
    ended = await trial.until(lambda: run.record.phase.over and run.record.reverted)
    left = sorted(map(str, await trial.objects(run.record.id)))
    if not ended or run.record.phase not in right or left:
        rest = f" This was left: {', '.join(left)}." if left else ""
        trial.findings.add(
            "kind-ends", f"When the main pod ended with exit code {exit_code}, its phase was {run.record.phase}.{rest}"
        )


async def _retire(trial: KindTrial, service: Service) -> None:
    await service.spawns.retire(USER)
    try:
        async with asyncio.timeout(trial.contract.seconds):
            await service.service_context.namespaces.wait_for(
                None, trial.site.namespace(USER), lambda found: found is None
            )
    except TimeoutError:
        trial.findings.add("kind-retires", "The namespace was not released.")


def _check_counted(trial: KindTrial, pods: list[Manifest], counted: Resources) -> None:
    limits = sum(map(pod_limits, pods), start=Resources())
    if limits.cpu > counted.cpu or limits.memory > counted.memory:
        have, returned = f"{limits.cpu} CPU and {limits.memory} bytes", f"{counted.cpu} CPU and {counted.memory} bytes"
        trial.findings.add("kind-counts", f"Its pods have limits of {have}. Its steps return {returned}.")


def _labels(item: Manifest) -> dict[str, str]:
    found: dict[str, str] = item["metadata"].get("labels") or {}
    return found


TRIALS: Final[tuple[Callable[[KindTrial], Awaitable[None]], ...]] = (live_and_restart, end_well, end_badly, lose_plugin)
