"""Inboxes, conversations, search, and what an app needs to know of the practice."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from notifier.api.dependencies import Ask, Staff, check_readable, no_conversation, practice_id_of
from notifier.domain.inboxes import MINE, SHARED
from notifier.presenting import practice_view
from notifier.storage.counts import counts_of
from notifier.storage.duty import states_of
from notifier.storage.patients import find_patients
from notifier.storage.practices import directory_of, settings_of
from notifier.storage.reading import PAGE, Start, conversation_of, conversations_in, page_cursor, page_start, search
from notifier.views import Conversation, ConversationPage, FoundPage, Inbox, KnownPatient, PracticeView
from shared_database import practice_scope
from shared_web import Problem

MOST = 200
"""Conversations on a page."""


class Search(BaseModel):
    """What to look for. In a body, because names of patients do not belong into addresses, which are logged."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    words: Annotated[str, Field(min_length=1, max_length=200)]
    """All of these words, or beginnings of words, in a patient's name or in one message."""
    cursor: str | None = None


class PatientSearch(BaseModel):
    """Which patients to name: those with these ids, and those with these words, or beginnings of words, in their name."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    words: Annotated[str, Field(max_length=200)] = ""
    patient_ids: Annotated[list[str], Field(max_length=50)] = []


def routes(dependencies: Ask) -> APIRouter:
    """`/v1/practice`, `/v1/inboxes`, `/v1/conversations`, `/v1/search`, `/v1/search/patients`."""
    router = APIRouter(prefix="/v1")

    @router.get("/practice")
    async def practice(caller: Staff) -> PracticeView:
        """Names, words and inboxes of the caller's practice, and who the caller is."""
        parts, practice_id = dependencies(), practice_id_of(caller)
        await parts.practice_for(caller)
        async with practice_scope(parts.pool, practice_id) as connection:
            settings = (await settings_of(connection, [practice_id])).get(practice_id)
            directory = await directory_of(connection, practice_id)
            duty = (await states_of(connection, [practice_id])).get(practice_id)
        return practice_view(caller, settings, directory, duty)

    @router.get("/inboxes")
    async def inboxes(caller: Staff) -> list[Inbox]:
        """The inboxes that the caller sees, with their counts."""
        parts = dependencies()
        practice = await parts.practice_for(caller)
        counted = await counts_of(parts.pool, practice_id_of(caller), practice, [caller.staff_id])
        counts = counted[caller.staff_id]
        return [
            Inbox(
                inbox=inbox,
                label=practice.inbox_labels.get(inbox.removeprefix(SHARED)) if practice is not None else None,
                open=number.open,
                unread=number.unread,
                unseen=counts.unseen if inbox == MINE else None,
            )
            for inbox, number in counts.inboxes.items()
        ]

    @router.get("/conversations")
    async def conversations(  # noqa: PLR0913 - each is a parameter of the request
        caller: Staff,
        inbox: Annotated[str, Query(max_length=80)] = MINE,
        reason: str | None = None,
        location: str | None = None,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = PAGE,
    ) -> ConversationPage:
        """A page of an inbox, the newest first; of the closed ones with `inbox=closed`."""
        parts = dependencies()
        check_readable(inbox, await parts.practice_for(caller), caller.staff_id)
        if inbox.startswith(SHARED) and (reason is not None or location is not None):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "A shared inbox shows no labels to filter by (V1)")
        found = await conversations_in(
            parts.pool,
            practice_id_of(caller),
            caller.staff_id,
            inbox,
            reason=reason,
            location=location,
            before=_start(cursor),
            limit=limit,
        )
        await parts.audit(caller, "list", f"inbox:{inbox}", (one.patient_id for one in found))
        return ConversationPage(conversations=found, cursor=page_cursor(found[-1]) if len(found) == limit else None)

    @router.get("/conversations/{conversation_id}")
    async def conversation(caller: Staff, conversation_id: str, *, thread: bool = True) -> Conversation:
        """A conversation with its whole thread, or without any. The staff of a practice may read all of them."""
        parts = dependencies()
        await parts.practice_for(caller)
        found = await conversation_of(
            parts.pool, practice_id_of(caller), caller.staff_id, conversation_id, with_thread=thread
        )
        if found is None:
            raise no_conversation()
        await parts.audit(caller, "read", f"conversation:{conversation_id}", [found.patient_id])
        return found

    @router.post("/search")
    async def find(caller: Staff, body: Search) -> FoundPage:
        """Conversations by the patient's name or by words of their messages, open and closed, the newest first."""
        parts = dependencies()
        await parts.practice_for(caller)
        found = await search(
            parts.pool, practice_id_of(caller), caller.staff_id, body.words, before=_start(body.cursor)
        )
        await parts.audit(caller, "search", "conversations", (one.patient_id for one in found))
        return FoundPage(conversations=found, cursor=page_cursor(found[-1]) if len(found) == PAGE else None)

    @router.post("/search/patients")
    async def find_patient(caller: Staff, body: PatientSearch) -> list[KnownPatient]:
        """Patients by name or id, whether they have written or not: whom a contact may be linked to."""
        parts = dependencies()
        await parts.practice_for(caller)
        found = await find_patients(parts.pool, practice_id_of(caller), body.words, body.patient_ids)
        await parts.audit(caller, "search", "patients", (one.patient_id for one in found))
        return found

    return router


def _start(cursor: str | None) -> Start | None:
    try:
        return page_start(cursor) if cursor is not None else None
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "This is no cursor of ours") from None
