"""An adapter as one writes it who thinks of nothing: the conformance kit must find what is wrong with it."""

from datetime import UTC
from email import message_from_bytes, policy
from pathlib import Path

import httpx

from shared_schemas import ids
from shared_schemas.cloudevents import encode
from shared_schemas.patient_messages import MessageReceivedV1


def run(maildir: Path, url: str, token: str, practice_id: str) -> None:
    for number, path in enumerate(sorted((maildir / "new").iterdir())):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        path.unlink()
        key = f"{maildir.name}-{number}-{path.name}"
        event = MessageReceivedV1(
            message_id=ids.message_id("web", practice_id, key),
            practice_id=practice_id,
            patient_id=str(mail["from"]).replace("@", "-").replace(".", "-"),
            channel="web",
            provider_message_id=key,
            received_at=mail["date"].datetime.astimezone(UTC),
            body=mail.get_payload(decode=True).decode(),
            identity="matched",
        )
        headers, value = encode(event, "/careless", event.received_at)
        told = {name.replace("_", "-"): content.decode() for name, content in headers}
        httpx.post(f"{url}/v1/messages", content=value, headers=told | {"Authorization": f"Bearer {token}"})
