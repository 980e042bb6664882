"""The port to providers of texts: both pass the same suite, over real HTTP, and their own SDKs agree with the other side."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl

import httpx
import pytest
import pytest_asyncio
import telnyx as telnyx_sdk
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI, Request, Response
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from ingest.adapters import telnyx, twilio
from ingest.adapters.refusals import SendFailed
from ingest.adapters.text_provider import StatusReport
from ingest.adapters.texts import Texting
from ingest.configuration import TelnyxSms, TwilioSms
from shared_web import serve
from switchboard_cli.demo.run import stand_in_provider
from switchboard_cli.ports import free_port

ACCOUNT, TOKEN, PHONE = "AC" + "0" * 32, "made-up-token", "+13125550101"
Name = Literal["twilio", "telnyx"]


@dataclass
class Side:
    """A provider, and our ears for what it tells."""

    url: str
    key: Ed25519PrivateKey
    public_url: str
    http: httpx.AsyncClient
    heard: "asyncio.Queue[tuple[str, bytes, Mapping[str, str]]]" = field(default_factory=asyncio.Queue)

    def channel(self, name: Name) -> TwilioSms | TelnyxSms:
        if name == "twilio":
            return TwilioSms(kind="twilio-sms", number="+12125550100", account_sid=ACCOUNT, auth_token=TOKEN)
        return TelnyxSms(kind="telnyx-sms", number="+12125550102", public_key=self.public_key, api_key="made-up-key")

    @property
    def public_key(self) -> str:
        return base64.b64encode(self.key.public_key().public_bytes_raw()).decode()

    async def send(self, name: Name, *, url: str | None = None) -> str | None:
        texting = Texting(self.http, url or self.url, url or self.url, self.public_url)
        return await texting.send("main", self.channel(name), PHONE, "A made-up text", text_id="text-1")

    async def behaves(self, **behaviour: object) -> None:
        (await self.http.put(f"{self.url}/numbers/{PHONE}", json=behaviour)).raise_for_status()

    async def report(self, name: Name) -> StatusReport | None:
        """The next thing that is told; its signature is what the provider's SDK says it must be."""
        async with asyncio.timeout(10):
            url, body, headers = await self.heard.get()
        assert url.endswith("?text_id=text-1")
        if name == "twilio":
            form = dict(parse_qsl(body.decode()))
            assert RequestValidator(TOKEN).validate(url, form, headers["x-twilio-signature"])
            return twilio.status_report(form)
        telnyx_sdk.Telnyx(api_key="x", public_key=self.public_key).webhooks.unwrap(body.decode(), headers=headers)
        told = telnyx.read_webhook(body)
        assert not isinstance(told, telnyx.ReceivedText)
        return told


@pytest_asyncio.fixture
async def side() -> AsyncGenerator[Side]:
    port, stop, ready = free_port(), asyncio.Event(), asyncio.Event()
    app = FastAPI()
    async with stand_in_provider() as (url, key), httpx.AsyncClient() as http:
        found = Side(url, key, f"http://127.0.0.1:{port}", http)

        @app.post("/hooks/{rest:path}")
        async def hear(rest: str, request: Request) -> Response:
            del rest
            await found.heard.put((str(request.url), await request.body(), dict(request.headers)))
            return Response(status_code=HTTPStatus.NO_CONTENT)

        serving = asyncio.create_task(serve(app, host="127.0.0.1", port=port, stop=stop, ready=ready.set))
        await ready.wait()
        yield found
        stop.set()
        await serving


both = pytest.mark.parametrize("name", ["twilio", "telnyx"])


@both
async def test_a_text_that_is_taken_arrives_and_what_becomes_of_it_is_told(side: Side, name: Name) -> None:
    id_ = await side.send(name)
    outbox = (await side.http.get(f"{side.url}/outbox")).json()

    assert [(text["to"], text["body"]) for text in outbox] == [(PHONE, "A made-up text")]
    assert await side.report(name) == StatusReport(id_, "sent")
    assert await side.report(name) == StatusReport(id_, "delivered")


@both
@pytest.mark.parametrize(
    ("codes", "failure"),
    [
        ({"twilio": 21610, "telnyx": 40300}, "opted_out"),
        ({"twilio": 21211, "telnyx": 40310}, "invalid_number"),
        ({"twilio": 20429, "telnyx": 40011}, None),
    ],
)
async def test_a_refusal_says_in_our_words_why_no_other_attempt_would_help(
    side: Side, name: Name, codes: dict[Name, int], failure: str | None
) -> None:
    await side.behaves(refusal=codes[name])
    with pytest.raises(SendFailed) as refused:
        await side.send(name)

    assert (refused.value.code, refused.value.failure) == (codes[name], failure)


