"""The name of the server, out of whatever somebody sends."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spawnpenny_dask_proxy.client_hello import MOST, HelloError, HelloReader

NAME = "daskgateway-c0123456789abcdef0123"


def read(pieces):
    """Return what a reader says at the end of some pieces."""
    reader = HelloReader()
    for piece in pieces:
        if (name := reader.feed(piece)) is not None:
            return name
    return None


def records(message, sizes):
    """Return a handshake message in records of these sizes, the last with all that is left."""
    while message:
        size = next(sizes, len(message))
        yield b"\x16\x03\x01" + len(message[:size]).to_bytes(2) + message[:size]
        message = message[size:]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 300), max_size=20), st.lists(st.integers(1, 200), max_size=30))
def test_a_hello_may_come_in_any_records_and_any_pieces(hello, sizes, cuts):
    whole = hello(NAME)
    data = b"".join(records(whole[5:], iter(sizes)))
    assert read([data[:-1]]) is None
    pieces = []
    for cut in cuts:
        pieces.append(data[:cut])
        data = data[cut:]
    assert read([*pieces, data]) == NAME


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_hello_is_refused_or_read_and_nothing_else(hello, data):
    damaged = bytearray(hello(NAME))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    try:
        name = read([bytes(damaged[:cut]), bytes(damaged[cut:])])
    except HelloError:
        return
    assert name is None or name.isascii()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=10), st.booleans())
def test_junk_never_has_a_name(pieces, is_record):
    junk = b"".join(pieces)
    if is_record:
        pieces = [b"\x16\x03\x01" + len(junk).to_bytes(2) + junk]
    with suppress(HelloError):
        assert read(pieces) is None


def test_names_are_in_lower_case_and_a_hello_without_one_is_refused(hello):
    assert read([hello("DaskGateway-C1")]) == "daskgateway-c1"
    with pytest.raises(HelloError, match="no server is named"):
        read([hello(None)])


def test_a_large_hello_is_read_and_one_without_end_is_not(hello):
    large = hello(NAME, alpn=tuple(f"{number:0200}" for number in range(60)))
    assert len(large) > 12_000
    assert read([large]) == NAME
    endless = b"\x16\x03\x01\x40\x00" + b"\x01" + (MOST + 1).to_bytes(3) + bytes((1 << 14) - 4)
    with pytest.raises(HelloError, match="too large"):
        read([endless])
    byte_by_byte = b"\x01\x00\x7f\xff" + bytes(MOST)
    with pytest.raises(HelloError, match="too large"):
        read(b"\x16\x03\x01\x00\x01" + bytes([byte]) for byte in byte_by_byte)


def test_what_is_no_tls_is_refused_at_its_first_byte():
    with pytest.raises(HelloError, match="no TLS"):
        read([b"G"])
