"""Parts of the service for the tests of plugins: settings, the loader, and the checks of forms, options and pods."""

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.cli.command import run as run_command
from spawnpenny.domain.answers import check_options
from spawnpenny.domain.cluster_options import check_cluster_options
from spawnpenny.domain.kubernetes_types import kubernetes_types
from spawnpenny.domain.spawns import SpawnRequest
from spawnpenny.domain.templates import FIELDS
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.embedded.node.orphans import POD_UID, find_processes
from spawnpenny.errors import InvalidRequestError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.pods.security_standards import required_level
from spawnpenny.pipeline.pod_hardening import check_pod
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.spawns.errors import TlsUnsupportedError
from spawnpenny.web.form.json_schema import form_schema
from spawnpenny.web.form.page import form_page

__all__ = [
    "FIELDS",
    "POD_UID",
    "EmbeddedCluster",
    "InvalidRequestError",
    "Ref",
    "SpawnRequest",
    "TlsUnsupportedError",
    "check_cluster_options",
    "check_options",
    "check_pod",
    "find_processes",
    "form_page",
    "form_schema",
    "hash_token",
    "kubernetes_types",
    "load_plugins",
    "make_settings",
    "required_level",
    "resource_of",
    "run_command",
]
