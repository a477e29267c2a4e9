"""Sound kinds: a farm with workers, and a program that runs to completion."""

from __future__ import annotations

from decimal import Decimal

from spawnpenny.api import Kind, Resources, Step, allow
from tests.kit.farm import FARM, Master, Workers, make_pod


class Program(Step):
    """One pod that runs to its end."""

    name = "errand.pod"
    kinds = frozenset({"errand"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    def resources(self, spawn):
        return Resources(Decimal(1), Decimal(2**30))

    def manifests(self, spawn):
        pod = make_pod(spawn.names.base)
        pod["spec"]["restartPolicy"] = "Never"
        return [spawn.patched(pod)]

    async def apply(self, spawn):
        (pod,) = self.manifests(spawn)
        pod = await spawn.cluster.wait(await spawn.cluster.ensure(pod), until="started")
        spawn.publish_url(url="errand://", pod=pod["metadata"]["uid"])

    async def revert(self, spawn):
        await spawn.cluster.discard("Pod", spawn.names.base)


ERRAND = Kind("errand", "errands", "errand", completes=True)
SOUND = {"farm": (FARM, (Master, Workers)), "errand": (ERRAND, (Program,))}
