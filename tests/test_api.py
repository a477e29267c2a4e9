"""What plugins may import, pinned: a change to it is a change for every site."""

from __future__ import annotations

import subprocess
import sys

import pytest

from spawnpenny import api

EVERY_MODULE = """
import importlib, pkgutil, sys, threading
opened = []
sys.addaudithook(lambda name, arguments: opened.append((name, arguments)) if name in LOUD else None)
LOUD = {"socket.connect", "subprocess.Popen", "os.fork", "os.mkdir", "os.remove"}
import spawnpenny
for module in pkgutil.walk_packages(spawnpenny.__path__, "spawnpenny."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert not opened, opened
assert threading.active_count() == 1
"""


def test_the_api_is_as_it_was():
    assert api.__all__ == [
        "AUTHORITY",
        "CONTROL_PORT_NAME",
        "CONTROL_TOKEN",
        "DASHBOARD_PORT_NAME",
        "DEFAULT_GROUP",
        "DEFAULT_LAB",
        "LAB_LABEL",
        "MAX_ID",
        "NOTEBOOK",
        "NOTEBOOK_PORT_NAME",
        "PART",
        "ROUTE_LABEL",
        "SCHEDULER",
        "SCHEDULER_PORT_NAME",
        "SCOPES",
        "SERVER_FIELDS",
        "SPAWN_LABEL",
        "WORKER",
        "WORKER_GROUP",
        "Answer",
        "Authenticator",
        "Authority",
        "Backoff",
        "Caller",
        "ChartMigration",
        "Checkbox",
        "ClusterError",
        "ClusterOption",
        "Credentials",
        "Dashboard",
        "Event",
        "EventType",
        "ForbiddenError",
        "FormChoice",
        "FormField",
        "FreeText",
        "Group",
        "Identity",
        "InvalidNameError",
        "InvalidOptionError",
        "Key",
        "Kind",
        "Manifest",
        "Names",
        "NotReadyError",
        "Number",
        "OptionSource",
        "OptionType",
        "Phase",
        "PlannedSpawn",
        "QuantityField",
        "QuotaExceededError",
        "Resource",
        "Resources",
        "Scale",
        "Settings",
        "SettingsError",
        "Severity",
        "Spawn",
        "SpawnError",
        "SpawnStatus",
        "SpawnpennyError",
        "StashKey",
        "Step",
        "StepCluster",
        "StorageKeptError",
        "StrictSchema",
        "TemplateField",
        "Tls",
        "TupleField",
        "UnauthenticatedError",
        "UnknownOptionError",
        "User",
        "VolumesKeptError",
        "WorkerGroup",
        "WorkerNotices",
        "WorkerPods",
        "allow",
        "answers",
        "check_form",
        "check_username",
        "client_context",
        "expand",
        "expand_all",
        "fields_of",
        "fields_of_model",
        "format_quantity",
        "hardened_container",
        "hookimpl",
        "labels_fault",
        "overlaid",
        "parse_quantity",
        "pauses",
        "pod_age",
        "pod_ending",
        "pod_is_leaving",
        "pod_is_lost",
        "pod_is_ready",
        "pod_limits",
        "pod_name",
        "pod_side_troubles",
        "pod_trouble",
        "resources_fault",
        "safe_slug",
        "schema_of",
        "unknown_key",
        "worker_group",
        "worker_pods",
    ]


def test_the_api_has_all_that_it_names():
    assert [name for name in api.__all__ if not hasattr(api, name)] == []


@pytest.mark.slow
def test_importing_spawnpenny_does_nothing():
    subprocess.run([sys.executable, "-B", "-c", EVERY_MODULE], check=True)
