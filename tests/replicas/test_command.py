"""``spawnpenny serve``, started twice under one name."""

from __future__ import annotations

import asyncio
import os
import sys

import yaml


async def started(site, apiserver, folder):
    """Start the command on a site; return its process, and its log up to when it is ready."""
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(site.data))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "spawnpenny", "serve", "--settings", str(file), "--host", "127.0.0.1", "--port", "0"),
        env={**os.environ, "KUBECONFIG": str(apiserver.kubeconfig)},
        stderr=asyncio.subprocess.PIPE,
    )
    async for line in process.stderr:
        if b'"ready"' in line:
            return process
    raise AssertionError("it ended before it was ready")


async def test_a_command_whose_place_is_taken_ends_with_the_reason(kube_site, apiserver, tmp_path):
    kube_site.data |= {"replicas": {"name": "one", "lease": 1.5}, "broker": {"separate": False}}
    first = await started(kube_site, apiserver, tmp_path)
    second = await started(kube_site, apiserver, tmp_path)
    _, told = await first.communicate()
    assert first.returncode == 1
    assert b"Another process took the place of this one" in told
    second.terminate()
    await second.communicate()
    assert second.returncode == 0
