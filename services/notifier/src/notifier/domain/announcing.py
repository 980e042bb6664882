"""What staff streams carry of the practice's history, and for whom."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from notifier.domain.inboxes import listing_of
from notifier.domain.visibility import Practice, who_sees
from shared_schemas import ids
from shared_schemas.routed_messages import (
    ConversationActionRejectedV1,
    ConversationUpdatedV1,
    MessageUpdatedV1,
    RoutedMessageV1,
)
from shared_schemas.staff_notifications import (
    ActionRejectionAnnouncedV1,
    ConversationAnnouncedV1,
    Listing,
    MessageAnnouncedV1,
    MessageUpdateAnnouncedV1,
    Notification,
    PatientName,
    StaffEvent,
    StaffNotifiedV1,
)

IsRung = Callable[[str, str], bool]
"""Whether a person of a practice (practice id, staff id) is on duty now."""

History = RoutedMessageV1 | ConversationUpdatedV1 | MessageUpdatedV1 | ConversationActionRejectedV1


def everybody(_practice_id: str, _staff_id: str) -> bool:
    """Of a practice without duty times everybody is rung."""
    return True


@dataclass(slots=True)
class Announcing:
    """Announces a run of events in order. `listings` says where each conversation was, and follows along."""

    practices: Mapping[str, Practice]
    listings: dict[tuple[str, str], Listing]
    names: Mapping[tuple[str, str], PatientName]
    is_rung: IsRung = everybody

    def announce(self, event: History) -> list[StaffEvent]:
        """The events for `staff-notifications`, in order."""
        if isinstance(event, ConversationActionRejectedV1):
            actor = () if event.actor.id is None else (event.actor.id,)
            return [ActionRejectionAnnouncedV1(practice_id=event.practice_id, visible_to=actor, rejection=event)]
        conversation = (event.practice_id, event.conversation_id)
        if isinstance(event, MessageUpdatedV1):
            viewers = self.viewers(event.practice_id, listing_of(event))
            return [MessageUpdateAnnouncedV1(practice_id=event.practice_id, visible_to=viewers, update=event)]
        was, now = self.listings.get(conversation), listing_of(event)
        self.listings[conversation] = now
        name = self.names.get((event.practice_id, event.patient_id))
        if isinstance(event, RoutedMessageV1):
            return list(self._of_message(event, was, now, name))
        viewers = (*self.viewers(event.practice_id, now), *(self.viewers(event.practice_id, was) if was else ()))
        actor = (event.actor.id,) if event.actor.kind == "staff" and event.actor.id is not None else ()
        return [
            ConversationAnnouncedV1(
                practice_id=event.practice_id,
                visible_to=tuple(dict.fromkeys((*viewers, *actor))),
                conversation=event,
                patient=name,
                was=was,
                settings_version=self._version(event),
            )
        ]

    def _version(self, event: RoutedMessageV1 | ConversationUpdatedV1) -> int:
        """Router found the audience by its version of the settings, we find who sees the inbox by ours."""
        practice = self.practices.get(event.practice_id)
        return min(event.settings_version, practice.version) if practice is not None else 0

    def viewers(self, practice_id: str, listing: Listing, *, is_unrouted: bool = False) -> tuple[str, ...]:
        """Who sees a conversation that is listed like this."""
        practice = self.practices.get(practice_id)
        if practice is None:
            return listing.audience
        destination = listing.destination
        return who_sees(practice, destination.kind, destination.id, listing.audience, is_unrouted=is_unrouted)

    def _of_message(
        self, message: RoutedMessageV1, was: Listing | None, now: Listing, name: PatientName | None
    ) -> Iterator[StaffEvent]:
        viewers = self.viewers(message.practice_id, now, is_unrouted=message.unrouted)
        before = self.viewers(message.practice_id, was) if was is not None and was.status == "open" else ()
        yield MessageAnnouncedV1(
            practice_id=message.practice_id,
            visible_to=viewers,
            message=message,
            patient=name,
            was=was,
            left=tuple(staff_id for staff_id in before if staff_id not in viewers),
            settings_version=self._version(message),
        )
        if message.audience:
            yield StaffNotifiedV1(
                practice_id=message.practice_id,
                message_id=message.message_id,
                conversation_id=message.conversation_id,
                conversation_version=message.conversation_version,
                patient_id=message.patient_id,
                received_at=message.received_at,
                urgent=message.urgent,
                notifications=notifications_of(message, self.is_rung),
                listed=now,
                settings_version=self._version(message),
            )


def notifications_of(message: RoutedMessageV1, is_rung: IsRung = everybody) -> tuple[Notification, ...]:
    """Telling each person of the audience once (M2)."""
    return tuple(
        Notification(
            notification_id=ids.notification_id(message.message_id, person.staff_id),
            staff_id=person.staff_id,
            because=person.because,
            subscription_id=person.subscription_id,
            rings=is_rung(message.practice_id, person.staff_id),
        )
        for person in message.audience
    )


def departure(message: RoutedMessageV1) -> ConversationUpdatedV1:
    """What those who saw the conversation until a message are told: where it is now, and nothing of the message."""
    return ConversationUpdatedV1.model_validate(
        {
            **message.model_dump(exclude={"body", "attachments", "message_id"}),
            "change_id": ids.content_id("departure", message.message_id),
            "change": "rerouted",
            "actor": {"kind": "system"},
            "occurred_at": message.received_at,
            "status": "open",
        }
    )
