"""Deterministic ids: a repeated webhook, a redelivery or a crash makes the same id again (promise 2)."""

import hashlib
import hmac
from uuid import UUID

NAMESPACE = UUID("6f1d3a52-9a0c-5c1e-8b57-2f6f0a6f9d11")
"""The namespace of every uuid5 in the system. Never change it: ids of the past would no longer be recognised."""

CONTACT_PREFIX = "contact-"
"""What the ids of contacts begin with, so that everybody can tell them from patients."""

_SEPARATOR = "\x1f"
_NAMESPACE = NAMESPACE.bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""RFC 9562, section 4.1: the two highest bits of the ninth byte are 10."""


def content_id(*parts: str) -> str:
    """An id that depends on nothing but `parts`: any change in one of them, or in their order, gives another id.

    A UUID of version 5 (RFC 9562, section 5.5), written out here: `uuid.uuid5` takes three times as long.
    """
    digits = hashlib.sha1(_NAMESPACE + _SEPARATOR.join(parts).encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def message_id(channel: str, practice_id: str, provider_message_id: str) -> str:
    """The id of a patient message, from the channel, the practice and the provider's id of the message."""
    return content_id("message", channel, practice_id, provider_message_id)


def contact_id(key: bytes, practice_id: str, address: str) -> str:
    """The id that stands for an address nobody is (yet) known by.

    A phone number has so few possible values that a plain digest could be tried out: hence `key`, which only whoever
    makes these ids has. The same three arguments always give the same id.
    """
    digest = hmac.new(key, _SEPARATOR.join((practice_id, address)).encode(), hashlib.sha256).hexdigest()
    return CONTACT_PREFIX + digest[:32]


def is_contact(patient_id: str) -> bool:
    """Whether this is a contact's id, and not a patient's of the practice-management system."""
    return patient_id.startswith(CONTACT_PREFIX)


def conversation_id(practice_id: str, patient_id: str) -> str:
    """The id of the one conversation that a practice has with a patient."""
    return content_id("conversation", practice_id, patient_id)


def notification_id(message_id_: str, staff_id: str) -> str:
    """The id of telling one person of one message: there is exactly one (promise 2)."""
    return content_id("notification", message_id_, staff_id)
