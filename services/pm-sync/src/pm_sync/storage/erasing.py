"""Where a patient is in pm-sync's tables: what erasing one removes. Quarantined items are sealed: nobody knows whose."""

from collections.abc import Mapping

_OF_PATIENT = "patient_id = ANY ($2)"

ERASED: Mapping[str, str] = {"known_appointment": _OF_PATIENT, "known_patient": _OF_PATIENT}
