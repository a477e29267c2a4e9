"""A rehearsal before a real API server, with the rights of the service's own account."""

from __future__ import annotations

import asyncio
import json

import pytest
import yaml

from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import make_manifests
from spawnpenny.cli.command import run
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.testing.site import settled, start, stop

HASH = "0123456789abcdef" * 4


@pytest.fixture
async def tried(apiserver, kube_site, tmp_path, capsys):
    """Have a site under the service's own account; run ``try --server`` with changes of the lab's section."""
    name = kube_site.settings.installation
    kube_site.separate = True
    kube_site.data |= {
        "broker": {"role": f"{name}-tenant", "account": name, "account_namespace": name},
        "tokens": {"hub": {"sha256": HASH, "scopes": ["spawn:any"]}},
    }
    settings = kube_site.settings
    grants = [grant for grant in gather(settings, load_plugins(settings)) if grant.account == "service"]
    for manifest in make_manifests(grants, settings):
        await kube_site.cluster.create(manifest)
    kubeconfig = apiserver.kubeconfig_for(f"system:serviceaccount:{name}:{name}")
    file = tmp_path / "settings.yaml"

    async def run_it(*arguments, **lab):
        data = {**kube_site.data, "plugins": {**kube_site.data["plugins"], "lab": lab}}
        file.write_text(yaml.safe_dump(data))
        command = ["try", "--settings", str(file), "--server", "--kubeconfig", str(kubeconfig), "--output", "json"]
        code = await asyncio.to_thread(run, [*command, *arguments])
        out, err = capsys.readouterr()
        return code, json.loads(out[out.index("{\n") :]) if "{\n" in out else err

    return run_it


@pytest.fixture
async def ada(kube_site, tried):
    """Have a user whose namespace is there, as she has started a lab once."""
    async with kube_site.broker(), kube_site.service() as service:
        await settled(await start(service))
        await stop(service)
        yield "ada"


def messages(found):
    return [problem["message"] for problem in found["problems"] if problem["setting"] == "cluster"]


async def objects(cluster, namespace):
    kinds = ("Pod", "Secret", "ConfigMap", "ResourceQuota", "PersistentVolumeClaim")
    found = [await cluster.list(resource_of(kind), namespace=namespace) for kind in kinds]
    return {(item["kind"], item["metadata"]["name"]) for listing in found for item in listing.items}


async def test_what_starts_is_taken_by_dry_run_and_leaves_nothing(tried, ada, kube_site):
    before = await objects(kube_site.cluster, kube_site.namespace(ada))
    code, found = await tried()
    assert (code, messages(found)) == (0, []), found
    assert await objects(kube_site.cluster, kube_site.namespace(ada)) == before


async def test_what_only_the_cluster_knows_is_refused(tried, ada, kube_site):
    code, found = await tried(
        priority_class_name="labs",
        image_pull_secrets=["registry"],
        environment={"DB": {"name": "DB", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}},
    )
    message = " ".join(messages(found))
    assert code == 1
    for words in (
        "no PriorityClass with name labs",
        f"need the Secret db in {kube_site.namespace(ada)}, which does not exist",
    ):
        assert words in message
    assert "need the Secret registry" in message
    assert not found["spawns"][0]["starts"]


async def test_a_service_account_that_is_not_there_is_refused(tried, ada):
    code, found = await tried("--user", ada, service_account="robot")
    assert code == 1
    assert "robot" in " ".join(messages(found))


async def test_a_site_s_own_quota_speaks(tried, ada, kube_site):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "site", "namespace": kube_site.namespace(ada)},
        "spec": {"hard": {"pods": "0"}},
    }
    await kube_site.cluster.create(quota)
    code, found = await tried("--user", ada)
    assert code == 1
    assert any("pods" in message for message in messages(found)), found["problems"]


async def test_without_a_namespace_it_says_so_and_can_claim_one(tried, kube_site):
    code, found = await tried("--user", "grace")
    assert code == 0
    assert "'grace' has no namespace yet" in messages(found)[0]
    async with kube_site.broker():
        code, found = await tried("--user", "grace", "--claim", priority_class_name="labs")
    assert code == 1
    assert "no PriorityClass with name labs" in messages(found)[0]
    namespace = await kube_site.cluster.read(Ref(resource_of("Namespace"), kube_site.namespace("grace")))
    assert namespace is None or "deletionTimestamp" in namespace["metadata"]


async def test_the_embedded_cluster_has_no_server_to_ask(command, right):
    answer = command("try", {**right, "cluster": "embedded"}, "--server")
    assert answer.code == 2
    assert "--server needs a Kubernetes API server" in answer.err
