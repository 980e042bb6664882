"""Events in: keep copies of what identity and the picker are decided from."""

from collections.abc import Mapping

from ingest.domain.menu import menu_text
from ingest.domain.picker import offered_reasons
from ingest.publishing import SOURCE
from ingest.storage.patients import forget_patients, save_history, save_patients, save_settings, settings_in
from ingest.storage.texts import NewText, OfferedMenu
from shared_messaging import Batch, Outgoing
from shared_schemas import ids, topics
from shared_schemas.conversation_changes import Actor, ContactLinkedV1
from shared_schemas.practice_management import PatientSyncedV1
from shared_schemas.practice_settings import Reason, RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1
from shared_schemas.values import PatientEvent


async def on_patients(batch: Batch) -> None:
    """Who has which phone and date of birth. Of a merged record the history is its survivor's from now on.

    A tombstone takes it away: the patient was erased.
    """
    await forget_patients(batch.connection, [(one.practice_id, one.patient_id or "") for one in batch.tombstones()])
    events = [one.event for one in batch.events(PatientSyncedV1)]
    merges = [
        Outgoing.of(topics.CONVERSATION_CHANGES.name, _merge(one, one.merged_into), source=SOURCE, time=one.as_of)
        for one in events
        if one.merged_into is not None
    ]
    await save_patients(batch, events, merges)


async def on_practice_settings(batch: Batch) -> None:
    """Which reasons there are, and who is subscribed to them."""
    await save_settings(batch, [one.event for one in batch.events(RoutingSettingsPublishedV1)])


async def on_routed_messages(batch: Batch) -> None:
    """How each conversation is, for the messenger: it never waits for router. And what patients are texted."""
    events = [one.event for one in batch.events(PatientEvent)]
    history = [one for one in events if isinstance(one, RoutedMessageV1 | ConversationUpdatedV1)]
    asking = [one for one in history if isinstance(one, RoutedMessageV1) and one.reason_menu]
    settings = await settings_in(batch, {one.practice_id for one in asking}) if asking else {}
    offered = [(one, reasons) for one in asking if (reasons := _offered(settings, one))]
    menus = [
        OfferedMenu(one.practice_id, one.patient_id, ",".join(reason.id for reason in reasons), one.received_at)
        for one, reasons in offered
    ]
    texts = [_menu(one, reasons) for one, reasons in offered]
    replies = [_reply(one) for one in history if isinstance(one, ConversationUpdatedV1)]
    await save_history(batch, history, menus, [*texts, *(one for one in replies if one is not None)])


def _merge(one: PatientSyncedV1, survivor: str) -> ContactLinkedV1:
    return ContactLinkedV1(
        change_id=ids.content_id("merge", one.practice_id, one.patient_id, survivor),
        practice_id=one.practice_id,
        patient_id=one.patient_id,
        actor=Actor(kind="system"),
        occurred_at=one.as_of,
        to_patient_id=survivor,
    )


def _offered(settings: Mapping[str, RoutingSettingsPublishedV1], one: RoutedMessageV1) -> list[Reason]:
    known = settings.get(one.practice_id)
    return offered_reasons(known) if known is not None else []


def _menu(one: RoutedMessageV1, reasons: list[Reason]) -> NewText:
    text_id = ids.content_id("menu", one.message_id)
    return NewText(one.practice_id, one.patient_id, text_id, menu_text(reasons), one.decided_at, "menu")


def _reply(one: ConversationUpdatedV1) -> NewText | None:
    """What staff answered by text, if they did."""
    if one.reply is None or one.reply.channel != "sms":
        return None
    return NewText(one.practice_id, one.patient_id, one.reply.message_id, one.reply.body, one.occurred_at, "reply")
