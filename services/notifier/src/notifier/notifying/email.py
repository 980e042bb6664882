"""E-mails that say that something waits, and nothing of what or of whom."""

import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Literal

import aiosmtplib

SECONDS = 20.0

Security = Literal["starttls", "tls", "none"]


class MailRefused(Exception):  # noqa: N818 - it says what happened
    """The mail server will never take a mail to this address."""


class MailFailed(Exception):  # noqa: N818 - it says what happened
    """The mail server did not take it now."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed in (RFC 5321), and from whom they are."""

    host: str
    port: int
    security: Security
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class MailContent:
    """What a mail says: how many conversations wait, and how many webhook endpoints were disabled; with where to look."""

    conversations: int
    inbox_url: str
    endpoints: int
    notifications_url: str
    urgent: bool


async def send_mail(server: MailServer, address: str, content: MailContent) -> None:
    """Tell one person by e-mail. Raises `MailRefused` and `MailFailed`."""
    try:
        await aiosmtplib.send(
            _mail(server.sender, address, content),
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=server.tls,
            timeout=SECONDS,
        )
    except aiosmtplib.SMTPRecipientsRefused as refused:
        if all(one.code >= 500 for one in refused.recipients):  # noqa: PLR2004 - permanent (RFC 5321, section 4.2.1)
            raise MailRefused from None
        raise MailFailed from None
    except (aiosmtplib.SMTPException, OSError):
        raise MailFailed from None


def _mail(sender: str, address: str, content: MailContent) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, address
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].rstrip(">"))
    mail["Auto-Submitted"] = "auto-generated"  # nobody's holiday notice answers it (RFC 3834)
    many, endpoints = content.conversations, content.endpoints
    waits = f"{many} conversations wait for you" if many > 1 else "A conversation waits for you"
    disabled = f"{endpoints} webhook endpoints were disabled" if endpoints > 1 else "A webhook endpoint was disabled"
    mail["Subject"] = f"{'Urgent: ' if content.urgent else ''}{waits}" if many else disabled
    said = [f"{waits} in Switchboard:\n\n    {content.inbox_url}\n"] if many else []
    if endpoints:
        said.append(
            f"{disabled}, because of how it behaves:\n"
            "other systems of your practice may miss what happens. Why, what it missed, and\n"
            f"how to send that again:\n\n    {content.notifications_url}#webhooks\n"
        )
    privacy = "For privacy this e-mail says nothing of what they are about.\n" if many else ""
    said.append(f"{privacy}When you get e-mails is up to you:\n\n    {content.notifications_url}\n")
    mail.set_content("\n".join(said))
    return mail
