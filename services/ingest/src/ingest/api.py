"""How practices and channels are set up (operators and administrators), and who contacts may be (staff)."""

from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi import Path as PathParameter

from ingest.configuration import Channel, Profile
from ingest.publishing import Doors
from ingest.storage.channels import ShownChannel, forget_channel, save_channel, shown_channels
from ingest.storage.contacts import contact_of
from ingest.storage.practices import Taken, profile_of, save_profile
from ingest.storage.texts import failed_texts, send_again
from shared_database import audit
from shared_web import Principal, Problem, administrator_of, member_of

Administrator = Annotated[Principal, Depends(administrator_of)]
Member = Annotated[Principal, Depends(member_of)]
ContactId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
ADAPTER_SCOPE = ("POST /v1/messages",)
"""All that an adapter's token is good for, and for its own practice."""
ChannelId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def routes(doors: Callable[[], Doors]) -> APIRouter:
    """The endpoints. `doors` is asked at each request: they exist only while the app runs."""
    router = APIRouter(prefix="/v1/practices/{practice_id}")

    @router.get("/profile")
    async def read_profile(practice_id: str, _: Administrator) -> Profile:
        profile = await profile_of(doors().pool, practice_id)
        if profile is None:
            raise Problem(HTTPStatus.NOT_FOUND, "This practice is not set up yet")
        return profile

    @router.put("/profile")
    async def write_profile(practice_id: str, body: Profile, caller: Administrator) -> Profile:
        await audit(doors().pool, practice_id, caller, "save", "profile")
        try:
            await save_profile(doors().pool, practice_id, body)
        except Taken:
            raise Problem(HTTPStatus.CONFLICT, "This slug is taken: choose another") from None
        return body

    @router.get("/channels")
    async def list_channels(practice_id: str, _: Administrator) -> list[dict[str, Any]]:
        return [_shown(one) for one in (await shown_channels(doors().pool, practice_id)).values()]

    @router.get("/channels/{channel_id}")
    async def read_channel(practice_id: str, channel_id: ChannelId, _: Administrator) -> dict[str, Any]:
        return await _channel(doors(), practice_id, channel_id)

    @router.put("/channels/{channel_id}")
    async def write_channel(
        practice_id: str, channel_id: ChannelId, body: Channel, caller: Administrator
    ) -> dict[str, Any]:
        await audit(doors().pool, practice_id, caller, "save", f"channel:{channel_id}")
        try:
            await save_channel(doors().pool, practice_id, channel_id, body, doors().sealer)
        except Taken:
            raise Problem(HTTPStatus.CONFLICT, "This channel id or token is taken: choose another") from None
        return await _channel(doors(), practice_id, channel_id)

    @router.delete("/channels/{channel_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_channel(practice_id: str, channel_id: ChannelId, caller: Administrator) -> Response:
        if channel_id not in await shown_channels(doors().pool, practice_id):
            raise _no_channel()
        await audit(doors().pool, practice_id, caller, "delete", f"channel:{channel_id}")
        await forget_channel(doors().pool, practice_id, channel_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.get("/contacts/{contact_id}")
    async def read_contact(practice_id: str, contact_id: ContactId, caller: Member) -> dict[str, Any]:
        """Whose an address may be: its phone, the patients who have it, and whom staff said it is."""
        found = await contact_of(doors().pool, practice_id, contact_id)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such contact")
        whom = (contact_id, *found.candidates)
        await audit(doors().pool, practice_id, caller, "read", f"contact:{contact_id}", whom)
        return {"contact_id": contact_id, **asdict(found)}

    @router.get("/failed-texts")
    async def list_failed_texts(
        practice_id: str, caller: Administrator, limit: Annotated[int, Query(ge=1, le=500)] = 100
    ) -> list[dict[str, Any]]:
        found = await failed_texts(doors().pool, practice_id, limit)
        await audit(
            doors().pool, practice_id, caller, "list", "failed-texts", (str(one["patient_id"]) for one in found)
        )
        return found

    @router.post("/failed-texts/{text_id}/send-again", status_code=HTTPStatus.ACCEPTED)
    async def retry_text(practice_id: str, text_id: ChannelId, caller: Administrator) -> dict[str, str]:
        await audit(doors().pool, practice_id, caller, "send-again", f"text:{text_id}")
        if not await send_again(doors().pool, practice_id, text_id):
            raise Problem(HTTPStatus.NOT_FOUND, "There is no text with this id that failed")
        return {"text_id": text_id}

    return router


async def _channel(doors: Doors, practice_id: str, channel_id: str) -> dict[str, Any]:
    channel = (await shown_channels(doors.pool, practice_id)).get(channel_id)
    if channel is None:
        raise _no_channel()
    return _shown(channel)


def _shown(channel: ShownChannel) -> dict[str, Any]:
    """Without secrets; of an adapter what its token is good for, and when that was used last."""
    shown = {"id": channel.channel_id, **channel.form}
    if channel.form["kind"] == "adapter":
        shown |= {"scope": ADAPTER_SCOPE, "used_at": channel.used_at}
    return shown


def _no_channel() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "There is no such channel")
