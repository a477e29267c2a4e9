"""Kinds with one fault each."""

from __future__ import annotations

import dataclasses

from spawnpenny.api import PART, Resources, SpawnError
from tests.kit.farm import FARM, Master, Workers, make_pod
from tests.testing.sound_kinds import ERRAND, Program


class CountsNothing(Master):
    def resources(self, spawn):
        return Resources()


class PublishesNothing(Master):
    async def apply(self, spawn):
        await spawn.cluster.wait(await spawn.cluster.ensure(spawn.patched(make_pod(spawn.names.base))))


class NeverStarts(Master):
    async def apply(self, spawn):
        raise SpawnError("There is no licence.")


class LeavesItsPod(Master):
    async def revert(self, spawn):
        """Delete nothing."""


class StartsAnewAfterARestart(Workers):
    """Deletes the head of a spawn that it does not know."""

    started = frozenset()

    async def apply(self, spawn):
        type(self).started |= {id(self)}

    async def supervise(self, spawn):
        if id(self) not in self.started:
            for pod in spawn.cluster.pods():
                if PART not in pod["metadata"]["labels"]:
                    await spawn.cluster.remove(pod)
        await super().supervise(spawn)


class OnlyGrows(Workers):
    async def supervise(self, spawn):
        number = 0
        while True:
            while number < spawn.scale.count:
                name = spawn.names.own(f"w-{number}")
                await spawn.cluster.ensure(spawn.patched(make_pod(name, "worker")))
                number += 1
            await spawn.changed(3600)


class ForgetsWorkers(Workers):
    async def revert(self, spawn):
        """Delete no worker."""


class DoesNotScale(Workers):
    async def supervise(self, spawn):
        await spawn.changed(3600)


FAULTS = {
    "counts nothing": (FARM, (CountsNothing, Workers), "kind-counts"),
    "publishes nothing": (FARM, (PublishesNothing, Workers), "kind-main-pod"),
    "never starts": (FARM, (NeverStarts, Workers), "kind-starts"),
    "leaves its pod": (FARM, (LeavesItsPod, Workers), "kind-stops"),
    "leaves its pod at the end": (ERRAND, (type("Leaves", (Program,), {"revert": LeavesItsPod.revert}),), "kind-ends"),
    "starts anew": (FARM, (Master, StartsAnewAfterARestart), "kind-restarts"),
    "only grows": (FARM, (Master, OnlyGrows), "kind-scales:down"),
    "does not scale": (FARM, (Master, DoesNotScale), "kind-scales:up"),
    "forgets workers": (FARM, (Master, ForgetsWorkers), "kind-stops"),
    "is no kind of it": (dataclasses.replace(FARM, name="other"), (Master, Workers), "kind-loads"),
}
"""A kind, its steps, and the name of the finding that reports the fault."""
