"""Reply templates: read by all staff, changed by administrators."""

import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from notifier.api.dependencies import Ask, Dependencies, Staff, practice_id_of
from notifier.storage.templates import delete_template, save_template, templates_of
from notifier.views import ReplyTemplate
from shared_web import Principal, Problem
from shared_web.principals import staff_administrator

Administrator = Annotated[Principal, Depends(staff_administrator)]
TemplateId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class TemplateBody(BaseModel):
    """A template's words."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    title: Annotated[str, Field(min_length=1, max_length=100)]
    body: Annotated[str, Field(min_length=1, max_length=5_000)]


def routes(dependencies: Ask) -> APIRouter:
    """`/v1/reply-templates`."""
    router = APIRouter(prefix="/v1/reply-templates")

    @router.get("")
    async def templates(caller: Staff) -> list[ReplyTemplate]:
        """The practice's reply templates, by title."""
        parts = dependencies()
        await parts.practice_for(caller)
        return await templates_of(parts.pool, practice_id_of(caller))

    @router.post("", status_code=HTTPStatus.CREATED)
    async def make(caller: Administrator, body: TemplateBody) -> ReplyTemplate:
        """Make a template (administrators)."""
        return await _saved(dependencies(), caller, secrets.token_hex(8), body)

    @router.put("/{template_id}")
    async def change(caller: Administrator, template_id: TemplateId, body: TemplateBody) -> ReplyTemplate:
        """Make or change the template of this id (administrators)."""
        return await _saved(dependencies(), caller, template_id, body)

    @router.delete("/{template_id}", status_code=HTTPStatus.NO_CONTENT)
    async def remove(caller: Administrator, template_id: TemplateId) -> Response:
        """Remove a template (administrators)."""
        parts = dependencies()
        await parts.practice_for(caller)
        await parts.audit(caller, "delete", f"reply-template:{template_id}")
        if not await delete_template(parts.pool, practice_id_of(caller), template_id):
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such template")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


async def _saved(parts: Dependencies, caller: Principal, template_id: str, body: TemplateBody) -> ReplyTemplate:
    await parts.practice_for(caller)
    await parts.audit(caller, "save", f"reply-template:{template_id}")
    return await save_template(
        parts.pool, practice_id_of(caller), template_id, body.title, body.body, caller.staff_id, parts.clock()
    )
