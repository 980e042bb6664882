"""A stand-in for the SMS provider's REST API, over real HTTP: it takes the texts that the system sends to patients.

Held to https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource. `GET /outbox` lists what
it was asked to send.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import FastAPI, Form
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from shared_schemas.ids import content_id

OUTBOX_PATH = "/outbox"


class SentText(BaseModel):
    """One text that a patient would have received."""

    to: str
    from_: str
    body: str
    sent_at: datetime

    def as_listed(self) -> dict[str, str]:
        """The form of the outbox."""
        return {"to": self.to, "from": self.from_, "body": self.body, "sent_at": self.sent_at.isoformat()}


def create_provider() -> FastAPI:
    """The stand-in as an ASGI app. Its outbox lives as long as the app."""
    app = FastAPI(title="Stand-in SMS provider")
    outbox: list[SentText] = []

    @app.post("/2010-04-01/Accounts/{account_sid}/Messages.json")
    async def send(
        account_sid: str,
        to: Annotated[str, Form(alias="To")],
        from_: Annotated[str, Form(alias="From")],
        body: Annotated[str, Form(alias="Body")],
    ) -> JSONResponse:
        outbox.append(SentText(to=to, from_=from_, body=body, sent_at=datetime.now(UTC)))
        sid = "SM" + content_id("text", account_sid, str(len(outbox))).replace("-", "")
        answer = {"sid": sid, "account_sid": account_sid, "to": to, "from": from_, "body": body, "status": "queued"}
        return JSONResponse(answer | {"error_code": None, "error_message": None}, HTTPStatus.CREATED)

    @app.get(OUTBOX_PATH)
    async def list_outbox() -> list[dict[str, str]]:
        return [text.as_listed() for text in outbox]

    return app
