"""What is kept of a practice and of one patient: who saw it, how it is exported, and that erasing leaves nothing."""

import json
import re
import uuid
import zipfile
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from notifier.notifying.calls import event_place
from shared_database.sealing import Sealer
from shared_messaging import KafkaConnection, partition_counts
from shared_schemas.topics import CATALOGUE
from switchboard_cli.auditing import tables_of_practices
from switchboard_cli.demo.stand_in_phones import PNG
from switchboard_cli.origin import SCHEMAS
from tests.e2e.conftest import System
from tests.e2e.test_channels import message_in
from tests.e2e.test_command_line import switchboard
from tests.e2e.test_live_appointments import until_asked_since
from tests.e2e.test_one_message import new_sid, next_about, sms_id, started

PATIENT, ASKED = "pt-042", "pt-043"


def run(system: System, *arguments: str) -> Any:  # noqa: ANN401 - JSON
    done = switchboard(system, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def blobs_of(system: System) -> tuple[str, str]:
    return "--blobs", (system.directory / "blobs").absolute().as_uri()


async def found_in_database(system: System, words: list[str]) -> set[str]:
    """Tables that have a word anywhere: looked for as the database's owner, past every policy."""
    connection = await asyncpg.connect(system.told["postgres_dsn"])
    try:
        return {
            f"{schema.schema}.{table}"
            for schema in SCHEMAS
            for table in await tables_of_practices(connection, schema.schema)
            if await connection.fetchval(
                f"SELECT EXISTS (SELECT FROM {schema.schema}.{table} AS one WHERE one::text ~ $1)",  # noqa: S608
                rf"(^|\W)({'|'.join(map(re.escape, words))})($|\W)",
            )
        }
    finally:
        await connection.close()


async def waiting_for_webhooks(system: System) -> bytes:
    """All that webhook endpoints may still be sent, opened with the notifier's key."""
    sealer = Sealer.of((system.directory / "notifier-secret-key").read_text().strip())
    connection = await asyncpg.connect(system.told["postgres_dsn"])
    try:
        rows = await connection.fetch("SELECT practice_id, event_id, data FROM notifier.webhook_event")
    finally:
        await connection.close()
    return b"\n".join(sealer.open(row["data"], *event_place(row["practice_id"], row["event_id"])) for row in rows)


async def a_webhook_that_nobody_takes(system: System) -> None:
    wish = {"url": "https://switchboard.invalid/records", "events": ["message", "conversation"], "payload": "full"}
    async with system.client(system.token("ada-admin")) as http:
        (await http.post("/v1/webhook-endpoints", json=wish)).raise_for_status()


async def newest_values(system: System, key: str) -> dict[str, bytes | None]:
    """What each compacted topic has under a patient's key when compaction is done with it."""
    reader = AIOKafkaConsumer(bootstrap_servers=system.told["kafka_bootstrap_servers"], enable_auto_commit=False)
    await reader.start()
    newest: dict[str, bytes | None] = {}
    try:
        compacted = [one.name for one in CATALOGUE if one.retention is None and one.key == "practice/patient"]
        counts = await partition_counts(KafkaConnection(system.told["kafka_bootstrap_servers"], "test"), compacted)
        parts = [TopicPartition(name, part) for name, count in counts.items() for part in range(count)]
        ends = await reader.end_offsets(parts)
        reader.assign(parts)
        await reader.seek_to_beginning()
        while any([await reader.position(part) < ends[part] for part in parts]):
            for part, records in (await reader.getmany(timeout_ms=500)).items():
                for one in records:
                    if one.key == key.encode():
                        newest[part.topic] = one.value
    finally:
        await reader.stop()
    return newest


async def conversation_with_a_picture(system: System, body: str) -> dict[str, Any]:
    """What a patient writes and sends, as staff read it once all of it is there; the conversation is closed then."""
    routed = await text_and_see_picture(system, system.patient(PATIENT)["phone"], body)
    message = await message_in(
        system,
        "ada-admin",
        routed["conversation_id"],
        routed["message_id"],
        lambda one: one["attachments"][0]["state"] == "ready",
    )
    async with system.client(system.token("ada-admin")) as http:
        (await http.get(message["attachments"][0]["url"])).raise_for_status()
        talk = f"/v1/conversations/{routed['conversation_id']}"
        (await http.post(f"{talk}/reply", json={"body": f"An answer to {body}"})).raise_for_status()
    return message | {"talk": talk}


async def text_and_see_picture(system: System, phone: str, body: str) -> dict[str, Any]:
    sid = new_sid()
    media = f"https://api.twilio.com/2010-04-01/Accounts/{'AC' + '0' * 31 + '1'}/Messages/{sid}/Media/ME1"
    more = {"NumMedia": "1", "MediaUrl0": media, "MediaContentType0": "image/png"}
    async with system.stream(system.token("ada-admin")) as events:
        iterator = await started(events)
        await system.text(phone, sid=sid, body=body, more=more)
        return dict(json.loads((await next_about(iterator, "message", sms_id(system, sid))).data))


async def gone_at_the_source(system: System, patient_id: str) -> None:
    """The practice-management system has no such patient any more: what it still sends would come back."""
    base_url = system.told["pm"]["base_url"]
    async with httpx.AsyncClient(timeout=20) as http:
        for one in (f"Patient/{patient_id}", f"Appointment/{patient_id.replace('pt', 'apt')}"):
            assert (await http.delete(f"{base_url}/{one}")).status_code in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}
    await until_asked_since(system, datetime.now(UTC))


