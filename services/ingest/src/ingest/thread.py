"""What a logged-in patient sees of their conversation, and writes into it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ingest.adapters.blobs import BLOB_FAILURES
from ingest.attachments import Attachments, Unwelcome, as_told
from ingest.domain.answers import is_emergency
from ingest.domain.picker import carried_reason, is_asked, offered_reasons, words_of
from ingest.publishing import Doors, not_stored
from ingest.storage.logins import Session
from ingest.storage.patients import note_message, note_read, settings_of, thread_of
from ingest.storage.practices import profile_of
from shared_schemas import ids
from shared_schemas.conversation_changes import Actor, PracticeMessageReadV1
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_settings import Reason
from shared_schemas.values import Attachment
from shared_web import Problem

MOST_CHARACTERS = 10_000
MOST_FILES = 5
MOST_FILE_BYTES = 10 * 1024 * 1024
FILE_TYPES = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/heif", "application/pdf"}
)
"""Photos and documents; told from the content."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What a patient sends. The same `client_message_id` again is the same message."""

    client_message_id: str
    body: str
    reason_id: str | None = None
    attachment_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was accepted."""

    message_id: str
    emergency_text: str | None
    """What to tell the patient at once: the message has one of the practice's emergency words."""


async def state_of(parts: Doors, patient: Session, language: str) -> dict[str, Any]:
    """The thread, and the picker exactly when the patient is to be asked (rules R1 to R3)."""
    settings = await settings_of(parts.pool, patient.practice_id)
    thread = await thread_of(parts.pool, patient.practice_id, patient.patient_id)
    now = parts.clock()
    is_picking = is_asked(thread.state, settings, now)
    carried = carried_reason(thread.state, settings, now) if settings.reason_routing else None
    offered = offered_reasons(settings) if is_picking else []
    return {
        "conversation": {"status": "open" if thread.state.is_open else "closed"},
        "picker": [_shown(reason, language) for reason in offered] or None,
        "reason": _shown(carried, language) if carried else None,
        "messages": thread.messages,
        "unread_message_id": thread.unread_message_id,
        "version": thread.version,
        "csrf_token": patient.csrf_token,
    }


async def send(parts: Doors, files: Attachments, patient: Session, writing: Writing) -> Sent:
    """Accept a message; return once it is durable. What it carries by the rules, router decides (R4, R11, R12)."""
    profile = await profile_of(parts.pool, patient.practice_id)
    is_urgent = profile is not None and is_emergency(writing.body, profile.emergency_words)
    attached = [await _attached(files, patient, one) for one in writing.attachment_ids]
    provider_message_id = f"{patient.patient_id}/{writing.client_message_id}"
    message = MessageReceivedV1(
        message_id=ids.message_id("web", patient.practice_id, provider_message_id),
        practice_id=patient.practice_id,
        patient_id=patient.patient_id,
        channel="web",
        provider_message_id=provider_message_id,
        received_at=parts.clock(),
        body=writing.body,
        attachments=tuple(attached),
        requested_reason_id=writing.reason_id,
        identity="verified",
        urgent=is_urgent,
    )
    await parts.accept(message)
    await note_message(parts.pool, message)
    return Sent(message.message_id, profile.emergency_text if profile is not None and is_urgent else None)


async def read_up_to(parts: Doors, patient: Session, message_id: str) -> None:
    """The patient has read the practice's messages (rule R2)."""
    await parts.accept(
        PracticeMessageReadV1(
            change_id=ids.content_id("read", patient.practice_id, patient.patient_id, message_id),
            practice_id=patient.practice_id,
            patient_id=patient.patient_id,
            actor=Actor(kind="patient", id=patient.patient_id),
            occurred_at=parts.clock(),
            message_id=message_id,
        )
    )
    await note_read(parts.pool, patient.practice_id, patient.patient_id, message_id)


async def keep_file(files: Attachments, patient: Session, content: bytes) -> Attachment:
    """Keep a photo or a PDF for a message to come. The same content again is the same file.

    Raises a 413 or 415 problem for what is too large or something else, 503 while it cannot be kept.
    """
    file_id = ids.content_id("file", patient.practice_id, patient.patient_id, hashlib.sha256(content).hexdigest())
    try:
        return await files.keep(patient.practice_id, patient.patient_id, file_id, content, allowed=FILE_TYPES)
    except Unwelcome as error:
        if error.failure == "too_large":
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This file is too large") from None
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only photos and PDF files can be sent") from None
    except BLOB_FAILURES:
        raise not_stored() from None


async def _attached(files: Attachments, patient: Session, attachment_id: str) -> Attachment:
    found = await files.find(patient.practice_id, attachment_id)
    if found is None or found.patient_id != patient.patient_id:
        title = "One of the files is not there: send it again"
        errors = [{"pointer": "#/attachments", "detail": "unknown"}]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, title, extensions={"errors": errors})
    return as_told(found)


def _shown(reason: Reason, language: str) -> dict[str, str]:
    return {"id": reason.id, "label": words_of(reason, language)}
