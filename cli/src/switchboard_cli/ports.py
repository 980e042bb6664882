"""Ports for what is started beside each other."""

import socket

_told: set[int] = set()
"""Two servers that begin to listen at the same moment can share a port, and each gets a part of the other's requests."""


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses now, and which this process was not told before."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _told:
            _told.add(port)
            return port