async def test_one_patient_is_seen_exported_and_then_erased_without_a_trace(system: System, tmp_path: Path) -> None:
    practice_id, word = system.told["practice_id"], f"madeup{uuid.uuid4().hex}"
    await a_webhook_that_nobody_takes(system)
    message = await conversation_with_a_picture(system, word)
    file = message["attachments"][0]["url"].rpartition("/")[2]
    stored = system.directory / "blobs" / practice_id / file
    key = f"{practice_id}/{PATIENT}"
    assert word.encode() in await waiting_for_webhooks(system)
    export = tmp_path / "records.zip"

    # Who saw it.
    seen = run(system, "audit", "patient", practice_id, PATIENT)
    assert {("read", f"attachment:{file}"), ("read", message["talk"][4:].replace("s/", ":"))} <= {
        (one["action"], one["subject"]) for one in seen if one["actor"] == "ada-admin"
    }
    assert run(system, "audit", "verify")["problems"] == []

    # What there is of it.
    planted = await found_in_database(system, [word])
    key_file = {"SWITCHBOARD_INGEST_SECRET_KEY_FILE": str(system.directory / "file-secret-key")}
    records = ("practice", "records", practice_id, *blobs_of(system), "--output", str(export))
    exported = switchboard(system, *records, **key_file)
    assert {"notifier.thread_message", "ingest.thread_message", "notifier.action_outcome"} <= planted
    assert PNG not in stored.read_bytes()
    assert exported.returncode == 0, exported.stderr
    with zipfile.ZipFile(export) as archive:
        assert archive.read(f"files/{file}") == PNG
        assert word.encode() in archive.read("notifier/thread_message.jsonl")
        whole = b"".join(archive.read(name) for name in archive.namelist())
    assert system.told["channels"]["twilio_sms"]["auth_token"].encode() not in whole

    # Nothing that is not finished is erased.
    erase = ("erase", practice_id, PATIENT, *blobs_of(system))
    refused = switchboard(system, *erase)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "the conversation is open" in refused.stderr
    async with system.client(system.token("ada-admin")) as http:
        (await http.post(f"{message['talk']}/close")).raise_for_status()
    assert all((await newest_values(system, key)).values())

    # Gone, and what is kept says so.
    await gone_at_the_source(system, PATIENT)
    counted = run(system, *erase, "--dry-run")
    erased = run(system, *erase)
    names = [word, PATIENT, file, system.patient(PATIENT)["phone"].removeprefix("+")]
    assert counted["rows"]["notifier.thread_message"] == erased["rows"]["notifier.thread_message"] >= 2
    assert erased["left"] == {}
    assert await found_in_database(system, names) <= {f"{schema.schema}.audit_record" for schema in SCHEMAS}
    assert erased["rows"]["notifier.webhook_event"] >= 2
    left_for_webhooks = await waiting_for_webhooks(system)
    assert [one for one in names if one.encode() in left_for_webhooks] == []
    assert not stored.exists()
    assert set((await newest_values(system, key)).values()) == {None}
    assert ("erase", f"patient:{PATIENT}") in {
        (one["action"], one["subject"]) for one in run(system, "audit", "patient", practice_id, PATIENT)
    }
    assert run(system, "audit", "verify")["problems"] == []


