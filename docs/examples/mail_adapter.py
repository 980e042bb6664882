"""A whole channel adapter: e-mail from a Maildir, where any mail server, or `mbsync` by IMAP, puts it. Run it every minute:

MAILDIR=Mail SWITCHBOARD_URL=https://… SWITCHBOARD_TOKEN=… PRACTICE=maple-street python mail_adapter.py
"""

import email
import email.policy
import logging
import os
from email.utils import parseaddr
from pathlib import Path

from switchboard_adapter import Adapter, IncomingMessage, RefusedError


def incoming(raw: bytes, name: str) -> IncomingMessage:
    """A mail as Switchboard wants it. Its own id makes it the same message however often it is read."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    text = mail.get_body(("plain", "html"))
    content = text.get_payload(decode=True) if text else b""
    sent_at = mail["date"].datetime if mail["date"] else None
    return IncomingMessage(
        key=mail["message-id"] or name,
        body=content.decode("utf-8", errors="replace") if isinstance(content, bytes) else "",
        sender=parseaddr(mail["from"])[1].lower(),
        received_at=sent_at if sent_at and sent_at.tzinfo else None,
    )


def run(maildir: Path, url: str, token: str, practice_id: str) -> None:
    """Publish what is new. A mail is marked as seen once it is durable; a crash before that sends it again, as itself."""
    with Adapter(url, token, practice_id, maildir / "switchboard.sqlite") as adapter:
        adapter.flush()
        for path in sorted((maildir / "new").iterdir()):
            try:
                adapter.publish(incoming(path.read_bytes(), path.name))
            except RefusedError as error:
                logging.warning("a mail was refused: %s", error)
            path.rename(maildir / "cur" / f"{path.name}:2,S")


if __name__ == "__main__":
    run(
        Path(os.environ["MAILDIR"]),
        *(os.environ[name] for name in ("SWITCHBOARD_URL", "SWITCHBOARD_TOKEN", "PRACTICE")),
    )
