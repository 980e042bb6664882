"""Who wrote, from the patients that an address is known for."""

import pytest

from ingest.domain.identity import Sender, sender_of
from shared_schemas.ids import contact_id, is_contact

PHONE = "+13125550101"
CONTACT = contact_id(b"made-up key", "p", PHONE)


@pytest.mark.parametrize(
    ("patients", "linked_to", "sender"),
    [
        (["pt-1"], None, Sender("pt-1", "matched", CONTACT)),
        ([], None, Sender(CONTACT, "unknown", CONTACT)),
        (["pt-1", "pt-2"], None, Sender(CONTACT, "ambiguous", CONTACT)),
        ([], "pt-2", Sender("pt-2", "matched", CONTACT)),
        (["pt-1", "pt-2"], "pt-2", Sender("pt-2", "matched", CONTACT)),
        (["pt-1"], "pt-2", Sender("pt-1", "matched", CONTACT)),
    ],
)
def test_a_sender_is_a_patient_only_when_one_has_the_phone_or_staff_said_so(
    patients: list[str], linked_to: str | None, sender: Sender
) -> None:
    assert sender_of(CONTACT, patients, linked_to) == sender


def test_a_contact_id_says_nothing_of_the_phone_to_whoever_has_not_the_key() -> None:
    assert is_contact(CONTACT)
    assert not is_contact("pt-001")
    assert contact_id(b"made-up key", "p", PHONE) == CONTACT
    assert len({CONTACT, contact_id(b"another key", "p", PHONE), contact_id(b"made-up key", "q", PHONE)}) == 3
