"""What was accepted while Kafka did not take it.

`spooled` is the queue: positions and opaque ids, nothing that anybody said, so that the drainer can see what waits before it
knows of which practices. `spooled_event` holds the events themselves and is isolated by practice like all such data.
"""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE spooled (
            position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            practice_id text NOT NULL,
            ordering_key text NOT NULL,
            spooled_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX spooled_by_key ON spooled (ordering_key)")
    op.execute(
        """
        CREATE TABLE spooled_event (
            practice_id text NOT NULL,
            position bigint NOT NULL,
            event bytea NOT NULL,
            PRIMARY KEY (practice_id, position)
        )
        """
    )
    isolate_by_practice(op, "spooled_event")
