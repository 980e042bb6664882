"""After a change of the settings: which waiting conversations are to be matched again (rules D4, M4).

It only asks for it, on `conversation-changes`: the change is made where all changes to a conversation are made, in the
order of its patient. Asking twice is asking once, because the ids are derived from practice, version and patient.
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import TYPE_CHECKING

from router.compiling import compile_policy
from router.domain.actions import needs_rerouting
from router.storage.facts import directory_of, open_conversations
from router.storage.settings import settings_of_version
from shared_messaging import Outgoing
from shared_schemas import ids, topics
from shared_schemas.conversation_changes import Actor, RerouteRequestedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1

if TYPE_CHECKING:
    from shared_database.pools import Pool

SOURCE = "/switchboard/router"


async def reroute_requests(
    pool: "Pool", settings: RoutingSettingsPublishedV1, now: datetime
) -> AsyncGenerator[list[Outgoing]]:
    """The requests that a version of the settings makes necessary, some hundred at a time."""
    practice_id = settings.practice_id
    previous = await settings_of_version(pool, practice_id, settings.version - 1)
    before = compile_policy(previous or RoutingSettingsPublishedV1(practice_id=practice_id))
    after, directory = compile_policy(settings), await directory_of(pool, practice_id)
    async for conversations in open_conversations(pool, practice_id):
        yield [
            Outgoing.of(topics.CONVERSATION_CHANGES.name, _request(settings, patient_id, now), source=SOURCE, time=now)
            for patient_id, conversation in conversations
            if needs_rerouting(conversation, before, after, directory)
        ]


def _request(settings: RoutingSettingsPublishedV1, patient_id: str, now: datetime) -> RerouteRequestedV1:
    practice_id = settings.practice_id
    return RerouteRequestedV1(
        practice_id=practice_id,
        patient_id=patient_id,
        conversation_id=ids.conversation_id(practice_id, patient_id),
        change_id=ids.content_id("reroute", practice_id, str(settings.version), patient_id),
        actor=Actor(kind="system"),
        occurred_at=now,
        settings_version=settings.version,
    )
