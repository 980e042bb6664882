"""What a handler sees: the records of a batch, a connection that sees their practices, and one fenced write."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from shared_messaging.dead_letters import Refusal, dead_letter
from shared_messaging.failures import PermanentFailure, UnreadableMessage
from shared_messaging.fence import Step, write_fenced
from shared_messaging.outgoing import Outgoing, pack
from shared_messaging.records import Received, Record, read_event
from shared_messaging.tracing import Spans
from shared_schemas.cloudevents import Headers
from shared_schemas.values import Event

if TYPE_CHECKING:
    from shared_database.pools import Connection

E = TypeVar("E", bound=Event)

MAX_OUTGOING_BYTES = 900_000
"""Kafka takes records up to 1 MiB with headers and framing (`message.max.bytes`); what is larger could never be sent."""


class Batch:
    """Records to handle together: of one partition, or of several when little is waiting. In log order by partition.

    A handler reads what it needs through `connection`, decides, and calls `write` once with everything that changes
    and everything to publish. A handler that writes nothing has handled the batch as well.
    """

    __slots__ = (
        "_attempts",
        "_before_write",
        "_received",
        "_sent",
        "_steps",
        "connection",
        "earlier",
        "is_written",
        "output_id",
        "outputs",
        "records",
        "refused",
        "spans",
    )

    def __init__(  # noqa: PLR0913 - made in one place, by the engine
        self,
        records: Sequence[Record],
        connection: "Connection",
        *,
        steps: Sequence[Step],
        refused: dict[Record, Refusal],
        attempts: int,
        sent: Sequence[int],
        spans: Spans,
        before_write: Callable[[], None],
    ) -> None:
        self.records = records
        """The records that can be handled: their keys name a practice, and nobody has refused them yet."""
        self.connection = connection
        """For reading. It sees the practices of these records, and no others."""
        self.refused = refused
        self.is_written = False
        self.outputs: Sequence[Outgoing] = ()
        self.output_id: int | None = None
        self.earlier: Sequence[int] = ()
        self.spans = spans
        self._steps = steps
        self._attempts = attempts
        self._sent = sent
        self._before_write = before_write
        self._received: list[Received[Event]] | None = None

    def events(self, *types: type[E]) -> list[Received[E]]:
        """The events of these types, in order. What cannot be read becomes a dead letter; tombstones are left out.

        Each record is decoded once, however often this is asked.
        """
        if self._received is None:
            self._received = self._read()
        return [received for received in self._received if not types or isinstance(received.event, types)]  # type: ignore[misc]

    def tombstones(self) -> list[Record]:
        """The records without a value: the key is gone."""
        return [record for record in self.records if record.value is None]

    def trace_of(self, record: Record) -> Headers:
        """What the events that come of this record carry, so that one trace leads from a door to the staff."""
        return self.spans.of(record)

    def reject(self, record: Record, failure: PermanentFailure) -> None:
        """Send this record to the dead letters with the batch's write. Leave its effects out of that write."""
        self.refused[record] = failure

    async def write(
        self,
        sql: str,
        *arguments: object,
        publish: Sequence[Outgoing] = (),
        expecting: Mapping[str, int] | None = None,
    ) -> None:
        """Write everything that this batch changes, in one statement; the engine sends `publish` afterwards.

        `sql` is a list of CTEs without the leading WITH and without a final SELECT (`saved AS (INSERT … RETURNING 1),
        noted AS (…)`), its parameters `$1` and up; it should be the same text every time. `expecting` gives the number
        of rows that a CTE must return: with another number nothing is written and the batch is handled again.

        Raises `Fenced`, `Conflict`, and what asyncpg raises; the engine knows what each means, so let them pass.
        """
        if self.is_written:
            message = "a batch is written once: put everything into one statement"
            raise RuntimeError(message)
        self._before_write()
        letters = [dead_letter(record, refusal, self._attempts) for record, refusal in self.refused.items()]
        self.outputs = (*publish, *letters)
        if any(len(output.value or b"") > MAX_OUTGOING_BYTES for output in publish):
            raise OversizedOutput
        written = await write_fenced(
            self.connection,
            self._steps,
            sql,
            arguments,
            expecting=expecting or {},
            output=pack(self.outputs) if self.outputs else None,
            sent=self._sent,
        )
        self.output_id, self.earlier = written.output_id, written.earlier
        self.is_written = True

    def _read(self) -> list[Received[Event]]:
        received: list[Received[Event]] = []
        for record in self.records:
            if record.value is None:
                continue
            try:
                received.append(Received(record, read_event(record)))
            except UnreadableMessage as error:
                self.refused[record] = error
        return received


class OversizedOutput(ValueError):  # noqa: N818 - what was found
    """An event to publish is larger than Kafka takes."""
