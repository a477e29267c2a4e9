"""The loopback addresses of embedded clusters."""

from __future__ import annotations

import secrets
import socket

import pytest

from spawnpenny.embedded.node.addresses import Addresses


@pytest.fixture
def draws(monkeypatch):
    """Return a function that lets the next cluster begin its search at the network of another one."""

    def draw(host):
        monkeypatch.setattr(secrets, "randbelow", lambda count: (int(host.split(".")[1]) - 64) % count)

    return draw


def test_two_clusters_have_networks_of_their_own(draws):
    with Addresses() as first:
        draws(first.host)
        with Addresses() as second:
            assert second.host != first.host


def test_a_network_in_which_a_pod_of_a_killed_cluster_listens_is_left_alone(draws):
    with Addresses() as killed:
        left = socket.create_server((killed.take(), 0))
    draws(killed.host)
    with left, Addresses() as other:
        assert other.host != killed.host
    with Addresses() as later:
        assert later.host == killed.host
