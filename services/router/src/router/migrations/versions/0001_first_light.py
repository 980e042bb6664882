"""Conversations, appointments, the directory, routing settings and decision records."""

from alembic import op

from shared_database.engine_tables import create_engine_tables
from shared_database.migrations import isolate_by_practice

revision = "0001"
down_revision = None

_TABLES = {
    "conversation": """
        practice_id text NOT NULL,
        patient_id text NOT NULL,
        is_open boolean NOT NULL,
        destination_kind text NOT NULL,
        destination_id text,
        reason_id text,
        location_id text,
        location_appointment_id text,
        location_as_of timestamptz,
        provider_id text,
        provider_appointment_id text,
        provider_as_of timestamptz,
        last_message_at timestamptz,
        unread_practice_message_id text,
        version int NOT NULL,
        PRIMARY KEY (practice_id, patient_id)
    """,
    "appointment": """
        practice_id text NOT NULL,
        patient_id text NOT NULL,
        appointment_id text NOT NULL,
        status text NOT NULL,
        start_at timestamptz NOT NULL,
        location_id text,
        provider_id text,
        as_of timestamptz NOT NULL,
        PRIMARY KEY (practice_id, patient_id, appointment_id)
    """,
    "directory": """
        practice_id text PRIMARY KEY,
        locations jsonb NOT NULL,
        providers jsonb NOT NULL,
        as_of timestamptz NOT NULL
    """,
    "routing_settings": """
        practice_id text NOT NULL,
        version int NOT NULL,
        body jsonb NOT NULL,
        saved_at timestamptz NOT NULL,
        saved_by text NOT NULL,
        is_current boolean NOT NULL,
        PRIMARY KEY (practice_id, version)
    """,
    "decision": """
        practice_id text NOT NULL,
        message_id text NOT NULL,
        patient_id text NOT NULL,
        received_at timestamptz NOT NULL,
        is_unrouted boolean NOT NULL,
        record jsonb NOT NULL,
        PRIMARY KEY (practice_id, message_id)
    """,
    "applied_change": """
        practice_id text NOT NULL,
        change_id text NOT NULL,
        applied_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, change_id)
    """,
}


def upgrade() -> None:
    """Create the tables, and let every practice see its own rows only."""
    create_engine_tables(op)
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    op.execute("CREATE INDEX upcoming_appointment ON appointment (practice_id, patient_id, start_at)")
    op.execute("CREATE UNIQUE INDEX one_current_version ON routing_settings (practice_id) WHERE is_current")
    # Which versions Kafka does not have yet. Ids and numbers only, and read across practices: no row-level security.
    op.execute("CREATE TABLE unpublished_settings (practice_id text, version int, PRIMARY KEY (practice_id, version))")
