"""The inbox projection, notifications and stream tickets."""

from alembic import op

from shared_database.engine_tables import create_engine_tables
from shared_database.migrations import isolate_by_practice

revision = "0001"
down_revision = None

_TABLES = {
    "practice": """
        practice_id text PRIMARY KEY,
        settings_version int NOT NULL,
        settings jsonb NOT NULL
    """,
    "conversation": """
        practice_id text NOT NULL,
        conversation_id text NOT NULL,
        patient_id text NOT NULL,
        version int NOT NULL,
        is_open boolean NOT NULL,
        inbox_kind text NOT NULL,
        inbox_id text,
        reason jsonb NOT NULL,
        location jsonb NOT NULL,
        provider jsonb NOT NULL,
        audience text[] NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, conversation_id)
    """,
    "thread_message": """
        practice_id text NOT NULL,
        message_id text NOT NULL,
        conversation_id text NOT NULL,
        sender text NOT NULL,
        staff_id text,
        channel text NOT NULL,
        body text NOT NULL,
        attachments jsonb NOT NULL,
        reason jsonb,
        sent_at timestamptz NOT NULL,
        transcript text,
        PRIMARY KEY (practice_id, message_id)
    """,
    "notification": """
        practice_id text NOT NULL,
        notification_id text NOT NULL,
        staff_id text NOT NULL,
        message_id text NOT NULL,
        conversation_id text NOT NULL,
        because text NOT NULL,
        subscription_id text,
        notified_at timestamptz NOT NULL,
        seen_at timestamptz,
        PRIMARY KEY (practice_id, notification_id)
    """,
}


def upgrade() -> None:
    """Create the tables, and let every practice see its own rows only."""
    create_engine_tables(op)
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    op.execute("CREATE INDEX inbox ON conversation (practice_id, is_open, inbox_kind, inbox_id, updated_at DESC)")
    op.execute("CREATE INDEX thread ON thread_message (practice_id, conversation_id, sent_at)")
    op.execute("CREATE INDEX unseen ON notification (practice_id, staff_id) WHERE seen_at IS NULL")
    # Redeemed before the practice is known. A row holds the digest of a ticket and lives for seconds.
    op.execute(
        "CREATE TABLE stream_ticket (digest bytea PRIMARY KEY, practice_id text NOT NULL, staff_id text NOT NULL, "
        "role text NOT NULL, session_ends_at timestamptz NOT NULL, expires_at timestamptz NOT NULL)"
    )
