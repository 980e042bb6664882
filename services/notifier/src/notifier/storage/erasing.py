"""Where a patient is in notifier's tables: what erasing one removes."""

from collections.abc import Mapping

_OF_PATIENT = "patient_id = ANY ($2)"
_TALKS = f"(SELECT conversation_id FROM conversation WHERE practice_id = $1 AND {_OF_PATIENT})"
_OF_TALK = f"conversation_id IN {_TALKS}"

_EVENTS = f"""(
    SELECT event_id FROM webhook_event WHERE practice_id = $1 AND ({_OF_TALK} OR conversation_id = '?')
)"""
"""What webhooks may still send: also what is of nobody knows whom, see migration 0010."""

ERASED: Mapping[str, str] = {
    "webhook_delivery": f"event_id IN {_EVENTS}",
    "webhook_event": f"event_id IN {_EVENTS}",
    "personal_notice": f"""notification_id IN (
        SELECT notification_id FROM notification WHERE practice_id = $1 AND {_OF_TALK}
    )""",
    "notification": _OF_TALK,
    "message_detail": f"message_id IN (SELECT message_id FROM thread_message WHERE practice_id = $1 AND {_OF_TALK})",
    "thread_message": _OF_TALK,
    "action_outcome": "outcome ->> 'patient_id' = ANY ($2)",
    "escalation": _OF_TALK,
    "conversation_link": f"({_OF_TALK} OR linked_to IN {_TALKS})",
    "auto_reply": _OF_PATIENT,
    "conversation": _OF_PATIENT,
    "patient": _OF_PATIENT,
}
"""Table and condition, in this order: which conversations are the patient's is looked up in the last but one."""
