"""The doors by which messages come in, with made-up input behind the right signature and behind a wrong one: every request
is answered, and of what was refused nothing is published.
"""

import base64
import json
import time
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from shared_schemas.topics import PATIENT_MESSAGES
from tests.e2e.conftest import System
from tests.e2e.test_messenger import browser
from tests.e2e.test_one_message import end_of
from tests.fuzz.conftest import Effort

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(0)]

FIELDS = (
    "MessageSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "MediaContentType0", "CallSid", "Digits", "RecordingSid",
    "RecordingUrl", "RecordingStatus", "RecordingDuration", "TranscriptionText", "MessageStatus", "ErrorCode", "OptOutType",
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["+13125550103", "SM" + "0" * 32, "", "\0", "-1", "9" * 40, "STOP", "completed", "https://[::1", "١٢"]
    ),
)
FORMS = st.dictionaries(st.sampled_from(FIELDS), TEXTS, max_size=len(FIELDS))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda parts: st.one_of(st.lists(parts, max_size=3), st.dictionaries(TEXTS, parts, max_size=3)),
    max_leaves=6,
)
TELNYX_PAYLOADS = st.fixed_dictionaries(
    {"id": TEXTS, "from": st.fixed_dictionaries({"phone_number": TEXTS})},
    optional={
        "text": TEXTS,
        "media": st.lists(st.fixed_dictionaries({"url": TEXTS}, optional={"content_type": TEXTS}), max_size=3),
        "to": st.lists(st.fixed_dictionaries({"status": TEXTS}), max_size=2),
        "errors": st.lists(st.fixed_dictionaries({"code": TEXTS}), max_size=2),
    },
)


@pytest.mark.parametrize("door", ["twilio_sms", "twilio_voice"])
@pytest.mark.parametrize("is_signed", [True, False])
async def test_a_form_of_twilio_is_answered_whatever_is_in_it(
    system: System, door: str, effort: Effort, *, is_signed: bool
) -> None:
    channel = system.told["channels"][door]
    base = f"/hooks/{door.replace('_', '/')}/{channel['id']}"
    ends = ["", "/status"] if door == "twilio_sms" else ["", "/gather", "/recording", "/transcription"]
    validator = RequestValidator(channel["auth_token"])
    before = await published(system)
    statuses: set[int] = set()
    with httpx.Client(base_url=system.base_url, timeout=20) as http:

        @effort.of_doors
        @given(FORMS, st.sampled_from(ends))
        def knock(form: dict[str, str], end: str) -> None:
            signature = validator.compute_signature(channel["public_url"] + base + end, form) if is_signed else "bm8="
            answer = http.post(
                base + end,
                content=urlencode(form),
                headers={"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"},
            )
            statuses.add(answer.status_code)
            assert answer.status_code < 500

        knock()

    assert is_signed or statuses == {403}
    assert is_signed or await published(system) == before


@pytest.mark.parametrize("is_signed", [True, False])
async def test_a_webhook_of_telnyx_is_answered_whatever_is_in_it(
    system: System, effort: Effort, *, is_signed: bool
) -> None:
    channel = system.told["channels"]["telnyx_sms"]
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(channel["private_key"]))
    kinds = st.sampled_from(["message.received", "message.sent", "message.finalized", ""])
    before = await published(system)
    statuses: set[int] = set()
    with httpx.Client(base_url=system.base_url, timeout=20) as http:

        @effort.of_doors
        @given(kinds, st.one_of(TELNYX_PAYLOADS, JSON))
        def knock(kind: str, payload: object) -> None:
            body = json.dumps({"data": {"event_type": kind, "payload": payload}}).encode()
            now = str(int(time.time()))
            signature = key.sign(f"{now}|".encode() + body) if is_signed else bytes(64)
            answer = http.post(
                f"/hooks/telnyx/sms/{channel['id']}",
                content=body,
                headers={"telnyx-timestamp": now, "telnyx-signature-ed25519": base64.b64encode(signature).decode()},
            )
            statuses.add(answer.status_code)
            assert answer.status_code < 500

        knock()

    assert is_signed or statuses == {403}
    assert is_signed or await published(system) == before


async def test_an_adapters_event_that_is_refused_is_not_published(system: System, effort: Effort) -> None:
    before = await published(system)
    token = system.told["adapter"]["token"]
    known = {
        "message_id": "m", "practice_id": system.told["practice_id"], "patient_id": "pt-001", "channel": "sms",
        "provider_message_id": "p", "received_at": "2026-11-24T09:00:00Z", "body": "A made-up question",
        "identity": "matched",
    }  # fmt: skip
    ce_type = "switchboard.MessageReceived.v1"
    with httpx.Client(base_url=system.base_url, timeout=20, headers={"Authorization": f"Bearer {token}"}) as http:

        @effort.of_doors
        @given(st.sampled_from(sorted(known)), JSON, st.sampled_from(["1.0", "0.3", ""]), st.booleans())
        def publish(field: str, value: object, version: str, is_structured: bool) -> None:  # noqa: FBT001
            content: object = known | {field: value}
            headers = {"ce-specversion": version, "ce-type": ce_type, "ce-id": "m", "ce-source": "/t"}
            if is_structured:
                headers = {"Content-Type": "application/cloudevents+json"}
                content = {"specversion": version, "type": ce_type, "id": "m", "data": content}
            answer = http.post("/v1/messages", content=json.dumps(content), headers=headers)
            assert 400 <= answer.status_code < 500
            assert answer.headers["content-type"] == "application/problem+json"

        publish()

    assert await published(system) == before


async def test_a_page_of_the_messenger_answers_any_form(system: System, effort: Effort) -> None:
    """As somebody who is logged in, by the right token and by wrong ones, in both encodings, and as no form at all."""
    paths = ["", "/code", "/birth-date", "/reason", "/messages", "/logout"]
    names = ["phone", "code", "month", "day", "year", "reason", "body", "csrf_token", "client_message_id", "reason_id"]
    async with browser(system, "pt-019") as patient:
        await patient.log_in()
    forms = st.dictionaries(st.sampled_from(names), st.one_of(TEXTS, st.just(patient.csrf)))
    with httpx.Client(base_url=system.base_url, timeout=20, cookies=patient.http.cookies) as http:

        @effort.of_doors
        @given(st.sampled_from(paths), forms, st.sampled_from(["url", "multipart", "garbage"]))
        def post(path: str, form: dict[str, str], encoding: str) -> None:
            address = f"/m/{system.told['practice_slug']}{path}"
            if path == "/logout":
                form.pop("csrf_token", None)  # the others are tried as somebody who is logged in
            if encoding == "url":
                answer = http.post(address, data=form)
            elif encoding == "multipart":
                answer = http.post(address, files={name: (None, value) for name, value in form.items()})
            else:
                content = repr(form).encode()
                answer = http.post(address, content=content, headers={"Content-Type": "multipart/form-data"})
            assert answer.status_code < 500, answer.text
            assert answer.status_code == 303 or answer.headers["content-type"].startswith("text/html")

        post()


async def published(system: System) -> int:
    """How many messages of patients were published so far."""
    return await end_of(system, PATIENT_MESSAGES.name)
