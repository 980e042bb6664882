"""Who wrote: from the patients that an address is known for."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared_schemas.values import Identity


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose conversation a message belongs to, and how sure that is."""

    patient_id: str
    identity: Identity
    address_id: str
    """Stands for the address that the message came from."""


def sender_of(address_id: str, patient_ids: Sequence[str], linked_to: str | None) -> Sender:
    """One patient with this address: that patient. Otherwise the patient that staff linked the address to. Otherwise a
    contact of its own: several patients (a household) or none are never guessed from.
    """
    match patient_ids:
        case [only]:
            return Sender(only, "matched", address_id)
        case _ if linked_to is not None:
            return Sender(linked_to, "matched", address_id)
        case []:
            return Sender(address_id, "unknown", address_id)
        case _:
            return Sender(address_id, "ambiguous", address_id)
