"""The quota plugin's manifests."""

from __future__ import annotations

from decimal import Decimal

from spawnpenny_quota import ContainerDefaults, QuotaSettings, limit_range, resource_quota

SETTINGS = QuotaSettings(
    labs=3,
    cpu=Decimal("1.5"),
    memory=Decimal(16 * 2**30),
    container=ContainerDefaults(cpu=Decimal("0.5"), memory=Decimal(512 * 2**20)),
)


def test_the_quota_limits_what_all_pods_of_a_user_use_together():
    assert resource_quota(SETTINGS) == {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "spawnpenny"},
        "spec": {"hard": {"limits.cpu": "1500m", "limits.memory": "16Gi"}},
    }


def test_a_container_that_names_no_limits_gets_the_defaults():
    assert limit_range(SETTINGS) == {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "spawnpenny"},
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "default": {"cpu": "500m", "memory": "512Mi"},
                    "defaultRequest": {"cpu": "500m", "memory": "512Mi"},
                }
            ]
        },
    }
