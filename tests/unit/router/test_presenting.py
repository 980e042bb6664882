"""What the router writes of a decision is what the wire contract says, byte for byte as the model would write it, but
that the patient's words come last.
"""

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pydantic_core import to_json

from router.domain.facts import AssignedTo, Conversation, Destination, InSharedInbox, Unassigned
from router.domain.route import route
from router.presenting import decided, decision_record, routed_message
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.routed_messages import RoutedMessageV1
from shared_schemas.values import Attachment
from tests.unit.router.practice import ADA, NINE, at, facts, policy
from tests.unit.router.test_properties import MESSAGES

WORDS = ("body", "attachments")
PHOTO = Attachment(id="a1", content_type="image/png", size=3, url="/v1/attachments/a1")
INBOXES: st.SearchStrategy[Destination] = st.sampled_from([Unassigned(), AssignedTo(ADA), InSharedInbox("nurses")])


@given(MESSAGES, st.text(max_size=20), st.sampled_from([(), (PHOTO,)]), INBOXES, st.booleans())
def test_every_decision_is_written_as_the_model_would_write_it(
    steps: list[tuple[str, timedelta, str | None, str | None]],
    body: str,
    attachments: tuple[Attachment, ...],
    inbox: Destination,
    provider_routing: bool,  # noqa: FBT001 - drawn
) -> None:
    rules = policy(provider_routing=provider_routing)
    known = facts(Conversation(is_open=True, destination=inbox), at("elm", days=0.1), at("river", appointment_id="a2"))  # type: ignore[arg-type]
    now = NINE
    for number, (channel, gap, reason, extension) in enumerate(steps):
        now += gap
        event = MessageReceivedV1.model_validate(
            {
                "message_id": f"m{number}", "practice_id": "practice", "patient_id": "pt-1", "channel": channel,
                "provider_message_id": "p", "received_at": now, "body": body, "attachments": attachments,
                "requested_reason_id": reason, "extension": extension, "identity": "matched",
            }
        )  # fmt: skip
        decision = route(event, known, rules)  # type: ignore[arg-type] - it has all that routing looks at
        result = decided(event, decision, known, rules, NINE)
        written = routed_message(event, result)
        told = json.loads(written)
        record = json.loads(decision_record(event, known, result))

        by_model = json.loads(RoutedMessageV1.model_validate_json(written).model_dump_json())
        assert to_json(dict(sorted(by_model.items(), key=lambda item: item[0] in WORDS))) == written
        assert record["result"] == {k: v for k, v in told.items() if k not in WORDS}
        known = replace(known, conversation=decision.conversation)
