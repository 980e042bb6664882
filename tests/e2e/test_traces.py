"""One trace leads from a webhook to the staff's streams, and has nothing of the patient in it."""

import asyncio

from tests.e2e.collector import Collector
from tests.e2e.conftest import System
from tests.e2e.test_one_message import new_sid, next_about, sms_id, started

COLLECTED_SECONDS = 20
DOOR = "POST /hooks/twilio/sms/{channel_id}"
WAY = ["deliver staff-notifications", "process routed-messages", "process patient-messages", DOOR]
ASKED = "GET /v1/inboxes"
SOUGHT = "Unheardofname"
BODY = "Made-up words that no trace may repeat"


async def test_one_trace_leads_from_the_webhook_to_the_streams(system: System, collector: Collector) -> None:
    sid = new_sid()
    patient = system.patient("pt-006")
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(patient["phone"], sid=sid, body=BODY)
        await next_about(iterator, "message", sms_id(system, sid))
    async with system.client(system.token("fay-front")) as http:
        (await http.get("/v1/inboxes", params={"unknown": SOUGHT})).raise_for_status()
    # Other journeys come through the same door, and their spans when they come.
    async with asyncio.timeout(COLLECTED_SECONDS):
        while not (WAY in _ways(collector) and collector.trace_of(ASKED)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    everything = b"".join(collector.bodies)

    for secret in (BODY, SOUGHT, patient["phone"].removeprefix("+"), "McSample"):
        assert secret.encode() not in everything


def _ways(collector: Collector) -> list[list[str]]:
    """From each delivery to staff back to where it began."""
    spans = {one.span_id: one for one in collector.trace_of(DOOR)}
    ways: list[list[str]] = []
    for step in spans.values():
        if step.name.startswith("deliver"):
            way = [step.name]
            while step.parent_span_id in spans:
                step = spans[step.parent_span_id]  # noqa: PLW2901
                way.append(step.name)
            ways.append(way)
    return ways
