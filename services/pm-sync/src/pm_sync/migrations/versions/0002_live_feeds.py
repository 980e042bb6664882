"""What live feeds need: who is asked when, what was said when, runs, quarantine."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0002"
down_revision = "0001"

_TABLES = {
    "known_appointment": """
        practice_id text NOT NULL,
        connection_id text NOT NULL,
        appointment_id text NOT NULL,
        patient_id text NOT NULL,
        status text NOT NULL,
        start_at timestamptz NOT NULL,
        end_at timestamptz,
        location_id text,
        provider_id text,
        as_of timestamptz NOT NULL,
        sequence bigint NOT NULL,
        PRIMARY KEY (practice_id, connection_id, appointment_id)
    """,
    "known_patient": """
        practice_id text NOT NULL,
        connection_id text NOT NULL,
        patient_id text NOT NULL,
        given_name text NOT NULL,
        family_name text NOT NULL,
        birth_date date,
        phones text[] NOT NULL,
        is_active boolean NOT NULL,
        merged_into text,
        as_of timestamptz NOT NULL,
        sequence bigint NOT NULL,
        PRIMARY KEY (practice_id, connection_id, patient_id)
    """,
    "sync_run": """
        practice_id text NOT NULL,
        connection_id text NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz NOT NULL,
        kind text NOT NULL,
        outcome text NOT NULL,
        problem text,
        counts jsonb NOT NULL,
        PRIMARY KEY (practice_id, connection_id, started_at)
    """,
    "quarantined": """
        practice_id text NOT NULL,
        connection_id text NOT NULL,
        item_id text NOT NULL,
        reason text NOT NULL,
        sealed bytea,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        times int NOT NULL DEFAULT 1,
        PRIMARY KEY (practice_id, connection_id, item_id)
    """,
}


def upgrade() -> None:
    """What was said so far is forgotten: it is said once more, which changes nothing."""
    op.execute("DROP TABLE known_appointment, known_patient")
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    op.execute("CREATE INDEX ON known_appointment (practice_id, connection_id, start_at)")
    op.execute("""
        ALTER TABLE connection
            ADD COLUMN sealed bytea,
            ADD COLUMN complete_at timestamptz,
            ADD COLUMN read_until timestamptz,
            ADD COLUMN newest_data_at timestamptz,
            ADD COLUMN vouched_at timestamptz,
            ADD COLUMN lag_seconds double precision,
            ADD COLUMN ignored_parameters text[] NOT NULL DEFAULT '{}'
    """)
    # Who is to be asked next is found before any practice is known: ids, times, and how a sender calls itself.
    op.execute("""
        ALTER TABLE connection_owner
            ADD COLUMN kind text NOT NULL DEFAULT 'csv',
            ADD COLUMN due_at timestamptz,
            ADD COLUMN leased_until timestamptz,
            ADD COLUMN failures int NOT NULL DEFAULT 0,
            ADD COLUMN last_success_at timestamptz,
            ADD COLUMN sending_application text,
            ADD COLUMN sending_facility text
    """)
    op.execute("CREATE INDEX ON connection_owner (due_at) WHERE due_at IS NOT NULL")
    op.execute(
        "CREATE UNIQUE INDEX one_connection_per_sender ON connection_owner (sending_application, sending_facility)"
    )
