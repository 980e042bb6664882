"""Who is to be told, from what the logs and tables of a round hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared_schemas.conversation_changes import Actor, ConversationAssignedV1
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_management import AppointmentSyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1
from tests.faults.expecting import REFUSED, expected_audiences
from tests.faults.reading import Found

PRACTICE, PATIENT = "p", "pt-1"
AT = datetime(2026, 11, 25, 9, tzinfo=UTC)
OF = {"practice_id": PRACTICE, "patient_id": PATIENT}
PLACES = {"location": {"source": "none"}, "provider": {"source": "none"}, "reason": {"source": "none"}}


def settings(version: int, *, inactive: str = "") -> RoutingSettingsPublishedV1:
    """By location: ada looks after elm, bo after river, cy after what is not known."""
    people = {"ada": "elm", "bo": "river", "cy": "unknown"}
    return RoutingSettingsPublishedV1.model_validate(
        {
            "practice_id": PRACTICE,
            "version": version,
            "location_routing": True,
            "members": [
                {
                    "staff_id": staff,
                    "name": f"{staff} Madeup",
                    "active": staff != inactive,
                    "subscriptions": [{"id": f"{staff}-1", "locations": [place]}],
                }
                for staff, place in people.items()
            ],
        }
    )


def synced(number: int, location: str) -> AppointmentSyncedV1:
    """What the PM system said of the one appointment, each time newer and at another time."""
    as_of = AT - timedelta(hours=10 - number)
    content = {"appointment_id": "a1", "status": "booked", "start": AT + timedelta(days=number), "as_of": as_of}
    return AppointmentSyncedV1.model_validate({**OF, **content, "location_id": location, "source": "test"})


def said(found: Found, number: int, *, knowing: AppointmentSyncedV1 | None, version: int = 1) -> str:
    """A message that router decided with this knowledge, as version `number` of the conversation."""
    id_ = f"m{number}"
    content = {"message_id": id_, "channel": "web", "received_at": AT + timedelta(minutes=number), "body": "Made up"}
    found.said[id_] = MessageReceivedV1.model_validate(
        {**OF, **content, "provider_message_id": id_, "identity": "matched"}
    )
    found.routed.append(
        RoutedMessageV1.model_validate(
            {
                **OF, **PLACES, **content, "conversation_id": "c", "conversation_version": number, "audience": [],
                "destination": {"kind": "unassigned"}, "unrouted": False, "late": False, "rules": [],
                "settings_version": version, "decided_at": AT,
            }
        )
    )  # fmt: skip
    known = [] if knowing is None else [{"appointment_id": "a1", "start": knowing.start.isoformat()}]
    found.records[id_] = {"inputs": {"appointments": known}}
    return id_


def assigned(found: Found, number: int, to: str, version: int = 1) -> str:
    id_ = f"c{number}"
    common: dict[str, Any] = {**OF, "change_id": id_, "actor": Actor(kind="staff", id="ada"), "occurred_at": AT}
    found.wanted[id_] = ConversationAssignedV1.model_validate({**common, "to": to})
    found.routed.append(
        ConversationUpdatedV1.model_validate(
            {
                **common, **PLACES, "change": "assigned", "conversation_id": "c", "conversation_version": number,
                "status": "open", "destination": {"kind": "member", "id": to}, "settings_version": version,
            }
        )
    )  # fmt: skip
    return id_


def new_found(*syncs: AppointmentSyncedV1) -> Found:
    return Found(synced=list(syncs), settings={(PRACTICE, number): settings(number) for number in (1, 2)})


def test_a_message_is_for_whom_the_rules_name_with_what_was_known_then() -> None:
    elm, river = synced(1, "elm"), synced(2, "river")
    found = new_found(elm, river)
    unknown, first, second = (said(found, number, knowing=one) for number, one in ((1, None), (2, elm), (3, river)))
    assert expected_audiences(found, [PRACTICE]) == ({unknown: ["cy"], first: ["ada"], second: ["bo"]}, [])


def test_the_order_is_that_of_the_conversations_versions_and_an_assignee_is_told() -> None:
    found = new_found()
    after, change = said(found, 2, knowing=None), assigned(found, 1, "bo")
    assert expected_audiences(found, [PRACTICE]) == ({after: ["bo"], change: ["bo"]}, [])


def test_settings_hold_from_the_version_that_a_decision_names() -> None:
    found = new_found()
    found.settings[PRACTICE, 2] = settings(2, inactive="cy")
    before, after = said(found, 1, knowing=None), said(found, 2, knowing=None, version=2)
    assert expected_audiences(found, [PRACTICE])[0] == {before: ["cy"], after: []}


def test_what_the_rules_refuse_and_router_applied_is_for_nobody() -> None:
    found = new_found()
    change = assigned(found, 1, "nobody")
    assert expected_audiences(found, [PRACTICE])[0] == {change: REFUSED}


def test_knowledge_that_nobody_gave_is_named() -> None:
    found = new_found(synced(1, "elm"))
    said(found, 1, knowing=synced(5, "river"))
    (violation,) = expected_audiences(found, [PRACTICE])[1]
    assert (violation.kind, violation.about) == ("wrong-audience", "m1")


def test_knowledge_that_is_forgotten_again_is_named() -> None:
    elm = synced(1, "elm")
    found = new_found(elm)
    said(found, 1, knowing=elm)
    said(found, 2, knowing=None)
    (violation,) = expected_audiences(found, [PRACTICE])[1]
    assert (violation.kind, violation.about) == ("wrong-audience", "m2")
