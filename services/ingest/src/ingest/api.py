"""How practices and channels are set up (operators and administrators)."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi import Path as PathParameter

from ingest.configuration import SECRETS, Channel, Profile
from ingest.publishing import Doors
from ingest.storage.practices import (
    Taken,
    channels_of,
    forget_channel,
    profile_of,
    save_channel,
    save_profile,
)
from shared_web import Principal, Problem, administrator_of

Administrator = Annotated[Principal, Depends(administrator_of)]
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
    async def write_profile(practice_id: str, body: Profile, _: Administrator) -> Profile:
        try:
            await save_profile(doors().pool, practice_id, body)
        except Taken:
            raise Problem(HTTPStatus.CONFLICT, "This slug is taken: choose another") from None
        return body

    @router.get("/channels")
    async def list_channels(practice_id: str, _: Administrator) -> list[dict[str, Any]]:
        return [_shown(id_, channel) for id_, channel in (await channels_of(doors().pool, practice_id)).items()]

    @router.get("/channels/{channel_id}")
    async def read_channel(practice_id: str, channel_id: ChannelId, _: Administrator) -> dict[str, Any]:
        channel = (await channels_of(doors().pool, practice_id)).get(channel_id)
        if channel is None:
            raise _no_channel()
        return _shown(channel_id, channel)

    @router.put("/channels/{channel_id}")
    async def write_channel(practice_id: str, channel_id: ChannelId, body: Channel, _: Administrator) -> dict[str, Any]:
        try:
            await save_channel(doors().pool, practice_id, channel_id, body)
        except Taken:
            raise Problem(HTTPStatus.CONFLICT, "This channel id or token is taken: choose another") from None
        return _shown(channel_id, body)

    @router.delete("/channels/{channel_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_channel(practice_id: str, channel_id: ChannelId, _: Administrator) -> Response:
        if channel_id not in await channels_of(doors().pool, practice_id):
            raise _no_channel()
        await forget_channel(doors().pool, practice_id, channel_id)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


def _shown(channel_id: str, channel: Channel) -> dict[str, Any]:
    """Without secrets."""
    return {"id": channel_id, **channel.model_dump(mode="json", exclude=set(SECRETS))}


def _no_channel() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "There is no such channel")
