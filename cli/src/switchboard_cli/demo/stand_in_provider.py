"""Stand-ins for the providers' REST APIs, over real HTTP: they take the texts that the system sends to patients, tell what
becomes of them, and keep the files of texts and calls.

`GET /outbox` lists what they were asked to send. `PUT /numbers/{phone}` says how a phone behaves: see `Behaviour`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from switchboard_cli.demo import stand_in_telnyx, stand_in_twilio
from switchboard_cli.demo.stand_in_phones import Behaviour, Outbox

OUTBOX_PATH = "/outbox"


def create_provider(telnyx_key: Ed25519PrivateKey) -> FastAPI:
    """The stand-ins as an ASGI app. Its outbox lives as long as the app."""
    outbox = Outbox()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with httpx.AsyncClient(timeout=5) as http:
            outbox.http = http
            yield
            await outbox.finish()

    app = FastAPI(title="Stand-in providers", lifespan=lifespan)
    app.include_router(stand_in_twilio.routes(outbox))
    app.include_router(stand_in_telnyx.routes(outbox, telnyx_key))

    @app.get(OUTBOX_PATH)
    async def list_outbox() -> list[dict[str, str]]:
        return [text.as_listed() for text in outbox.texts]

    @app.put("/numbers/{phone}")
    async def set_behaviour(phone: str, body: Behaviour) -> Behaviour:
        outbox.behaviours[phone] = body
        return body

    return app
