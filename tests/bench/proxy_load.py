"""Connects to ``proxy_sink.py`` through a proxy, or directly, and measures what that does to connections."""

from __future__ import annotations

import functools
import socket
import ssl
import time
from contextlib import suppress

from proxy_sink import ORDER, drain, give, take

CHUNK = 2**18


@functools.cache
def hello(cluster):
    """Return the first bytes that Python's TLS client sends to a cluster's scheduler."""
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=f"daskgateway-{cluster}")
    with suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def connect(port, cluster):
    """Connect to a cluster, and wait until it answers."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(hello(cluster) + ORDER.pack(b"t", 0))
    assert take(connection, 1) == b"."
    return connection


def connects(port, clusters, times):
    """Connect so many times, one after the other: the seconds until there is an answer."""
    seconds = []
    for number in range(times):
        began = time.perf_counter()
        with connect(port, clusters[number % len(clusters)]):
            seconds.append(time.perf_counter() - began)
    return seconds


def send(port, cluster, size):
    """Send so many bytes: the seconds until all have arrived."""
    with connect(port, cluster) as connection:
        began = time.perf_counter()
        connection.sendall(ORDER.pack(b"t", size))
        give(connection, memoryview(bytearray(CHUNK)), size)
        assert take(connection, 1) == b"."
        return time.perf_counter() - began


def receive(port, cluster, size):
    """Have so many bytes sent: the seconds until all are here."""
    with connect(port, cluster) as connection:
        began = time.perf_counter()
        connection.sendall(ORDER.pack(b"g", size))
        drain(connection, memoryview(bytearray(CHUNK)), size)
        return time.perf_counter() - began


def hold(port, clusters, count):
    """Open so many connections, each of which has been answered once, and return them."""
    return [connect(port, clusters[number % len(clusters)]) for number in range(count)]
