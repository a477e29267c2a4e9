"""A trial: a spawn of the step under test, beside other spawns and objects that it has to leave alone."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import Resource, resource_of
from spawnpenny.pipeline.step import Step
from spawnpenny.testing.contract.snapshots import Snapshot, contents, is_part, lost, take_snapshot
from spawnpenny.testing.contract.stage import Stage
from spawnpenny.testing.contract.subject import Subject


class HungError(Exception):
    """A method did not end in time, and was broken off."""


class Trial:
    """One spawn under test (``main``), another one of its user (``sibling``), one of another user (``neighbour``)."""

    def __init__(self, stage: Stage) -> None:
        contract, number, plugins = stage.contract, next(stage.numbers), stage.load()
        self.stage = stage
        self.report = stage.findings.add
        user = replace(contract.user, username=f"{contract.user.username}-{number}")
        other = replace(contract.user, username=f"bob-{number}")

        def subject(owner: Any, name: str) -> Subject:
            return Subject(stage, owner, name, plugins, copy.deepcopy(dict(contract.options)))

        self.main = subject(user, contract.name)
        self.sibling = subject(user, "other")
        self.neighbour = subject(other, contract.name)
        self.resources = stage.resources(plugins)
        self.base: Snapshot = {}

    @property
    def scope(self) -> str:
        return self.main.step.scope

    @property
    def others(self) -> list[Subject]:
        """The spawns beside the one under test."""
        return [self.sibling, self.neighbour]

    async def prepare(self) -> None:
        """Create what is there before the spawn under test: its first steps, the other spawns and foreign objects."""
        if ("claim", None) not in declared(self.main):
            await self._claim(self.main)
        await self._claim(self.neighbour)
        for subject in (*self.others, self.main):
            subject.keep_secrets()
            await subject.prepare()
            if subject is self.neighbour or (subject is self.sibling and self.scope == "spawn"):
                error = await self.run("apply", subject.apply())
                if error is not None and not isinstance(error, HungError):
                    self.report("apply-succeeds", f"It raised {error!r}.")
        await self._add_foreign()
        await self.remember()

    async def remember(self) -> None:
        """Take the present objects for those that have to stay."""
        self.base = await self.snapshot()

    async def snapshot(self) -> Snapshot:
        namespaces = [self.main.names.namespace, self.neighbour.names.namespace]
        return await take_snapshot(self.stage.cluster, namespaces, self.resources)

    async def own(self) -> Snapshot:
        """Return the objects that the step under test has created for its spawn."""
        beside = self.main.beside.created
        now = await self.snapshot()
        return {ref: item for ref, item in now.items() if ref not in self.base and ref not in beside}

    async def contents(self) -> Counter[str]:
        """Return the objects of the step as texts that are equal in all trials."""
        return self._texts(await self.own())

    async def applied(self) -> Counter[str]:
        """Return the objects that an apply has to create, as such texts: not the parts that ``supervise`` completes."""
        supervised = type(self.main.step).supervise is not Step.supervise
        own = {ref: item for ref, item in (await self.own()).items() if not (supervised and is_part(item))}
        return self._texts(own)

    def _texts(self, snapshot: Snapshot) -> Counter[str]:
        main = self.main
        return contents(snapshot, user=main.user.username, names=main.names, spawn=main.id)

    async def harm(self) -> str:
        """Return what has happened to other objects, as a sentence, or an empty text."""
        changes = lost(self.base, await self.snapshot())
        return f"{', '.join(changes)}." if changes else ""

    async def demand_unharmed(self, after: str) -> None:
        """Report whether objects of others were changed or deleted."""
        if harm := await self.harm():
            self.report("others-unharmed", f"After {after}: {harm}")

    async def run(self, what: str, work: Coroutine[Any, Any, None]) -> BaseException | None:
        """Run a method of the step with a time limit; return its error."""
        task = asyncio.create_task(work)
        self.main.recorder.task = task
        limit = self.stage.contract.seconds
        await asyncio.wait({task}, timeout=limit)
        if not task.done():
            self.report("ends", f"{what} had not ended after {limit:g} seconds.", what)
            await self.cancel(what, task)
            return HungError()
        if task.cancelled():
            return asyncio.CancelledError()
        return task.exception()

    async def cancel(self, what: str, task: asyncio.Task[None]) -> None:
        """Cancel a method, and report it if it goes on."""
        task.cancel()
        await asyncio.wait({task}, timeout=self.stage.contract.seconds)
        if not task.done():
            self.report("cancellation", f"{what} went on after it was cancelled.", what)
            with suppress(RuntimeError):  # its coroutine goes on even so: then the test cannot end it
                task.get_coro().close()
            task.cancel()
            await asyncio.wait({task}, timeout=self.stage.contract.seconds)

    def close(self) -> None:
        """Keep the verbs that the step has used, and report those that it does not declare."""
        for subject in (self.main, *self.others):
            self.stage.used |= subject.recorder.used
            for verb, resource in subject.recorder.undeclared:
                name = f"{verb} {plural(resource)}"
                self.report("declared", f"It used {name} without declaring it.", name)
        if bypassing := sorted(self._bypassing()):
            self.report("bypass", f"It made calls past its permissions: {', '.join(bypassing)}.")

    def _bypassing(self) -> set[str]:
        """Return the calls that its permissions do not cover; the service itself reads pods and their Events."""
        verbs, found = declared(self.main), set()
        for subject in (self.main, *self.others):
            for call in subject.recorder.every_call:
                internal = call.resource is not None and call.resource.kind in {"Pod", "Event"}
                if internal and call.verb in {"get", "list"}:
                    continue
                if (call.verb, call.resource) not in verbs or call.namespace not in {None, subject.names.namespace}:
                    found.add(str(call))
        return found

    async def _claim(self, subject: Subject) -> None:
        uid = await self.stage.broker.claim_namespace(subject.user.username)
        self.stage.namespace_uids[subject.names.namespace] = uid

    async def _add_foreign(self) -> None:
        """Create objects of nobody that look like those of the step, but for their names and our labels."""
        if ("claim", None) in declared(self.main):
            return
        for manifest in self.main.step.manifests(self.main.planned()):
            for subject in (self.main, self.neighbour):
                await self.add_foreign(manifest, subject.names.namespace, f"{manifest['metadata']['name']}-foreign")

    async def add_foreign(self, manifest: Manifest, namespace: str, name: str) -> Ref | None:
        """Create an object of nobody; return None if the cluster does not take it."""
        metadata = {**manifest["metadata"], "name": name, "namespace": namespace}
        resource = resource_for(self.main, manifest["kind"])
        with suppress(ClusterError):
            await self.stage.cluster.create({**manifest, "metadata": metadata}, resource)
            return Ref(resource, name, namespace)
        return None


@asynccontextmanager
async def trial_on(stage: Stage) -> AsyncIterator[Trial]:
    """Open a trial with users of its own, prepared, until the context ends."""
    trial = Trial(stage)
    await trial.prepare()
    try:
        yield trial
    finally:
        trial.close()


def declared(subject: Subject) -> set[tuple[str, Resource | None]]:
    """Return the verbs that the step under test declares, with their resources."""
    return {(verb, permission.resource) for permission in subject.step.permissions for verb in permission.verbs}


def plural(resource: Resource | None) -> str:
    """Return the name of a resource in ``allow``."""
    return resource.plural if resource else "broker"


def resource_for(subject: Subject, kind: str) -> Resource:
    """Return the resource of a kind, which spawnpenny may not know."""
    own = {resource.kind: resource for _, resource in declared(subject) if resource}
    return own[kind] if kind in own else resource_of(kind)
