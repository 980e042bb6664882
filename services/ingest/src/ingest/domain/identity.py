"""Who wrote: from the patients that an address is known for."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared_schemas import ids
from shared_schemas.values import Identity


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose conversation a message belongs to, and how sure that is."""

    patient_id: str
    identity: Identity


def sender_of(practice_id: str, phone: str, patient_ids: Sequence[str]) -> Sender:
    """One patient with this phone: that patient. Several (a household) or none: a contact of its own, never a guess."""
    match patient_ids:
        case [only]:
            return Sender(only, "matched")
        case []:
            return Sender(ids.contact_id(practice_id, phone), "unknown")
        case _:
            return Sender(ids.contact_id(practice_id, phone), "ambiguous")
