"""How the demo's patients reach the practice: the same webhooks and endpoints that everybody else has to use."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from shared_schemas import ids
from switchboard_cli.demo import practice
from switchboard_cli.demo.practice import Patient


def twilio_signature(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Sign as Twilio does: https://www.twilio.com/docs/usage/security#validating-requests"""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


@dataclass(slots=True)
class FrontDoors:
    """A client for each channel of the demo's practice. `public_url` is what signatures cover."""

    http: httpx.AsyncClient
    public_url: str
    auth_token: str
    adapter_token: str
    outbox_url: str
    _sessions: dict[str, dict[str, str]] = field(default_factory=dict)
    """Messenger sessions by patient: the request headers of a logged-in browser."""

    async def text(self, phone: str, body: str, *, provider_message_id: str) -> str:
        """Send an SMS; returns the id that the message will have."""
        form = {
            "MessageSid": provider_message_id,
            "AccountSid": practice.ACCOUNT_SID,
            "From": phone,
            "To": practice.SMS_NUMBER,
            "Body": body,
            "NumMedia": "0",
        }
        await self._twilio(f"/hooks/twilio/sms/{practice.SMS_CHANNEL}", form)
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
            "RecordingUrl": f"https://api.twilio.com/2010-04-01/Accounts/{practice.ACCOUNT_SID}/Recordings/{recording_id}",
            "RecordingStatus": "completed",
            "RecordingDuration": "12",
        }
        await self._twilio(f"{path}/recording", recording)
        return ids.message_id("voicemail", practice.PRACTICE_ID, recording_id)

    async def write(self, patient: Patient, body: str, *, reason_id: str | None, client_message_id: str) -> str:
        """Write in the messenger, logging in first where the patient has not yet; returns the message's id."""
        session = self._sessions.get(patient.patient_id) or await self._log_in(patient)
        content = {"client_message_id": client_message_id, "body": body}
        if reason_id is not None:
            content["reason_id"] = reason_id
        answer = await self.http.post("/v1/messenger/messages", json=content, headers=session)
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

    async def _twilio(self, path: str, form: Mapping[str, str]) -> None:
        signature = twilio_signature(self.auth_token, self.public_url + path, form)
        answer = await self.http.post(path, data=dict(form), headers={"X-Twilio-Signature": signature})
        answer.raise_for_status()

    async def _log_in(self, patient: Patient) -> dict[str, str]:
        """Phone, code, date of birth. The cookies are kept per patient: each has a browser of their own."""
        start = {"practice_slug": practice.PRACTICE_ID, "phone": patient.phone}
        login_id = (await self.http.post("/v1/messenger/login", json=start)).raise_for_status().json()["login_id"]
        proof = {"login_id": login_id, "code": await self._code_for(patient.phone)}
        (await self.http.post("/v1/messenger/login/verify", json=proof)).raise_for_status()
        birth = {"login_id": login_id, "date_of_birth": patient.birth_date.isoformat()}
        answer = (await self.http.post("/v1/messenger/login/verify", json=birth)).raise_for_status()
        cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
        self.http.cookies.clear()
        session = {"Cookie": cookie, "X-CSRF-Token": answer.json()["csrf_token"]}
        self._sessions[patient.patient_id] = session
        return session

    async def _code_for(self, phone: str) -> str:
        """The newest code that was texted to this phone."""
        texts = (await self.http.get(self.outbox_url)).raise_for_status().json()
        bodies = [text["body"] for text in texts if text["to"] == phone]
        return "".join(character for character in bodies[-1] if character.isdigit())[:6]
