"""Connections, what we have said of each, and their runs."""

from alembic import op

from shared_database.engine_tables import create_engine_tables
from shared_database.migrations import isolate_by_practice

revision = "0001"
down_revision = None

_TABLES = {
    "connection": """
        practice_id text NOT NULL,
        connection_id text NOT NULL,
        configuration jsonb NOT NULL,
        locations jsonb NOT NULL DEFAULT '{}',
        providers jsonb NOT NULL DEFAULT '{}',
        last_success_at timestamptz,
        last_run_at timestamptz,
        last_problem text,
        PRIMARY KEY (practice_id, connection_id)
    """,
    "known_appointment": """
        practice_id text NOT NULL,
        connection_id text NOT NULL,
        appointment_id text NOT NULL,
        body jsonb NOT NULL,
        PRIMARY KEY (practice_id, connection_id, appointment_id)
    """,
    "known_patient": """
        practice_id text NOT NULL,
        connection_id text NOT NULL,
        patient_id text NOT NULL,
        body jsonb NOT NULL,
        PRIMARY KEY (practice_id, connection_id, patient_id)
    """,
}


def upgrade() -> None:
    """Create the tables, and let every practice see its own rows only."""
    create_engine_tables(op)
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    # Where the drop folder's files belong: looked up before the practice is known. Ids only.
    op.execute("CREATE TABLE connection_owner (connection_id text PRIMARY KEY, practice_id text NOT NULL)")
