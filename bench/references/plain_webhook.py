"""The least that a webhook can do: Twilio's own SDK checks the signature, and the form is in Kafka before the answer.
No practice, no patient, no consent, no spool, no database.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qsl

from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request, Response
from twilio.request_validator import RequestValidator

from shared_web import serve


async def main() -> None:
    """Arguments: where Kafka is, the topic, the port, the token and the public URL of the webhook."""
    servers, topic, port, token, public_url = sys.argv[1:]
    validator, app = RequestValidator(token), FastAPI()
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True) as producer:

        @app.post("/{path:path}")
        async def text(path: str, request: Request) -> Response:
            del path
            form = dict(parse_qsl((await request.body()).decode()))
            if not validator.validate(public_url, form, request.headers["x-twilio-signature"]):
                return Response(status_code=403)
            await producer.send_and_wait(topic, json.dumps(form).encode(), form["From"].encode())
            return Response("<Response/>", media_type="application/xml")

        await serve(
            app,
            host="127.0.0.1",
            port=int(port),
            stop=asyncio.Event(),
            ready=lambda: print("ready", flush=True),  # noqa: T201 - what the benchmark waits for
        )


if __name__ == "__main__":
    asyncio.run(main())
