"""The conformance kit's driver for the example adapter: a Maildir in a place of its own."""

import importlib.util
import shutil
import tempfile
import weakref
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from types import ModuleType

EXAMPLE = Path(__file__).resolve().parents[3] / "docs/examples/mail_adapter.py"


def example() -> ModuleType:
    specification = importlib.util.spec_from_file_location("mail_adapter", EXAMPLE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


class MailDriver:
    channel = "web"

    def __init__(self) -> None:
        self._maildir = Path(tempfile.mkdtemp(prefix="maildir-"))
        weakref.finalize(self, shutil.rmtree, self._maildir)
        for folder in ("new", "cur", "tmp"):
            (self._maildir / folder).mkdir()
        self._count = 0

    def deliver(self, key: str, body: bytes, sender: str, sent_at: datetime) -> None:
        mail = EmailMessage()
        mail["From"], mail["Date"], mail["Message-ID"] = sender, format_datetime(sent_at), f"<{key}@example.com>"
        mail.set_content(body, maintype="text", subtype="plain", cte="8bit")
        self._count += 1
        (self._maildir / "new" / f"{self._count:09}").write_bytes(mail.as_bytes())

    def run(self, url: str, token: str, practice_id: str) -> None:
        example().run(self._maildir, url, token, practice_id)


class ForgetfulDriver(MailDriver):
    """An adapter with every mistake that it can have."""

    def run(self, url: str, token: str, practice_id: str) -> None:
        from tests.unit.adapter.careless import run  # noqa: PLC0415

        run(self._maildir, url, token, practice_id)
