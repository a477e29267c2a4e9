"""The pages on installing, followed to the letter on a real API server, up to a first lab.

Each block of commands of both pages is run, or is in ``PLAYED`` with what stands in for it. What the pages have an
administrator write by hand, ``Walk`` writes.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from spawnpenny.testing.apiserver import ApiServer
from spawnpenny.testing.hollow_node import HollowNode
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.ports import free_ports
from spawnpenny.testing.processes import Processes

ROOT = Path(__file__).parents[2]
PLAYED = {
    "make wheels\n": "the environment of the tests has the command",
    "make image IMAGE=": "the image has tests of its own",
    "make image\n": "kind is no part of the walk",
    "kubectl get namespaces,persistentvolumes": "moving volumes has tests of its own",
}
PROCESSES = {"serve": ("spawnpenny", "spawnpenny"), "broker": ("spawnpenny-broker", "spawnpenny-broker")}
VALUES = {
    "singleuser": {
        "image": {"name": "quay.io/jupyter/scipy-notebook", "tag": "2026-01-05"},
        "cpu": {"limit": 2, "guarantee": 0.5},
        "memory": {"limit": "2G", "guarantee": "1G"},
        "storage": {"capacity": "5Gi", "dynamic": {"storageClass": "standard"}},
    }
}


def blocks(page, language="sh"):
    """Return the blocks of a page in their order, without their indentation."""
    text = (ROOT / "docs" / "how-to" / page).read_text()
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return ["\n".join(line.removeprefix(indent) for line in block.splitlines()) + "\n" for indent, block in found]


def played(block):
    return any(program in block for program in PLAYED)


class Walk:
    """A clone, an administrator's shell, and the two processes that a cluster would run."""

    def __init__(self, server, folder, processes):
        self._server, self._folder, self._processes = server, folder, processes
        self._port, self._health = free_ports(2)
        self._variables = {}
        self.discovery = server.discovery
        shutil.copytree(ROOT / "kustomize", folder / "kustomize")
        self.overlay = folder / "kustomize/overlays/ours"

    async def run(self, text):
        """Run commands as they stand there; variables last from one block to the next."""
        text = re.sub(r"^kubectl -n spawnpenny port-forward .*$", ":", text, flags=re.MULTILINE)
        text = text.replace("kubectl -n spawnpenny exec deployment/spawnpenny -- ", "")
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self._port}")
        kept = " ".join(f"{name}={shlex.quote(value)}" for name, value in self._variables.items())
        script = f"{kept}\n{text}\nprintf '\\n%s' \"${{token:-}}\" >token\n"
        done = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            cwd=self._folder,
            env=self._environ(self._server.kubeconfig),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await done.communicate()
        assert done.returncode == 0, f"{text}\n{out.decode()}\n{err.decode()}"
        self._variables["token"] = (self._folder / "token").read_text().strip()
        return out.decode()

    def edit(self, name, change):
        """Change a YAML file of the overlay, as its comments have an administrator do."""
        file = self.overlay / name
        data = yaml.safe_load(file.read_text())
        change(data)
        file.write_text(yaml.safe_dump(data, sort_keys=False))

    async def start_pods(self):
        """Start what the Deployments run, with the settings in the cluster, each under its own account."""
        for name, (namespace, deployment) in PROCESSES.items():
            if self._processes.runs(name):
                self._processes.end(name, signal.SIGTERM)
            existing = yaml.safe_load(await self.run(f"kubectl -n {namespace} get deployment {deployment} -o yaml"))
            pod = existing["spec"]["template"]["spec"]
            account = f"system:serviceaccount:{namespace}:{pod['serviceAccountName']}"
            environ = self._environ(self._server.kubeconfig_for(account)) | await self._settings(name, namespace, pod)
            (container,) = pod["containers"]
            self._processes.start(
                name, [program("spawnpenny"), *container["args"], *self._listening(name)], env=environ
            )
        await asyncio.to_thread(self._processes.wait_until, self._answers, "The service", seconds=PATIENCE)

    async def _settings(self, name, namespace, pod):
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (volume,) = (entry["configMap"]["name"] for entry in pod["volumes"] if "configMap" in entry)
        data = yaml.safe_load(await self.run(f"kubectl -n {namespace} get configmap {volume} -o yaml"))["data"]
        for file, text in data.items():
            (folder / file).write_text(text.replace("/etc/spawnpenny", str(folder)))
        return {"SPAWNPENNY_SETTINGS": str(folder / "settings.yaml"), "SPAWNPENNY_REPLICAS__NAME": f"{name}-1"}

    def _listening(self, name):
        port = {"serve": f"--host 127.0.0.1 --port {self._port}", "broker": f"--health-port {self._health}"}
        return port[name].split()

    def _answers(self):
        """Return whether the service is ready and the broker leads."""
        expected = {
            f"http://127.0.0.1:{self._port}/readyz": "ready",
            f"http://127.0.0.1:{self._health}/readyz": "leading",
        }
        return all(said in answer_of(url) for url, said in expected.items())

    def _environ(self, kubeconfig):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        settings = {"SPAWNPENNY_SETTINGS": str(self._folder / "serve/settings.yaml")}
        existing = settings if (self._folder / "serve").exists() else {}
        return {"PATH": path, "KUBECONFIG": str(kubeconfig), "HOME": str(self._folder), **existing}


