"""Twilio's part of the stand-in providers.

Held to https://www.twilio.com/docs/messaging/api/message-resource and
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status; errors to
https://www.twilio.com/docs/usage/twilios-response#exceptions.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from shared_schemas.ids import content_id
from switchboard_cli.demo.stand_in_phones import MP3, PNG, Behaviour, Outbox

Credentials = Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]
_ACCOUNT = "/2010-04-01/Accounts/{account_sid}"
_WORDS = {
    21211: "Invalid 'To' Phone Number",
    21408: "Permission to send an SMS has not been enabled for the region",
    21610: "Attempt to send to unsubscribed recipient",
    21614: "'To' number is not a valid mobile number",
}


def twilio_signature(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Sign as Twilio does: https://www.twilio.com/docs/usage/security#validating-requests"""
    signed = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def routes(outbox: Outbox) -> APIRouter:
    """Texts, media and recordings."""
    router = APIRouter()
    _add_texts(router, outbox)
    _add_files(router)
    return router


def _add_texts(router: APIRouter, outbox: Outbox) -> None:
    @router.post(_ACCOUNT + "/Messages.json")
    async def send(  # noqa: PLR0913 - the form has these fields
        account_sid: str,
        credentials: Credentials,
        to: Annotated[str, Form(alias="To")],
        from_: Annotated[str, Form(alias="From")],
        body: Annotated[str, Form(alias="Body")],
        status_callback: Annotated[str, Form(alias="StatusCallback")] = "",
    ) -> JSONResponse:
        if credentials.username != account_sid:
            return _error(HTTPStatus.UNAUTHORIZED, 20003, "Authenticate")
        behaviour = outbox.behaviour(to)
        if behaviour.refusal is not None:
            words = _WORDS.get(behaviour.refusal, "The text was refused")
            return _error(HTTPStatus.BAD_REQUEST, behaviour.refusal, words)
        sid = "SM" + content_id("text", account_sid, str(outbox.add(to, from_, body))).replace("-", "")
        about = {"MessageSid": sid, "SmsSid": sid, "AccountSid": account_sid, "From": from_, "To": to}
        if status_callback and behaviour.fate != "silent":
            outbox.tell(lambda http: _tell(http, status_callback, credentials.password, about, behaviour))
        answer = {"sid": sid, "account_sid": account_sid, "to": to, "from": from_, "body": body, "status": "queued"}
        more = {"error_code": None, "error_message": None, "num_media": "0", "num_segments": "1", "uri": ""}
        return JSONResponse(answer | more, HTTPStatus.CREATED)


def _add_files(router: APIRouter) -> None:
    @router.get(_ACCOUNT + "/Messages/{message_sid}/Media/{media_sid}")
    async def media(account_sid: str, message_sid: str, media_sid: str, credentials: Credentials) -> Response:
        del message_sid
        if credentials.username != account_sid:
            return _error(HTTPStatus.UNAUTHORIZED, 20003, "Authenticate")
        return RedirectResponse(f"/twilio-files/{media_sid}", HTTPStatus.TEMPORARY_REDIRECT)

    @router.get("/twilio-files/{media_sid}")
    async def file(media_sid: str) -> Response:
        del media_sid
        return Response(PNG, media_type="image/png")

    @router.get(_ACCOUNT + "/Recordings/{recording}")
    async def recording(account_sid: str, recording: str, credentials: Credentials) -> Response:
        if credentials.username != account_sid:
            return _error(HTTPStatus.UNAUTHORIZED, 20003, "Authenticate")
        if not recording.startswith("RE"):
            return _error(HTTPStatus.NOT_FOUND, 20404, "The requested resource was not found")
        return Response(MP3, media_type="audio/mpeg")


async def _tell(
    http: httpx.AsyncClient, url: str, auth_token: str, about: Mapping[str, str], behaviour: Behaviour
) -> None:
    """Say that a text was sent, and then what became of it."""
    code = {"ErrorCode": str(behaviour.fate_code)} if behaviour.fate_code else {}
    for status, more in (("sent", {}), (behaviour.fate, code)):
        form = {**about, "MessageStatus": status, "SmsStatus": status, "ApiVersion": "2010-04-01", **more}
        headers = {"X-Twilio-Signature": twilio_signature(auth_token, url, form)}
        await http.post(url, data=form, headers=headers)


def _error(status: HTTPStatus, code: int, message: str) -> JSONResponse:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return JSONResponse({"code": code, "message": message, "more_info": more_info, "status": int(status)}, status)
