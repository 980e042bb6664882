"""A key of each practice, wrapped by the key keeper: without it the practice's files cannot be read any more."""

from alembic import op

from shared_database.migrations import isolate_by_practice

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("CREATE TABLE practice_key (practice_id text PRIMARY KEY, wrapped bytea NOT NULL)")
    isolate_by_practice(op, "practice_key")
