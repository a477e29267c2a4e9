"""Stands where schedulers are, at the far end of a proxy: takes or gives as many bytes as it is told, or echoes.

TLS is passed through unseen, so none is spoken here: a connection begins with a client's first TLS record, by which it
is routed, and goes on with orders of nine bytes. Its argument is its port.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading

ORDER = struct.Struct("!cQ")
CHUNK = 2**18


def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    chunk = memoryview(bytearray(CHUNK))
    with connection:
        record = take(connection, 5)
        take(connection, int.from_bytes(record[3:5]))
        while order := take(connection, ORDER.size):
            what, size = ORDER.unpack(order)
            if what == b"g":
                give(connection, chunk, size)
            else:
                drain(connection, chunk, size)
                connection.sendall(b".")


def take(connection, size):
    """Return so many bytes, or none at the end."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            return b""
        data += more
    return data


def drain(connection, chunk, size):
    while size:
        size -= connection.recv_into(chunk, min(size, CHUNK))


def give(connection, chunk, size):
    while size:
        part = min(size, CHUNK)
        connection.sendall(chunk[:part])
        size -= part


def main():
    threading.stack_size(2**18)
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=[connection], daemon=True).start()


if __name__ == "__main__":
    main()
