"""Providers, held to their own SDKs and documents."""

import base64
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from ingest.adapters import telnyx, twilio
from ingest.domain.identity import Sender, sender_of
from ingest.domain.keywords import keyword_in
from shared_schemas.ids import contact_id
from switchboard_cli.demo.front_doors import twilio_signature

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
    answer = ET.fromstring(  # noqa: S314 - our own
        twilio.ask_for_extension("Hello & welcome", "https://x/gather", "https://x/recording")
    )
    gather, record = list(answer)
    assert (gather.tag, gather.get("action"), gather.findtext("Say")) == (
        "Gather",
        "https://x/gather",
        "Hello & welcome",
    )
    assert (record.tag, record.get("recordingStatusCallback")) == ("Record", "https://x/recording")
    assert record.get("transcribeCallback") == "https://x/transcription"


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


def test_only_texts_that_came_in_are_messages() -> None:
    received = (
        b'{"data": {"event_type": "message.received", "payload": '
        b'{"id": "1", "from": {"phone_number": "+13125550101"}, "text": "hi"}}}'
    )
    found = telnyx.received_text(received)
    assert found is not None
    assert (found.id, found.sender.phone_number, found.text) == ("1", "+13125550101", "hi")
    assert telnyx.received_text(b'{"data": {"event_type": "message.sent", "payload": {}}}') is None


@pytest.mark.parametrize(
    ("text", "keyword"),
    [(" Stop ", "opt_out"), ("UNSTOP", "opt_in"), ("help", "help"), ("please stop", None), ("", None)],
)
def test_reserved_words_count_only_as_the_whole_text(text: str, keyword: str | None) -> None:
    assert keyword_in(text) == keyword


def test_a_sender_is_a_patient_only_when_exactly_one_has_the_phone() -> None:
    contact = contact_id("p", "+13125550101")
    assert sender_of("p", "+13125550101", ["pt-1"]) == Sender("pt-1", "matched")
    assert sender_of("p", "+13125550101", []) == Sender(contact, "unknown")
    assert sender_of("p", "+13125550101", ["pt-1", "pt-2"]) == Sender(contact, "ambiguous")
    assert "555" not in contact
