"""What a provider waits for: the answer to a webhook, at a steady rate, with all services, Kafka and PostgreSQL beside."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import quantiles

import aiohttp
import httpx

from bench import stand as stands
from bench.report import Row
from bench.stand import Stand
from shared_schemas.ids import content_id
from shared_schemas.topics import PATIENT_MESSAGES
from switchboard_cli.demo import practice
from switchboard_cli.demo.stand_in_twilio import twilio_signature
from switchboard_cli.ports import free_port

PER_SECOND = 200
SECONDS, QUICK_SECONDS = 15, 5
WARM_UP_SECONDS = 20
"""So long Kafka's JVM compiles what it runs most, on the same cores."""
PHONES = 1_000
SERVICES = ("router", "notifier", "pm-sync", "ingest")
PATH = "/hooks/twilio/sms/bench-sms"
TOKEN = "made-up-token"  # noqa: S105 - of this benchmark
TOPIC = PATIENT_MESSAGES.dead_letters
"""Of the reference: nobody reads it meanwhile."""
NAME = f"webhook of a text, {PER_SECOND}/s, answer"
REFERENCE = "signature and Kafka alone"


def run(*, quick: bool) -> list[Row]:
    """One figure for each round, from the time at which a webhook was due: an open loop."""
    return asyncio.run(_run(rounds=1 if quick else 3, seconds=QUICK_SECONDS if quick else SECONDS))


async def _run(*, rounds: int, seconds: int) -> list[Row]:
    async with AsyncExitStack() as running:
        on = await running.enter_async_context(stands.stand())
        urls = {name: (await running.enter_async_context(stands.service(on, name))).url for name in SERVICES}
        await _set_up(on, urls)
        sides = [urls["ingest"], await running.enter_async_context(_plain_webhook(on))]
        # Not httpx: each answer costs it more the more requests wait, and one hiccup becomes a standstill of its own.
        http = await running.enter_async_context(aiohttp.ClientSession())
        for url in sides:
            await _texts(http, url, WARM_UP_SECONDS, "warm-up")
        measured = [[await _texts(http, url, seconds, str(number)) for url in sides] for number in range(rounds)]
    ours, reference = (
        [quantiles(one, n=100, method="inclusive") for one in side] for side in zip(*measured, strict=True)
    )
    return [
        Row.of(
            f"{NAME}, p{part}",
            "ms",
            [cuts[part - 1] for cuts in ours],
            REFERENCE,
            [cuts[part - 1] for cuts in reference],
        )
        for part in (50, 99)
    ]


@asynccontextmanager
async def _plain_webhook(on: Stand) -> AsyncGenerator[str]:
    """The reference, ready; yields its URL. Everything else runs on beside it, without anything to do."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "bench.references.plain_webhook", on.kafka, TOPIC, port, TOKEN, url + PATH]
    async with stands.program(on, "plain-webhook", command):
        async with asyncio.timeout(stands.START_SECONDS):
            while "ready" not in (on.directory / "plain-webhook.log").read_text("utf-8"):
                await asyncio.sleep(0.05)
        yield url


async def _set_up(on: Stand, urls: dict[str, str]) -> None:
    """The demo's routing settings, so that each text is routed and told to somebody."""
    token = on.issuer.token(role="operator", practice_id=None, staff_id="bench")
    base = f"/v1/practices/{practice.PRACTICE_ID}"
    profile = {"slug": "bench", "name": "Bench Practice", "emergency_words": practice.EMERGENCY_WORDS}
    channel = {"kind": "twilio-sms", "number": "+12125550100", "account_sid": "AC" + "0" * 32, "auth_token": TOKEN}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=20) as http:
        for service, path, body in (
            ("ingest", "profile", profile),
            ("ingest", "channels/bench-sms", channel),
            ("router", "routing-settings", practice.routing_settings()),
        ):
            (await http.put(f"{urls[service]}{base}/{path}", json=body)).raise_for_status()


async def _texts(http: aiohttp.ClientSession, url: str, seconds: int, run: str) -> list[float]:
    """Send texts at the rate, whatever the answers take; milliseconds from when each was due to its answer."""
    texts = [_signed(url, number, run) for number in range(seconds * PER_SECOND)]
    async with asyncio.TaskGroup() as sending:
        started, tasks = time.perf_counter(), []
        for number, text in enumerate(texts):
            due = started + number / PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(sending.create_task(_answered(http, url, text, due)))
    return [task.result() for task in tasks]


def _signed(url: str, number: int, run: str) -> tuple[dict[str, str], dict[str, str]]:
    """The form of a text, and the headers that say that the provider sent it."""
    form = {
        "MessageSid": "SM" + content_id("bench", run, str(number)).replace("-", ""),
        "From": f"+1{200 + number % PHONES // 100}5550{100 + number % 100}",
        "To": "+12125550100",
        "Body": "A made-up question of a benchmark",
        "NumMedia": "0",
    }
    return form, {"X-Twilio-Signature": twilio_signature(TOKEN, url + PATH, form)}


async def _answered(
    http: aiohttp.ClientSession, url: str, text: tuple[dict[str, str], dict[str, str]], due: float
) -> float:
    form, headers = text
    async with http.post(url + PATH, data=form, headers=headers) as answer:
        answer.raise_for_status()
        await answer.read()
    return (time.perf_counter() - due) * 1000
