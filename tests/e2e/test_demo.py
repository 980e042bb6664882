"""The demo, as a newcomer runs it: the whole system on this machine, through its front doors."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

SWITCHBOARD = (sys.executable, "-m", "switchboard_cli")


def test_the_demo_routes_every_message_as_the_rules_want_and_stops() -> None:
    finished = subprocess.run(  # noqa: S603 - our own command
        [*SWITCHBOARD, "demo", "--once", "--port", "0"], capture_output=True, text=True, timeout=240, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "122 of 122 messages were routed as expected" in finished.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_interrupted_while_it_starts_leaves_no_process(
    number: signal.Signals, open_directory: Path
) -> None:
    command = [*SWITCHBOARD, "demo", "--port", "0", "--data", str(open_directory)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as demo:  # noqa: S603 - our own
        assert demo.stderr is not None
        assert any("migrations" in line for line in demo.stderr)
        children = psutil.Process(demo.pid).children(recursive=True)
        os.kill(demo.pid, number)
        code = demo.wait(timeout=60)

    _, alive = psutil.wait_procs(children, timeout=10)
    assert code == 128 + number
    assert children
    assert not alive


def test_a_port_in_use_is_said_in_one_line(open_directory: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        finished = subprocess.run(  # noqa: S603 - our own command
            [*SWITCHBOARD, "demo", "--port", str(port), "--data", str(open_directory)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert finished.returncode == 1
    assert (
        finished.stderr.strip()
        == f"switchboard: port {port} is in use: choose another with --port, or --port 0 for any"
    )
