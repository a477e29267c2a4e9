"""Wrong settings through ``check``, ``try`` and a first spawn: none passes ``check`` and fails every spawn."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
import yaml

from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.testing.site import site_data

WRONG = yaml.safe_load(Path(__file__).with_name("wrong_settings.yaml").read_text())
REFUSED = [case for case in WRONG if case["spawn"] == "failed" and case["names"] != "cluster"]
"""What is refused before there is a pod: what pods lack is told by a kubelet, which the hollow node is not."""


def changed(right, wrong):
    """Return whole settings with the changes of a row in them."""
    data = {**right, "plugins": {**right["plugins"]}}
    for path, value in wrong["changes"].items():
        section, _, name = path.partition(".")
        data[section] = {**data[section], name: value} if name else value
    return data


def title(wrong):
    return wrong["title"]


def test_right_settings_pass(command, right):
    assert command("check", right).code == 0
    tried = command("try", right)
    assert tried.code == 0
    assert "Everything would start" in tried.out


async def test_right_settings_start(right, first_spawn, embedded):
    assert await first_spawn(right, embedded) == "starts"


@pytest.mark.parametrize("wrong", WRONG, ids=title)
async def test_no_wrong_settings_pass_check_and_fail_every_spawn(wrong, command, right, first_spawn, embedded):
    data = changed(right, wrong)
    check, tried, ended = command("check", data), command("try", data), await first_spawn(data, embedded)
    usual = 2 if ended == "no service" else 1
    assert ended == wrong["spawn"]
    assert wrong["names"] in tried.text
    assert wrong["names"] in check.text
    assert (check.code, tried.code) == (wrong.get("check", usual), wrong.get("try", usual))
    assert check.code or ended == "starts"


@pytest.mark.parametrize("wrong", REFUSED, ids=title)
async def test_a_real_api_server_refuses_the_same(
    wrong, right, first_spawn, make_namespaces, kubernetes_cluster, hollow_node
):
    del hollow_node  # its pods need it
    own = site_data(f"t{secrets.token_hex(3)}")
    data = {**changed(right, wrong), "installation": own["installation"], "namespaces": own["namespaces"]}
    await make_namespaces(kubernetes_cluster, own["namespaces"])
    assert await first_spawn(data, kubernetes_cluster) == "failed"
    await kubernetes_cluster.delete(Ref(resource_of("Namespace"), f"{own['installation']}-ada"))
