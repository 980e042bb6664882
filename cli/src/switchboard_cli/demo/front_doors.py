"""How the demo's patients reach the practice: the same webhooks and endpoints that everybody else has to use."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared_schemas import ids
from switchboard_cli.demo import practice
from switchboard_cli.demo.practice import Patient
from switchboard_cli.demo.stand_in_telnyx import telnyx_headers
from switchboard_cli.demo.stand_in_twilio import twilio_signature

_TEXTED_WITHIN = 30.0
_TWILIO = f"https://api.twilio.com/2010-04-01/Accounts/{practice.ACCOUNT_SID}"


@dataclass(slots=True)
class FrontDoors:
    """A client for each channel of the demo's practice. `public_url` is what signatures cover."""

    http: httpx.AsyncClient
    public_url: str
    auth_token: str
    telnyx_key: Ed25519PrivateKey
    adapter_token: str
    outbox_url: str
    _sessions: dict[str, dict[str, str]] = field(default_factory=dict)
    """Messenger sessions by patient: the request headers of a logged-in browser."""

    async def text(self, phone: str, body: str, *, provider_message_id: str, picture: bool = False) -> str:
        """Send an SMS, with or without a picture; returns the id that the message will have."""
        form = {
            "MessageSid": provider_message_id,
            "AccountSid": practice.ACCOUNT_SID,
            "From": phone,
            "To": practice.SMS_NUMBER,
            "Body": body,
            "NumMedia": "0",
        }
        if picture:
            url = f"{_TWILIO}/Messages/{provider_message_id}/Media/ME{provider_message_id[2:]}"
            form |= {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": "image/png"}
        await self._twilio(f"/hooks/twilio/sms/{practice.SMS_CHANNEL}", form)
        return ids.message_id("sms", practice.PRACTICE_ID, provider_message_id)

    async def text_by_telnyx(self, phone: str, body: str, *, provider_message_id: str) -> str:
        """Send an SMS through the other provider; returns the id that the message will have."""
        payload = {"id": provider_message_id, "from": {"phone_number": phone}, "text": body, "media": []}
        content = json.dumps({"data": {"event_type": "message.received", "payload": payload}}).encode()
        headers = telnyx_headers(self.telnyx_key, content, datetime.now(UTC))
        path = f"/hooks/telnyx/sms/{practice.TELNYX_CHANNEL}"
        (await self.http.post(path, content=content, headers=headers)).raise_for_status()
        return ids.message_id("sms", practice.PRACTICE_ID, provider_message_id)

    async def call(self, phone: str, extension: str | None, *, recording_id: str) -> str:
        """Leave a voicemail, with or without choosing an extension; returns the id that the message will have."""
        path = f"/hooks/twilio/voice/{practice.VOICE_CHANNEL}"
        call = {
            "CallSid": "CA" + recording_id[2:],
            "AccountSid": practice.ACCOUNT_SID,
            "From": phone,
            "To": practice.VOICE_NUMBER,
        }
        await self._twilio(path, call)
        if extension is not None:
            await self._twilio(f"{path}/gather", {**call, "Digits": extension})
        recording = {
            "CallSid": call["CallSid"],
            "AccountSid": practice.ACCOUNT_SID,
            "RecordingSid": recording_id,
            "RecordingUrl": f"{_TWILIO}/Recordings/{recording_id}",
            "RecordingStatus": "completed",
            "RecordingDuration": "12",
        }
        await self._twilio(f"{path}/recording", recording)
        words = {"TranscriptionStatus": "completed", "TranscriptionText": "These are made-up words of the demo."}
        await self._twilio(f"{path}/transcription", {**recording, **words})
        return ids.message_id("voicemail", practice.PRACTICE_ID, recording_id)

    async def write(self, patient: Patient, body: str, *, reason_id: str | None, client_message_id: str) -> str:
        """Write in the messenger, where the patient has to be logged in; returns the message's id."""
        content = {"client_message_id": client_message_id, "body": body}
        if reason_id is not None:
            content["reason_id"] = reason_id
        answer = await self.http.post(
            "/v1/messenger/messages", json=content, headers=self._sessions[patient.patient_id]
        )
        return str(answer.raise_for_status().json()["message_id"])

    async def publish(self, patient: Patient, body: str, *, provider_message_id: str) -> str:
        """Hand in a message as somebody else's channel adapter does (a binary-mode CloudEvent over HTTP)."""
        message_id = ids.message_id("sms", practice.PRACTICE_ID, provider_message_id)
        now = datetime.now(UTC).isoformat()
        content = {
            "message_id": message_id,
            "practice_id": practice.PRACTICE_ID,
            "patient_id": patient.patient_id,
            "channel": "sms",
            "provider_message_id": provider_message_id,
            "received_at": now,
            "body": body,
            "identity": "matched",
        }
        headers = {
            "authorization": f"Bearer {self.adapter_token}",
            "ce-specversion": "1.0",
            "ce-type": "switchboard.MessageReceived.v1",
            "ce-source": "/demo/adapter",
            "ce-id": message_id,
            "ce-time": now,
        }
        answer = await self.http.post("/v1/messages", json=content, headers=headers)
        return str(answer.raise_for_status().json()["message_id"])

    async def is_told_what_to_do(self, phone: str) -> bool:
        """Whether a phone is texted the words for an emergency, soon."""
        try:
            async with asyncio.timeout(_TEXTED_WITHIN):
                while not any("911" in body for body in await self._texts_to(phone)):  # noqa: ASYNC110 - as below
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return False
        return True

    async def _twilio(self, path: str, form: Mapping[str, str]) -> None:
        signature = twilio_signature(self.auth_token, self.public_url + path, form)
        answer = await self.http.post(path, data=dict(form), headers={"X-Twilio-Signature": signature})
        answer.raise_for_status()

    async def log_in(self, patient: Patient) -> None:
        """Log in to the messenger with phone, code and date of birth, unless the patient is.

        The cookies are kept per patient: each has a browser of their own.
        """
        if patient.patient_id in self._sessions:
            return
        start = {"practice_slug": practice.PRACTICE_ID, "phone": patient.phone}
        earlier = len(await self._texts_to(patient.phone))
        login_id = (await self.http.post("/v1/messenger/login", json=start)).raise_for_status().json()["login_id"]
        proof = {"login_id": login_id, "code": await self._code_for(patient.phone, earlier)}
        (await self.http.post("/v1/messenger/login/verify", json=proof)).raise_for_status()
        birth = {"login_id": login_id, "date_of_birth": patient.birth_date.isoformat()}
        answer = (await self.http.post("/v1/messenger/login/verify", json=birth)).raise_for_status()
        cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
        self.http.cookies.clear()
        self._sessions[patient.patient_id] = {"Cookie": cookie, "X-CSRF-Token": answer.json()["csrf_token"]}

    async def _code_for(self, phone: str, earlier: int) -> str:
        """The code that is texted to this phone after `earlier` other texts: soon after the answer to who asked for it."""
        async with asyncio.timeout(_TEXTED_WITHIN):
            while len(bodies := await self._texts_to(phone)) <= earlier:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.05)
        return "".join(character for character in bodies[-1] if character.isdigit())[:6]

    async def _texts_to(self, phone: str) -> list[str]:
        """What was texted to this phone, the newest last."""
        texts = (await self.http.get(self.outbox_url)).raise_for_status().json()
        return [str(text["body"]) for text in texts if text["to"] == phone]
