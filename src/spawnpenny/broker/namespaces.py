"""The manifests of a user namespace."""

from __future__ import annotations

from spawnpenny.domain import labels
from spawnpenny.domain.hashes import content_hash
from spawnpenny.domain.names import safe_slug
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.settings.model import BrokerSettings, Settings


def user_namespace(username: str, name: str, *, installation: str, broker: BrokerSettings) -> Manifest:
    """Return the namespace of a user: the true username is an annotation, the pod security level a label."""
    level = broker.pod_security
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {
                **broker.labels,
                **labels.ours(installation),
                labels.USER: safe_slug(username),
                "pod-security.kubernetes.io/enforce": level,
                "pod-security.kubernetes.io/warn": level,
            },
            "annotations": {**broker.annotations, labels.USERNAME: username},
        },
    }


def tenant_binding(namespace: str, *, installation: str, broker: BrokerSettings) -> Manifest:
    """Return the RoleBinding that lets the web-facing service work in a user namespace, by the one tenant role.

    It is only ever created, so its name says what it binds: for another role or account, there is another one.
    """
    return _binding(namespace, installation, broker.role, (broker.account_namespace, broker.account))


def release_binding(namespace: str, settings: Settings) -> Manifest:
    """Return the RoleBinding by which the broker may look into a user namespace before it deletes that."""
    account = settings.namespaces.broker, broker_account(settings.broker)
    return _binding(namespace, settings.installation, release_role(settings.broker), account)


def broker_account(broker: BrokerSettings) -> str:
    """Return the name of the broker's own account."""
    return f"{broker.account}-broker"


def release_role(broker: BrokerSettings) -> str:
    """Return the name of the ClusterRole with which the broker looks into a user namespace that it is to delete."""
    return f"{broker.role}-release"


def _binding(namespace: str, installation: str, role: str, account: tuple[str, str]) -> Manifest:
    group, (home, name) = "rbac.authorization.k8s.io", account
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": f"{role}.{home}.{name}",
            "namespace": namespace,
            "labels": labels.ours(installation),
        },
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": home}],
    }


def namespace_hash(broker: BrokerSettings) -> str:
    """Return what changes when namespaces are to be made otherwise."""
    further = [dict(each) for each in (broker.labels, broker.annotations) if each]
    return content_hash([broker.role, broker.account, broker.account_namespace, broker.pod_security, *further])
