"""Routing settings that do not fit together: each mistake is pointed at, and none is repeated."""

import json
from pathlib import Path
from typing import Any

import pytest

from router.api.settings import read_body
from shared_web import Problem
from switchboard_cli.failures import Failed
from switchboard_cli.practice_files import read_settings

NUMBER = "2025550187"
"""Pasted where an id belongs."""
FITTING: dict[str, Any] = {
    "practice_id": "one",
    "reasons": [{"id": "billing", "label": {"en": "Billing"}}],
    "extensions": [{"digits": "1", "reason_id": "billing"}],
    "shared_inboxes": [{"id": "nurses", "label": "Nurses", "members": ["ada"]}],
    "members": [{"staff_id": "ada", "name": "Ada", "subscriptions": [{"id": "s1", "reasons": ["billing", "other"]}]}],
    "default_subscribers": ["ada"],
}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a reason twice": (
        {"reasons": [{"id": NUMBER, "label": {}}, {"id": "billing", "label": {}}, {"id": NUMBER, "label": {}}]},
        "#/reasons/2/id",
    ),
    "other as a reason": (
        {"reasons": [{"id": "other", "label": {}}, {"id": "billing", "label": {}}]},
        "#/reasons/0/id",
    ),
    "digits twice": (
        {"extensions": [{"digits": "20255501", "reason_id": "billing"}] * 2},
        "#/extensions/1/digits",
    ),
    "an inbox twice": ({"shared_inboxes": [{"id": NUMBER, "label": "Made up"}] * 2}, "#/shared_inboxes/1/id"),
    "a member twice": (
        {"members": [{"staff_id": "ada", "name": "Ada"}, *[{"staff_id": NUMBER, "name": "Made up"}] * 2]},
        "#/members/2/staff_id",
    ),
    "a subscription twice": (
        {
            "members": [
                {"staff_id": "ada", "name": "Ada", "subscriptions": [{"id": NUMBER}]},
                {"staff_id": "bo", "name": "Bo", "subscriptions": [{"id": NUMBER}]},
            ]
        },
        "#/members/1/subscriptions/0/id",
    ),
    "an extension to no reason": (
        {"extensions": [{"digits": "1", "reason_id": NUMBER}]},
        "#/extensions/0/reason_id",
    ),
    "an extension to no inbox": (
        {"extensions": [{"digits": "1", "shared_inbox_id": NUMBER}]},
        "#/extensions/0/shared_inbox_id",
    ),
    "an inbox of nobody": (
        {"shared_inboxes": [{"id": "nurses", "label": "Nurses", "members": ["ada", NUMBER]}]},
        "#/shared_inboxes/0/members/1",
    ),
    "a subscription to no reason": (
        {"members": [{"staff_id": "ada", "name": "Ada", "subscriptions": [{"id": "s1", "reasons": [NUMBER]}]}]},
        "#/members/0/subscriptions/0/reasons/0",
    ),
    "nobody by default": ({"default_subscribers": ["ada", NUMBER]}, "#/default_subscribers/1"),
}


def test_settings_that_fit_together_are_taken() -> None:
    assert read_body("one", json.dumps(FITTING).encode()).practice_id == "one"


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_pointed_at_and_not_repeated(mistake: str) -> None:
    changed, pointer = MISTAKES[mistake]
    with pytest.raises(Problem) as refusal:
        read_body("one", json.dumps(FITTING | changed).encode())

    assert [one["pointer"] for one in refusal.value.extensions["errors"]] == [pointer]  # type: ignore[attr-defined]
    assert NUMBER not in str(refusal.value.extensions)
    assert "20255501" not in str(refusal.value.extensions)


def test_a_file_with_an_id_that_is_nobodys_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        "practice_id: one\nmembers:\n  - {staff_id: ada, name: Ada}\ndefault_subscribers:\n  - bo\n", "utf-8"
    )
    with pytest.raises(Failed) as refusal:
        read_settings(path)

    assert str(refusal.value) == f"{path}:5:5: default_subscribers.0: there is no such member"
