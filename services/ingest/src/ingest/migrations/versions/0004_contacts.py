"""Addresses that are nobody's or several people's, who staff say they are, and records that were merged."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0004"
down_revision = "0003"

_TABLES = {
    "contact": """
        practice_id text NOT NULL,
        contact_id text NOT NULL,
        phone text,
        linked_to text,
        linked_at timestamptz,
        PRIMARY KEY (practice_id, contact_id)
    """,
    # What the ids of a practice's contacts are made with, so that nobody can try out which phone they stand for.
    "contact_key": """
        practice_id text PRIMARY KEY,
        key bytea NOT NULL
    """,
}


def upgrade() -> None:
    for table, columns in _TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        isolate_by_practice(op, table)
    op.execute("ALTER TABLE patient ADD COLUMN merged_into text")
