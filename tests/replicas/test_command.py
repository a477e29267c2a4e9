"""``spawnpenny serve`` as a process that has to end: another one has its name, or it cannot do its work any more."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.kit.proxy_faults import Refuse


async def started(site, kubeconfig, folder, program=("-m", "spawnpenny", "serve", "--settings")):
    """Start a program on a site; return its process once it is ready."""
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump({**site.data, "web": {"host": "127.0.0.1", "port": 0}}))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program, str(file)),
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        stderr=asyncio.subprocess.PIPE,
    )
    async for line in process.stderr:
        if b'"ready"' in line:
            return process
    raise AssertionError("it ended before it was ready")


async def test_a_command_whose_place_is_taken_ends_with_the_reason(kube_site, apiserver, tmp_path):
    kube_site.data |= {"replicas": {"name": "one", "lease": 4}, "broker": {"separate": False}}
    first = await started(kube_site, apiserver.kubeconfig, tmp_path)
    second = await started(kube_site, apiserver.kubeconfig, tmp_path)
    _, output = await first.communicate()
    assert first.returncode == 1
    assert b"Another process has taken the place of this one" in output
    second.terminate()
    await second.communicate()
    assert second.returncode == 0


@pytest.mark.parametrize("status", [403, 503])
async def test_a_replica_that_may_not_renew_its_lease_ends_by_itself(kube_site, fault_proxy, tmp_path, status):
    """Another replica runs, whose Lease is news: so the cluster is heard."""
    kube_site.data |= {"replicas": {"name": "one", "lease": 1}, "broker": {"separate": False}}
    program = (str(Path(__file__).with_name("short_patience.py")),)
    async with kube_site.service("other"):
        process = await started(kube_site, fault_proxy.kubeconfig(tmp_path), tmp_path, program)
        refused = fault_proxy.arm(
            Refuse(status),
            on=lambda request: request.changes and request.path.endswith("/leases/replica-one"),
            times=None,
        )
        _, output = await process.communicate()
    assert process.returncode == 1
    assert refused.struck
    assert b'"task_given_up"' in output
    assert b"The Lease of this replica cannot be renewed" in output
