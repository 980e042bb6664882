"""Files to copy from providers, how far texts have come, what a practice answers to reserved and emergency words."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # What has to be copied, for all practices: ids and times only, so without row-level security.
    op.execute(
        """
        CREATE TABLE file_queue (
            serial bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            practice_id text NOT NULL,
            attachment_id text NOT NULL,
            due_at timestamptz NOT NULL,
            attempts int NOT NULL DEFAULT 0,
            UNIQUE (practice_id, attachment_id)
        )
        """
    )
    op.execute("CREATE INDEX file_due ON file_queue (due_at)")
    # Texts that answer a phone instead of a patient's newest address carry both; `kind` says who cares what becomes of one.
    op.execute(
        "ALTER TABLE outgoing_text ADD COLUMN kind text NOT NULL DEFAULT 'reply', ADD COLUMN phone text, "
        "ADD COLUMN channel_id text, ADD COLUMN status text, ADD COLUMN provider_code text"
    )
    op.execute(
        "UPDATE outgoing_text SET status = CASE WHEN failure IS NOT NULL THEN 'failed' ELSE 'sent' END "
        "WHERE failure IS NOT NULL OR sent_at IS NOT NULL"
    )
    op.execute("CREATE INDEX failed_text ON outgoing_text (practice_id, made_at) WHERE status = 'failed'")
    op.execute(
        "ALTER TABLE profile ADD COLUMN help_text text, ADD COLUMN emergency_text text, "
        "ADD COLUMN emergency_words text[] NOT NULL DEFAULT '{}'"
    )
