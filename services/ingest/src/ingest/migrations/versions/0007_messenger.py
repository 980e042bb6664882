"""The messenger: how often codes were asked for, devices that need no date of birth, what the thread shows, its looks."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0007"
down_revision = "0006"

_TABLES = {
    # How many codes were asked for in an hour: for a phone, from an address, of the practice. `subject` is a keyed digest.
    "login_count": """
        practice_id text NOT NULL,
        subject text NOT NULL,
        hour timestamptz NOT NULL,
        logins int NOT NULL,
        PRIMARY KEY (practice_id, subject, hour)
    """,
    # Where a patient gave the date of birth: for thirty days the code is enough there.
    "known_device": """
        practice_id text NOT NULL,
        digest text NOT NULL,
        phone text NOT NULL,
        patient_id text NOT NULL,
        proven_at timestamptz NOT NULL,
        PRIMARY KEY (practice_id, digest)
    """,
}


def upgrade() -> None:
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    op.execute("ALTER TABLE thread_message ADD COLUMN channel text NOT NULL DEFAULT 'web'")
    op.execute("ALTER TABLE thread_message ADD COLUMN attachments jsonb NOT NULL DEFAULT '[]'")
    op.execute("ALTER TABLE profile ADD COLUMN messenger jsonb NOT NULL DEFAULT '{}'")
