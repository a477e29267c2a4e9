"""The users' namespaces and volumes become ours: the script that is written for them, against a real API server."""

from __future__ import annotations

import asyncio
import json

import pytest
import yaml
from kubespawner.objects import make_namespace

from spawnpenny.admin.migration.objects import GET
from spawnpenny.cli.command import run
from spawnpenny.domain.names import safe_slug
from spawnpenny.testing.site import settled, start

STORAGE = {"storage_capacity": "1Gi", "storage_class": "disk", "storage_access_modes": ["ReadWriteOnce"]}
CONFIG = """
c.KubeSpawner.update({traits!r})
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.volumes = [{{"name": "home", "persistentVolumeClaim": {{"claimName": "{{pvc_name}}"}}}}]
c.KubeSpawner.volume_mounts = [{{"name": "home", "mountPath": "/home/jovyan"}}]
"""


class Hub:
    """A Hub's namespace, with volumes of its users as KubeSpawner has left them."""

    def __init__(self, kubectl, site, spawner_of, folder, **traits):
        self.kubectl, self.site, self.spawner_of, self.folder = kubectl, site, spawner_of, folder
        self.namespace = f"{site.settings.installation}-hub"
        self.traits = {**STORAGE, **traits}

    async def namespace_of(self, name):
        made = make_namespace(name)
        made.api_version, made.kind = "v1", "Namespace"  # over the wire the URL says it
        await self.kubectl.create(made)

    async def volume(self, username, server="", **traits):
        """Make a user's claim and the volume that it has; return their names."""
        spawner = self.spawner_of(username, server, **{**self.traits, **traits})
        claim = spawner.get_pvc_manifest()
        claim.metadata.namespace = spawner.namespace if spawner.enable_user_namespaces else self.namespace
        place = {"namespace": claim.metadata.namespace, "name": claim.metadata.name}
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"pv-{place['namespace']}-{place['name']}"},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "disk",
                "persistentVolumeReclaimPolicy": "Delete",
                "hostPath": {"path": "/data"},
                "claimRef": place,
            },
        }
        await self.kubectl.create(volume, claim)
        bound = ("wait", f"pvc/{place['name']}", "--for=jsonpath={.status.phase}=Bound", "--timeout=120s")
        await self.kubectl("-n", place["namespace"], *bound)
        return volume["metadata"]["name"], place["name"]

    async def migrate(self, *arguments):
        """Have settings and script written; return the exit code. The site then has these settings."""
        files = {
            name: self.folder / name for name in ("config.py", "base.yaml", "settings.yaml", "objects.json", "do.sh")
        }
        files["config.py"].write_text(CONFIG.format(traits=self.traits))
        base = {**self.site.data, "plugins": {"namespace": {}, "lab": {}}}
        files["base.yaml"].write_text(yaml.safe_dump(base))
        files["objects.json"].write_text(await self.kubectl(*GET.split()[1:]))
        named = {"output": "settings.yaml", "base": "base.yaml", "objects": "objects.json", "script": "do.sh"}
        options = (f"--{option}={files[file]}" for option, file in named.items())
        command = ["migrate", "kubespawner", str(files["config.py"]), f"--namespace={self.namespace}", *options]
        code = await asyncio.to_thread(run, [*command, *arguments])
        self.site.data = yaml.safe_load(files["settings.yaml"].read_text())
        return code

    async def script(self, *arguments, code=0):
        ended, printed = await self.kubectl.run("sh", "do.sh", *arguments)
        assert ended == code, printed
        return printed

    async def holder(self, volume):
        spec = (await self.kubectl.read("pv", volume))["spec"]
        return f"{spec['claimRef']['namespace']}/{spec['claimRef']['name']}", spec["persistentVolumeReclaimPolicy"]

    def ours(self, username):
        return f"{self.site.settings.namespaces.prefix}{safe_slug(username)}"


@pytest.fixture
async def make_hub(kubectl, kube_site, spawner_of, tmp_path):
    async def make(**traits):
        hub = Hub(kubectl, kube_site, spawner_of, tmp_path, **traits)
        await hub.namespace_of(hub.namespace)
        return hub

    return make


