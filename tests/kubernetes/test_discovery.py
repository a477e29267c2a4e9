"""What the test kit finds out about the API server at hand."""

from __future__ import annotations

import pytest

from spawnpenny.testing.discovery import Discovery

POLICIES = "admissionregistration.k8s.io/v1"


def test_the_api_server_serves_what_its_version_has(apiserver):
    found = apiserver.discovery
    assert found.version >= (1, 20)
    assert found.serves("pods")
    assert found.serves("pods/eviction")
    assert not found.serves("pods", "apps/v1")
    assert not found.serves("pods", "example.org/v1")
    assert found.serves("poddisruptionbudgets", "policy/v1") is (found.version >= (1, 21))
    assert found.serves("selfsubjectreviews", "authentication.k8s.io/v1") is (found.version >= (1, 28))
    assert found.evaluates_policies is (found.version >= (1, 30))


@pytest.mark.parametrize(
    ("git", "version", "levels"),
    [("v1.20.2", (1, 20), False), ("v1.23.0-rc.1", (1, 23), True), ("v1.36.2+k3s1", (1, 36), True)],
)
def test_a_version_is_compared_as_numbers(git, version, levels):
    found = Discovery({"/version": {"gitVersion": git}}.get)
    assert (found.version, found.enforces_pod_security) == (version, levels)


def test_what_is_served_is_asked_once():
    paths = []

    def get(path):
        paths.append(path)
        return {"resources": [{"name": "pods"}]}

    found = Discovery(get)
    assert found.serves("pods", "v1")
    assert not found.serves("secrets", "v1")
    assert paths == ["/api/v1"]
