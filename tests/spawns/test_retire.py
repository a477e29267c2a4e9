"""Users who are retired: what all their spawns shared goes for good, and storage only where that is asked for."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import yaml

from spawnpenny.api import Step, hookimpl
from spawnpenny.domain.spawns import Key, Phase
from spawnpenny.domain.users import User
from spawnpenny.errors import UserConflictError
from spawnpenny.testing.site import HUB, settled, start, stop

ADA = User("ada", 2001, 2001)
USER = Key("user", "")


@pytest.fixture
def seen(site, tmp_path):
    """Have the site's retire order leave the dossier in a file; the container fails while ``fail`` is there."""
    seen, fail = tmp_path / "seen", tmp_path / "fail"
    script = f'test ! -e {fail} && cat "$DOSSIER" > {seen}'
    env = [{"name": "DOSSIER", "value": "/opt/dossier/dossier.json"}]
    orders = {"retire": [{"name": "r", "image": "spawnpenny/shell", "args": ["-c", script], "env": env}]}
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(orders))
    site.data["broker"] = {"orders": str(tmp_path / "m.yaml"), "purge": True}
    return seen


def order_commission(folder, script):
    orders = yaml.safe_load((folder / "m.yaml").read_text())
    orders["commission"] = [{"name": "c", "image": "spawnpenny/shell", "args": ["-c", script]}]
    (folder / "m.yaml").write_text(yaml.safe_dump(orders))


async def commissioned(service):
    return await settled((await service.spawns.commission(ADA, identity=HUB)).run)


async def retired(service, **how):
    run = await service.spawns.retire("ada", **how)
    return await settled(run)


def volume_claim(site):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "home", "namespace": site.namespace()},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


async def released(site, service):
    return await service.service_context.namespaces.wait_for(
        None, site.namespace(), lambda found: found is None or "deletionTimestamp" in found["metadata"]
    )


async def test_the_retire_order_runs_and_the_namespace_goes(site, seen, request):
    async with site.service() as service:
        await commissioned(service)
        await settled(await start(service))
        with pytest.raises(UserConflictError, match="stop them before"):
            await service.spawns.retire("ada")
        await stop(service)
        run = await retired(service)
        assert run.gone
        if "embedded" in request.node.name:  # the hollow node's pods run nothing
            assert json.loads(seen.read_text()) == ADA.dossier()
        await released(site, service)
        assert service.spawns.find("ada", USER) is None
        assert not service.spawns.user_state("ada").record.commissioned
        assert (await settled(await start(service, "again"))).record.phase is Phase.RUNNING


async def test_a_user_whom_nobody_commissioned_is_retired_too(site, seen):
    async with site.service() as service:
        await settled(await start(service))
        await stop(service)
        await site.cluster.create(volume_claim(site))
        assert (await retired(service)).gone
        assert await site.read("PersistentVolumeClaim", "home") is not None
        assert (await retired(service, purge=True)).gone
        await released(site, service)
        assert await service.spawns.retire("somebody") is None


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_storage_is_not_forgotten_by_a_retirement_under_way(site, seen):
    async with site.service() as service:
        await commissioned(service)
        run = await service.spawns.retire("ada")
        with pytest.raises(UserConflictError, match="without the storage"):
            await service.spawns.retire("ada", purge=True)
        await settled(run)


@pytest.mark.parametrize("purge", [False, True])
async def test_storage_goes_only_where_that_is_asked_for(site, seen, purge):
    async with site.service() as service:
        await commissioned(service)
        await settled(await start(service))
        await stop(service)
        await site.cluster.create(volume_claim(site))
        run = await retired(service, purge=purge)
        assert run.gone
        if purge:
            await released(site, service)
        else:
            assert await site.read("PersistentVolumeClaim", "home") is not None
            assert "kept, as storage lives there" in " ".join(event.message for event in run.record.log.since(None))


async def test_a_purge_that_the_broker_does_not_allow_has_failed_and_can_be_asked_for_again(site, seen):
    site.data["broker"]["purge"] = False
    async with site.service() as service:
        await commissioned(service)
        await settled(await start(service))
        await stop(service)
        await site.cluster.create(volume_claim(site))
        run = await retired(service, purge=True)
        assert (run.record.phase, run.record.reason.code) == (Phase.FAILED, "volumes_kept")
    site.data["broker"]["purge"] = True
    async with site.service() as service:
        assert (await retired(service, purge=True)).gone
        await released(site, service)


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_a_user_whose_order_fails_stays_and_can_be_retired_again(site, seen):
    (seen.parent / "fail").touch()
    async with site.service() as service:
        await commissioned(service)
        run = await retired(service)
        assert (run.record.phase, run.record.reason.code) == (Phase.FAILED, "provision_failed")
        assert service.spawns.user_state("ada").record.commissioned
        (seen.parent / "fail").unlink()
        assert (await retired(service)).gone


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_an_accepted_retirement_is_carried_out_by_the_service_that_starts_next(site, seen):
    async with site.service() as service:
        await commissioned(service)
        await service.spawns.retire("ada")
    async with site.service() as service:
        run = service.spawns.find("ada", USER)
        if run is not None:
            await settled(run)
        assert service.spawns.find("ada", USER) is None
        assert json.loads(seen.read_text()) == ADA.dossier()


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_nothing_is_started_for_a_user_who_is_being_retired(site, seen):
    async with site.service() as service:
        await commissioned(service)
        run = await service.spawns.retire("ada")
        with pytest.raises(UserConflictError, match="being retired"):
            await start(service)
        await settled(run)
        assert (await settled(await start(service))).record.phase is Phase.RUNNING


async def test_storage_that_was_kept_goes_with_a_later_purge(site, seen):
    async with site.service() as service:
        await commissioned(service)
        await settled(await start(service))
        await stop(service)
        await site.cluster.create(volume_claim(site))
        assert (await retired(service)).gone
        await commissioned(service)
        assert (await retired(service, purge=True)).gone
        await released(site, service)


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_after_a_retirement_that_failed_the_user_is_provisioned_anew(site, seen):
    made = seen.parent / "made"
    (seen.parent / "fail").touch()
    order_commission(seen.parent, f"touch {made}")
    async with site.service() as service:
        await commissioned(service)
        made.unlink()
        assert (await retired(service)).record.phase is Phase.FAILED
        await settled(await start(service))
        assert made.exists()


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_a_user_whose_commissioning_failed_long_ago_is_retired(site, seen):
    order_commission(seen.parent, "exit 1")
    site.data["deadlines"] = {"history": 0.1}
    async with site.service() as service:
        await commissioned(service)
        lab = await settled(await start(service))
        await lab.until_gone()  # what is over for so long is forgotten
        run = await service.spawns.retire("ada")
        assert (await settled(run)).gone
        assert json.loads(seen.read_text()) == ADA.dossier()


class Faulty(Step):
    """It makes a mistake when a user is retired."""

    name = "faulty"
    kinds = frozenset({"user"})
    scope = "user"

    async def retire(self, spawn):
        raise ZeroDivisionError


@hookimpl
def spawnpenny_steps(settings):
    del settings
    return [Faulty()]


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_a_plugins_mistake_keeps_nobody_in_retirement(site):
    site.plugins = {"faulty": SimpleNamespace(spawnpenny_steps=spawnpenny_steps)}
    async with site.service() as service:
        await commissioned(service)
        run = await retired(service)
        assert (run.record.phase, run.record.reason.code) == (Phase.FAILED, "step_failed")
        assert (await settled(await start(service))).record.phase is Phase.RUNNING
