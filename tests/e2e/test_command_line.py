"""The operators' commands against a running system."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

from aiokafka import AIOKafkaProducer

from shared_database.migrations import newest_revision
from shared_schemas import ids
from switchboard_cli.origin import SCHEMAS
from tests.e2e.conftest import System


def switchboard(system: System, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": "",
        "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS": system.told["kafka_bootstrap_servers"],
        "SWITCHBOARD_POSTGRES_DSN": system.told["postgres_dsn"],
        "SWITCHBOARD_URL": system.base_url,
        "SWITCHBOARD_TOKEN": system.token("ada-admin"),
        **more,
    }
    command = [sys.executable, "-m", "switchboard_cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603


async def test_a_dead_letter_is_listed_shown_and_put_back_byte_for_byte(system: System) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=system.told["kafka_bootstrap_servers"])
    await producer.start()
    try:
        sent = await producer.send_and_wait("conversation-changes", b"made-up secret words", key=b"maple-street/pt-020")
    finally:
        await producer.stop()

    origin = f"conversation-changes:{sent.partition}:{sent.offset}"
    rows: list[dict[str, object]] = []
    for _ in range(20):
        listed = switchboard(system, "dlq", "list", "--topic", "conversation-changes", "--json")
        rows = [row for row in json.loads(listed.stdout) if row["original"] == origin]
        if rows:
            break
    (letter,) = rows
    position = str(letter["position"])
    shown = switchboard(system, "dlq", "show", position)
    revealed = switchboard(system, "dlq", "show", position, "--reveal", "--json")
    put_back = switchboard(system, "dlq", "replay", position)
    nowhere = switchboard(system, "dlq", "replay", "conversation-changes-dlq:0:999999")

    assert letter["error"] == "UnreadableMessage"
    assert "secret" not in listed.stdout + shown.stdout
    assert json.loads(revealed.stdout)["value"] == "made-up secret words"
    assert (put_back.returncode, put_back.stdout) == (0, "1 put back\n")
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (1, 1)


def test_exported_settings_are_what_is_imported(system: System, tmp_path: Path) -> None:
    file = tmp_path / "maple-street.yaml"
    exported = switchboard(system, "practice", "export", "maple-street", "--output", str(file))
    same = switchboard(system, "practice", "import", str(file))
    text = file.read_text("utf-8")
    file.write_text(text.replace("label_correction: false", "label_correction: true"), "utf-8")
    previewed = switchboard(system, "practice", "import", str(file), "--dry-run", "--json")
    changed = switchboard(system, "practice", "import", str(file), "--json")
    file.write_text(text, "utf-8")
    changed_back = switchboard(system, "practice", "import", str(file))
    file.write_text(text.replace("reason_routing:", "reason_routng:"), "utf-8")
    refused = switchboard(system, "practice", "import", str(file))

    assert (exported.returncode, same.stdout) == (0, "nothing to change\n")
    assert json.loads(previewed.stdout)["saved_version"] is None
    assert "+label_correction: true" in json.loads(changed.stdout)["difference"]
    assert changed_back.returncode == 0
    assert refused.returncode == 1
    assert f"{file}:3:1: reason_routng: unknown key" in refused.stderr


async def test_a_message_is_explained_in_words(system: System) -> None:
    sid = "SM" + uuid.uuid4().hex
    await system.text(system.patient("pt-003")["phone"], sid=sid)
    message_id = ids.message_id("sms", system.told["practice_id"], sid)
    explained = [switchboard(system, "explain", message_id, "--staff", "nia-nurse")]
    while explained[-1].returncode and len(explained) < 20:
        explained.append(switchboard(system, "explain", message_id, "--staff", "nia-nurse"))
    unknown = switchboard(system, "explain", "no-such-message")

    lines = explained[-1].stdout.splitlines()
    assert "The next appointment is at 'Elm Street' (L1)." in lines
    assert lines[-1] == "nia-nurse was not told: This person is subscribed to nothing."
    assert unknown.returncode == 1
    assert "There is no decision about such a message" in unknown.stderr


def test_topics_and_schemas_are_as_the_code_wants_them(system: System) -> None:
    checked = switchboard(system, "topics", "check", "--json")
    applied = switchboard(system, "topics", "apply")
    migrated = switchboard(system, "migrate", "--json")

    assert (checked.returncode, json.loads(checked.stdout)) == (0, [])
    assert applied.stdout == "all topics are there\n"
    assert json.loads(migrated.stdout) == {one.schema: newest_revision(one) for one in SCHEMAS}


def test_what_cannot_be_reached_is_said_in_one_line(system: System) -> None:
    refused = switchboard(system, "topics", "check", "--bootstrap-servers", "127.0.0.1:1")

    assert refused.returncode == 1
    assert refused.stderr.strip().splitlines()[-1].startswith("switchboard: Kafka cannot be reached")


async def test_past_messages_are_decided_again_by_a_draft(system: System, tmp_path: Path) -> None:
    sid = "SM" + uuid.uuid4().hex
    await system.text(system.patient("pt-030")["phone"], sid=sid)
    message_id = ids.message_id("sms", system.told["practice_id"], sid)
    for _ in range(50):
        if switchboard(system, "explain", message_id).returncode == 0:
            break
    file = tmp_path / "draft.yaml"
    switchboard(system, "practice", "export", "maple-street", "--output", str(file))
    file.write_text(file.read_text("utf-8").replace("location_routing: true", "location_routing: false"), "utf-8")

    proven = switchboard(system, "replay", "--since", "1h")
    drafted = switchboard(system, "replay", "--since", "1h", "--settings", str(file))
    lines = switchboard(system, "replay", "--since", "1h", "--settings", str(file), "--json")
    nonsense = switchboard(system, "replay", "--since", "yesterday")

    assert proven.returncode == 0
    assert " 0 not reproduced, 0 different" in proven.stdout
    assert f"{message_id} (sms" in drafted.stdout
    assert "location elm -> none" in drafted.stdout
    *differences, summary = map(json.loads, lines.stdout.splitlines())
    assert message_id in {line["message_id"] for line in differences}
    assert summary["different"] == len(differences)
    assert (nonsense.returncode, nonsense.stderr.count("\n")) == (1, 1)
