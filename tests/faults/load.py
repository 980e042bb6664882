"""Open-loop load: what patients, adapters, the PM system and staff do at their times, whatever state the system is in."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from random import Random
from time import perf_counter
from typing import Any

import asyncpg
import httpx
from twilio.request_validator import RequestValidator

from shared_messaging import Outgoing, Publisher, PublishFailed
from shared_schemas import ids, topics
from tests.faults.history import History
from tests.faults.parts import Parts, plain_http
from tests.faults.practices import ADMINISTRATOR, AUTH_TOKEN, PUBLIC_URL, Patient, StaffedPractice
from tests.oracle.happenings import INBOXES, REASONS, STAFF

ATTEMPTS = 20
"""Over about two minutes, as a provider does that is not answered 2xx; then nobody knows what became of it."""
ATTEMPT_SECONDS = 6.0
"""A gateway in front of it tries another instance then; Twilio waits for fifteen seconds."""
CONNECTIONS = 24
"""To ingest at a time, as gateways have a bound: more would slow the proxies, which run beside us."""
REPEATED = 0.1
"""The share of accepted messages that the provider sends once more, later and out of order."""
CHANNELS = ("web", "web", "voicemail")
SOURCE = "/made-up/pm"

Begin = Callable[[], Coroutine[None, None, None]]


@dataclass
class Rates:
    """Of the whole load, each second."""

    texts: float = 6
    posts: float = 3
    syncs: float = 1
    actions: float = 2
    settings: float = 0.1
    poison: float = 0.1


@dataclass
class Load:
    """All practices' people at once. `seconds_of` has how long ingest took to answer, by what was the matter then."""

    parts: Parts
    practices: Sequence[StaffedPractice]
    history: History
    publisher: Publisher
    random: Random
    matter: Callable[[], str]
    rates: Rates = field(default_factory=Rates)
    seconds_of: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    poisoned: int = 0
    _count: int = 0
    _connections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS))
    _saving: set[str] = field(default_factory=set)
    _last: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def run(self, seconds: float) -> None:
        """Start what is due when it is due; return when all of it has an end."""
        kinds: list[tuple[float, Begin]] = [
            (self.rates.texts, self._text),
            (self.rates.posts, self._post),
            (self.rates.syncs, self._sync),
            (self.rates.actions, self._act),
            (self.rates.settings, self._save),
            (self.rates.poison, self._poison),
        ]
        async with asyncio.TaskGroup() as group:
            for rate, begin in kinds:
                group.create_task(self._arrive(group, rate, begin, seconds))

    async def let_everybody_in(self) -> None:
        """Save settings in which all of the staff are active."""
        for practice in self.practices:
            self._last[practice.id] = practice.settings(all_active=True)
            await self.save(practice, self._last[practice.id])

    async def finish(self) -> None:
        """Save them again: nobody's view changes, so every stream tells it, and who hears it has missed nothing."""
        for practice in self.practices:
            await self.save(practice, self._last[practice.id])

    async def _arrive(self, group: asyncio.TaskGroup, rate: float, begin: Begin, seconds: float) -> None:
        clock = asyncio.get_running_loop().time
        due, end = clock(), clock() + seconds
        while (due := due + self.random.expovariate(rate)) < end:
            await asyncio.sleep(max(0.0, due - clock()))
            group.create_task(begin())

    # What comes in by HTTP.

    async def _text(self) -> None:
        practice, patient = self._somebody()
        sid = f"SM{self._next():032}"
        form = {"MessageSid": sid, "From": patient.phone, "To": "+12125550100", "Body": "A made-up question"}
        path = f"/hooks/twilio/sms/{practice.texts}"
        signature = RequestValidator(AUTH_TOKEN).compute_signature(PUBLIC_URL + path, form)
        request = {"url": path, "data": form, "headers": {"X-Twilio-Signature": signature}}
        await self._message(practice, patient, ids.message_id("sms", practice.id, sid), request)

    async def _post(self) -> None:
        """As an adapter does: the messenger's and the voicemail's messages have the same way."""
        practice, patient = self._somebody()
        channel, number = self.random.choice(CHANNELS), f"{self._next():032}"
        content: dict[str, Any] = {
            "message_id": ids.message_id(channel, practice.id, number),
            "practice_id": practice.id,
            "patient_id": patient.id,
            "channel": channel,
            "provider_message_id": number,
            "received_at": datetime.now(UTC).isoformat(),
            "body": "A made-up question",
            "identity": "matched",
        }
        if channel == "web":
            content["requested_reason_id"] = self.random.choice((*REASONS, "other", None))
        else:
            content["extension"] = self.random.choice(("1", "2", "3", "9", None))
        headers = {
            "authorization": f"Bearer {practice.adapter_token}",
            "ce-specversion": "1.0",
            "ce-type": "switchboard.MessageReceived.v1",
            "ce-source": "/made-up/adapter",
            "ce-id": content["message_id"],
        }
        request = {"url": "/v1/messages", "json": content, "headers": headers}
        await self._message(practice, patient, content["message_id"], request)

    async def _message(self, practice: StaffedPractice, patient: Patient, id_: str, request: dict[str, Any]) -> None:
        about = {"id": id_, "practice": practice.id, "patient": patient.id}
        self.history.note("invoke", "send", "patients", **about)
        is_accepted = await self._sent(request)
        self.history.note("ok" if is_accepted else "info", "send", "patients", **about)
        if self.random.random() < REPEATED:
            await asyncio.sleep(self.random.uniform(0, 8))
            await self._sent(request, attempts=1)

    async def _sent(self, request: dict[str, Any], attempts: int = ATTEMPTS) -> bool:
        for attempt in range(attempts):
            door = self.random.choice(self.parts.instances("ingest"))
            with suppress(httpx.TransportError):
                async with self._connections:
                    before, started = self.matter(), perf_counter()
                    answer = await _request("POST", **request | {"url": door.url + request["url"]})
                if answer.is_success:
                    if self.matter() == before:
                        self.seconds_of[before].append(perf_counter() - started)
                    return True
                if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                    message = f"ingest answers {answer.status_code}: {answer.text}"
                    raise AssertionError(message)
            await asyncio.sleep(min(10.0, 0.2 * 2**attempt) * self.random.uniform(0.5, 1))
        return False

    # What staff do.

    async def _act(self) -> None:
        practice, patient = self._somebody()
        action, body = self._action()
        staff = ADMINISTRATOR if action in {"label", "new-topic"} else self.random.choice(STAFF)
        conversation, key = ids.conversation_id(practice.id, patient.id), f"key-{self._next()}"
        about = {"id": ids.content_id("action", practice.id, staff, conversation, action, key), "practice": practice.id}
        headers = practice.headers(staff) | {"Idempotency-Key": key}
        self.history.note("invoke", "act", staff, **about)
        for _ in range(ATTEMPTS):
            server = self.random.choice(self.parts.instances("notifier"))
            with suppress(httpx.TransportError):
                url = f"{server.url}/v1/conversations/{conversation}/{action}"
                answer = await _request("POST", url, json=body, headers=headers)
                if answer.is_success or answer.status_code == HTTPStatus.CONFLICT:
                    self.history.note("ok", "act", staff, **about)
                    return
                if answer.is_client_error:  # nobody has written yet, or the person is deactivated
                    break
            await asyncio.sleep(self.random.uniform(0.5, 2))
        self.history.note("info", "act", staff, **about)

    def _action(self) -> tuple[str, dict[str, Any]]:
        choose = self.random.choice
        return choose(
            (
                ("assign", {"to": choose((*STAFF, None))}),
                ("assign", {"to": choose(STAFF), "expected_version": self.random.randrange(1, 6)}),
                ("move", {"to": choose(("unassigned", *(f"shared_inbox:{one}" for one in INBOXES)))}),
                ("close", {}),
                ("label", {"reason_id": choose(REASONS)}),
                ("new-topic", {}),
            )
        )

    async def _save(self) -> None:
        """One save of a practice at a time: who saves says which version was seen."""
        practice = self.random.choice(self.practices)
        if practice.id not in self._saving:
            self._saving.add(practice.id)
            try:
                await self.save(practice, practice.settings())
            finally:
                self._saving.discard(practice.id)

    async def save(self, practice: StaffedPractice, settings: dict[str, Any]) -> None:
        """Save these settings, if it is possible within some seconds."""
        about = {"practice": practice.id, "version": practice.version + 1}
        self.history.note("invoke", "save", ADMINISTRATOR, **about)
        headers = practice.headers(ADMINISTRATOR) | {"If-Match": f'"{practice.version}"'}
        for attempt in range(ATTEMPTS):
            server = self.random.choice(self.parts.instances("router"))
            url = f"{server.url}/v1/practices/{practice.id}/routing-settings"
            with suppress(httpx.TransportError):
                answer = await _request("PUT", url, json=settings, headers=headers)
                if answer.status_code == HTTPStatus.PRECONDITION_FAILED and attempt == 0:
                    # One that was given up was saved after all, later than we looked: this one comes after it.
                    await self._look_up_version(practice)
                    await self.save(practice, settings)
                    return
                # Refused as a second version: the first attempt was saved, and its answer was lost.
                if answer.is_success or answer.status_code == HTTPStatus.PRECONDITION_FAILED:
                    practice.version += 1
                    self.history.note("ok", "save", ADMINISTRATOR, **about)
                    return
                assert answer.is_server_error, answer.text
            await asyncio.sleep(self.random.uniform(0.5, 2))
        self.history.note("info", "save", ADMINISTRATOR, **about)
        await self._look_up_version(practice)

    async def _look_up_version(self, practice: StaffedPractice) -> None:
        """From PostgreSQL, once it is there: it may be what is at fault."""
        newest = "SELECT max(version) FROM router.routing_settings WHERE practice_id = $1"
        while True:
            try:
                rows = await self.parts.query(newest, practice.id)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.5)
            else:
                practice.version = rows[0][0]
                return

    # What comes in by Kafka.

    async def _sync(self) -> None:
        practice, patient = self._somebody()
        event = practice.appointment(patient)
        about = {"practice": practice.id, "patient": patient.id, "id": event.ce_id}
        outgoing = Outgoing.of(topics.APPOINTMENTS.name, event, source=SOURCE, time=event.as_of)
        self.history.note("invoke", "sync", "pm", **about)
        try:
            await self.publisher.send([outgoing])
        except PublishFailed:
            self.history.note("info", "sync", "pm", **about)
        else:
            self.history.note("ok", "sync", "pm", **about)

    async def _poison(self) -> None:
        """Bytes that are no event, among the events of somebody."""
        practice, patient = self._somebody()
        topic = self.random.choice((topics.PATIENT_MESSAGES, topics.CONVERSATION_CHANGES, topics.APPOINTMENTS))
        key = f"{practice.id}/{patient.id}".encode()
        poison = Outgoing(topic.name, key, f"poison {self._next()}".encode(), (("ce_type", b"\xff"),))
        with suppress(PublishFailed):
            await self.publisher.send([poison])
            self.poisoned += 1

    def _somebody(self) -> tuple[StaffedPractice, Patient]:
        practice = self.random.choice(self.practices)
        return practice, self.random.choice(practice.patients)

    def _next(self) -> int:
        self._count += 1
        return self._count


async def _request(method: str, url: str, **content: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
    """On a connection of its own: who waits for a paused instance must not hold up anybody else."""
    async with plain_http(timeout=ATTEMPT_SECONDS) as http:
        return await http.request(method, url, **content)
