"""What came to be known of messages after them: transcripts, files that were copied, how far a text has come."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE message_detail (
            practice_id text NOT NULL,
            message_id text NOT NULL,
            name text NOT NULL,
            changed_at timestamptz NOT NULL,
            content jsonb NOT NULL,
            PRIMARY KEY (practice_id, message_id, name)
        )
        """
    )
    op.execute(
        "INSERT INTO message_detail SELECT practice_id, message_id, 'transcript', sent_at, to_jsonb(transcript) "
        "FROM thread_message WHERE transcript IS NOT NULL"
    )
    isolate_by_practice(op, "message_detail")
    op.execute("ALTER TABLE thread_message DROP COLUMN transcript, ADD COLUMN urgent boolean NOT NULL DEFAULT false")
