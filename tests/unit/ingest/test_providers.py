"""Providers, held to their own SDKs and documents."""

import base64
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from twilio.twiml import TwiML
from twilio.twiml.voice_response import VoiceResponse

from ingest.adapters import telnyx, twilio
from ingest.adapters.text_provider import Media
from ingest.adapters.twilio_voice import Addresses, ask_for_extension, hang_up, record_message, recording_in
from ingest.domain.answers import is_emergency
from ingest.domain.delivery import is_news
from ingest.domain.hosts import is_trusted
from ingest.domain.keywords import keyword_in
from switchboard_cli.demo.stand_in_twilio import twilio_signature

URL = "https://practice.example/hooks/twilio/sms/main?a=b"
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.dictionaries(TEXT, TEXT, max_size=6))
def test_what_twilios_sdk_signs_is_accepted_and_what_the_demo_signs_is_what_the_sdk_would(form: dict[str, str]) -> None:
    signature = RequestValidator("token").compute_signature(URL, form)
    assert twilio.is_signed("token", URL, list(form.items()), signature)
    assert twilio_signature("token", URL, form) == signature


def test_another_token_url_or_parameter_is_refused() -> None:
    form = {"From": "+13125550101", "Body": "hello"}
    signature = RequestValidator("token").compute_signature(URL, form)
    assert not twilio.is_signed("other", URL, list(form.items()), signature)
    assert not twilio.is_signed("token", URL + "c", list(form.items()), signature)
    assert not twilio.is_signed("token", URL, [*form.items(), ("Digits", "1")], signature)
    assert not twilio.is_signed("token", URL, list(form.items()), "")


def test_the_instructions_for_a_call_ask_for_digits_and_then_record() -> None:
    to = Addresses("https://x")
    gather, record, last = list(ET.fromstring(ask_for_extension("Hello & welcome", to, attempt=1)))  # noqa: S314 - our own

    assert (gather.tag, gather.get("action"), gather.findtext("Say")) == (
        "Gather",
        "https://x/gather?attempt=1",
        "Hello & welcome",
    )
    assert (record.tag, record.get("action"), record.get("recordingStatusCallback")) == (
        "Record",
        "https://x/recording",
        "https://x/recording",
    )
    assert record.get("transcribeCallback") == "https://x/transcription"
    assert last.tag == "Say"


@pytest.mark.parametrize(
    "content",
    [
        ask_for_extension("Hello", Addresses("https://x"), attempt=2),
        record_message("Leave a message", Addresses("https://x")),
        hang_up("Goodbye"),
        twilio.EMPTY_ANSWER,
    ],
)
def test_every_instruction_is_one_that_twilios_sdk_would_write(content: bytes) -> None:
    """Each verb of ours is made again with the SDK, from its attributes: it refuses none and gives the same element."""

    def again(parent: TwiML, element: ET.Element) -> None:
        name = element.tag.lower()
        attributes = {re.sub("([A-Z])", r"_\1", key).lower(): value for key, value in element.attrib.items()}
        words = [element.text] if name == "say" else []
        child = getattr(parent, name)(*words, **attributes)
        for one in element:
            again(child, one)

    wanted, made = ET.fromstring(content), VoiceResponse()  # noqa: S314 - our own
    for verb in wanted:
        again(made, verb)

    assert ET.canonicalize(str(made)) == ET.canonicalize(ET.tostring(wanted, encoding="unicode"))


@pytest.mark.parametrize(
    ("form", "recording"),
    [
        ({"RecordingSid": "RE1", "RecordingUrl": "https://x/RE1", "RecordingStatus": "completed"}, "RE1"),
        ({"RecordingUrl": "https://x/Recordings/RE1", "RecordingDuration": "7", "Digits": "hangup"}, "RE1"),
        ({"RecordingUrl": "https://x/Recordings/RE1.wav", "TranscriptionStatus": "failed"}, "RE1"),
        ({"RecordingSid": "RE1", "RecordingUrl": "https://x/RE1", "RecordingDuration": "0"}, None),
        ({"RecordingSid": "RE1", "RecordingStatus": "absent"}, None),
        ({"RecordingSid": "RE1", "RecordingStatus": "in-progress"}, None),
        ({}, None),
    ],
)
def test_only_a_recording_with_something_in_it_is_one(form: dict[str, str], recording: str | None) -> None:
    found = recording_in(form)
    assert (found.sid if found else None) == recording


