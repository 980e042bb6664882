"""Files that came with messages: what is known of each. Their content is in the blob store."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE attachment (
            practice_id text NOT NULL,
            attachment_id text NOT NULL,
            patient_id text NOT NULL,
            message_id text,
            -- pending until its content is in the blob store, then ready; or failed, and `failure` says why
            state text NOT NULL,
            failure text,
            content_type text NOT NULL,
            size bigint NOT NULL,
            -- where the provider keeps it, and through which channel to ask
            source_url text,
            channel_id text,
            made_at timestamptz NOT NULL,
            PRIMARY KEY (practice_id, attachment_id)
        )
        """
    )
    isolate_by_practice(op, "attachment")
