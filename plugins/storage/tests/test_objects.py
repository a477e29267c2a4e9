"""The storage plugin's manifests."""

from __future__ import annotations

from decimal import Decimal

from spawnpenny_storage.objects import claim, mount, mounts
from spawnpenny_storage.settings import StorageSettings

SETTINGS = StorageSettings(
    capacity=Decimal(20 * 2**30),
    storage_class="",
    selector={"matchLabels": {"user": "{username}"}},
    extra_labels={"team": "{servername}"},
    extra_annotations={"example.org/for": "{unescaped_username}"},
    sub_path="homes/{username}",
    read_only=True,
)


def test_the_claim_of_a_lab_carries_its_mark_and_what_the_site_adds(spawn):
    assert claim(spawn("gpu"), SETTINGS) == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "claim-ada-x-org---893de5e4--gpu",
            "labels": {
                "app": "jupyterhub",
                "component": "singleuser-storage",
                "hub.jupyter.org/username": "ada-x-org---893de5e4",
                "hub.jupyter.org/servername": "gpu",
                "team": "gpu",
                "spawnpenny.io/lab": "gpu",
            },
            "annotations": {"example.org/for": "Ada@x.org", "spawnpenny.io/lab-name": "gpu"},
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "20Gi"}},
            "storageClassName": "",
            "selector": {"matchLabels": {"user": "ada-x-org---893de5e4"}},
        },
    }


def test_the_claim_of_a_user_is_no_labs(spawn):
    assert claim(spawn("gpu"), StorageSettings(per="user")) == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "claim-ada-x-org---893de5e4",
            "labels": {
                "app": "jupyterhub",
                "component": "singleuser-storage",
                "hub.jupyter.org/username": "ada-x-org---893de5e4",
            },
            "annotations": {},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
    }


def test_the_lab_mounts_its_claim(spawn):
    assert mount(spawn(), SETTINGS) == {
        "spec": {
            "volumes": [
                {"name": "storage", "persistentVolumeClaim": {"claimName": "claim-ada-x-org---893de5e4"}},
            ],
            "containers": [
                {
                    "name": "notebook",
                    "volumeMounts": [
                        {
                            "name": "storage",
                            "mountPath": "/home/jovyan",
                            "subPath": "homes/ada-x-org---893de5e4",
                            "readOnly": True,
                        }
                    ],
                }
            ],
        }
    }


def test_a_pod_that_is_over_holds_nothing(spawn):
    pod = mount(spawn(user="ada"), StorageSettings())
    assert mounts(pod, "claim-ada")
    assert not mounts(pod, "claim-bob")
    assert not mounts({**pod, "status": {"phase": "Succeeded"}}, "claim-ada")