async def test_volumes_move_to_the_users_namespaces_and_back(make_hub):
    hub = await make_hub()
    ada, claim = await hub.volume("ada")
    odd, hashed = await hub.volume("Ada@x", "work")
    assert await hub.migrate() == 0

    assert "Nothing was changed." in await hub.script()
    assert await hub.holder(ada) == (f"{hub.namespace}/{claim}", "Delete")

    await hub.script("--apply")
    assert await hub.holder(ada) == (f"{hub.ours('ada')}/{claim}", "Delete")
    assert await hub.holder(odd) == (f"{hub.ours('Ada@x')}/{hashed}", "Delete")
    assert "No resources" in await hub.kubectl("-n", hub.namespace, "get", "pvc")
    assert "There is nothing to do." in await hub.script("--apply")

    async with hub.site.service() as service:
        ran = await settled(await start(service))
        assert ran.record.reason is None
        (pod,) = (await hub.site.objects("Pod", user="ada")).values()
    volumes = [volume.get("persistentVolumeClaim") for volume in pod["spec"]["volumes"]]
    assert {"claimName": claim} in volumes
    assert "NOT DONE: it is mounted by lab" in await hub.script("--undo", "--apply", code=1)
    await hub.kubectl("-n", hub.ours("ada"), "delete", "pod", "lab", "--now")

    await hub.script("--undo", "--apply")
    assert await hub.holder(ada) == (f"{hub.namespace}/{claim}", "Delete")
    back = await hub.kubectl.read("-n", hub.namespace, "pvc", hashed)
    assert back["metadata"]["annotations"]["hub.jupyter.org/username"] == "Ada@x"


async def test_a_volume_with_an_old_name_or_in_use(make_hub):
    hub = await make_hub()
    old, _ = await hub.volume("Bob", slug_scheme="escape")
    used, claim = await hub.volume("ada")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "jupyter-ada", "namespace": hub.namespace},
        "spec": {
            "containers": [{"name": "notebook", "image": "x"}],
            "nodeName": "nowhere",
            "serviceAccountName": "default",
            "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": claim}}],
        },
    }
    await hub.kubectl.create(pod)
    assert await hub.migrate() == 0
    printed = await hub.script("--apply", code=1)
    assert "NOT DONE: it is mounted by jupyter-ada: stop them first" in printed
    assert await hub.holder(used) == (f"{hub.namespace}/{claim}", "Delete")
    assert await hub.holder(old) == (f"{hub.ours('Bob')}/claim-{safe_slug('Bob')}", "Delete")
    await hub.kubectl("-n", hub.namespace, "delete", "pod", "jupyter-ada", "--force", "--grace-period=0")
    await hub.script("--apply")
    assert (await hub.holder(used))[0] == f"{hub.ours('ada')}/{claim}"


async def test_user_namespaces_become_ours_and_no_others(make_hub, spawner_of):
    hub = await make_hub()
    hub.traits |= {
        "enable_user_namespaces": True,
        "user_namespace_template": f"{hub.site.settings.namespaces.prefix}{{username}}",
    }
    for name in ("ada", "bob", "eve"):
        await hub.namespace_of(hub.ours(name))
    volume, claim = await hub.volume("ada")
    (hub.folder / "users").write_text("bob\nnobody\n")
    assert await hub.migrate(f"--users={hub.folder / 'users'}") == 0
    await hub.script("--apply")

    namespaces = {
        user: (await hub.kubectl.read("namespace", hub.ours(user)))["metadata"] for user in ("ada", "bob", "eve")
    }
    names = {user: found.get("annotations", {}).get("spawnpenny.io/username") for user, found in namespaces.items()}
    assert names == {"ada": "ada", "bob": "bob", "eve": None}
    async with hub.site.service() as service:
        ran = await settled(await start(service))
        assert ran.record.reason is None
    assert await hub.holder(volume) == (f"{hub.ours('ada')}/{claim}", "Delete")
    assert (await hub.kubectl.read("-n", hub.ours("ada"), "pvc"))["items"][0]["spec"]["volumeName"] == volume

    await hub.script("--undo", "--apply")
    after = (await hub.kubectl.read("namespace", hub.ours("bob")))["metadata"]
    assert not {key for key in json.dumps(after).split('"') if key.startswith("spawnpenny.io/")}