def answer_of(url):
    command = ["curl", "--silent", "--fail", "--noproxy", "*", url]
    return subprocess.run(command, capture_output=True, check=False, text=True).stdout


def program(name):
    return str(Path(sys.executable).parent / name)


@pytest.fixture(scope="module")
def server():
    """Have an API server alone: the names of a deployment are fixed."""
    if not os.environ.get("KUBEBUILDER_ASSETS"):
        pytest.skip("KUBEBUILDER_ASSETS is not set")
    with ApiServer() as server:
        yield server


@pytest.fixture
async def walk(server, tmp_path):
    with Processes(tmp_path) as processes:
        async with HollowNode(server.url, server.ssl_context()):
            yield Walk(server, tmp_path, processes)


def with_tokens(name, printed):
    """Name a token in the settings by the SHA-256 that the page has an administrator print."""
    sha256 = printed.split()[0]

    def change(settings):
        settings["tokens"].setdefault(name, {"scopes": ["spawn:any", "read:any", "delete:any"]})["sha256"] = sha256

    return change


def leave_out(discovery, kustomization):
    """Leave out what the page says where neither operator is there, and what this Kubernetes is too old for."""
    kustomization["components"] = ["permissions"]
    theirs = {"Certificate", "ServiceMonitor"}
    kept = [patch for patch in kustomization["patches"] if patch.get("target", {}).get("kind") not in theirs]
    (old,) = (yaml.safe_load(block) for block in blocks("install.md", "yaml") if "ValidatingAdmissionPolicy" in block)
    budgets = {"$patch": "delete", "kind": "PodDisruptionBudget", "metadata": {"name": "all"}}
    if not discovery.evaluates_policies:
        kept += old["patches"]
    if not discovery.serves("poddisruptionbudgets", "policy/v1"):
        kept += [{"target": {"kind": "PodDisruptionBudget"}, "patch": yaml.safe_dump(budgets)}]
    kustomization["patches"] = kept


async def install(walk, before=()):
    """Follow the page from the overlay to the first lab; ``before`` are the commands of another page, in its middle."""
    overlay, hub, trial, rights, rendered, applied, judged, lab = (
        block for block in blocks("install.md") if not played(block)
    )
    await walk.run(overlay)
    walk.edit("kustomization.yaml", partial(leave_out, walk.discovery))
    for name, block in (("hub", hub), ("trial", trial)):
        walk.edit("settings.yaml", with_tokens(name, await walk.run(block)))
    for command in before or (rights, rendered):
        await walk.run(command)
    await walk.run(applied)
    await walk.start_pods()
    return await walk.run(judged), await walk.run(lab)


async def test_installing_by_the_page_alone_leads_to_a_first_lab(walk):
    judged, lab = await install(walk)
    assert "FAILURE" not in judged
    assert "running" in lab


async def test_coming_from_kubespawner_by_the_page_alone_leads_to_a_first_lab(walk):
    migrate, settled, apply = (block for block in blocks("from-kubespawner.md") if not played(block))
    (walk.overlay.parents[2] / "values.yaml").write_text(yaml.safe_dump(VALUES))
    judged, lab = await install(walk, [migrate.replace("CONFIG", "values.yaml"), settled])
    assert "FAILURE" not in judged
    assert "running" in lab
    assert await walk.run("kubectl -n lab-ada get persistentvolumeclaims -o name")
    # What the overlay brings lasts.
    await walk.run(apply)
    assert "FAILURE" not in await walk.run("spawnpenny doctor --overlay kustomize/overlays/ours")
