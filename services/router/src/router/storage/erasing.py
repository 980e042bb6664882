"""Where a patient is in router's tables: what erasing one removes, and what must be finished before."""

from collections.abc import Mapping

_OF_PATIENT = "patient_id = ANY ($2)"

UNFINISHED: Mapping[str, str] = {
    "the conversation is open": f"SELECT FROM conversation WHERE practice_id = $1 AND is_open AND {_OF_PATIENT}",
}

ERASED: Mapping[str, str] = {
    "decision": _OF_PATIENT,
    "applied_change": "record ->> 'patient_id' = ANY ($2)",
    "appointment": _OF_PATIENT,
    "conversation": _OF_PATIENT,
}
