"""The pages for operators name what there is."""

from __future__ import annotations

import re
from pathlib import Path

from spawnpenny.admin.doctor.examine import CHECKS
from spawnpenny.admin.doctor.kubernetes import OLDEST
from spawnpenny.admin.permissions.fence import ACCOUNTS, fence_name
from spawnpenny.broker.namespaces import release_role
from spawnpenny.domain import labels
from spawnpenny.kubernetes.kinds import KNOWN
from spawnpenny.settings.model import Settings
from spawnpenny.spawns.record_schema import SCHEMA

DOCS = Path(__file__).parents[2] / "docs"
SHELVES = {"doctor": "how-to", "upgrade": "how-to", "backup": "how-to", "uninstall": "how-to", "versions": "reference"}
PAGES = {name: (DOCS / shelf / f"{name}.md").read_text() for name, shelf in SHELVES.items()}
COMMANDS = "\n".join(
    line
    for page in PAGES.values()
    for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    for line in block.split("\n")
)


def test_each_check_of_the_doctor_is_documented_and_no_other():
    assert re.findall(r"^\| `([\w-]+)` \|", PAGES["doctor"], re.MULTILINE) == list(CHECKS)


def test_the_namespaces_in_commands_are_the_default_ones():
    spaces, broker = Settings().namespaces, Settings().broker
    ours = {broker.account_namespace, spaces.state, spaces.broker, spaces.provision}
    named = set(re.findall(r"kubectl -n (\S+)", COMMANDS)) - {"NAMESPACE", "jupyterhub"}
    assert named <= ours
    (deleted,) = re.findall(r"kubectl delete namespace (.*)", COMMANDS)
    assert set(deleted.split()) == ours


def test_the_labels_in_commands_are_ours():
    ours = {value for name, value in vars(labels).items() if name.isupper() and str(value).startswith("spawnpenny.io/")}
    assert set(re.findall(r"spawnpenny\.io/[\w-]+", COMMANDS)) <= ours


def test_the_policies_and_roles_that_are_deleted_are_those_that_there_are():
    names = [fence_name(account, Settings()) for account in ACCOUNTS]
    assert f"validatingadmissionpolicies {' '.join(names)}" in COMMANDS
    broker = Settings().broker
    assert f"clusterroles {broker.account} {broker.account}-broker" in COMMANDS
    assert f"delete clusterrole {broker.role} {release_role(broker)}\n" in COMMANDS
    assert {"pods", "secrets", "namespaces", "clusterroles"} <= {resource.plural for resource in KNOWN}


def test_the_versions_are_those_that_the_code_knows():
    assert f"| Kubernetes | {'.'.join(map(str, OLDEST))} and later" in PAGES["versions"]
    assert f"writes schema {SCHEMA} " in PAGES["upgrade"]
