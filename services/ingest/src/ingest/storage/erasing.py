"""Where a patient is in ingest's tables: what erasing one removes, and what must be finished before."""

from collections.abc import Mapping

_OF_PATIENT = "patient_id = ANY ($2)"
_PHONES = """(
    SELECT unnest(phones) FROM patient WHERE practice_id = $1 AND patient_id = ANY ($2)
    EXCEPT SELECT unnest(phones) FROM patient WHERE practice_id = $1 AND NOT patient_id = ANY ($2)
)"""
"""Phones that nobody else has."""

RECORDS_OF_PATIENT = f"""
WITH same AS (
    SELECT patient_id FROM patient WHERE practice_id = $1 AND (patient_id = ANY ($2) OR merged_into = ANY ($2))
)
SELECT patient_id FROM same UNION SELECT unnest($2::text[])
UNION SELECT contact_id FROM contact WHERE practice_id = $1 AND (
    linked_to IN (SELECT patient_id FROM same) OR linked_to = ANY ($2) OR linked_to IS NULL AND phone IN {_PHONES}
) ORDER BY 1
"""
"""Every id that a patient has or had: merged records, and contacts that are this patient and nobody else."""

FILES_OF_PATIENT = f"SELECT attachment_id FROM attachment WHERE practice_id = $1 AND {_OF_PATIENT}"

UNFINISHED: Mapping[str, str] = {
    "a text still has to be sent": f"SELECT FROM text_queue WHERE practice_id = $1 AND {_OF_PATIENT}",
    "a file still has to be copied": (
        f"SELECT FROM file_queue JOIN attachment USING (practice_id, attachment_id) WHERE practice_id = $1 AND {_OF_PATIENT}"
    ),
    "a message waits for Kafka": "SELECT FROM spooled WHERE practice_id = $1",
}

ERASED: Mapping[str, str] = {
    "attachment": _OF_PATIENT,
    "thread_message": _OF_PATIENT,
    "outgoing_text": _OF_PATIENT,
    "reason_menu": _OF_PATIENT,
    "session": _OF_PATIENT,
    "conversation": _OF_PATIENT,
    "known_device": f"({_OF_PATIENT} OR phone IN {_PHONES})",
    "login": f"phone IN {_PHONES}",
    "voice_call": f"phone IN {_PHONES}",
    "text_consent": f"phone IN {_PHONES}",
    "text_address": _OF_PATIENT,
    "contact": "contact_id = ANY ($2)",
    "patient": _OF_PATIENT,
}
"""Table and condition, in this order: who has a phone is looked up in the last one."""
