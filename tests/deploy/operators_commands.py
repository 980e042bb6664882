"""The operators' commands as docs/guides/command-line.md says. The same tests for every way to install: compose and
Kubernetes inherit them, and have a fixture `installation`."""

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tests.e2e.conftest import System
from tests.e2e.test_one_message import ELM_PATIENT, new_sid, sms_id

if TYPE_CHECKING:
    import subprocess

SOON_SECONDS = 60
WORDS = "made-up words that are no event"
TOPIC = "conversation-changes"
_KAFKA = "env KAFKA_HEAP_OPTS=-Xmx128m /opt/kafka/bin"
_INSIDE = "--bootstrap-server localhost:9094"


class Installation(Protocol):
    """Where an operator types."""

    def operate(self, *arguments: str, token: str = "", given: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run `switchboard …` there, for whom the token is; `given` is its standard input."""
        ...

    def in_kafka(self, command: str, given: str) -> str:
        """Run a shell's command where Kafka runs, and return what it says. Raises AssertionError when it fails."""
        ...


class OperatorsCommands:
    """Each test leaves the installation as it was."""

    def test_topics_and_schemas_are_as_the_code_wants_them(self, installation: Installation, system: System) -> None:
        del system
        checked = installation.operate("topics", "check", "--json")
        applied = installation.operate("topics", "apply", "--access", "--json")
        migrated = installation.operate("migrate", "--json")
        waited = installation.operate("migrate", "--wait")
        version = installation.operate("version", "--json")

        assert (checked.returncode, json.loads(checked.stdout)) == (0, [])
        assert (applied.returncode, json.loads(applied.stdout)) == (0, [])
        assert (migrated.returncode, waited.returncode) == (0, 0)
        assert json.loads(migrated.stdout) == json.loads(version.stdout)["revisions"]

    async def test_a_dead_letter_is_listed_shown_and_put_back(self, installation: Installation, system: System) -> None:
        del system
        installation.in_kafka(f"{_KAFKA}/kafka-console-producer.sh {_INSIDE} --topic {TOPIC}", f"{WORDS}\n")
        try:
            (letter,) = await _until(lambda: _letters(installation), 1)
            shown = installation.operate("dlq", "show", letter["position"])
            revealed = installation.operate("dlq", "show", letter["position"], "--reveal", "--json")
            put_back = installation.operate("dlq", "replay", letter["position"], "--json")
            again = await _until(lambda: _letters(installation), 2)  # its cause is still there
            told = installation.operate("doctor", "--json")
            nowhere = installation.operate("dlq", "replay", f"{TOPIC}-dlq:0:999999")
        finally:
            _remove_letters(installation)

        assert (letter["error"], again[1]["error"]) == ("UnreadableMessage", "UnreadableMessage")
        assert (shown.returncode, WORDS in shown.stdout) == (0, False)
        assert json.loads(revealed.stdout)["value"] == WORDS
        assert (put_back.returncode, json.loads(put_back.stdout)) == (0, {"put_back": 1})
        assert (told.returncode, _detail(told.stdout, "dead letters")) == (0, "2: switchboard dlq list")
        assert (nowhere.returncode, nowhere.stdout) == (1, "")
        assert _letters(installation) == []

    async def test_a_message_is_explained_and_decided_again(self, installation: Installation, system: System) -> None:
        sid, token = new_sid(), system.token("ada-admin")
        await system.text(system.patient(ELM_PATIENT)["phone"], sid=sid)
        id_ = sms_id(system, sid)

        def explained() -> list["subprocess.CompletedProcess[str]"]:
            done = installation.operate("explain", id_, "--staff", "nia-nurse", "--json", token=token)
            return [] if done.returncode else [done]

        (told,) = await _until(explained, 1)
        unknown = installation.operate("explain", "no-such-message", token=token)
        nobody = installation.operate("explain", id_, "--practice", system.told["practice_id"])
        draft = installation.operate("practice", "export", system.told["practice_id"], token=token).stdout
        draft = draft.replace("location_routing: true", "location_routing: false")
        again = installation.operate("replay", "--since", "1h", "--settings", "-", "--json", token=token, given=draft)
        *differences, summary = map(json.loads, again.stdout.splitlines())

        assert json.loads(told.stdout)["member"]["told"] is False
        assert (unknown.returncode, nobody.returncode) == (1, 1)
        assert (again.returncode, summary["unreproduced"]) == (0, 0)
        assert id_ in {line["message_id"] for line in differences}

    def test_a_practices_settings_go_out_and_come_in(self, installation: Installation, system: System) -> None:
        practice, token = system.told["practice_id"], system.token("ada-admin")
        exported = installation.operate("practice", "export", practice, token=token)
        draft = exported.stdout.replace("label_correction: false", "label_correction: true")

        def come_in(settings: str, *options: str) -> dict[str, Any]:
            done = installation.operate("practice", "import", "-", "--json", *options, token=token, given=settings)
            assert done.returncode == 0, done.stderr
            content: dict[str, Any] = json.loads(done.stdout)
            return content

        same, previewed, changed, back = (
            come_in(exported.stdout), come_in(draft, "--dry-run"), come_in(draft), come_in(exported.stdout)
        )  # fmt: skip
        refused = installation.operate(
            "practice", "import", "-", token=token, given=draft.replace("reason_routing:", "reason_routng:")
        )
        wrong = installation.operate("practice", "import", "-", "--no-such-option", token=token, given=draft)

        assert (same["difference"], same["saved_version"]) == ([], None)
        assert "+label_correction: true" in previewed["difference"]
        assert previewed["saved_version"] is None
        assert back["saved_version"] == changed["saved_version"] + 1
        assert (refused.returncode, "reason_routng: unknown key" in refused.stderr) == (1, True)
        assert wrong.returncode == 2


def _letters(installation: Installation) -> list[dict[str, Any]]:
    listed = installation.operate("dlq", "list", "--topic", TOPIC, "--json")
    assert listed.returncode == 0, listed.stderr
    assert WORDS not in listed.stdout
    rows: list[dict[str, Any]] = json.loads(listed.stdout)
    return rows


def _remove_letters(installation: Installation) -> None:
    """Dead letters are kept for a month: the doctor would count them in other tests."""
    parts = [{"topic": f"{TOPIC}-dlq", "partition": part, "offset": -1} for part in range(8)]
    command = f"cat >/tmp/all && {_KAFKA}/kafka-delete-records.sh {_INSIDE} --offset-json-file /tmp/all"
    installation.in_kafka(command, json.dumps({"partitions": parts, "version": 1}))


async def _until(look: Callable[[], list[Any]], size: int) -> list[Any]:
    """What a look finds, once it finds so many. Raises TimeoutError."""
    async with asyncio.timeout(SOON_SECONDS):
        while len(found := await asyncio.to_thread(look)) < size:  # noqa: ASYNC110 - it depends on other processes
            await asyncio.sleep(0.5)
    return found


def _detail(findings: str, check: str) -> str:
    """What the doctor says about one check."""
    return next(str(finding["detail"]) for finding in json.loads(findings) if finding["check"] == check)
