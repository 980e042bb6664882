"""The messenger's pages at `/m/{practice_slug}`: they work by form posts alone, and better with their script."""

from fastapi import APIRouter, Response

from ingest import web
from ingest.messenger import Messenger
from ingest.pages import entrance, talk
from ingest.pages.answers import PageRoute, Slug, practice_at


def routes(messenger: Messenger) -> APIRouter:
    """The pages. They are no part of the API, so its description leaves them out."""
    router = APIRouter(prefix="/m", route_class=PageRoute, include_in_schema=False)

    @router.get("/{slug}/practice.css")
    async def colours(slug: Slug) -> Response:
        practice = await practice_at(messenger.doors(), slug)
        style = web.band_colours(practice.profile.messenger.colour)
        return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    entrance.add(router, messenger)
    talk.add(router, messenger)
    return router
