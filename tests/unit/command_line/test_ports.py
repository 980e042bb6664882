"""Ports for what is started beside each other."""

from switchboard_cli.ports import free_port


def test_no_port_is_given_twice_though_nobody_listens_yet() -> None:
    """Servers that begin to listen at the same moment would share it."""
    assert len({free_port() for _ in range(1_000)}) == 1_000
