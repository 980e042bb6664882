"""Texts to patients: where they go, who wants none, what was offered, and what still has to be sent."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0002"
down_revision = "0001"

_TABLES = {
    # Where a patient's last text came from, and through which of the practice's channels.
    "text_address": """
        practice_id text NOT NULL,
        patient_id text NOT NULL,
        phone text NOT NULL,
        channel_id text NOT NULL,
        PRIMARY KEY (practice_id, patient_id)
    """,
    # Phones that said STOP, or START again.
    "text_consent": """
        practice_id text NOT NULL,
        phone text NOT NULL,
        is_given boolean NOT NULL,
        changed_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, phone)
    """,
    # The reasons of the last menu that a patient was texted, in the order of its numbers (R16).
    "reason_menu": """
        practice_id text NOT NULL,
        patient_id text NOT NULL,
        reason_ids text[] NOT NULL,
        offered_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, patient_id)
    """,
    "outgoing_text": """
        practice_id text NOT NULL,
        text_id text NOT NULL,
        patient_id text NOT NULL,
        body text NOT NULL,
        made_at timestamptz NOT NULL,
        sent_at timestamptz,
        provider_message_id text,
        failure text,
        PRIMARY KEY (practice_id, text_id)
    """,
}


def upgrade() -> None:
    """Create the tables, and let every practice see its own rows only."""
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    # What has to be sent, for all practices: ids and times only, so without row-level security.
    op.execute(
        """
        CREATE TABLE text_queue (
            serial bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            practice_id text NOT NULL,
            patient_id text NOT NULL,
            text_id text NOT NULL,
            due_at timestamptz NOT NULL,
            attempts int NOT NULL DEFAULT 0,
            UNIQUE (practice_id, text_id)
        )
        """
    )
    op.execute("CREATE INDEX text_due ON text_queue (due_at)")
    op.execute("CREATE INDEX text_order ON text_queue (practice_id, patient_id, serial)")
