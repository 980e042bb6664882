"""Whom a practice wants erased. The ids stay: they say who asked for whom, and when it was done."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE erasure (
            practice_id text NOT NULL,
            patient_id text NOT NULL,
            asked_at timestamptz NOT NULL,
            asked_by text NOT NULL,
            waits_for text,
            done_at timestamptz,
            PRIMARY KEY (practice_id, patient_id)
        )
        """
    )
    isolate_by_practice(op, "erasure")
