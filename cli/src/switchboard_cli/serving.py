"""Runs one service, or all of them, in this process until it is told to stop."""

import asyncio
import signal
from pathlib import Path

import uvloop
from fastapi import FastAPI
from pydantic import ValidationError

from shared_observability import configure_logging, configure_tracing, trace_requests
from shared_web import serve
from shared_web.settings import what_is_wrong
from shared_web.stopping import stopped_because
from switchboard_cli.failures import Failed
from switchboard_cli.origin import SERVICES, create_origin, create_service

ALL = "all"


def run_service(name: str, *, host: str, port: int, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. `ready_file` is written once connections are accepted.

    Raises `Failed` for an unknown service, a missing or bad setting, or a port that is taken.
    """
    if name not in (*SERVICES, ALL):
        raise Failed(f"there is no service {name}: choose one of {', '.join((*SERVICES, ALL))}")
    configure_logging(name)
    try:
        app = create_origin() if name == ALL else create_service(name)
        if configure_tracing(name):
            trace_requests(app)
    except ValidationError as error:
        raise Failed(f"missing or bad settings: {what_is_wrong(error)}") from None
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_until_signalled(app, host, port, ready_file))
    except OSError as error:
        raise Failed(f"{name} cannot start on {host}:{port}: {error.strerror or type(error).__name__}") from error
    reason = stopped_because()
    if reason is not None:
        raise Failed(f"{name} has stopped: {reason}")


async def _serve_until_signalled(app: FastAPI, host: str, port: int, ready_file: Path | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def ready() -> None:
        if ready_file is not None:
            ready_file.touch()

    await serve(app, host=host, port=port, stop=stop, ready=ready)