async def test_whom_an_administrator_wants_erased_the_next_run_erases_or_says_what_it_waits_for(system: System) -> None:
    practice_id, word = system.told["practice_id"], f"madeup{uuid.uuid4().hex}"
    path = f"/v1/practices/{practice_id}/erasures"
    routed = await text_and_see_picture(system, system.patient(ASKED)["phone"], word)
    talk = f"/v1/conversations/{routed['conversation_id']}"

    async with system.client(system.token("ada-admin")) as ada:

        async def erased_by_a_run() -> dict[str, Any]:
            switchboard(system, "erase", "--asked", *blobs_of(system))
            (one,) = [one for one in (await ada.get(path)).raise_for_status().json() if one["patient_id"] == ASKED]
            return dict(one)

        asked = await ada.put(f"{path}/{ASKED}")
        waiting = await erased_by_a_run()
        still_there = await found_in_database(system, [word])
        (await ada.delete(f"{path}/{ASKED}")).raise_for_status()
        (await ada.put(f"{path}/{ASKED}")).raise_for_status()
        (await ada.post(f"{talk}/close", json={})).raise_for_status()
        await message_in(
            system, "ada-admin", routed["conversation_id"], routed["message_id"],
            lambda one: one["attachments"][0]["state"] == "ready",
        )  # fmt: skip
        await gone_at_the_source(system, ASKED)
        done = await erased_by_a_run()
        too_late = await ada.delete(f"{path}/{ASKED}")

    assert (asked.status_code, asked.json()["asked_by"], asked.json()["done_at"]) == (202, "ada-admin", None)
    assert waiting["done_at"] is None
    assert waiting["waits_for"]
    assert "notifier.thread_message" in still_there
    assert done["done_at"] is not None
    assert done["waits_for"] is None
    assert too_late.status_code == HTTPStatus.NOT_FOUND
    audits = {f"{schema.schema}.audit_record" for schema in SCHEMAS}
    names = [word, ASKED, system.patient(ASKED)["phone"].removeprefix("+")]
    assert await found_in_database(system, names) <= audits | {"ingest.erasure"}
    assert ("save", f"erasure:{ASKED}") in {
        (one["action"], one["subject"]) for one in run(system, "audit", "patient", practice_id, ASKED)
    }


async def test_after_keys_were_wrapped_anew_no_token_is_in_the_clear_and_webhooks_still_come_in(system: System) -> None:
    token = system.told["channels"]["twilio_sms"]["auth_token"]
    key_file = {"SWITCHBOARD_INGEST_SECRET_KEY_FILE": str(system.directory / "file-secret-key")}
    before = await found_in_database(system, [token])
    done = switchboard(system, "keys", "rewrap", **key_file)
    after = await found_in_database(system, [token])
    (right,) = await system.text(system.patient("pt-064")["phone"])
    (forged,) = await system.text(system.patient("pt-064")["phone"], signed_with="not-the-token")

    assert (done.returncode, before, after) == (0, set(), set()), done.stderr
    assert re.search(r"[3-9] channels sealed", done.stdout)
    assert (right.is_success, forged.status_code) == (True, HTTPStatus.FORBIDDEN)
