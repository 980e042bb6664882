"""What a text that came in means: consent, a question, an emergency; the same for every provider."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.adapters.text_provider import Media
from ingest.attachments import as_expected, expected
from ingest.configuration import TelnyxSms, TwilioSms
from ingest.domain.answers import answer_to, is_emergency
from ingest.domain.identity import Sender
from ingest.domain.keywords import Keyword, keyword_in
from ingest.domain.menu import chosen_reason, is_number
from ingest.publishing import Doors
from ingest.storage.attachments import expect_files
from ingest.storage.channels import Arrival, PlacedChannel
from ingest.storage.contacts import writer_at
from ingest.storage.texts import Kind, NewText, menu_of, queue_answer, save_consent
from shared_schemas import ids
from shared_schemas.conversation_changes import Actor, ConsentChangedV1
from shared_schemas.patient_messages import MessageReceivedV1


@dataclass(frozen=True, slots=True)
class IncomingText:
    """A text that came in through a channel whose provider was checked. `phone` is E.164 where it can be."""

    arrival: Arrival
    phone: str
    provider_id: str
    body: str
    media: Sequence[Media] = ()
    is_answered: bool = False
    """The provider has answered it already: it knows reserved words, too."""

    @property
    def at(self) -> PlacedChannel:
        """The channel."""
        return self.arrival.at

    @property
    def practice_id(self) -> str:
        """Whose channel it is."""
        return self.at.practice_id


async def accept_text(parts: Doors, text: IncomingText, channel: TwilioSms | TelnyxSms) -> None:
    """Return once what the text means is durable."""
    at = text.at
    writer = await writer_at(parts.pool, at.practice_id, at.contact_key, text.phone, at.channel_id, text.arrival.known)
    keyword = None if text.media else keyword_in(text.body, is_opted_out=writer.has_opted_out)
    if keyword is None:
        await _accept_message(parts, text, writer.sender)
    else:
        is_answering = channel.answers_keywords and not text.is_answered
        await _accept_keyword(parts, text, writer.sender, keyword, is_answering=is_answering)


async def _accept_message(parts: Doors, text: IncomingText, sender: Sender) -> None:
    """A text for the practice. An emergency is answered first: that must not wait for Kafka."""
    message_id = ids.message_id("sms", text.practice_id, text.provider_id)
    is_urgent = text.at.profile is not None and is_emergency(text.body, text.at.profile.emergency_words)
    if text.at.profile is not None and is_urgent:
        await _answer(parts, text, sender, "emergency", text.at.profile.emergency_text)
    files = expected(message_id, text.media)
    if files:
        await expect_files(
            parts.pool, text.practice_id, sender.patient_id, message_id, text.at.channel_id, files, parts.clock()
        )
    await parts.accept(
        MessageReceivedV1(
            message_id=message_id,
            practice_id=text.practice_id,
            patient_id=sender.patient_id,
            channel="sms",
            provider_message_id=text.provider_id,
            received_at=parts.clock(),
            body=text.body,
            attachments=tuple(map(as_expected, files)),
            requested_reason_id=await _chosen(parts, text.practice_id, sender, text.body),
            identity=sender.identity,
            from_address_id=sender.address_id,
            urgent=is_urgent,
        ),
        is_weighed=True,
        is_spool_empty=text.arrival.is_spool_empty,
    )


async def _accept_keyword(
    parts: Doors, text: IncomingText, sender: Sender, keyword: Keyword, *, is_answering: bool
) -> None:
    """STOP, START and HELP: never a question to the practice. STOP is answered once, and then nothing is sent."""
    name = text.at.profile.name if text.at.profile else "This practice"
    async with parts.together(text.practice_id) as both:
        if keyword != "help":
            is_given = keyword == "opt_in"
            is_news = await save_consent(
                both.connection, text.practice_id, text.phone, is_given=is_given, at=parts.clock()
            )
            if not is_news:
                return
            await both.publish(_consent(parts, text, sender, is_given=is_given))
        if is_answering:
            words = answer_to(keyword, name, text.at.profile.help_text if text.at.profile else None)
            answer = _text(parts, text, sender, "keyword_answer", words)
            await queue_answer(both.connection, answer, text.phone, text.at.channel_id)


async def _answer(parts: Doors, text: IncomingText, sender: Sender, kind: Kind, words: str) -> None:
    async with parts.together(text.practice_id) as both:
        await queue_answer(both.connection, _text(parts, text, sender, kind, words), text.phone, text.at.channel_id)


def _text(parts: Doors, text: IncomingText, sender: Sender, kind: Kind, words: str) -> NewText:
    """Its id is of the text that it answers: a webhook that comes again is answered once."""
    text_id = ids.content_id(kind, text.practice_id, text.provider_id)
    return NewText(text.practice_id, sender.patient_id, text_id, words, parts.clock(), kind)


async def _chosen(parts: Doors, practice_id: str, sender: Sender, body: str) -> str | None:
    """The reason that a number chooses from the menu that the patient was texted (R16); whether in time, says router."""
    if not is_number(body):
        return None
    return chosen_reason(body, await menu_of(parts.pool, practice_id, sender.patient_id))


def _consent(parts: Doors, text: IncomingText, sender: Sender, *, is_given: bool) -> ConsentChangedV1:
    return ConsentChangedV1(
        change_id=ids.content_id("consent", text.practice_id, text.provider_id),
        practice_id=text.practice_id,
        patient_id=sender.patient_id,
        actor=Actor(kind="patient", id=sender.patient_id),
        occurred_at=parts.clock(),
        channel="sms",
        opted_in=is_given,
    )
