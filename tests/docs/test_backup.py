"""The commands of the pages on backup and uninstalling, run as they stand there against a real API server."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from spawnpenny.domain.users import User
from spawnpenny.testing.site import HUB, lab, settled, start

DOCS = Path(__file__).parents[2] / "docs" / "how-to"


def commands(page, containing):
    """Return the one block of commands of a page that has this in it."""
    found = re.findall(r"^( *)```sh\n(.*?)^ *```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
    (block,) = (block for _, block in found if containing in block)
    return block


@pytest.fixture
def shell(apiserver, kube_site, tmp_path):
    """Run commands in a shell, with the names of the site in place of the default ones."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # kubectl comes with a package
    for program in ("kubectl", "jq"):
        if not shutil.which(program, path=path):
            pytest.skip(f"there is no {program} here")

    async def run(text):
        settings = kube_site.settings
        text = text.replace("spawnpenny-state", settings.namespaces.state)
        text = "\n".join(
            line for line in text.replace("INSTALLATION", settings.installation).splitlines() if " scale " not in line
        )
        done = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", text),
            cwd=tmp_path,
            env={"PATH": path, "KUBECONFIG": str(apiserver.kubeconfig), "HOME": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await done.communicate()
        assert done.returncode == 0, out.decode()
        return out.decode()

    return run


async def test_what_was_backed_up_is_there_again_and_what_runs_goes_on(kube_site, shell):
    async with kube_site.service() as service:
        await settled((await service.spawns.commission(User("ada", 4321, 100), identity=HUB)).run)
        ran = await settled(await start(service))
        await shell(commands("backup.md", "get secrets"))
        await settled(await start(service, user="bob"))
    await shell(commands("backup.md", "kubectl create -f -"))
    async with kube_site.service() as service:
        found = service.spawns.find("ada", lab())
        assert (found.record.id, found.record.phase) == (ran.record.id, "running")
        assert service.spawns.user_state("ada").record.user.uid == 4321
        assert service.spawns.find("bob", lab()).record.phase == "running"  # of whom the backup does not tell


async def test_uninstalling_takes_the_user_namespaces_and_no_other(kube_site, shell):
    async with kube_site.service() as service:
        await settled(await start(service))
    pods = await shell(commands("uninstall.md", "get pods"))
    assert kube_site.namespace() in pods
    await shell(commands("uninstall.md", "get persistentvolumeclaims"))
    await shell(commands("uninstall.md", "delete namespaces -l"))
    assert await kube_site.read("Namespace", kube_site.namespace()) is None
    assert await kube_site.read("Namespace", kube_site.settings.namespaces.state) is not None
