"""Deterministic ids: a repeated webhook, a redelivery or a crash makes the same id again (promise 2)."""

from uuid import UUID, uuid5

NAMESPACE = UUID("6f1d3a52-9a0c-5c1e-8b57-2f6f0a6f9d11")
"""The namespace of every uuid5 in the system. Never change it: ids of the past would no longer be recognised."""

_SEPARATOR = "\x1f"


def content_id(*parts: str) -> str:
    """An id that depends on nothing but `parts`: any change in one of them, or in their order, gives another id."""
    return str(uuid5(NAMESPACE, _SEPARATOR.join(parts)))


def message_id(channel: str, practice_id: str, provider_message_id: str) -> str:
    """The id of a patient message, from the channel, the practice and the provider's id of the message."""
    return content_id("message", channel, practice_id, provider_message_id)


def contact_id(practice_id: str, address: str) -> str:
    """The id that stands for an address nobody is (yet) known by. The address cannot be read back from it.

    A phone number has so few possible values that anybody who knows `practice_id` could try them all: treat a
    contact id as personal data outside the practice that it belongs to.
    """
    return content_id("contact", practice_id, address)


def conversation_id(practice_id: str, patient_id: str) -> str:
    """The id of the one conversation that a practice has with a patient."""
    return content_id("conversation", practice_id, patient_id)


def notification_id(message_id_: str, staff_id: str) -> str:
    """The id of telling one person of one message: there is exactly one (promise 2)."""
    return content_id("notification", message_id_, staff_id)