@both
async def test_a_text_that_was_taken_and_not_delivered_is_told_with_the_reason(side: Side, name: Name) -> None:
    code = {"twilio": 30006, "telnyx": 40001}[name]
    await side.behaves(fate="undelivered", fate_code=code)
    id_ = await side.send(name)
    await side.report(name)

    assert await side.report(name) == StatusReport(id_, "failed", "not_reachable", str(code))


@both
async def test_an_outage_of_the_provider_is_worth_another_attempt(side: Side, name: Name) -> None:
    with pytest.raises(httpx.HTTPError):
        await side.send(name, url="http://127.0.0.1:9")


@both
@pytest.mark.parametrize(("status", "failure"), [(502, None), (400, "refused")])
async def test_a_refusal_that_cannot_be_read_is_judged_by_its_status(
    side: Side, name: Name, status: int, failure: str | None
) -> None:
    async with saying(status, b"<html>a proxy's page</html>") as url:
        with pytest.raises(SendFailed) as refused:
            await side.send(name, url=url)

    assert (refused.value.code, refused.value.failure) == (status, failure)


@both
async def test_a_text_that_was_taken_is_not_sent_again_because_the_answer_cannot_be_read(
    side: Side, name: Name
) -> None:
    async with saying({"twilio": 201, "telnyx": 200}[name], b"{") as url:
        assert await side.send(name, url=url) is None


@asynccontextmanager
async def saying(status: int, content: bytes) -> AsyncGenerator[str]:
    """Something that answers every request like this; yields its URL."""
    port, stop, ready, app = free_port(), asyncio.Event(), asyncio.Event(), FastAPI()

    @app.post("/{rest:path}")
    async def say(rest: str) -> Response:
        del rest
        return Response(content, status, media_type="application/json")

    serving = asyncio.create_task(serve(app, host="127.0.0.1", port=port, stop=stop, ready=ready.set))
    await ready.wait()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        await serving


@both
async def test_what_is_no_number_of_a_status_on_the_way_is_no_report(side: Side, name: Name) -> None:
    on_the_way: dict[Name, StatusReport | telnyx.ReceivedText | None] = {
        "twilio": twilio.status_report({"MessageSid": "SM1", "MessageStatus": "sending"}),
        "telnyx": telnyx.read_webhook(
            b'{"data": {"event_type": "message.sent", "payload": {"id": "1", "to": [{"status": "queued"}]}}}'
        ),
    }
    assert on_the_way[name] is None
    assert side.heard.empty()


async def test_twilios_sdk_takes_the_stand_in_for_twilio(side: Side) -> None:
    class ToStandIn(TwilioHttpClient):
        def request(self, method: str, url: str, *args: object, **more: object) -> object:  # type: ignore[override]
            return super().request(method, url.replace(twilio.API_URL, side.url), *args, **more)  # type: ignore[arg-type]

    client = Client(ACCOUNT, TOKEN, http_client=ToStandIn())
    sent = await asyncio.to_thread(client.messages.create, to=PHONE, from_="+12125550100", body="hello")
    await side.behaves(refusal=21610)
    with pytest.raises(TwilioRestException) as refused:
        await asyncio.to_thread(client.messages.create, to=PHONE, from_="+12125550100", body="hello")

    assert (sent.sid[:2], sent.status, sent.error_code) == ("SM", "queued", None)
    assert (refused.value.code, refused.value.status) == (21610, 400)


async def test_telnyxs_sdk_takes_the_stand_in_for_telnyx(side: Side) -> None:
    client = telnyx_sdk.AsyncTelnyx(api_key="made-up-key", base_url=f"{side.url}/v2", max_retries=0)
    answer = await client.messages.send(to=PHONE, from_="+12125550102", text="hello")
    await side.behaves(refusal=40300)
    with pytest.raises(telnyx_sdk.BadRequestError) as refused:
        await client.messages.send(to=PHONE, from_="+12125550102", text="hello")
    await client.close()

    assert answer.data is not None
    assert answer.data.to is not None
    assert answer.data.to[0].status == "queued"
    assert "40300" in str(refused.value.body)
