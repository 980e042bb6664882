"""The reason menu by text (rule R16)."""

import pytest

from ingest.domain.menu import chosen_reason, menu_text
from shared_schemas.practice_settings import Reason

REASONS = [Reason(id="billing", label={"en": "Billing", "es": "Facturas"}), Reason(id="other", label={"en": "Other"})]


@pytest.mark.rule("R16")
def test_the_menu_numbers_the_reasons_in_the_practices_order() -> None:
    assert menu_text(REASONS).splitlines()[1:] == ["1 Billing", "2 Other"]


@pytest.mark.rule("R16")
@pytest.mark.parametrize(
    ("body", "reason_id"),
    [
        ("1", "billing"), (" 2 ", "other"), ("2.", "other"), ("1)", "billing"), ("\n1\n", "billing"),
        ("0", None), ("3", None), ("1 please", None), ("", None), ("one", None), ("-1", None), ("111", None),
    ],
)  # fmt: skip
def test_only_a_text_that_is_one_of_the_numbers_chooses(body: str, reason_id: str | None) -> None:
    assert chosen_reason(body, ["billing", "other"]) == reason_id