def test_the_files_of_a_text_are_those_that_came_not_those_that_are_claimed() -> None:
    form = {"NumMedia": "99", "MediaUrl0": "https://x/0", "MediaContentType0": "image/png", "MediaUrl1": "https://x/1"}
    assert twilio.media_of(form) == [
        Media("https://x/0", "image/png"),
        Media("https://x/1", "application/octet-stream"),
    ]
    assert twilio.media_of({"NumMedia": "many", "MediaUrl0": "https://x/0"}) == []


def signed_by(key: Ed25519PrivateKey, body: bytes, at: datetime) -> tuple[str, str]:
    timestamp = str(int(at.timestamp()))
    return timestamp, base64.b64encode(key.sign(timestamp.encode() + b"|" + body)).decode()


def test_what_telnyx_signs_is_accepted_for_five_minutes() -> None:
    key, body = Ed25519PrivateKey.generate(), b'{"data": {}}'
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    timestamp, signature = signed_by(key, body, NOW)
    assert telnyx.is_signed(public, body, timestamp, signature, NOW + timedelta(seconds=300))
    assert not telnyx.is_signed(public, body, timestamp, signature, NOW + timedelta(seconds=301))
    assert not telnyx.is_signed(public, body + b" ", timestamp, signature, NOW)
    assert not telnyx.is_signed(public, body, "soon", "not base64!", NOW)


def test_a_text_that_came_in_is_read_with_its_files_and_other_events_are_not_ours() -> None:
    received = (
        b'{"data": {"event_type": "message.received", "payload": '
        b'{"id": "1", "from": {"phone_number": "+13125550101"}, "text": "hi", '
        b'"media": [{"url": "https://x/1", "content_type": "image/png", "size": 3, "hash_sha256": "0"}]}}}'
    )
    found = telnyx.read_webhook(received)
    assert isinstance(found, telnyx.ReceivedText)
    assert (found.id, found.sender.phone_number, found.text) == ("1", "+13125550101", "hi")
    assert found.files == [Media("https://x/1", "image/png")]
    assert telnyx.read_webhook(b'{"data": {"event_type": "number.ordered", "payload": {}}}') is None


@pytest.mark.parametrize(
    ("text", "keyword"),
    [(" Stop ", "opt_out"), ("UNSTOP", "opt_in"), ("help", "help"), ("please stop", None), ("", None), ("Yes", None)],
)
def test_reserved_words_count_only_as_the_whole_text(text: str, keyword: str | None) -> None:
    assert keyword_in(text, is_opted_out=False) == keyword


def test_yes_asks_for_texts_again_only_after_stop() -> None:
    assert keyword_in("YES", is_opted_out=True) == "opt_in"


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        ("I have Chest  Pain!", True),
        ("can\u2019t breathe", True),
        ("CANT BREATHE", True),
        ("my chest has no pain", False),
        ("chest painting class", False),
        ("", False),
    ],
)
def test_emergency_words_count_as_whole_words_in_a_row(body: str, is_one: bool) -> None:  # noqa: FBT001 - a case
    assert is_emergency(body, ["chest pain", "can't breathe"]) is is_one
    assert not is_emergency(body, [])


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("https://api.twilio.com/a", True),
        ("https://mms.twiliocdn.com/a", True),
        ("http://127.0.0.1:9/a", True),
        ("http://api.twilio.com/a", False),
        ("https://api.twilio.com:8443/a", False),
        ("https://eviltwiliocdn.com/a", False),
        ("https://api.twilio.com@10.0.0.1/a", False),
        ("http://127.0.0.1:10/a", False),
        ("file:///etc/passwd", False),
        ("https://[bad/a", False),
    ],
)
def test_files_are_fetched_from_providers_only(url: str, is_ours: bool) -> None:  # noqa: FBT001 - a case
    assert is_trusted(url, ["api.twilio.com", ".twiliocdn.com"], ["http://127.0.0.1:9"]) is is_ours


@given(st.permutations(["sent", "delivered", "sent", "delivered"]))
def test_what_was_delivered_stays_delivered_in_whatever_order_it_is_told(told: list[str]) -> None:
    known: str | None = None
    for status in told:
        known = status if is_news(known, status) else known
    assert known == "delivered"
