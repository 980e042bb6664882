"""The tables of the fenced-batch engine (`shared_messaging`), the same in every consuming service's schema.

They hold no rows of one practice: `progress` and `consumed_topic` count offsets, `batch_output` holds packed events of
a whole batch for the moment between its write and its send. So they have no row-level security; the service's role,
which sees nothing but its own schema, is their guard.
"""

from shared_database.migrations import Executes

CREATE_ENGINE_TABLES: tuple[str, ...] = (
    # How far each input partition is handled, and under which epoch. Whoever raises the epoch owns the partition.
    """
    CREATE TABLE progress (
        topic text NOT NULL,
        part int NOT NULL,
        epoch bigint NOT NULL,
        next_offset bigint NOT NULL,
        PRIMARY KEY (topic, part)
    ) WITH (fillfactor = 50)
    """,
    # How many partitions a topic had when we first read it: keys move to other partitions when that changes.
    """
    CREATE TABLE consumed_topic (
        topic text PRIMARY KEY,
        partitions int NOT NULL
    )
    """,
    # The events of written batches that may not have been sent yet. A row names every input partition of its batch.
    """
    CREATE TABLE batch_output (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topics text[] NOT NULL,
        parts int[] NOT NULL,
        events bytea NOT NULL
    )
    """,
    # The rows live for milliseconds: compressing them would cost more than it saves.
    "ALTER TABLE batch_output ALTER COLUMN events SET STORAGE EXTERNAL",
)

DROP_ENGINE_TABLES: tuple[str, ...] = (
    "DROP TABLE batch_output",
    "DROP TABLE consumed_topic",
    "DROP TABLE progress",
)


def create_engine_tables(op: Executes) -> None:
    """Create the engine's tables in the schema of this migration."""
    for statement in CREATE_ENGINE_TABLES:
        op.execute(statement)


def drop_engine_tables(op: Executes) -> None:
    """Undo `create_engine_tables`."""
    for statement in DROP_ENGINE_TABLES:
        op.execute(statement)
