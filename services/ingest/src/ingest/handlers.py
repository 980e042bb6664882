"""Events in: keep copies of what identity and the picker are decided from."""

from collections.abc import Mapping

from ingest.domain.menu import menu_text
from ingest.domain.picker import offered_reasons
from ingest.storage.patients import save_history, save_patients, save_settings, settings_in
from ingest.storage.texts import NewText, OfferedMenu
from shared_messaging import Batch
from shared_schemas import ids
from shared_schemas.practice_management import PatientSyncedV1
from shared_schemas.practice_settings import Reason, RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1
from shared_schemas.values import PatientEvent


async def on_patients(batch: Batch) -> None:
    """Who has which phone and date of birth."""
    await save_patients(batch, [one.event for one in batch.events(PatientSyncedV1)])


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
    texts = [
        NewText(
            one.practice_id, one.patient_id, ids.content_id("menu", one.message_id), menu_text(reasons), one.decided_at
        )
        for one, reasons in offered
    ]
    replies = [_reply(one) for one in history if isinstance(one, ConversationUpdatedV1)]
    await save_history(batch, history, menus, [*texts, *(one for one in replies if one is not None)])


def _offered(settings: Mapping[str, RoutingSettingsPublishedV1], one: RoutedMessageV1) -> list[Reason]:
    known = settings.get(one.practice_id)
    return offered_reasons(known) if known is not None else []


def _reply(one: ConversationUpdatedV1) -> NewText | None:
    """What staff answered by text, if they did."""
    if one.reply is None or one.reply.channel != "sms":
        return None
    return NewText(one.practice_id, one.patient_id, one.reply.message_id, one.reply.body, one.occurred_at)
