"""Events in: keep copies of what identity and the picker are decided from."""

from ingest.storage.patients import save_history, save_patients, save_settings
from shared_messaging import Batch
from shared_schemas.practice_management import PatientSyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1
from shared_schemas.values import PatientEvent


async def on_patients(batch: Batch) -> None:
    """Who has which phone and date of birth."""
    await save_patients(batch, [one.event for one in batch.events(PatientSyncedV1)])


async def on_practice_settings(batch: Batch) -> None:
    """Which reasons there are, and who is subscribed to them."""
    await save_settings(batch, [one.event for one in batch.events(RoutingSettingsPublishedV1)])


async def on_routed_messages(batch: Batch) -> None:
    """How each conversation is, for the messenger: it never waits for router."""
    history = [one.event for one in batch.events(PatientEvent)]
    await save_history(batch, [one for one in history if isinstance(one, RoutedMessageV1 | ConversationUpdatedV1)])
